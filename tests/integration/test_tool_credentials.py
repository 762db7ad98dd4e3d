"""The command line tools accept every source of credentials, or print in one line what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.assembly import Sandbox
from testing.credentials import (
    DEFAULT,
    ENVIRONMENT_KEYS,
    FUTURE,
    KEY,
    LEGACY_SSO_PROFILE,
    LOGIN_SESSION,
    PAST,
    SECRET,
    SSO_PROFILE,
    START_URL,
    Answer,
    User,
    keys,
    login_token,
    odd_aws,
    process,
    sso_token,
)

#: What the redrive prints for an account without Log Keeper: the credentials were accepted, in this region.
REACHED = "redrive: there is no stack log-keeper in {region} of this account"


# ---- credentials that work

type Prepare = Callable[[User], dict[str, str]]


def environment_keys(user: User) -> dict[str, str]:
    return ENVIRONMENT_KEYS | {"AWS_REGION": "us-east-1"}


def shared_credentials(user: User) -> dict[str, str]:
    user.write("credentials", f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    user.write("config", DEFAULT)
    return {}


def credential_process(user: User) -> dict[str, str]:
    user.write("config", f"{DEFAULT}credential_process = {process(user.home, keys(KEY, SECRET, Expiration=FUTURE))}\n")
    return {}


def aws_login(user: User) -> dict[str, str]:
    """It needs the CRT, even for a session that has not expired."""
    user.write("config", f"{DEFAULT}login_session = {LOGIN_SESSION}\n")
    login_token(user.home, KEY, SECRET)
    return {}


def assumed_role(user: User) -> dict[str, str]:
    user.write("credentials", f"[keys]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    user.write("config", f"{DEFAULT}role_arn = arn:aws:iam::123456789012:role/Reader\nsource_profile = keys\n")
    return {}


@pytest.mark.parametrize("prepare", [environment_keys, shared_credentials, credential_process, aws_login])
def test_credentials_are_used(user: User, prepare: Prepare) -> None:
    variables = prepare(user)
    assert user.complaint(**variables).startswith(REACHED.format(region="us-east-1"))
    shown = user.run("--json", tool="preview", **variables)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout)["isComplete"]


def test_role_of_a_profile_is_assumed(user: User, account: Sandbox) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "sts:AssumeRole"}
    may = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
    trust_document, document = (
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}) for statement in (trust, may)
    )
    iam = account.client("iam")
    iam.create_role(RoleName="Reader", AssumeRolePolicyDocument=trust_document)
    iam.put_role_policy(RoleName="Reader", PolicyName="Read", PolicyDocument=document)
    assert user.complaint(**assumed_role(user)).startswith(REACHED.format(region="us-east-1"))


@pytest.mark.parametrize(("profile", "name"), [(SSO_PROFILE, "work"), (LEGACY_SSO_PROFILE, START_URL)])
def test_session_of_sso_is_used(user: User, profile: str, name: str) -> None:
    user.write("config", profile)
    sso_token(user.home, name=name)
    role = {"accessKeyId": KEY, "secretAccessKey": SECRET, "sessionToken": "token", "expiration": 4_000_000_000_000}
    with odd_aws(Answer(json.dumps({"roleCredentials": role}))) as sso:
        assert user.complaint(AWS_ENDPOINT_URL_SSO=sso.url).startswith(REACHED.format(region="us-east-1"))


def test_session_of_aws_login_is_renewed(user: User) -> None:
    user.write("config", f"{DEFAULT}login_session = {LOGIN_SESSION}\n")
    login_token(user.home, "AKIAOLD", "old", expires=PAST)
    token = {"accessKeyId": KEY, "secretAccessKey": SECRET, "sessionToken": "token"}
    answer = {"accessToken": token, "tokenType": "x", "expiresIn": 900, "refreshToken": "next"}
    with odd_aws(Answer(json.dumps(answer))) as signin:
        assert user.complaint(AWS_ENDPOINT_URL_SIGNIN=signin.url).startswith(REACHED.format(region="us-east-1"))


def test_web_identity_is_used(user: User) -> None:
    token = user.write("token", "a token")
    answer = (
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        f"<AccessKeyId>{KEY}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{FUTURE}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>"
    )
    with odd_aws(Answer(answer, headers={"Content-Type": "text/xml"})) as sts:
        assert user.complaint(
            AWS_REGION="us-east-1",
            AWS_WEB_IDENTITY_TOKEN_FILE=str(token),
            AWS_ROLE_ARN="arn:aws:iam::123456789012:role/Reader",
            AWS_ENDPOINT_URL_STS=sts.url,
        ).startswith(REACHED.format(region="us-east-1"))


# ---- the region


@pytest.mark.parametrize(
    ("arguments", "variables", "region"),
    [
        ((), {}, "eu-north-1"),
        ((), {"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ((), {"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ((), {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ((), {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "eu-north-1"),
        (("--region", "eu-west-3"), {"AWS_REGION": "eu-west-1"}, "eu-west-3"),
        ((), {"AWS_PROFILE": "other"}, "eu-south-1"),
        (("--profile", "other"), {}, "eu-south-1"),
        (("--profile", "other"), {"AWS_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_first_region_that_is_set_is_used(
    user: User, arguments: tuple[str, ...], variables: dict[str, str], region: str
) -> None:
    key = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    user.write("config", f"[default]\nregion = eu-north-1\n{key}[profile other]\nregion = eu-south-1\n{key}")
    assert user.complaint(*arguments, **variables).startswith(REACHED.format(region=region))


def test_preview_reads_the_region_of_aws_region(user: User) -> None:
    done = user.run("--json", tool="preview", **environment_keys(user) | {"AWS_REGION": "eu-west-1"})
    assert [region["region"] for region in json.loads(done.stdout)["regions"]] == ["eu-west-1"]


# ---- credentials that fail

ROLE = "arn:aws:iam::123456789012:role/R"
FILE_KEYS = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
TOKEN_FILE = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}
CONTAINER = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#: Case, text of the configuration, variables, and what is printed.
BROKEN: list[tuple[str, str, dict[str, str], str]] = [
    ("nothing", "", {}, "no AWS credentials were found: log in"),
    ("profile without keys", DEFAULT, {}, "no AWS credentials were found: log in"),
    ("one key", DEFAULT, {"AWS_ACCESS_KEY_ID": KEY}, "AWS_SECRET_ACCESS_KEY is missing (env); set it"),
    ("one key in a file", f"{DEFAULT}aws_access_key_id = {KEY}\n", {}, "aws_secret_access_key is missing"),
    ("no such profile", DEFAULT, {"AWS_PROFILE": "nobody"}, "profile (nobody) could not be found: name one"),
    ("no section", "region = us-east-1\n", {}, "Unable to parse config file: "),
    ("section not closed", "[default\n", {}, "Unable to parse config file: "),
    (
        "keys that expired",
        DEFAULT,
        ENVIRONMENT_KEYS | {"AWS_CREDENTIAL_EXPIRATION": PAST},
        "the credentials from the environment variables have expired: log in again",
    ),
    (
        "keys with a date that is none",
        DEFAULT,
        ENVIRONMENT_KEYS | {"AWS_CREDENTIAL_EXPIRATION": "soon"},
        "from the environment variables cannot be read as credentials",
    ),
    (
        "no process",
        f"{DEFAULT}credential_process = /nowhere/login --now\n",
        {},
        "no credentials came from the credential_process /nowhere/login --now (No such file or directory: /nowhere",
    ),
    ("process that is no program", f"{DEFAULT}credential_process = /etc/passwd\n", {}, "(Permission denied: /etc/pa"),
    ("process with an open quote", f'{DEFAULT}credential_process = sh "x\n', {}, "cannot be read as credentials"),
    ("process without a name", f"{DEFAULT}credential_process =\n", {}, "the credential_process"),
    (
        "no token file",
        DEFAULT,
        TOKEN_FILE | {"AWS_ROLE_ARN": ROLE},
        "no credentials came from the web identity token file /nowhere (No such file or directory: /nowhere)",
    ),
    (
        "no token file of a profile",
        f"{DEFAULT}web_identity_token_file = /nowhere\nrole_arn = {ROLE}\n",
        {},
        "no credentials came from the web identity token file /nowhere",
    ),
    ("token without a role", DEFAULT, TOKEN_FILE, "has no role ARN configured"),
    ("sso without a login", SSO_PROFILE, {}, "Token for work does not exist. Log in again: aws sso login"),
    ("old sso without a login", LEGACY_SSO_PROFILE, {}, "does not exist. Log in again: aws sso login"),
    (
        "sso without an account",
        SSO_PROFILE.replace("sso_account_id = 123456789012\n", ""),
        {},
        "missing required configuration: sso_account_id. Correct the profile",
    ),
    (
        "old sso without a region",
        LEGACY_SSO_PROFILE.replace("sso_region = us-east-1\n", ""),
        {},
        "missing required configuration: sso_region. Correct the profile",
    ),
    ("sso without a session", SSO_PROFILE.partition("[sso-session")[0], {}, '"work". Correct the profile'),
    (
        "sso of two URLs",
        SSO_PROFILE.replace("sso_session = work", "sso_session = work\nsso_start_url = https://x"),
        {},
        "inconsistent between profile (https://x) and sso-session",
    ),
    ("login without a login", f"{DEFAULT}login_session = x\n", {}, "Log in again: aws login"),
    (
        "login without the CRT",
        f"{DEFAULT}login_session = x\n",
        {"BOTO_DISABLE_CRT": "true"},
        "need the package awscrt: make setup installs it",
    ),
    (
        "role without its source",
        f"{DEFAULT}role_arn = {ROLE}\nsource_profile = x\n",
        {},
        'source_profile "x" referenced in the profile "default" does not exist. Correct the profile',
    ),
    ("role of itself", f"{DEFAULT}role_arn = {ROLE}\nsource_profile = default\n", {}, "Correct the profile"),
    ("role of nobody", f"{DEFAULT}role_arn = {ROLE}\n", {}, "source_profile or credential_source is missing"),
    ("role of no service", f"{DEFAULT}role_arn = {ROLE}\ncredential_source = Ec2\n", {}, "Correct the profile"),
    (
        "code without a terminal",
        f"{DEFAULT}role_arn = {ROLE}\nsource_profile = keys\nmfa_serial = x\n[profile keys]\n{FILE_KEYS}",
        {},
        "asks for the code of an MFA device: run the command in a terminal",
    ),
    ("container's that do not answer", DEFAULT, {CONTAINER: "http://127.0.0.1:9/x"}, "no credentials came from"),
    ("container's of the internet", DEFAULT, {CONTAINER: "http://example.com/x"}, "example.com"),
]


@pytest.mark.parametrize(
    ("config", "variables", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_error_about_credentials_is_one_line(user: User, config: str, variables: dict[str, str], says: str) -> None:
    user.write("config", config)
    assert says in user.complaint(**variables)


@pytest.mark.parametrize(
    ("printed", "says"),
    [
        ("", "cannot be read as credentials (JSONDecodeError"),
        ("nonsense\n", "cannot be read as credentials (JSONDecodeError"),
        ("[]", "cannot be read as credentials (AttributeError"),
        ("{}", "Unsupported version"),
        (json.dumps({"Version": 2}), "Unsupported version '2'"),
        (json.dumps({"Version": 1, "AccessKeyId": KEY}), "Missing required key in response: 'SecretAccessKey'"),
        (keys(KEY, ""), "have an empty key"),
        (keys("", SECRET), "have an empty key"),
        (json.dumps({"Version": 1, "AccessKeyId": None, "SecretAccessKey": None}), "credential"),
        (json.dumps({"Version": 1, "AccessKeyId": 7, "SecretAccessKey": 7}), "credential"),
        (keys(KEY, SECRET, Expiration="soon"), "cannot be read as credentials (ParserError"),
        (keys(KEY, SECRET, Expiration=PAST), "have expired: log in again"),
    ],
)
def test_wrong_output_of_a_credential_process_is_explained_in_one_line(user: User, printed: str, says: str) -> None:
    user.write("config", f"{DEFAULT}credential_process = {process(user.home, printed)}\n")
    line = user.complaint()
    assert says in line
    assert SECRET not in line


def test_error_of_a_credential_process_is_shown(user: User) -> None:
    command = process(user.home, "", code=3, error="You are not logged in.\nRun: vendor login\n\x1b[31m")
    user.write("config", f"{DEFAULT}credential_process = {command}\n")
    line = user.complaint()
    assert "You are not logged in. Run: vendor login" in line
    assert "\x1b" not in line


def test_credentials_that_expire_in_the_middle_of_the_work_are_reported(user: User) -> None:
    """boto3 renews them before each call once they have ten minutes left; the third time nothing useful comes."""
    soon = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    printed = keys(KEY, SECRET, Expiration=soon)
    command = process(user.home, printed)
    (user.home / "process.sh").write_text(
        f'echo x >> "{user.home}/calls"\n[ $(wc -l < "{user.home}/calls") -gt 2 ] || cat "{user.home}/text"\n'
    )
    user.write("config", f"{DEFAULT}credential_process = {command}\n")
    assert "cannot be read as credentials (JSONDecodeError" in user.complaint()
    assert len((user.home / "calls").read_text().split()) == 3


def test_bytes_that_are_no_text_are_reported(user: User) -> None:
    user.write("config", "").write_bytes(b"[default]\nregion = \xff\xfe\n")
    assert "Unable to parse config file: " in user.complaint()
    user.write("config", DEFAULT)
    user.write("credentials", "no section\n")
    assert "credentials: correct it" in user.complaint()
