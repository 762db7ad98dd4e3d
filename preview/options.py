"""The command line of the preview. Pure."""

from __future__ import annotations

import argparse
import re
import textwrap
from functools import partial

from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.access_log_format import FormatName
from log_keeper.policy.own_format import UnusableFormatError, value_of
from log_keeper.policy.policy import Policy
from log_keeper.stages import Protocol
from preview.permissions import ORGANIZATION, READING
from tools.version import add_version

_EXIT_CODES = """\
exit codes:
  0  every stage is compliant or exempt, and each log role that is needed is valid
  1  an error: there are no credentials, or something could not be read
     (everything else is shown)
  2  wrong usage of the command
  3  a stage is not compliant, or a log role that is needed is not valid

permissions (the AWS managed policy ReadOnlyAccess has them all):
"""
_REGIONS = """
--all-regions needs no other permission. It calls sts:GetCallerIdentity in each
region that the installed botocore knows. A region that refuses your credentials
is not enabled: it is left out, and the output names it. Name a region that your
botocore does not know yet with --region.

--organization needs credentials of the management account, or of an account that
is a delegated administrator of any service of the organization, with
"""
_MEMBERS = """\
and in each account the role, which must trust you and have the permissions above.
The session of the role is limited to them, whatever else the role may do. Your
own account is read with your own credentials.
"""
#: A name, or a path and a name. *Source:* IAM API reference, CreateRole.
_ROLE = re.compile(r"/?(?:[!-.0-~]+/)*[\w+=,.@-]{1,64}", re.ASCII)
#: The deployment accepts the same: the patterns of the parameters ForwardAccessLogsTo and ForwardRoleArn.
DESTINATION = re.compile(
    r"arn:[a-z-]+:(lambda:[a-z0-9-]+:[0-9]{12}:function:|firehose:[a-z0-9-]+:[0-9]{12}:deliverystream/|"
    r"kinesis:[a-z0-9-]+:[0-9]{12}:stream/|logs:[a-z0-9-]+:[0-9]{12}:destination:)[^,]+"
)
ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:role/.+")
_ACCOUNT = re.compile(r"[0-9]{12}")
#: *Source:* Organizations API reference, OrganizationalUnit and Root.
_UNIT = re.compile(r"ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}|r-[0-9a-z]{4,32}")


def _own_format(protocol: Protocol, text: str) -> str:
    try:
        return value_of(text, protocol) if text else ""
    except UnusableFormatError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _days(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days: use 1 or more")
    return int(text)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 10:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate: use a number above 0, at most 10")
    return rate


def _destination(text: str) -> str:
    if not DESTINATION.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not the ARN of a Lambda function, a Firehose stream, a Kinesis stream or a destination of "
            "CloudWatch Logs"
        )
    return text


def _role_arn(text: str) -> str:
    if not ROLE_ARN.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the ARN of a role: use arn:PARTITION:iam::ACCOUNT:role/NAME")
    return text


def _role(text: str) -> str:
    """Return the role as in its ARN: with its path, without the first slash."""
    if text.startswith("arn:"):
        raise argparse.ArgumentTypeError(f"{text!r} is an ARN: use path and name, which are the same in each account")
    if not _ROLE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a role: use NAME or PATH/NAME")
    return text.removeprefix("/")


def _accounts(text: str) -> tuple[str, ...]:
    return _listed(text, _ACCOUNT, "the ID of an account: use 12 digits, and commas between several")


def _units(text: str) -> tuple[str, ...]:
    return _listed(text, _UNIT, "the ID of an organizational unit or a root: use ou-... or r-..., separated by commas")


