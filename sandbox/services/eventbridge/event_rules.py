"""Rules of EventBridge: the patterns and schedules that PutRule accepts, and the timers of schedules.

*Source:* radkawar/stackd ``testdata/aws/eventbridge/control_plane.json`` and ``scheduled_rules.json``, localstack
``test_events.snapshot.json`` and ``test_events_patterns.snapshot.json``
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.eventbridge import event_patterns
from sandbox.services.eventbridge.event_matchers import PatternError
from sandbox.services.eventbridge.schedule_expressions import Dialect, parse
from sandbox.services.eventbridge.timers import Timer, TimerChanges

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_ALL_MANAGEMENT_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"


@rule("events", "PutRule")
def put_rule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Check the pattern and the schedule, then store the rule as moto does. An existing rule keeps its tags."""
    params = call.params
    schedule, pattern = params.get("ScheduleExpression"), params.get("EventPattern")
    if not schedule and not pattern:
        message = "Parameter(s) EventPattern or ScheduleExpression must be specified."
        raise AwsError("ValidationException", message)
    if schedule:
        try:
            parse(schedule, dialect=Dialect.RULE)
        except ValueError:
            raise AwsError("ValidationException", "Parameter ScheduleExpression is not valid.") from None
        if params.get("State") == _ALL_MANAGEMENT_EVENTS:
            message = f"{_ALL_MANAGEMENT_EVENTS} rule state is not supported with scheduled rule expressions."
            raise AwsError("ValidationException", message)
    if pattern:
        check_pattern(pattern)
    bus_name = params.get("EventBusName", "default").rsplit("/", 1)[-1]
    if schedule is not None and bus_name != "default":
        message = "ScheduleExpression is supported only on the default event bus."
        raise AwsError("ValidationException", message)
    bus = bus_of(account, call)
    before = bus.rules.get(params["Name"])
    answer = proceed(params if before is None else {name: value for name, value in params.items() if name != "Tags"})
    found = bus.rules[params["Name"]]
    _keep_cadence(before, found)
    _set_timer(account, found)
    return answer


@rule("events", "EnableRule")
def enable_rule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Enable the rule. If it has a schedule, its timer starts now."""
    found = rule_of(account, call, call.params["Name"])
    was_disabled = found.state == "DISABLED"
    answer = proceed()
    if was_disabled:
        vars(found).pop("timer", None)
    _set_timer(account, found)
    return answer


@rule("events", "DescribeRule", "DisableRule")
def existing_rule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Check that the rule exists, then answer as moto does."""
    rule_of(account, call, call.params["Name"])
    return proceed()


@rule("events", "DeleteRule")
def delete_rule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Delete the rule. A missing rule is not an error, but a missing bus is."""
    bus_of(account, call)
    return proceed()


def bus_of(account: Account, call: Call) -> Any:
    """Return moto's bus that the call names. Raise AwsError if it does not exist."""
    name = call.params.get("EventBusName", "default").rsplit("/", 1)[-1]
    bus = events_backends[account.account_id][call.region].event_buses.get(name)
    if bus is None:
        raise AwsError("ResourceNotFoundException", f"Event bus {name} does not exist.")
    return bus


def rule_of(account: Account, call: Call, name: str) -> Any:
    """Return moto's rule that the call names. Raise AwsError if it does not exist."""
    bus = bus_of(account, call)
    if name not in bus.rules:
        raise AwsError("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus.name}.")
    return bus.rules[name]


def _keep_cadence(before: Any, now: Any) -> None:
    """Keep the timer of an enabled rule if the rule is put again with the same schedule."""
    was_enabled = before is not None and before.state != "DISABLED" and "timer" in vars(before)
    if was_enabled and before.scheduled_expression == now.scheduled_expression and now.state != "DISABLED":
        vars(now)["timer"] = vars(before)["timer"]


def _set_timer(account: Account, found: Any) -> None:
    """Set the timer of a rule with a schedule, in UTC.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
    """
    if not found.scheduled_expression or "timer" in vars(found):
        return
    expression = parse(found.scheduled_expression, UTC, Dialect.RULE)
    vars(found)["timer"] = Timer(expression, expression.following(account.now()))
    account.service(TimerChanges).notify()


@rule("events", "TestEventPattern")
def try_pattern(_: Account, call: Call, __: Proceed) -> dict[str, Any]:
    """Tell whether an event would match. Check the pattern first, then the required members of the event."""
    pattern = check_pattern(call.params["EventPattern"])
    invalid = AwsError("ValidationException", "Parameter Event is not valid.")
    try:
        event = json.loads(call.params["Event"])
    except ValueError:
        raise invalid from None
    required = {"id", "detail-type", "source", "account", "time", "region"}
    if not isinstance(event, dict) or required - event.keys():
        raise invalid
    try:
        datetime.fromisoformat(event["time"])
    except (TypeError, ValueError):
        raise AwsError("ValidationException", "Parameter Event is not valid. Reason: Invalid time.") from None
    return {"Result": pattern.matches(event)}


def check_pattern(text: str) -> event_patterns.Pattern:
    """Return the pattern. Raise EventBridge's error, with the reason, if it is invalid."""
    try:
        return event_patterns.compiled(text)
    except PatternError as error:
        raise AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from None
