"""The command line tools print in one line what AWS refuses, and end without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from testing.credentials import (
    DEFAULT,
    ENVIRONMENT_KEYS,
    KEY,
    LEGACY_SSO_PROFILE,
    LOGIN_SESSION,
    PAST,
    SECRET,
    SSO_PROFILE,
    START_URL,
    Answer,
    User,
    json_error,
    login_token,
    odd_aws,
    query_error,
    sso_token,
)

TOOLS = ["tools.redrive", "preview"]
HERE = ENVIRONMENT_KEYS | {"AWS_REGION": "us-east-1"}


@pytest.mark.parametrize(
    ("profile", "name", "says"),
    [
        (SSO_PROFILE, "work", "Log in again: aws sso login"),
        (LEGACY_SSO_PROFILE, START_URL, "has expired or is otherwise invalid"),
    ],
)
def test_session_of_sso_that_is_over_is_reported(user: User, profile: str, name: str, says: str) -> None:
    user.write("config", profile)
    sso_token(user.home, name=name, expires=PAST)
    assert says in user.complaint()
    assert "aws sso login" in user.complaint(tool="preview")


@pytest.mark.parametrize("text", ["nonsense", "[]", "{}", '{"accessToken": "x", "expiresAt": "soon"}'])
def test_token_of_sso_that_cannot_be_read_is_reported(user: User, text: str) -> None:
    user.write("config", SSO_PROFILE)
    sso_token(user.home, text=text)
    assert "log in again" in user.complaint().lower()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (json_error("UnauthorizedException", "Session token not found or invalid", 401), "aws sso login"),
        (json_error("ForbiddenException", "No access", 403), "no credentials came from the session of aws sso login"),
        (Answer("<html>", 502), "no credentials came from the session of aws sso login"),
        (Answer("<html>"), "credentials"),
    ],
)
def test_refusal_of_sso_is_reported(user: User, answer: Answer, says: str) -> None:
    user.write("config", SSO_PROFILE)
    sso_token(user.home)
    with odd_aws(answer) as sso:
        assert says in user.complaint(AWS_ENDPOINT_URL_SSO=sso.url)


@pytest.mark.parametrize(
    ("token", "answer", "says"),
    [
        ({}, json_error("AccessDeniedException", "no", error="TOKEN_EXPIRED"), "Log in again: aws login"),
        ({}, json_error("AccessDeniedException", "no", error="INSUFFICIENT_PERMISSIONS"), "signin:CreateOAuth2Token"),
        ({}, json_error("AccessDeniedException", "no"), "Log in again: aws login"),
        ({}, json_error("InternalServerException", "oops", 500), "no credentials came from the session of aws login"),
        ({"without": "refreshToken"}, Answer("{}"), "missing required fields: refreshToken. Log in again: aws login"),
        ({"without": "accessToken"}, Answer("{}"), "missing required fields: accessToken. Log in again: aws login"),
        ({"key": "nonsense"}, Answer("{}"), "credentials"),
        ({}, Answer("{}"), "credentials"),
    ],
)
def test_session_of_aws_login_that_is_over_is_reported(
    user: User, token: dict[str, str], answer: Answer, says: str
) -> None:
    user.write("config", f"{DEFAULT}login_session = {LOGIN_SESSION}\n")
    login_token(user.home, KEY, SECRET, expires=PAST, **token)
    with odd_aws(answer) as signin:
        line = user.complaint(AWS_ENDPOINT_URL_SIGNIN=signin.url)
    assert says in line
    assert "log in again" in line.lower() or "Ask for it" in line or "no credentials came from" in line


@pytest.mark.parametrize(
    ("code", "message", "says"),
    [
        ("ExpiredTokenException", "Token expired: current date/time must be before", "have expired: log in again"),
        ("InvalidIdentityToken", "Incorrect token", "InvalidIdentityToken"),
        ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", "access is denied"),
    ],
)
def test_refusal_of_a_web_identity_is_reported(user: User, code: str, message: str, says: str) -> None:
    token = user.write("token", "a token")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/Reader"}
    with odd_aws(query_error(code, message)) as sts:
        line = user.complaint(AWS_ENDPOINT_URL_STS=sts.url, AWS_REGION="us-east-1", **variables)
    assert f"no credentials came from the web identity token file {token}: " in line
    assert says in line


#: Error code, message, and what is printed.
REFUSALS = [
    ("ExpiredToken", "The security token included in the request is expired", "have expired: log in again"),
    ("InvalidClientTokenId", "The security token included in the request is invalid.", "log in"),
    ("SignatureDoesNotMatch", "Signature expired: 20261101T is now earlier than 20261128T", "clock is wrong"),
    ("AccessDenied", "User: x is not authorized to perform: y", "access is denied to these credentials"),
    ("ExpiredTokenException", "The security token included in the request is expired", "have expired: log in again"),
    ("UnrecognizedClientException", "The security token included in the request is invalid.", "log in"),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match",
        "the secret key does not belong to the access key",
    ),
    ("InvalidSignatureException", "The request signature we calculated does not match", "the secret key does not"),
    ("InvalidSignatureException", "Signature not yet current: 20261201T is still later than", "clock is wrong"),
    ("RequestExpired", "Request has expired.", "clock is wrong"),
    ("ServiceUnavailable", "Try again", "ServiceUnavailable"),
]


@pytest.mark.parametrize(
    ("tool", "service", "code", "message", "says"),
    [
        *(("tools.redrive", "CLOUDFORMATION", *refusal) for refusal in REFUSALS),
        *(("preview", "STS", *refusal) for refusal in REFUSALS[:4]),
    ],
)
def test_refusal_of_credentials_is_reported(
    user: User, tool: str, service: str, code: str, message: str, says: str
) -> None:
    with odd_aws(query_error(code, message)) as aws:
        line = user.complaint(tool=tool, **HERE | {f"AWS_ENDPOINT_URL_{service}": aws.url})
    assert says in line
    assert message.rstrip(".") in line


#: Variables, and what is printed.
MISTAKES = [
    ({"AWS_REGION": ""}, "no region is set: name one with --region"),
    ({"AWS_REGION": "eu west 1"}, "Name a region such as eu-west-1"),
    ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "Check the name of the region, your connection and your proxy"),
    ({"AWS_ENDPOINT_URL": "nonsense"}, "the AWS configuration is wrong: Invalid endpoint: nonsense"),
    ({"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}, "proxy"),
    ({"AWS_RETRY_MODE": "nonsense"}, "nonsense"),
    ({"AWS_MAX_ATTEMPTS": "many"}, "the AWS configuration is wrong: "),
    ({"AWS_DEFAULTS_MODE": "nonsense"}, "the AWS configuration is wrong: "),
]


@pytest.mark.parametrize(
    ("tool", "variables", "says"),
    [
        *(("tools.redrive", *mistake) for mistake in MISTAKES),
        *(("preview", *mistake) for mistake in MISTAKES[:4]),
    ],
)
def test_what_is_wrong_with_the_configuration_is_reported(
    user: User, tool: str, variables: dict[str, str], says: str
) -> None:
    assert says in user.complaint(tool=tool, **HERE | variables)


@pytest.mark.parametrize(
    ("tool", "body"),
    [
        ("tools.redrive", "<html>Welcome</html>"),
        ("tools.redrive", "<html><p>Welcome"),
        ("tools.redrive", ""),
        ("preview", "<html>Welcome</html>"),
    ],
)
def test_answer_that_is_none_of_aws_is_reported(user: User, tool: str, body: str) -> None:
    """As of the login page of a hotel's network."""
    with odd_aws(Answer(body, headers={"Content-Type": "text/html"})) as aws:
        line = user.complaint(tool=tool, **HERE | {"AWS_ENDPOINT_URL": aws.url})
    assert "the answer did not come from AWS" in line