def _listed(text: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
    items = tuple(dict.fromkeys(item.strip() for item in text.split(",")))
    for item in items:
        if not pattern.fullmatch(item):
            raise argparse.ArgumentTypeError(f"{item!r} is not {what}")
    return items


def _access_log_names(text: str) -> AccessLogNames:
    try:
        return AccessLogNames.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _epilog() -> str:
    reading = "".join(f"  {why}\n{_wrapped(actions)}" for why, actions in READING.items())
    return _EXIT_CODES + reading + _REGIONS + _wrapped(ORGANIZATION) + _MEMBERS


def _wrapped(actions: tuple[str, ...]) -> str:
    return textwrap.fill(", ".join(actions), 78, initial_indent="    ", subsequent_indent="    ") + "\n"


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Options of the policy have the defaults of the template."""
    parser = argparse.ArgumentParser(
        prog="python -m preview",
        description="Show what Log Keeper would change in each API Gateway stage, and why. Nothing is changed.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_version(parser)
    _add_sources(parser.add_argument_group("what to read"))
    _add_organization(
        parser.add_argument_group("all accounts of an organization", "See the permissions below, and docs/preview.md.")
    )
    _add_outputs(parser.add_argument_group("what to write", "Tables for a terminal, unless you choose another form."))
    policy = parser.add_argument_group("policy", "The parameters of the template, with the same defaults.")
    _add_policy(policy)
    _add_forwarding(policy)
    return parser


def _add_sources(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--profile", help="profile of your AWS configuration; default: the one that boto3 chooses")
    regions = group.add_mutually_exclusive_group()
    regions.add_argument(
        "--region",
        action="append",
        default=[],
        help="region to read; can be repeated; default: AWS_REGION, or the region of your configuration",
    )
    regions.add_argument("--all-regions", action="store_true", help="read every region that the account has enabled")
    group.add_argument(
        "--rate",
        type=_rate,
        default=4.0,
        metavar="CALLS",
        help="highest number of API Gateway calls per second in a region, of the account's 10; default: 4",
    )


def _add_organization(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--organization",
        type=_role,
        metavar="ROLE",
        help="read all accounts of the organization, each with this role of it: NAME or PATH/NAME, "
        "for example OrganizationAccountAccessRole",
    )
    group.add_argument(
        "--accounts", type=_accounts, default=(), metavar="ID,ID", help="only these accounts; default: all"
    )
    group.add_argument(
        "--exclude-accounts", type=_accounts, default=(), metavar="ID,ID", help="leave these accounts out"
    )
    group.add_argument(
        "--units",
        type=_units,
        default=(),
        metavar="OU,OU",
        help="only the accounts in these organizational units, and in the units below them; default: all",
    )
    group.add_argument("--external-id", metavar="ID", help="external id that the role's trust policy asks for")


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--json", action="store_true", help="write one JSON document to stdout")
    group.add_argument("--csv", action="store_true", help="write CSV to stdout, one row for each stage")
    group.add_argument(
        "--html",
        metavar="FILE",
        help="write an HTML page to FILE, beside the tables; FILE - is stdout, without the tables",
    )


def _add_policy(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--info-tag-key",
        default="execution-logs",
        metavar="KEY",
        help="tag that keeps execution logs of a stage at INFO; default: execution-logs",
    )
    group.add_argument(
        "--allow-data-trace",
        action="store_true",
        help="allow the tag KEY-data-trace, which keeps request and response bodies in execution logs",
    )
    group.add_argument(
        "--access-log-format",
        type=FormatName,
        choices=list(FormatName),
        default=FormatName.JSON,
        help="format of access logs that Log Keeper sets; default: JSON",
    )
    for protocol in Protocol:
        group.add_argument(
            f"--{protocol.lower()}-access-log-format",
            type=partial(_own_format, protocol),
            default="",
            metavar="FORMAT",
            help=f"your format for {protocol} APIs, or the SSM parameter with it; default: --access-log-format",
        )
    group.add_argument(
        "--detailed-metrics", action="store_true", help="switch on detailed CloudWatch metrics of every stage"
    )
    group.add_argument(
        "--exempt-tag-key", default="", metavar="KEY", help="never change stages with this tag; default: no such tag"
    )
    group.add_argument(
        "--owner-tag-key", default="", metavar="KEY", help="tag that names a stage's owner; default: its stack"
    )
    group.add_argument(
        "--access-log-group-name",
        type=_access_log_names,
        default=AccessLogNames(),
        metavar="PATTERN",
        help="names of new access log groups, with ${apiId} and ${stage}; default: /aws/vendedlogs/apigateway...",
    )
    group.add_argument(
        "--access-log-retention-days",
        type=_days,
        default=365,
        metavar="DAYS",
        help="retention of new access log groups; default: 365",
    )
    group.add_argument(
        "--execution-log-retention-days",
        type=_days,
        default=30,
        metavar="DAYS",
        help="retention of new execution log groups; default: 30",
    )


def _add_forwarding(group: argparse._ArgumentGroup) -> None:
    for logs in ("access", "execution"):
        group.add_argument(
            f"--forward-{logs}-logs-to",
            type=_destination,
            metavar="ARN",
            help=f"destination to which {logs} logs are forwarded; default: they are not forwarded",
        )
    group.add_argument(
        "--forward-role-arn", type=_role_arn, metavar="ARN", help="role that writes to the destination; default: none"
    )
    group.add_argument(
        "--stack-name",
        default="log-keeper",
        metavar="NAME",
        help="name of the stack, which is that of its subscription filters; default: log-keeper",
    )


def mistake(arguments: argparse.Namespace) -> str | None:
    """Return what is wrong with the combination of options; None if it is right."""
    if arguments.json + arguments.csv + (arguments.html == "-") > 1:
        return "--json, --csv and --html - write to stdout: choose one of them"
    for name in ("accounts", "exclude_accounts", "units", "external_id"):
        if getattr(arguments, name) and arguments.organization is None:
            return f"--{name.replace('_', '-')} needs --organization ROLE"
    return None


def policy_of(arguments: argparse.Namespace, partition: str, own_account: str | None = None) -> Policy:
    """Return the policy that the command line describes. ``own_account``: None if it is for an organization."""
    return Policy(
        partition=partition,
        info_tag_key=arguments.info_tag_key,
        access_log_format=arguments.access_log_format,
        access_log_retention=arguments.access_log_retention_days,
        execution_log_retention=arguments.execution_log_retention_days,
        allows_data_trace=arguments.allow_data_trace,
        wants_detailed_metrics=arguments.detailed_metrics,
        exempt_tag_key=arguments.exempt_tag_key or None,
        owner_tag_key=arguments.owner_tag_key or None,
        access_log_names=arguments.access_log_group_name,
        own_formats={
            protocol: text
            for protocol in Protocol
            if (text := getattr(arguments, f"{protocol.lower()}_access_log_format"))
        },
        forward_access_logs_to=arguments.forward_access_logs_to,
        forward_execution_logs_to=arguments.forward_execution_logs_to,
        forward_role_arn=arguments.forward_role_arn,
        filter_name=arguments.stack_name,
        own_account=own_account,
    )
