"""Which log groups API Gateway may write to with the account's CloudWatch log role, and how that is said. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from log_keeper.policy.log_groups import LogGroup
from log_keeper.stages import ApiVersion, StageRef, access_log_group, execution_log_group

CREATE_GROUP, WRITE_LINES = "logs:CreateLogGroup", "logs:PutLogEvents"
#: What writing a log line takes. *Source:* the managed policy, less what only reads.
WRITE_ACTIONS = (CREATE_GROUP, "logs:CreateLogStream", WRITE_LINES)
#: What API Gateway writes to when it tests a role, before it takes the role as an account's log role.
#: *Source:* dod-iac/terraform-aws-api-gateway-cloudwatch-role, main.tf.
WELCOME_GROUP = "/aws/apigateway/welcome"
TEST_ACTIONS = (CREATE_GROUP, "logs:DescribeLogStreams", "logs:CreateLogStream", WRITE_LINES)

_ANY = "0000000000/stage"
_ANY_STAGES = [StageRef("000000000000", "us-east-1", version, *_ANY.split("/")) for version in ApiVersion]
#: A log group for each use of the role, of an API that does not exist: the execution logs of REST and of WebSocket
#: APIs, and the access logs that Log Keeper sets for them. HTTP APIs deliver without the role, and so does Firehose.
#: *Source:* API Gateway developer guide, "Log API calls to Amazon Data Firehose": a service-linked role writes there.
PROBES = tuple(name(ref) for ref in _ANY_STAGES for name in (execution_log_group, access_log_group))


@dataclass(frozen=True, slots=True)
class LogRoleFacts:
    """The region's log role, and which of its write actions are denied on the log groups of the stages at hand.

    ``denied``: by the name of the log group; a group that is not there may be written to.
    """

    role_arn: str
    denied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def probe_of(group: LogGroup) -> str | None:
    """Return the probe that stands for this log group; None for a destination that an owner chose."""
    if group.is_owners:
        return None
    return next((probe for probe in PROBES if group.name.startswith(probe.removesuffix(_ANY))), None)


def in_words(role_arn: str, denied: Mapping[str, tuple[str, ...]], *, region: str) -> str:
    """Return what the role lacks, and on which log groups: ``... lacks logs:PutLogEvents on arn:...:log-group:x:*``.

    The account and the partition are those of the role's ARN. A probe stands for all log groups of its use.
    """
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    prefix = f"arn:{partition}:logs:{region}:{account}:log-group:"
    groups_of: dict[tuple[str, ...], list[str]] = {}
    for name, actions in denied.items():
        arn = f"{prefix}{name.removesuffix(_ANY)}*" if name in PROBES else f"{prefix}{name}:*"
        groups_of.setdefault(actions, []).append(arn)
    lacks = (f"{', '.join(actions)} on {', '.join(arns)}" for actions, arns in groups_of.items())
    return f"{role_arn} lacks {'; '.join(lacks)}"


def granted_groups(documents: Iterable[Any]) -> list[str]:
    """Return a log group for each pattern that a policy document may allow lines to be written to, but the welcome one.

    Of each pattern one name that it matches; conditions, and what denies, are left to the simulation.
    """
    names = (_matching_name(pattern) for document in documents for pattern in _patterns(document))
    return [name for name in dict.fromkeys(names) if name and name != WELCOME_GROUP]


def _patterns(document: Any) -> Iterator[str]:
    for statement in listed(document.get("Statement")):
        actions = [str(action).lower() for action in listed(statement.get("Action"))]
        if statement["Effect"] == "Allow" and (
            "NotAction" in statement or any(fnmatchcase(WRITE_LINES.lower(), action) for action in actions)
        ):
            # Of all but some, any name may be one.
            yield from ["*"] if "NotResource" in statement else listed(statement.get("Resource"))


def _matching_name(pattern: str) -> str:
    """Return the name of a log group that the pattern of an ARN matches; empty if it matches none."""
    if ":log-group:" not in pattern:
        return "x" if "*" in pattern else ""
    name = re.split(r":log-stream|:\*$|:$", pattern.partition(":log-group:")[2])[0]
    return re.sub(r"[*?]", "x", name)


def listed(value: Any) -> list[Any]:
    """Return the values of a policy's element: a single one may stand without a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
