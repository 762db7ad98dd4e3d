"""What the command line tools share: a session with the user's own credentials, and errors told in one line.

boto3 finds credentials in many places, each of which can be absent, broken or out of date; what it raises then ranges
from its own errors to those of JSON, dates and files. Here all of them become one sentence that says what to do.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from getpass import GetPassWarning
from pathlib import Path
from traceback import walk_tb
from typing import Any, NoReturn

import boto3
import botocore.session
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidConfigError,
    InvalidRegionError,
    LoginError,
    LoginInsufficientPermissions,
    MissingDependencyException,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
    SSOError,
    TokenRetrievalError,
    UnknownRegionError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from log_keeper.aws.errors import error_code, error_message

#: The exit code of each tool after an error.
ERROR = 1

_LOG_IN = "log in (aws login, aws sso login), run aws configure, or name another --profile"
#: Error codes of AWS for credentials that were valid once.
#: *Source:* botocore, botocore/data/sts and the JSON services' common errors; ``RequestExpired``: EC2's and S3's list.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
#: For credentials that AWS does not know, and for each in a region that the account has not enabled.
#: *Source:* https://repost.aws/knowledge-center/iam-validate-access-credentials
_UNKNOWN = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "InvalidToken"}
)
#: For a signature that does not fit: the secret is wrong, or the clock.
_SIGNATURE = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"}
)
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
#: What AWS writes in the message of a signature's error if it is the time that does not fit.
_CLOCK_MESSAGES = ("Signature expired", "Signature not yet current")

_NOT_OF_AWS = (
    "something that is not AWS answered: look at AWS_ENDPOINT_URL, at your proxy, and whether your network asks you to "
    "log in."
)


class ToolError(BotoCoreError):
    """One sentence on what is wrong and what to do about it. It can come from the middle of any call of boto3."""

    fmt = "{sentence}"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence=sentence)


def open_session(profile: str | None, region: str | None) -> boto3.Session:
    """Return a session whose credentials are there and not expired. Raise ToolError if there are none.

    ``profile``: None for that of AWS_PROFILE, or the default. ``region``: None for the first that is set of AWS_REGION,
    AWS_DEFAULT_REGION and the profile's region; the session has none if none is. (boto3 by itself does not read
    AWS_REGION, unlike the AWS CLI and the other SDKs.)
    """
    inner = botocore.session.Session(profile=profile)
    try:
        config = inner.get_scoped_config()
        variables = (os.environ.get("AWS_REGION"), os.environ.get("AWS_DEFAULT_REGION"))
        chosen = next((each for each in (region, *variables, config.get("region")) if each), None)
        # Also where it is None, or an empty variable would count.
        inner.set_config_variable("region", chosen)
        session = boto3.Session(botocore_session=inner)
    except BotoCoreError as error:
        raise ToolError(explain(error)) from error
    _load_credentials(inner, _source(config, has_profile=profile is not None))
    try:
        # What else of the configuration is wrong, an endpoint's URL for one, shows when a client is made.
        session.client("sts", region_name=chosen or "us-east-1")
    except (BotoCoreError, ValueError) as error:
        raise ToolError(f"the AWS configuration is wrong: {explain(error)}") from error
    return session


def _load_credentials(session: botocore.session.Session, source: str) -> None:
    """Load the credentials once, so that what is wrong with them is told before anything is done."""
    with warnings.catch_warnings():
        # Without a terminal, the code of an MFA device would be asked for in vain.
        warnings.simplefilter("error", GetPassWarning)
        credentials = _explained(session.get_credentials, source)()
        if credentials is None:
            raise ToolError(explain(NoCredentialsError()))
        if (refresh := getattr(credentials, "_refresh_using", None)) is not None:
            vars(credentials)["_refresh_using"] = _explained(refresh, source)
        frozen = _explained(credentials.get_frozen_credentials, source)()
    if not all(isinstance(key, str) and key for key in (frozen.access_key, frozen.secret_key)):
        raise ToolError(f"the credentials from {source} have an empty key: correct them, or name another --profile.")


def _explained[Found](load: Callable[[], Found], source: str) -> Callable[[], Found]:
    """Return ``load`` with every error turned into a ToolError: what files and programs hold can raise anything."""

    def explained() -> Found:
        try:
            return load()
        except Exception as error:
            raise ToolError(_explain_credentials(error, source)) from error

    return explained


def _source(config: Mapping[str, Any], *, has_profile: bool) -> str:
    """Return what gives the credentials. ``has_profile``: one is named, so that variables with keys do not count."""
    if not has_profile and os.environ.get("AWS_ACCESS_KEY_ID"):
        return "the environment variables"
    token_file = None if has_profile else os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if token_file := token_file or config.get("web_identity_token_file"):
        return f"the web identity token file {one_line(token_file)}"
    for key, source in {
        "role_arn": "the profile's role_arn",
        "sso_session": "the session of aws sso login",
        "sso_start_url": "the session of aws sso login",
        "login_session": "the session of aws login",
        "credential_process": f"the credential_process {one_line(config.get('credential_process'))}",
    }.items():
        if key in config:
            return source
    return "the AWS configuration"


def _explain_credentials(error: Exception, source: str) -> str:
    """Return one sentence for an error that came while credentials were loaded."""
    match error:
        case CredentialRetrievalError():
            return f"no credentials came from {source}: {_sentence(error)} Correct it, or name another --profile."
        case BotoCoreError():
            return explain(error)
        case ClientError():
            return f"no credentials came from {source}: {explain(error)}"
        case GetPassWarning() | EOFError():
            return f"{source} asks for the code of an MFA device, and there is no terminal to type it: use one."
        case Exception() if _is_unreadable_answer(error):
            return f"no credentials came from {source}: {_NOT_OF_AWS}"
        case OSError():
            what = f"{error.strerror or error}{f': {one_line(error.filename)}' if error.filename else ''}"
            return f"no credentials came from {source} ({what}). Correct it, or name another --profile."
        case RuntimeError():
            return f"the credentials from {source} have expired: log in again, or renew them."
        case _:
            # JSON that is none, a date that is none, a document without what it should have.
            return (
                f"what came from {source} cannot be read as credentials ({type(error).__name__}: {one_line(error)}): "
                "correct it, log in again, or name another --profile."
            )


def explain(error: Exception) -> str:
    """Return the error and what to do about it, in one line."""
    match error:
        case ToolError():
            return str(error)
        case NoCredentialsError():
            return f"no AWS credentials were found: {_LOG_IN}."
        case PartialCredentialsError():
            missing, provider = error.kwargs["cred_var"], error.kwargs["provider"]
            return (
                f"the AWS credentials are not complete: {missing} is missing ({provider}); set it, or unset the rest."
            )
        case ProfileNotFound():
            return f"{error}: name one that `aws configure list-profiles` shows (--profile, AWS_PROFILE)."
        case ConfigParseError():
            return f"{one_line(error)}: correct it, or name another with AWS_CONFIG_FILE."
        case NoRegionError():
            return "no region is set: name one with --region, or set AWS_REGION."
        case InvalidRegionError() | UnknownRegionError():
            return f"{_sentence(error)} Name a region such as eu-west-1."
        case MissingDependencyException():
            return (
                "the credentials of aws login need the package awscrt: make setup installs it, and so does "
                "pip install 'botocore[crt]'."
            )
        case LoginInsufficientPermissions():
            return f"{_sentence(error)} Ask for it, or name another --profile."
        case LoginError():
            return f"{_sentence(error)} Log in again: aws login, with --profile if you name one here."
        case SSOError() | TokenRetrievalError():
            return f"{_sentence(error)} Log in again: aws sso login, with --profile if you name one here."
        case InvalidConfigError():
            return f"{_sentence(error)} Correct the profile in the AWS configuration, or name another --profile."
        case CredentialRetrievalError():
            return f"{_sentence(error)} Log in again, or name another --profile."
        case SSLError():
            remedy = "AWS_CA_BUNDLE must name a file of certificates if a proxy inspects TLS, and be unset otherwise."
            return f"{_sentence(error)} {remedy}"
        case BotoConnectionError() | HTTPClientError():
            return f"{_sentence(error)} Look at the region's name, and at your connection and proxy."
        case ClientError():
            return _explain_answer(error)
        case _:
            return one_line(error)


def _explain_answer(error: ClientError) -> str:
    """Return one sentence for what AWS answered."""
    code, message = error_code(error), _sentence(error_message(error))
    if code in _CLOCK or (code in _SIGNATURE and any(text in message for text in _CLOCK_MESSAGES)):
        return f"AWS says that this machine's clock is wrong: set it. {message}"
    if code in _EXPIRED:
        return f"the credentials have expired: log in again (aws login, aws sso login), or renew them. {message}"
    if code in _UNKNOWN:
        return f"AWS does not know these credentials, or the account has not enabled the region: {_LOG_IN}. {message}"
    if code in _SIGNATURE:
        return f"the secret key does not fit its access key: correct it, or log in again. {message}"
    if code in ("AccessDenied", "AccessDeniedException"):
        return f"access is denied to these credentials; --help lists the permissions. {message}"
    return _sentence(error)


def run(program: str, main: Callable[[], int], when_stopped: str) -> int:
    """Return what ``main`` returns, or ERROR after one line on stderr.

    ``when_stopped``: what to say after Ctrl-C.
    """
    try:
        return main()
    except (BotoCoreError, ClientError) as error:
        complain(program, error)
    except KeyboardInterrupt:
        print(f"{program}: {when_stopped}", file=sys.stderr)  # noqa: T201 -- a command line program
    except Exception as error:
        if not _is_unreadable_answer(error):
            raise
        complain(program, ToolError(_NOT_OF_AWS))
    return ERROR


def _is_unreadable_answer(error: Exception) -> bool:
    """Tell whether boto3 stumbled over an answer: then it raises anything, a KeyError for one."""
    return any(frame.f_globals.get("__name__") == "botocore.parsers" for frame, _ in walk_tb(error.__traceback__))


def complain(program: str, error: Exception) -> None:
    """Write the error to stderr, in one line."""
    print(f"{program}: {explain(error)}", file=sys.stderr)  # noqa: T201 -- a command line program


def exit_with(program: str, main: Callable[[], int]) -> NoReturn:
    """End the process with what ``main`` returns. An output that cannot be written is one line, or none, on stderr."""
    if sys.stdout is None:  # closed by whoever started the program
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for the rest of the process
    try:
        try:
            code: object = main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # Whoever closed a pipe has seen enough.
        if error.errno != errno.EPIPE:
            print(f"{program}: the output could not be written: {error.strerror}.", file=sys.stderr)  # noqa: T201
        # What is left in the buffer would fail again at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ERROR
    sys.exit(code if isinstance(code, int) else ERROR)


def printable(text: str) -> str:
    """Return the text without what could move a cursor, turn the direction of writing or break a line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: object) -> str:
    """Return the text in one line."""
    return printable(" ".join(str(text).split()))


def _sentence(text: object) -> str:
    """Return the text in one line, with a full stop; empty for nothing."""
    line = one_line(text).rstrip(".")
    return f"{line}." if line else ""