@pytest.mark.parametrize("tool", TOOLS)
def test_certificates_that_are_not_there_are_reported(user: User, tool: str) -> None:
    with odd_aws(Answer("")) as aws:
        url = aws.url.replace("http:", "https:")
        line = user.complaint(tool=tool, **HERE | {"AWS_ENDPOINT_URL": url, "AWS_CA_BUNDLE": "/nowhere"})
        assert "AWS_CA_BUNDLE must name" in line
        line = user.complaint(tool=tool, **HERE | {"AWS_ENDPOINT_URL": url})
        assert "AWS_CA_BUNDLE must name" in line


# ---- the program's end


@pytest.mark.parametrize(
    ("tool", "says"),
    [("tools.redrive", "redrive: stopped. SQS continues"), ("preview", "preview: stopped; nothing was changed.")],
)
def test_interrupt_is_one_line(user: User, tool: str, says: str) -> None:
    with odd_aws(query_error("Late", "too late"), waits=True) as aws:
        running = subprocess.Popen(
            [sys.executable, "-m", tool],
            env=user.environment(**HERE | {"AWS_ENDPOINT_URL": aws.url}),
            cwd=user.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert aws.is_called.wait(30)
            running.send_signal(signal.SIGINT)
            output, errors = running.communicate(timeout=30)
        finally:
            running.kill()
            running.communicate()
    assert (running.returncode, output) == (1, "")
    assert errors.startswith(says)
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("arguments", "to", "code", "errors"),
    [
        ("--help | true", "", 0, ""),
        ("--help", "/dev/full", 1, "the output could not be written: No space left on device.\n"),
        ("--help >&-", "", 0, ""),
    ],
)
def test_closed_output_is_no_traceback(user: User, tool: str, arguments: str, to: str, code: int, errors: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m {tool} {arguments} {f"> {to}" if to else ""}'],
        env=user.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.removeprefix(f"{tool.removeprefix('tools.')}: ") == errors


def test_object_that_an_interrupt_left_half_made_is_not_reported() -> None:
    program = textwrap.dedent("""
        from tools.aws_session import exit_with, run

        class HalfMade:
            def __init__(self):
                raise KeyboardInterrupt
            def __del__(self):
                self.socket.close()

        exit_with("tool", lambda: run("tool", HalfMade, "stopped."))
    """)
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (1, "tool: stopped.\n")
