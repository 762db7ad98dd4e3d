"""Which log groups API Gateway is allowed to write to with the account's CloudWatch log role. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.log_groups import LogGroup
from log_keeper.stages import ApiVersion, StageRef, access_log_group, execution_log_group

CREATE_GROUP, WRITE_LINES = "logs:CreateLogGroup", "logs:PutLogEvents"
#: The actions that writing a log line requires. *Source:* the managed policy, without the actions that only read.
WRITE_ACTIONS = (CREATE_GROUP, "logs:CreateLogStream", WRITE_LINES)
#: The log group that API Gateway writes to when it tests a role, before it accepts the role as an account's log role.
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
    """The region's log role, and the write actions that it is denied on the log groups of some stages.

    ``denied``: by the name of the log group; on a log group that is not in it, nothing is denied.
    """

    role_arn: str
    denied: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def probe_of(group: LogGroup, names: AccessLogNames) -> str | None:
    """Return the probe that stands for this log group; None for a destination that an owner chose.

    For a name by the owner's pattern it is none of ``PROBES``, and the name of its API is ``api``.
    """
    if group.is_owners:
        return None
    if names.follows_pattern(group.name):
        return names.name_of(_ANY_STAGES[0], "api")
    return next((probe for probe in PROBES if group.name.startswith(probe.removesuffix(_ANY))), None)


def in_words(role_arn: str, denied: Mapping[str, tuple[str, ...]], *, region: str) -> str:
    """Return which actions the role needs: ``... needs logs:PutLogEvents on arn:...:log-group:x:*``.

    The account and the partition are those of the role's ARN. A probe stands for all log groups of its use.
    """
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    prefix = f"arn:{partition}:logs:{region}:{account}:log-group:"
    groups_of: dict[tuple[str, ...], list[str]] = {}
    for name, actions in denied.items():
        arn = f"{prefix}{name.removesuffix(_ANY)}*" if name in PROBES else f"{prefix}{name}:*"
        groups_of.setdefault(actions, []).append(arn)
    needs = (f"{', '.join(actions)} on {', '.join(arns)}" for actions, arns in groups_of.items())
    return f"{role_arn} needs {'; '.join(needs)}"


def granted_groups(documents: Iterable[Any]) -> list[str]:
    """Return one log group name for each pattern that a policy document may allow to write to.

    The log group of API Gateway's test is left out. Conditions and denials are not evaluated: IAM's simulation does.
    """
    names = (_matching_name(pattern) for document in documents for pattern in _patterns(document))
    return [name for name in dict.fromkeys(names) if name and name != WELCOME_GROUP]


def _patterns(document: Any) -> Iterator[str]:
    for statement in listed(document.get("Statement")):
        actions = [str(action).lower() for action in listed(statement.get("Action"))]
        if statement["Effect"] == "Allow" and (
            "NotAction" in statement or any(fnmatchcase(WRITE_LINES.lower(), action) for action in actions)
        ):
            # NotResource allows all resources but some: any name can be allowed.
            yield from ["*"] if "NotResource" in statement else listed(statement.get("Resource"))


def _matching_name(pattern: str) -> str:
    """Return the name of a log group that the pattern of an ARN matches; empty if it matches none."""
    if ":log-group:" not in pattern:
        return "x" if "*" in pattern else ""
    name = re.split(r":log-stream|:\*$|:$", pattern.partition(":log-group:")[2])[0]
    return re.sub(r"[*?]", "x", name)


def listed(value: Any) -> list[Any]:
    """Return the values of an element of a policy document, where a single value needs no list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
