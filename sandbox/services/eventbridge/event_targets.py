"""Targets of rules: which ones PutTargets accepts. It accepts all targets of a call or none.

*Source:* localstack ``test_events.snapshot.json`` and ``test_events_inputs.snapshot.json``; radkawar/stackd
``docs/eventbridge.md`` (Target command boundaries), with ``bus_forwarding.json`` and ``logs_destination.json``.
"Not recorded" in a line means that AWS is known to refuse, but that the text is not recorded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.eventbridge import event_bus, event_rules, target_inputs

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_MOST_TARGETS = 5
_MOST_ON_A_PAGE = 100
_ARN = re.compile(r"arn:aws[\w-]*:([\w-]+):([\w-]*):(\d{12}):(.+)")
_MODES = frozenset({"Input", "InputPath", "InputTransformer"})
#: Services whose targets must be in the rule's own region.
_REGIONAL = frozenset({"sqs", "sns", "lambda", "logs"})


@rule("events", "PutTargets")
def put_targets(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Check every target, then store them as moto does. Of several targets with one id, the last one counts."""
    params = call.params
    of_rule, bus = event_rules.rule_of(account, call, params["Rule"]), event_rules.bus_of(account, call)
    for target in params["Targets"]:
        _check(target, call.region, bus.arn)
        if account.behaviour.cross_region_buses_elsewhere == "refused" and event_bus.is_out_of_reach(
            target["Arn"], call.region
        ):
            message = f"Parameter {target['Arn']} is not valid. Reason: no bus of another region is supported here."
            raise _invalid(message)  # not recorded
    ids = {each["Id"] for each in (*of_rule.targets, *params["Targets"])}
    if len(ids) > _MOST_TARGETS:
        raise AwsError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    proceed()
    return {"FailedEntryCount": 0, "FailedEntries": []}


@rule("events", "ListTargetsByRule")
def list_targets(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return a rule's targets in pages. moto's own paging fails if several targets have the same ARN.

    *Source:* localstack ``test_events.snapshot.json`` (test_list_target_by_rule_limit); a token is opaque.
    """
    targets = event_rules.rule_of(account, call, call.params["Rule"]).targets
    start = int(call.params.get("NextToken", "0"), 16)
    end = start + call.params.get("Limit", _MOST_ON_A_PAGE)
    return {"Targets": targets[start:end], **({"NextToken": f"{end:016x}"} if end < len(targets) else {})}


@rule("events", "RemoveTargets")
def remove_targets(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Answer as moto does, if there is the rule."""
    event_rules.rule_of(account, call, call.params["Rule"])
    return proceed()


def _check(target: dict[str, Any], region: str, bus_arn: str) -> None:
    arn = target["Arn"]
    parts = _ARN.fullmatch(arn)
    if parts is None:
        raise _invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
    service, target_region, _, resource = parts.groups()
    if service in _REGIONAL and target_region != region:
        raise _invalid(
            f"Parameter {arn} is not valid. Reason: Provided Arn is not in the rule's region."
        )  # not recorded
    target_inputs.check(target)
    if service == "logs":
        _check_log_group(target, resource)
    if service == "events" and resource.startswith("event-bus/"):
        _check_bus(target, bus_arn)
    if service == "sqs" and arn.endswith(".fifo") and not target.get("SqsParameters"):
        raise _invalid(f"Parameter(s) SqsParameters must be specified for target: {target['Id']}.")
    dead_letters = target.get("DeadLetterConfig", {}).get("Arn", "")
    if dead_letters and not re.fullmatch(rf"arn:aws[\w-]*:sqs:{region}:\d{{12}}:[\w-]+", dead_letters):
        raise _invalid(
            f"Parameter {dead_letters} is not valid. Reason: no standard queue in this region."
        )  # not recorded


def _check_log_group(target: dict[str, Any], resource: str) -> None:
    arn, identifier = target["Arn"], target["Id"]
    if "RoleArn" in target:
        raise _invalid(f"RoleArn is not supported for target {arn}.")
    if "Input" in target or "InputPath" in target:
        raise _invalid(
            f"Input and InputPath are not valid forms of input for target {identifier}. "
            "The only valid form of input is InputTransformer."
        )
    if not re.fullmatch(r"log-group:[^:]+(:\*)?", resource):
        raise _invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")


def _check_bus(target: dict[str, Any], bus_arn: str) -> None:
    """Check a target that is a bus. It needs a role, must not be the rule's own bus, and gets the event unchanged."""
    arn = target["Arn"]
    if not target.get("RoleArn"):
        raise _invalid(f"RoleArn is required for target {arn}.")
    if arn == bus_arn:
        raise _invalid(f"Parameter {arn} is not valid. Reason: a bus cannot be a target of its rules.")  # not recorded
    if unsupported := sorted(({"RetryPolicy"} | _MODES) & target.keys()):
        raise _invalid(f"{unsupported[0]} is not supported for target {arn}.")  # not recorded


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
