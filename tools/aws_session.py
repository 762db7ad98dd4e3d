"""A boto3 session with the user's own credentials, and errors in one line, for all command line tools.

boto3 finds credentials in many places, each of which can be missing, broken or expired. It then raises its own errors,
or those of JSON, dates and files. This module turns all of them into one sentence that says what to do.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from getpass import GetPassWarning
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, NoReturn

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

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: The exit code of each tool after an error.
ERROR = 1

#: Set after Ctrl-C.
_is_stopped = threading.Event()

_LOG_IN = "log in (aws login, aws sso login), run aws configure, or name another --profile"
#: Error codes of AWS for expired credentials.
#: *Source:* botocore, botocore/data/sts and the JSON services' common errors; ``RequestExpired``: EC2's and S3's list.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
#: For credentials that AWS does not know, and for any credentials in a region that the account has not enabled.
#: *Source:* https://repost.aws/knowledge-center/iam-validate-access-credentials
_UNKNOWN = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "AuthFailure", "InvalidToken"}
)
#: For a wrong signature: the secret key or the clock of this machine is wrong.
_SIGNATURE = frozenset(
    {"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"}
)
_CLOCK = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
#: Texts in the message of a signature error if the clock is wrong.
_CLOCK_MESSAGES = ("Signature expired", "Signature not yet current")

_NOT_OF_AWS = (
    "the answer did not come from AWS: check AWS_ENDPOINT_URL and your proxy, and whether your network asks you to "
    "log in."
)


class ToolError(BotoCoreError):
    """One sentence on what is wrong and what to do about it. Any call of boto3 can raise it."""

    fmt = "{sentence}"

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence=sentence)


def open_session(profile: str | None, region: str | None) -> boto3.Session:
    """Return a session with credentials that have not expired. Raise ToolError if there are none.

    ``profile``: None for AWS_PROFILE, or the default profile. ``region``: None for AWS_REGION, AWS_DEFAULT_REGION or
    the profile's region, in this order; if none is set, the session has no region. (boto3 does not read AWS_REGION,
    unlike the AWS CLI and the other SDKs.)
    """
    inner = botocore.session.Session(profile=profile)
    try:
        config = inner.get_scoped_config()
        variables = (os.environ.get("AWS_REGION"), os.environ.get("AWS_DEFAULT_REGION"))
        chosen = next((each for each in (region, *variables, config.get("region")) if each), None)
        # Set it even if it is None: botocore would take the value of an empty variable.
        inner.set_config_variable("region", chosen)
        session = boto3.Session(botocore_session=inner)
    except BotoCoreError as error:
        raise ToolError(explain(error)) from error
    _load_credentials(inner, _source(config, has_profile=profile is not None))
    try:
        # Other errors of the configuration, such as a wrong endpoint URL, appear when a client is created.
        session.client("sts", region_name=chosen or "us-east-1")
    except (BotoCoreError, ValueError) as error:
        raise ToolError(f"the AWS configuration is wrong: {explain(error)}") from error
    return session


def _load_credentials(session: botocore.session.Session, source: str) -> None:
    """Load the credentials, so that their errors are reported before anything else is done."""
    with warnings.catch_warnings():
        # Without a terminal nobody can enter the code of an MFA device: raise an error instead of asking.
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
    """Return ``load`` with every error turned into a ToolError. Contents of files and programs can raise any error."""

    def explained() -> Found:
        try:
            return load()
        except Exception as error:
            raise ToolError(_explain_credentials(error, source)) from error

    return explained


def _source(config: Mapping[str, Any], *, has_profile: bool) -> str:
    """Return where the credentials come from. ``has_profile``: with a profile, variables with keys are ignored."""
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
            return f"{source} asks for the code of an MFA device: run the command in a terminal, to enter it."
        case Exception() if _is_unreadable_answer(error):
            return f"no credentials came from {source}: {_NOT_OF_AWS}"
        case OSError():
            what = f"{error.strerror or error}{f': {one_line(error.filename)}' if error.filename else ''}"
            return f"no credentials came from {source} ({what}). Correct it, or name another --profile."
        case RuntimeError():
            return f"the credentials from {source} have expired: log in again, or renew them."
        case _:
            # Invalid JSON, an invalid date, a document with missing members.
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
            return f"{_sentence(error)} Check the name of the region, your connection and your proxy."
        case ClientError():
            return _explain_answer(error)
        case _:
            return one_line(error)


def _explain_answer(error: ClientError) -> str:
    """Return one sentence for an error that AWS answered."""
    code, message = error_code(error), _sentence(error_message(error))
    if code in _CLOCK or (code in _SIGNATURE and any(text in message for text in _CLOCK_MESSAGES)):
        return f"AWS says that this machine's clock is wrong: set it. {message}"
    if code in _EXPIRED:
        return f"the credentials have expired: log in again (aws login, aws sso login), or renew them. {message}"
    if code in _UNKNOWN:
        return f"AWS does not know these credentials, or the account has not enabled the region: {_LOG_IN}. {message}"
    if code in _SIGNATURE:
        return f"the secret key does not belong to the access key: correct it, or log in again. {message}"
    if code in ("AccessDenied", "AccessDeniedException"):
        return f"access is denied to these credentials; --help lists the permissions. {message}"
    return _sentence(error)


def run(program: str, main: Callable[[], int], when_stopped: str) -> int:
    """Run ``main`` and return its exit code; after an error, write one line to stderr and return ERROR.

    ``when_stopped``: the line to write after Ctrl-C.
    """
    try:
        return main()
    except (BotoCoreError, ClientError) as error:
        complain(program, error)
    except KeyboardInterrupt:
        _is_stopped.set()
        print(f"{program}: {when_stopped}", file=sys.stderr)  # noqa: T201 -- a command line program
    except Exception as error:
        if not _is_unreadable_answer(error):
            raise
        complain(program, ToolError(_NOT_OF_AWS))
    return ERROR


def _is_unreadable_answer(error: Exception) -> bool:
    """Return whether boto3 failed to parse an answer: then it raises any error, for example KeyError."""
    return any(frame.f_globals.get("__name__") == "botocore.parsers" for frame, _ in walk_tb(error.__traceback__))


def complain(program: str, error: Exception) -> None:
    """Write the error to stderr, in one line."""
    print(f"{program}: {explain(error)}", file=sys.stderr)  # noqa: T201 -- a command line program


def _report_destructor(error: UnraisableHookArgs) -> None:
    """Report an error of a destructor, unless Ctrl-C may have interrupted the constructor of its object."""
    if not _is_stopped.is_set():
        sys.__unraisablehook__(error)


def exit_with(program: str, main: Callable[[], int]) -> NoReturn:
    """End the process with the exit code of ``main``.

    If the output cannot be written, write one line to stderr; none if the reader closed a pipe.
    """
    if sys.stdout is None:  # the caller closed it
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for the rest of the process
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for the rest of the process
    sys.unraisablehook = _report_destructor
    try:
        try:
            code: object = main()
        except SystemExit as ended:
            code = ended.code
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # A reader that closes a pipe, such as head, needs no message.
        if error.errno != errno.EPIPE:
            print(f"{program}: the output could not be written: {error.strerror}.", file=sys.stderr)  # noqa: T201
        # Writing the rest of the buffer would fail again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ERROR
    sys.exit(code if isinstance(code, int) else ERROR)


def check_writable(file: str) -> None:
    """Raise ToolError if the file could not be written, before minutes are spent on what it is to contain."""
    path = Path(file)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ToolError(f"{path} cannot be written: name a file in a directory that exists and to which you can write.")


def printable(text: str) -> str:
    """Return the text with a replacement character for all that is not printable.

    So it cannot move a cursor, change the direction of writing or break a line.
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def one_line(text: object) -> str:
    """Return the text in one line."""
    return printable(" ".join(str(text).split()))


def _sentence(text: object) -> str:
    """Return the text in one line, with a full stop; empty if the text is empty."""
    line = one_line(text).rstrip(".")
    return f"{line}." if line else ""
