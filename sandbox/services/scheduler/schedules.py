"""The API of EventBridge Scheduler and what it refuses. ``scheduler`` starts what is due.

*Source:* https://docs.aws.amazon.com/scheduler/latest/APIReference/ and the models of botocore
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moto.scheduler.models import scheduler_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.eventbridge.schedule_expressions import At, parse
from sandbox.services.eventbridge.timers import Timer
from sandbox.services.scheduler.scheduler import ROLE_REFUSED, UNIVERSAL_TARGET, Scheduler, role_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_TARGETS = frozenset({"sqs", "lambda", "events"})
_RETRY_POLICY = {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


@rule("scheduler", "CreateSchedule")
def create_schedule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the schedule. Raise AwsError if AWS would refuse it."""
    params = call.params
    group = _group(account, call, params.get("GroupName", "default"))
    timer = _checked(account, call)
    if params["Name"] in group.schedules:
        raise AwsError("ConflictException", f"Schedule {params['Name']} already exists.", 409)
    answer = proceed({name: value for name, value in params.items() if name != "StartDate"})
    schedule = group.schedules[params["Name"]]
    schedule.creation_date = account.now().timestamp()
    _set(account, schedule, params, timer)
    return answer


@rule("scheduler", "UpdateSchedule")
def update_schedule(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Replace the schedule: members that are not sent get their defaults.

    *Source:* botocore's documentation of UpdateSchedule
    """
    name = call.params["Name"]
    schedule = _group(account, call, call.params.get("GroupName", "default")).schedules.get(name)
    if schedule is None:
        raise AwsError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404)
    _set(account, schedule, call.params, _checked(account, call))
    return {"ScheduleArn": schedule.arn}


def _set(account: Account, schedule: Any, params: dict[str, Any], timer: Timer) -> None:
    schedule.description = params.get("Description")
    schedule.schedule_expression = params["ScheduleExpression"]
    schedule.schedule_expression_timezone = params.get("ScheduleExpressionTimezone", "UTC")
    schedule.flexible_time_window = params["FlexibleTimeWindow"]
    target = params["Target"]
    schedule.target = {**target, "RetryPolicy": {**_RETRY_POLICY, **target.get("RetryPolicy", {})}}
    schedule.state = params.get("State", "ENABLED")
    schedule.kms_key_arn = params.get("KmsKeyArn")
    start, end = _moment(params.get("StartDate")), _moment(params.get("EndDate"))
    schedule.start_date = start.timestamp() if start else None
    schedule.end_date = end.timestamp() if end else None
    schedule.action_after_completion = params.get("ActionAfterCompletion", "NONE")
    schedule.last_modified_date = account.now().timestamp()
    vars(schedule)["timer"] = timer
    account.service(Scheduler).wake()


def _checked(account: Account, call: Call) -> Timer:
    """Return the timer of the schedule that the parameters describe. Raise AwsError if AWS would refuse them."""
    params = call.params
    for required in ("ScheduleExpression", "FlexibleTimeWindow", "Target"):
        if not params.get(required):
            where = required[0].lower() + required[1:]
            raise _invalid(
                f"1 validation error detected: Value null at '{where}' failed to satisfy constraint: "
                "Member must not be null"
            )
    window = params["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise _invalid("MaximumWindowInMinutes goes with a FLEXIBLE time window.")  # the wording is not recorded
    timer = _timer(account, params)
    _check_target(params["Target"])
    if role_of(account, call.region, params.get("GroupName", "default"), params["Target"]["RoleArn"]) is None:
        raise _invalid(ROLE_REFUSED)
    return timer


def _timer(account: Account, params: dict[str, Any]) -> Timer:
    """Return the timer of the expression in the parameters.

    A one-time schedule in the past is accepted and invoked at once: measured with a public scheduler on 2026-09-10. A
    comment in DefangLabs/pulumi-defang pull request 425 says that it is refused; a switch of the sandbox does that.
    *Source:* getmoto/moto pull request 8172 (StartDate), localstack/localstack issue 9284 (invalid expressions)
    """
    text, now = params["ScheduleExpression"], account.now()
    name = params.get("ScheduleExpressionTimezone", "UTC")
    try:
        zone = UTC if name == "UTC" else ZoneInfo(name)  # for UTC no database of time zones is needed
    except (ZoneInfoNotFoundError, ValueError):
        raise _invalid(f"Invalid Schedule Expression Timezone {name}.") from None  # the wording is not recorded
    try:
        expression = parse(text, zone)
    except ValueError:
        raise _invalid(f"Invalid Schedule Expression {text}.") from None
    if isinstance(expression, At):
        if expression.moment < now and account.behaviour.refuses_past_schedules:
            raise _invalid(f"Invalid Schedule Expression {text}.")
        return Timer(expression, expression.moment)  # StartDate and EndDate are ignored
    start = _moment(params.get("StartDate"))
    if start is not None and start < now - timedelta(minutes=5):
        raise _invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    return Timer(expression, expression.first(now, start), _moment(params.get("EndDate")))


def _check_target(target: dict[str, Any]) -> None:
    if not re.fullmatch(r"arn:aws[a-z-]*:[\w-]+:[^:]*:[^:]*:.+", target["Arn"]):
        raise _invalid("Provided Arn is not in correct format.")
    service = Arn.parse(target["Arn"]).service
    if service not in _TARGETS and not target["Arn"].endswith(UNIVERSAL_TARGET):
        raise AwsError("NotImplemented", f"The sandbox's Scheduler reaches no targets like {target['Arn']}", 501)
    if service == "events" and "EventBridgeParameters" not in target:
        raise _invalid("EventBridgeParameters is required for this target.")  # the wording is not recorded
    if service != "sqs" and "Input" in target:
        try:
            json.loads(target["Input"])
        except ValueError:
            raise _invalid("Input must be well-formed JSON for this target.") from None  # the wording is not recorded


def _group(account: Account, call: Call, name: str) -> Any:
    group = scheduler_backends[account.account_id][call.region].schedule_groups.get(name)
    if group is None:
        raise AwsError("ResourceNotFoundException", f"Schedule group {name} does not exist.", 404)
    return group


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime.fromtimestamp(float(value), UTC)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)


@rule("scheduler", "CreateScheduleGroup")
def create_schedule_group(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the group. moto would delete the schedules of one that exists."""
    name = call.params["Name"]
    groups = scheduler_backends[account.account_id][call.region].schedule_groups
    if name in groups:
        raise AwsError("ConflictException", f"Schedule group {name} already exists.", 409)
    answer = proceed()
    groups[name].created_on = groups[name].last_modified = account.now().timestamp()
    return answer


@rule("scheduler", "DeleteScheduleGroup")
def delete_schedule_group(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Delete the group and its schedules at once; on AWS that takes a while."""
    name = call.params["Name"]
    _group(account, call, name)
    if name == "default":
        raise _invalid("The default schedule group cannot be deleted.")  # the wording is not recorded
    return proceed()
