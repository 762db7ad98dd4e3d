"""CloudWatch's calls about alarms, and the rules of composite alarms."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.cloudwatch import metric_math
from sandbox.services.cloudwatch.alarm_states import change, remember
from sandbox.services.cloudwatch.metric_math import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}

# --- composite alarms ----------------------------------------------------------------------------------------------


def _rule_tree(text: str) -> ast.expr:
    quoted = re.sub(r"(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*([^\"')]+?)\s*\)", r'\1("\2")', text)
    python = re.sub(r"\b(AND|OR|NOT)\b(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", lambda found: found[1].lower(), quoted)
    python = re.sub(r"\b(TRUE|FALSE)\b", lambda found: found[1].capitalize(), python)
    try:
        return ast.parse(python.strip(), mode="eval").body
    except SyntaxError:
        raise AwsError("ValidationError", f"AlarmRule must not contain errors: {text}") from None


def alarms_named(text: str) -> set[str]:
    calls = (node for node in ast.walk(_rule_tree(text)) if isinstance(node, ast.Call))
    return {str(each.args[0].value).rsplit(":", 1)[-1] for each in calls if isinstance(each.args[0], ast.Constant)}


def rule_holds(text: str, states: dict[str, str]) -> bool:
    """Return whether the rule of a composite alarm is true for these states of alarms.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
    """

    def holds(node: ast.AST) -> bool:
        match node:
            case ast.Constant(value=value):
                return bool(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not holds(operand)
            case ast.BoolOp(op=ast.And(), values=values):
                return all(holds(each) for each in values)
            case ast.BoolOp(op=ast.Or(), values=values):
                return any(holds(each) for each in values)
            case ast.Call(func=ast.Name(id=state), args=[ast.Constant(value=name)]):
                return states.get(str(name).rsplit(":", 1)[-1]) == state
        raise AwsError("ValidationError", f"AlarmRule must not contain errors: {text}")

    return holds(_rule_tree(text))


def names_in(query: dict[str, Any]) -> set[str]:
    expression = query["Expression"]
    return set() if expression.lstrip().upper().startswith("SELECT") else metric_math.names(expression)


# --- the API -------------------------------------------------------------------------------------------------------


@rule("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create or replace the alarm. A new one has the state INSUFFICIENT_DATA; an existing one keeps its state.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    _check_alarm(call.params)
    return _put(account, call, proceed)


@rule("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create or replace the composite alarm. Refuse a rule about alarms that do not exist."""
    backend, params = cloudwatch_backends[account.account_id][call.region], call.params
    unknown = alarms_named(params["AlarmRule"]) - backend.alarms.keys()
    if unknown:
        message = f"Could not save the composite alarm as alarms [{', '.join(sorted(unknown))}] do not exist"
        raise AwsError("ValidationError", message)  # the wording is not recorded

    def put() -> None:  # moto has no such operation, but stores such alarms
        backend.put_metric_alarm(
            name=params["AlarmName"],
            namespace="",
            metric_name="",
            comparison_operator="",
            evaluation_periods=0,
            period=0,
            threshold=0,
            statistic="",
            description=params.get("AlarmDescription", ""),
            dimensions=[],
            alarm_actions=params.get("AlarmActions", []),
            ok_actions=params.get("OKActions"),
            insufficient_data_actions=params.get("InsufficientDataActions"),
            actions_enabled=params.get("ActionsEnabled", True),
            rule=params["AlarmRule"],
            tags=params.get("Tags"),
        )

    return _put(account, call, put)


def _put(account: Account, call: Call, put: Callable[[], object]) -> dict[str, Any]:
    alarms, name = cloudwatch_backends[account.account_id][call.region].alarms, call.params["AlarmName"]
    before = alarms.get(name)
    put()
    alarm = alarms[name]
    alarm.state_value, alarm.state_updated_timestamp = "INSUFFICIENT_DATA", account.now()
    alarm.configuration_updated_timestamp = account.now()
    if before is not None:
        for attribute in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
            setattr(alarm, attribute, getattr(before, attribute))
        vars(alarm)["items"] = vars(before).get("items", [])
    vars(alarm)["created_at"] = account.now() if before is None else vars(before)["created_at"]
    vars(alarm)["params"] = dict(call.params)
    kind = "created" if before is None else "updated"
    remember(alarm, account.now(), "ConfigurationUpdate", f'Alarm "{name}" {kind}', {})
    return {}


