"""``python -m sandbox``: run a simulated AWS account on this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import errno
import signal
import threading

from sandbox.assembly import Sandbox
from sandbox.core.behaviour import POINTS
from sandbox.core.behaviour_points import Position
from tools.version import add_version

ARTIFACT_BUCKET = "sandbox-artifacts"


def main(arguments: list[str] | None = None) -> int:
    """Run the account until Ctrl-C or SIGTERM. Return 0."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="Run a simulated AWS account on this machine, to try Log Keeper or applications of your own. "
        "It listens only on 127.0.0.1, has nothing but a CloudTrail trail and a bucket when it starts, and loses "
        "everything when it ends.",
    )
    add_version(parser)
    parser.add_argument(
        "--port", type=_port, default=4599, help="port on 127.0.0.1; 0 chooses a free port (default: 4599)"
    )
    parser.add_argument(
        "--region", default="us-east-1", help="region in the printed environment variables (default: us-east-1)"
    )
    parser.add_argument(
        "--iam-propagation-seconds",
        type=float,
        default=3.0,
        metavar="SECONDS",
        help="time until API Gateway sees a change of a role (default: 3)",
    )
    parser.add_argument(
        "--switch",
        type=_switch,
        action="append",
        default=[],
        metavar="NAME=POSITION",
        help="choose the behaviour at a point about AWS that nobody has recorded, for example "
        "log_delivery_policy=account; docs/aws-behaviour.md lists the names and positions; can be repeated",
    )
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        switches = dict(options.switch)
        sandbox = Sandbox(options.port, iam_propagation_seconds=options.iam_propagation_seconds, **switches).start()
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
        parser.exit(
            1,
            f"The sandbox cannot listen on port {options.port}: {reason}. Choose another one, or any that is free: "
            'make sandbox ARGS="--port 0"\n',
        )
    try:
        sandbox.client("s3", options.region).create_bucket(
            Bucket=ARTIFACT_BUCKET,
            **(
                {}
                if options.region == "us-east-1"
                else {"CreateBucketConfiguration": {"LocationConstraint": options.region}}
            ),
        )
        print(welcome(sandbox, options.region), flush=True)
        ended.wait()
    finally:
        sandbox.stop()
    print("\nThe sandbox has ended.", flush=True)
    return 0


def _switch(text: str) -> tuple[str, Position]:
    """Return the name and the position of a switch that ``NAME=POSITION`` names."""
    name, _, position = text.partition("=")
    if name not in POINTS:
        raise argparse.ArgumentTypeError(f"{name} is not a switch: docs/aws-behaviour.md lists them")
    positions = POINTS[name].positions
    for each in positions:
        if str(each).lower() == position.lower():
            return name, each
    raise argparse.ArgumentTypeError(f"the positions of {name} are {', '.join(map(str, positions))}")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: use 0 to 65535")
    return int(text)


def welcome(sandbox: Sandbox, region: str) -> str:
    """Return what a user needs to use the account with their tools."""
    exports = "\n".join(f"export {name}={value}" for name, value in sandbox.environment(region).items())
    return f"""\
The sandbox account {sandbox.account_id} runs at {sandbox.endpoint}, on this machine only. Ctrl-C ends it.

Enter this in another shell. After that, sam, boto3 and aws use only this account:

unset AWS_PROFILE AWS_SESSION_TOKEN
{exports}

Then, for example:

export PATH="$PWD/.venv-tools/bin:$PATH"    # aws and sam, if they are not installed
aws apigateway get-rest-apis
aws sqs list-queues --endpoint-url $AWS_ENDPOINT_URL    # version 1 of aws, as here, needs this option for sqs
make build && sam deploy                    # deploys Log Keeper; answer y
.venv/bin/python -c 'import boto3; print(boto3.client("sts").get_caller_identity()["Arn"])'

For your own applications: sam deploy --guided, or --s3-bucket {ARTIFACT_BUCKET}, a bucket that exists.
"""


if __name__ == "__main__":
    raise SystemExit(main())
