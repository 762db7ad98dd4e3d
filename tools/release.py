"""``python -m tools.release``, which ``make release`` runs: upload the built application to a bucket in each region.

The result is one packaged template per region, which CloudFormation can deploy without this repository and without
sam, with checksums and quick-create links. Nothing is made public: the objects get no ACL, and no setting or policy of
the buckets is changed.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tools.aws_session import ToolError, exit_with, open_session, run
from tools.output import say
from tools.release_bucket import (
    TEMPLATE,
    Target,
    check_bucket,
    links_page,
    new_target,
    package,
    publish,
    released_template,
)
from tools.version import add_version, version

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3.client import S3Client

#: Exit codes; ``ERROR`` of aws_session is another.
DONE, WRONG_USAGE, DECLINED = 0, 2, 3

ROOT = Path(__file__).parent.parent
BUILT = ROOT / ".aws-sam" / "build"
OUTPUT = ROOT / ".aws-sam" / "release"

_EPILOG = """\
exit codes:
  0  the version is in all buckets, and the links are in OUTPUT/VERSION/links.md
  1  an error: no credentials, no bucket, sam failed, or the version is there with another content
  2  wrong usage of the command
  3  the question was answered with no: nothing was uploaded

permissions:
  sts:GetCallerIdentity
  on each bucket PREFIX-REGION
    s3:ListBucket
  on its objects, log-keeper/VERSION/*
    s3:GetObject, s3:PutObject

A bucket must exist before. Create it with: aws s3 mb s3://PREFIX-REGION --region REGION
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.release",
        description="Upload the built application to the bucket PREFIX-REGION of each region, and print a\n"
        "quick-create link for each. Nothing is made public. Run make build before; make release does.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    parser.add_argument(
        "--bucket-prefix", required=True, metavar="PREFIX", help="first part of the names of the buckets, PREFIX-REGION"
    )
    parser.add_argument(
        "--regions",
        default="",
        metavar="REGION,REGION",
        help="regions to release in, separated by commas; default: AWS_REGION, or the region of your configuration",
    )
    parser.add_argument("--yes", action="store_true", help="upload without asking")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the template of this version if it is there with another content",
    )
    parser.add_argument(
        "--stack-name",
        type=_stack_name,
        default="log-keeper",
        metavar="NAME",
        help="name of the stack in the links; default: log-keeper",
    )
    parser.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
    parser.add_argument(
        "--built", type=Path, default=BUILT, metavar="FOLDER", help="folder of sam build; default: .aws-sam/build"
    )
    parser.add_argument(
        "--output", type=Path, default=OUTPUT, metavar="FOLDER", help="folder of the results; default: .aws-sam/release"
    )
    return parser


def _stack_name(text: str) -> str:
    """Return the name. *Source:* AWS CloudFormation API reference, CreateStack, StackName."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a stack name: letters, digits and hyphens, a letter first")
    return text


@dataclass(frozen=True)
class Release:
    """What is released where. ``account``: the ID of the account that owns the buckets."""

    version: str
    built: Path
    output: Path
    targets: tuple[Target, ...]
    account: str
    stack_name: str
    profile: str | None
    replaces: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Release the built application. Return the exit code that ``--help`` describes."""
    arguments = parser().parse_args(argv)
    out = Console(highlight=False, markup=False, emoji=False)

    def release() -> int:
        session = open_session(arguments.profile, None)
        planned = _plan(arguments, session)
        clients = {target: session.client("s3", region_name=target.region) for target in planned.targets}
        for target, s3 in clients.items():
            check_bucket(s3, target, planned.account)
        _show(out, planned)
        if not (arguments.yes or _is_agreed(out)):
            say(out, "Nothing was uploaded.")
            return DECLINED
        _upload(out, planned, clients)
        return DONE

    return run("release", release, "stopped. Run the command again: what was uploaded is not uploaded again.")


def _plan(arguments: argparse.Namespace, session: boto3.Session) -> Release:
    """Return what the command line asks for. Raises ToolError if the application is not built, or a name is wrong."""
    released = version()
    _check_built(arguments.built, released)
    regions = [region.strip() for region in arguments.regions.split(",") if region.strip()]
    if not regions and session.region_name:
        regions = [session.region_name]
    if not regions:
        raise ToolError("no region is set: name one or more with --regions (make release REGIONS=...).")
    targets = tuple(new_target(region, arguments.bucket_prefix, released) for region in dict.fromkeys(regions))
    identity = session.client("sts", region_name=targets[0].region).get_caller_identity()
    own_partition = identity["Arn"].split(":")[1]
    for target in targets:
        if target.partition != own_partition:
            raise ToolError(
                f"{target.region} is in the partition {target.partition}, and these credentials are of "
                f"{own_partition}: release in each partition with credentials of its own (--profile)."
            )
    return Release(
        released,
        arguments.built,
        arguments.output / released,
        targets,
        identity["Account"],
        arguments.stack_name,
        arguments.profile,
        arguments.replace,
    )


def _check_built(built: Path, released: str) -> None:
    """Raise ToolError unless the folder has the built application of this version."""
    template = built / TEMPLATE
    if not template.exists():
        raise ToolError(f"there is no {template}: run make build, or name the folder of sam build with --built.")
    if f"Log Keeper {released}:" not in template.read_text(encoding="utf-8"):
        raise ToolError(f"{template} is of another version than {released}: run make build.")


def _show(out: Console, release: Release) -> None:
    """Print what will be uploaded, and where."""
    size = sum(file.stat().st_size for file in release.built.rglob("*") if file.is_file())
    say(out, f"Log Keeper {release.version} of {release.built} ({size / 1e6:.0f} MB before compression):", "bold")
    say(out, "the packages of the functions, the templates, and their checksums, as account " + release.account)
    for target in release.targets:
        say(out, f"  {target.region:<15}  {target.location}")
    say(out, "Nothing is made public: the settings and policies of the buckets stay as they are.")


def _is_agreed(out: Console) -> bool:
    """Ask whether to upload. Raises ToolError if nobody can answer."""
    if not sys.stdin.isatty():
        raise ToolError("nobody can answer here: --yes (make release YES=1) uploads without asking.")
    try:
        return out.input("Upload? [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except EOFError:  # the input was closed instead of an answer
        return False


def _upload(out: Console, release: Release, clients: dict[Target, S3Client]) -> None:
    """Upload to all regions, then print the links and write them to a file. Raises ToolError and ClientError.

    Templates are uploaded after all packages of all regions, so that a failure leaves no region with a template alone.
    """
    packaged = {
        target: package(target, release.built / TEMPLATE, release.output / target.region, release.profile)
        for target in release.targets
    }
    for target, s3 in clients.items():
        before = released_template(s3, target, release.account)
        if before is not None and before != packaged[target].read_bytes() and not release.replaces:
            raise ToolError(
                f"version {release.version} is in {target.location} already, with another content: raise the version "
                "(pyproject.toml, template.yaml), or replace it with --replace (make release ARGS=--replace)."
            )
    for target, s3 in clients.items():
        publish(s3, target, release.account, packaged[target])
    links = release.output / "links.md"
    links.write_text(links_page(release.version, release.targets, release.stack_name), encoding="utf-8")
    say(out, f"{'region':<15}  quick-create link", "bold")
    for target in release.targets:
        say(out, f"{target.region:<15}  {target.quick_create_link(release.stack_name)}")
    say(out, f"Checksums and templates: {release.output}. The links: {links}.", "green")


if __name__ == "__main__":
    exit_with("release", main)