def _check_alarm(params: dict[str, Any]) -> None:
    """Refuse invalid parameters. The wordings are not recorded, except those that users of CloudFormation quote."""
    if params.get("ComparisonOperator") not in COMPARISONS:
        raise _invalid(f"The sandbox knows no ComparisonOperator {params.get('ComparisonOperator')}")
    if "Threshold" not in params:
        raise _invalid("Threshold is required for alarms based on static thresholds")
    count = int(params["EvaluationPeriods"])
    if int(params.get("DatapointsToAlarm") or count) > count:
        raise _invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods")
    if params.get("TreatMissingData", "missing") not in ("breaching", "notBreaching", "ignore", "missing"):
        raise _invalid(f"Option {params['TreatMissingData']} is not supported")
    if "Metrics" in params:
        periods = _check_queries(params)
    else:
        if "MetricName" not in params or "Namespace" not in params:
            raise _invalid("The parameters MetricName and Namespace are required")
        if ("Statistic" in params) == ("ExtendedStatistic" in params):
            raise _invalid("Exactly one of Statistic and ExtendedStatistic must be set")
        periods = periods_of(params)
    minutes = int(params.get("WarmUpConfiguration", {}).get("WarmUpPeriodDurationInMinutes", 1))
    if not 1 <= minutes <= 2880:
        raise _invalid(f"WarmUpPeriodDurationInMinutes must be from 1 to 2880, and not {minutes}")
    for period in periods:
        if period not in (10, 20, 30) and (period <= 0 or period % 60):
            raise _invalid("Period must be 10, 30 or a multiple of 60")
        longest = 7 * 86400 if period >= 3600 else 86400
        if period * count > longest:
            raise _invalid(
                f"Metrics cannot be checked across more than {longest // 86400} day(s) (EvaluationPeriods * Period "
                f"must be <= {longest})."
            )


def _check_queries(params: dict[str, Any]) -> list[int]:
    if {"MetricName", "Namespace", "Period", "Statistic", "Dimensions"} & params.keys():
        raise _invalid("Metrics list contains Metrics and so MetricName, Period and the like must not be set")
    queries = params["Metrics"]
    ids = {each["Id"] for each in queries}
    if len(ids) < len(queries) or not all(re.fullmatch(r"[a-z][a-zA-Z0-9_]*", each) for each in ids):
        raise _invalid("Ids of Metrics must be unique, and begin with a lowercase letter")
    if sum(each.get("ReturnData", True) for each in queries) != 1:
        raise _invalid("Exactly one element of the metrics list should return data.")
    for each in queries:
        if ("Expression" in each) == ("MetricStat" in each):
            raise _invalid("Each element of Metrics must have either an Expression or a MetricStat")
        try:
            unknown = names_in(each) - ids if "Expression" in each else set()
        except ExpressionError as error:
            raise _invalid(str(error)) from error
        if unknown:
            raise _invalid(f"Error in expression '{each['Id']}': Undefined variable {', '.join(sorted(unknown))}")
    return periods_of(params)


def periods_of(params: dict[str, Any]) -> list[int]:
    """Return the length in seconds of each period in the alarm; empty if it names none, which means one minute."""
    if "Metrics" not in params:
        return [int(params.get("Period", 0))]
    stats = [each["MetricStat"] for each in params["Metrics"] if "MetricStat" in each]
    return [int(each["Period"]) for each in [*stats, *params["Metrics"]] if "Period" in each]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


@rule("cloudwatch", "SetAlarmState")
def set_alarm_state(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Set the state of the alarm, until its next evaluation, and run its actions."""
    alarm = cloudwatch_backends[account.account_id][call.region].alarms.get(call.params["AlarmName"])
    if alarm is None:
        raise AwsError("ResourceNotFound", "", 404)
    state = call.params["StateValue"]
    if state not in ("ALARM", "OK", "INSUFFICIENT_DATA"):
        raise _invalid(f"'{state}' is no state of an alarm")
    change(account, call.region, alarm, state, call.params["StateReason"], {}, account.now())
    return {}


@rule("cloudwatch", "DescribeAlarmHistory")
def describe_alarm_history(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the history of alarms, by default newest first, on one page."""
    params = call.params
    items = [
        item
        for alarm in cloudwatch_backends[account.account_id][call.region].alarms.values()
        if params.get("AlarmName") in (None, alarm.name)
        for item in vars(alarm).get("items", [])
        if params.get("HistoryItemType") in (None, item["HistoryItemType"])
    ]
    items.sort(key=lambda item: item["Timestamp"], reverse=params.get("ScanBy") != "TimestampAscending")
    return {"AlarmHistoryItems": items}
