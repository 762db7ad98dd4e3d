"""Sources of AWS credentials for the command line tools: files of a home directory, and a server in AWS's place."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.core.clients import ACCESS_KEY, SECRET_KEY
from testing import warm_processes

ROOT = Path(__file__).resolve().parents[1]
#: What the tools import, but botocore: it reads the path of the home directory when it is imported.
_IMPORTED = (
    *("awscrt.auth", "csv", "cryptography", "dateutil.parser", "getpass", "gzip", "html", "http.cookies", "jmespath"),
    *("rich.console", "rich.markup", "rich.progress", "rich.table", "rich.text", "urllib3"),
    *("concurrent.futures", "email.parser", "statistics", "urllib.request", "xml.etree.ElementTree", "zoneinfo"),
)
PAST = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
DEFAULT = "[default]\nregion = us-east-1\n"
KEY, SECRET = ACCESS_KEY, SECRET_KEY
ENVIRONMENT_KEYS = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
FUTURE = (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%SZ")
START_URL = "https://example.awsapps.com/start"
LOGIN_SESSION = "arn:aws:iam::123456789012:user/somebody"
SSO_PROFILE = f"""\
[default]
region = us-east-1
sso_session = work
sso_account_id = 123456789012
sso_role_name = Reader
[sso-session work]
sso_region = us-east-1
sso_start_url = {START_URL}
"""
LEGACY_SSO_PROFILE = f"""\
[default]
region = us-east-1
sso_start_url = {START_URL}
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = Reader
"""


def keys(access_key: str, secret_key: str, **more: str) -> str:
    """Return what a credential process prints."""
    return json.dumps({"Version": 1, "AccessKeyId": access_key, "SecretAccessKey": secret_key} | more)


def process(directory: Path, text: str, *, code: int = 0, error: str = "") -> str:
    """Return the command line of a program that prints ``text`` to stdout and ``error`` to stderr."""
    (directory / "text").write_text(text, encoding="utf-8")
    (directory / "error").write_text(error, encoding="utf-8")
    script = directory / "process.sh"
    script.write_text(f'cat "{directory}/text"; cat "{directory}/error" >&2; exit {code}\n')
    return f'sh "{script}"'


def sso_token(home: Path, *, name: str = "work", expires: str = FUTURE, text: str | None = None) -> None:
    """Write the token that ``aws sso login`` caches. ``name``: of the sso-session, or else the start URL."""
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True)
    token = {"startUrl": START_URL, "region": "us-east-1", "accessToken": "token", "expiresAt": expires}
    key = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    (cache / f"{key}.json").write_text(json.dumps(token) if text is None else text)


def login_token(
    home: Path, access_key: str, secret_key: str, *, expires: str = FUTURE, without: str = "", key: str | None = None
) -> None:
    """Write the token that ``aws login`` caches, with a new key pair. ``without``: a member that it does not have."""
    cache = home / ".aws" / "login" / "cache"
    cache.mkdir(parents=True)
    pair = ec.generate_private_key(ec.SECP256R1())
    pem = pair.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    token: dict[str, object] = {
        "accessToken": {
            "accessKeyId": access_key,
            "secretAccessKey": secret_key,
            "sessionToken": "token",
            "accountId": "123456789012",
            "expiresAt": expires,
        },
        "tokenType": "urn:aws:params:oauth:token-type:access_token_sigv4",
        "clientId": "arn:aws:signin:::devtools/same-device",
        "refreshToken": "refresh",
        "dpopKey": pem if key is None else key,
    }
    token.pop(without, None)
    (cache / f"{hashlib.sha256(LOGIN_SESSION.encode()).hexdigest()}.json").write_text(json.dumps(token))


@dataclass
class Answer:
    """An HTTP response of a service."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def query_error(code: str, message: str, status: int = 403) -> Answer:
    """Return an error of a service with an XML protocol."""
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(f"<ErrorResponse>{error}</ErrorResponse>", status, {"Content-Type": "text/xml"})


def json_error(code: str, message: str, status: int = 400, **more: str) -> Answer:
    """Return an error of a service with a JSON protocol."""
    return Answer(json.dumps({"message": message} | more), status, {"x-amzn-ErrorType": code})


@dataclass
class OddAws:
    """A server on 127.0.0.1 that gives the same response to every request, as soon as ``may_answer`` is set."""

    url: str
    is_called: threading.Event
    may_answer: threading.Event


@contextmanager
def odd_aws(answer: Answer, *, waits: bool = False) -> Iterator[OddAws]:
    """Start an OddAws. ``waits``: it responds only after ``may_answer`` is set."""
    is_called, may_answer = threading.Event(), threading.Event()
    if not waits:
        may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            is_called.set()
            may_answer.wait()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body.encode())))
            self.end_headers()
            self.wfile.write(answer.body.encode())

        do_GET = do_POST = _answer  # noqa: N815 -- their names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name
            """Write no log."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore errors of clients that have closed their connection."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield OddAws(f"http://127.0.0.1:{server.server_port}", is_called, may_answer)
    finally:
        may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class User:
    """A user of the command line tools with an own home directory and no other configuration of AWS."""

    home: Path
    endpoint: str

    def write(self, name: str, text: str) -> Path:
        """Write a file of ``~/.aws`` and return its path."""
        path = self.home / ".aws" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment variables of a tool's process."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": f"{ROOT}/src:{ROOT}",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
        } | variables

    def run(self, *arguments: str, tool: str = "tools.redrive", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a tool in the home directory, without a terminal."""
        return warm_processes.run_module(
            tool, arguments, environment=self.environment(**variables), folder=self.home, imports=_IMPORTED
        )

    def complaint(self, *arguments: str, tool: str = "tools.redrive", **variables: str) -> str:
        """Run a tool that fails. Return its error message, which is one line and its only output."""
        done = self.run(*arguments, tool=tool, **variables)
        assert (done.returncode, done.stdout) == (1, ""), done
        [line] = done.stderr.splitlines()
        assert line.startswith(f"{tool.removeprefix('tools.')}: ")
        assert "Traceback" not in line
        return line
