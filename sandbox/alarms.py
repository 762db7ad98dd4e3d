"""CloudWatch's alarms: evaluated every minute of the account's clock, and told to topics when their state changes.

moto keeps alarms and evaluates none. At each full minute the queues publish their metrics, and every alarm looks back
from there over its periods. Clocks that are moved far are followed minute by minute for a day and an hour at most.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html and the pages beside
it. Not here: high-resolution alarms, anomaly detection, actions other than topics; and where AWS looks at samples older
than the evaluation range to make up for missing ones, these are taken as missing.
"""

from __future__ import annotations

import ast
import json
import logging
import re
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox import event_bus, insights, metric_math, metrics, topics
from sandbox.account import SERVICES
from sandbox.call import AwsError
from sandbox.clock import MovableClock
from sandbox.gateway import rule
from sandbox.metric_math import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.account import Sandbox
    from sandbox.call import Call
    from sandbox.gateway import Proceed
    from sandbox.metric_math import Series
    from sandbox.metrics import Metrics

log = logging.getLogger(__name__)

PRINCIPAL = "cloudwatch.amazonaws.com"
_MINUTE = timedelta(minutes=1)
#: Minutes that are followed one by one when the clock is moved.
_FOLLOWED = 25 * 60
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_KEY_REFUSED = "CloudWatch Alarms does not have authorization to access the SNS topic encryption key."


class Alarms:
    """Evaluates every alarm of every region."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._ending = threading.Event()
        self._evaluating = threading.Lock()
        self._seen = _minute(sandbox.now())
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """There are no alarms yet."""
        self._ending.clear()
        self._seen = _minute(self.sandbox.now())
        if isinstance(self.sandbox.clock, MovableClock):
            self.sandbox.clock.watch(self.follow)
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No alarm is evaluated any more."""
        if isinstance(self.sandbox.clock, MovableClock):
            self.sandbox.clock.unwatch(self.follow)
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            now = self.sandbox.now()
            self._ending.wait((_minute(now) + _MINUTE - now).total_seconds() + 0.01)
            if not self._ending.is_set():
                self.follow()

    def follow(self) -> None:
        """Every alarm was evaluated at each full minute that has passed."""
        with self._evaluating:
            now = _minute(self.sandbox.now())
            minutes = min(int((now - self._seen) / _MINUTE), _FOLLOWED)
            self._seen = now
            self._evaluate([now - _MINUTE * back for back in reversed(range(minutes))])

    def evaluate(self) -> None:
        """Every alarm was evaluated as at the end of the minute that runs, with what it has brought so far."""
        with self._evaluating:
            self._evaluate([_minute(self.sandbox.now()) + _MINUTE])

    def _evaluate(self, moments: list[datetime]) -> None:
        with self.sandbox.gateway.lock:
            for region, backend in list(cloudwatch_backends[self.sandbox.account_id].items()):
                if not backend.alarms or not moments:
                    continue
                for moment in moments:
                    metrics.put_queues(self.sandbox, region, moment - _MINUTE)
                samples = metrics.Metrics(self.sandbox, region)
                for moment in moments:
                    _Evaluation(self.sandbox, region, samples, moment).run()


class _Evaluation:
    """All alarms of one region, at one moment."""

    def __init__(self, sandbox: Sandbox, region: str, samples: Metrics, moment: datetime) -> None:
        self._sandbox, self._region, self._samples, self._moment = sandbox, region, samples, moment
        self._backend = cloudwatch_backends[sandbox.account_id][region]

    def run(self) -> None:
        """Every alarm is in the state that its metrics ask for; composite ones come after those they watch."""
        alarms = list(self._backend.alarms.values())
        for alarm in alarms:
            if alarm.rule is None:
                self._judge(alarm)
        for alarm in alarms:
            if alarm.rule is not None:
                holds = _rule_holds(alarm.rule, {each.name: each.state_value for each in alarms})
                arns = ", ".join(sorted(_alarms_named(alarm.rule)))
                change(
                    self._sandbox, self._region, alarm, "ALARM" if holds else "OK", f"{alarm.rule} of {arns}", {},
                    self._moment,
                )  # fmt: skip

    def _judge(self, alarm: Any) -> None:
        params: dict[str, Any] = vars(alarm)["params"]
        try:
            period, values = self._values(params)
        except ExpressionError as error:
            log.warning("The alarm %s cannot be evaluated: %s", alarm.name, error)
            return
        state, reason = _state(params, values, alarm.state_value)
        newest = [each for each in reversed(values) if each is not None]
        data = {
            "version": "1.0",
            "queryDate": _time(self._moment),
            "startDate": _time(self._moment - timedelta(seconds=period * len(values))),
            "period": period,
            "recentDatapoints": newest,
            "threshold": params["Threshold"],
        }
        change(self._sandbox, self._region, alarm, state, reason, data, self._moment)

    def _values(self, params: dict[str, Any]) -> tuple[int, Series]:
        """The length of a period, and the watched value in each, oldest first."""
        count = int(params["EvaluationPeriods"])
        if "Metrics" not in params:
            period = int(params["Period"])
            statistic = params.get("ExtendedStatistic") or params["Statistic"]
            return period, self._series(params, statistic, period, count, params.get("Unit"))
        queries = {each["Id"]: each for each in params["Metrics"]}
        periods = [int(each["Period"]) for each in queries.values() if "Period" in each]
        periods += [int(each["MetricStat"]["Period"]) for each in queries.values() if "MetricStat" in each]
        period = max(periods, default=60)
        found: dict[str, Series] = {}
        for name, query in queries.items():
            if "MetricStat" in query:
                of = query["MetricStat"]
                found[name] = self._series(of["Metric"], of["Stat"], period, count, of.get("Unit"))
        left = {name: query for name, query in queries.items() if "Expression" in query}
        while left:
            ready = [name for name, query in left.items() if not _names(query) & left.keys() - {name}]
            if not ready:
                raise ExpressionError("Expressions refer to each other in a circle.")
            for name in ready:
                found[name] = self._expression(left.pop(name)["Expression"], found, period, count)
        (watched,) = [name for name, query in queries.items() if query.get("ReturnData", True)]
        return period, found[watched]

    def _windows(self, period: int, count: int) -> Iterator[tuple[datetime, datetime]]:
        length = timedelta(seconds=period)
        for back in reversed(range(count)):
            yield self._moment - length * (back + 1), self._moment - length * back

    def _series(self, metric: dict[str, Any], statistic: str, period: int, count: int, unit: str | None) -> Series:
        key = metrics.key(metric)
        return [
            self._samples.statistic(key, statistic, start, end, unit) for start, end in self._windows(period, count)
        ]

    def _expression(self, expression: str, found: dict[str, Series], period: int, count: int) -> Series:
        if expression.lstrip().upper().startswith("SELECT"):
            return self._selected(expression, period, count)

        def insight(name: str, metric: str) -> Series:
            return [
                insights.datapoint(self._sandbox, self._region, name, start, end).get(metric)
                for start, end in self._windows(period, count)
            ]

        return metric_math.evaluate(expression, found, insight, count)

    def _selected(self, query: str, period: int, count: int) -> Series:
        statistic, metric, namespace, dimensions, wanted = metric_math.selected(query)
        keys = [
            key
            for key in self._samples.keys()  # noqa: SIM118 - no mapping
            if key[:2] == (namespace, metric)
            and (dimensions is None or {name for name, _ in key[2]} == dimensions)
            and wanted.items() <= dict(key[2]).items()
        ]
        series: Series = []
        for start, end in self._windows(period, count):
            known = [each for key in keys if (each := self._samples.statistic(key, statistic, start, end)) is not None]
            reduce = {"Maximum": max, "Minimum": min}.get(statistic, sum)
            series.append(float(reduce(known)) if known else None)
        return series


def _names(query: dict[str, Any]) -> set[str]:
    expression = query["Expression"]
    return set() if expression.lstrip().upper().startswith("SELECT") else metric_math.names(expression)


def _state(params: dict[str, Any], values: Series, before: str) -> tuple[str, str]:
    """The state for these values, and why.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    treatment = params.get("TreatMissingData", "missing")
    comparison, threshold = params["ComparisonOperator"], float(params["Threshold"])
    needed = int(params.get("DatapointsToAlarm") or params["EvaluationPeriods"])
    known = [each for each in values if each is not None]
    breaching = sum(_COMPARISONS[comparison](each, threshold) for each in known)
    missing = len(values) - len(known)
    if treatment == "breaching":
        breaching += missing
    told = f"{len(known)} datapoint{'s' if len(known) != 1 else ''} {known}"
    if not known and treatment == "ignore":
        return before, ""
    if not known and treatment == "missing":
        return "INSUFFICIENT_DATA", f"Insufficient Data: {len(values)} datapoints were unknown."
    if not known:
        told = f"no datapoints were received for {len(values)} periods and {missing} missing datapoints were treated as"
        told += " [Breaching]" if treatment == "breaching" else " [NonBreaching]"
    if breaching >= needed:
        return "ALARM", f"Threshold Crossed: {told} was {_WORDS[comparison]} the threshold ({threshold})."
    return "OK", f"Threshold Crossed: {told} was not {_WORDS[comparison]} the threshold ({threshold})."


def change(
    sandbox: Sandbox, region: str, alarm: Any, state: str, reason: str, data: dict[str, Any], moment: datetime
) -> None:
    """The alarm is in the state; if it was in another one, its actions and the event bus know.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
    """
    before = alarm.state_value
    if state == before:
        return
    old_reason, old_time = alarm.state_reason, alarm.state_updated_timestamp
    alarm.update_state(reason, json.dumps(data), state)
    alarm.state_updated_timestamp = moment
    _remember(alarm, moment, "StateUpdate", f"Alarm updated from {before} to {state}", data)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": sandbox.account_id,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [alarm.alarm_arn],
        "detail": {
            "alarmName": alarm.name,
            "state": {"value": state, "reason": reason, "timestamp": _time(moment)},
            "previousState": {"value": before, "reason": old_reason, "timestamp": _time(old_time)},
            "configuration": {"description": alarm.description or ""},
        },
    }
    event_bus.put(sandbox, region, event)
    if not alarm.actions_enabled:
        return
    actions = {"ALARM": alarm.alarm_actions, "OK": alarm.ok_actions}.get(state, alarm.insufficient_data_actions)
    message = json.dumps(_message(sandbox, region, alarm, before, reason, moment))
    for action in actions or []:
        _act(sandbox, alarm, action, message, f'{state}: "{alarm.name}" in {_region_name(region)}', moment)


def _act(sandbox: Sandbox, alarm: Any, action: str, message: str, subject: str, moment: datetime) -> None:
    """The topic has the message, or the alarm's history says why not: nobody else is told.

    *Source:* https://repost.aws/knowledge-center/cloudwatch-receive-sns-for-alarm-trigger
    """
    try:
        if action.split(":")[2] != "sns":
            raise AwsError("NotImplemented", f"The sandbox's alarms act on topics only, not on {action}", 501)
        topics.publish(sandbox, action, PRINCIPAL, alarm.alarm_arn, message, subject[:100])
    except topics.KeyRefusedError:
        error = _KEY_REFUSED
    except topics.PolicyRefusedError:
        error = f"Resource: {alarm.alarm_arn} is not authorized to perform: SNS:Publish on resource: {action}"
    else:
        _remember(alarm, moment, "Action", f"Successfully executed action {action}", {})
        return
    log.warning("The alarm %s cannot reach %s: %s", alarm.name, action, error)
    _remember(alarm, moment, "Action", f'Failed to execute action {action}. Received error: "{error}"', {})


def _remember(alarm: Any, moment: datetime, kind: str, summary: str, data: dict[str, Any]) -> None:
    item = {
        "AlarmName": alarm.name,
        "AlarmType": "MetricAlarm" if alarm.rule is None else "CompositeAlarm",
        "Timestamp": moment,
        "HistoryItemType": kind,
        "HistorySummary": summary,
        "HistoryData": json.dumps(data),
    }
    vars(alarm).setdefault("items", []).append(item)


def _message(sandbox: Sandbox, region: str, alarm: Any, before: str, reason: str, moment: datetime) -> dict[str, Any]:
    """What a subscriber gets. *Source:* the example of the User Guide, "Amazon SNS message format"."""
    params: dict[str, Any] = vars(alarm)["params"]
    if alarm.rule is None:
        names = (
            "MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Unit", "Period", "EvaluationPeriods",
            "DatapointsToAlarm", "ComparisonOperator", "Threshold", "TreatMissingData", "Metrics",
        )  # fmt: skip
        trigger: dict[str, Any] = {name: params[name] for name in names if name in params}
        if "Dimensions" in params:
            trigger["Dimensions"] = [{"name": each["Name"], "value": each["Value"]} for each in params["Dimensions"]]
        about: dict[str, Any] = {"Trigger": trigger}
    else:
        about = {"AlarmRule": alarm.rule}
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": sandbox.account_id,
        "NewStateValue": alarm.state_value,
        "NewStateReason": reason,
        "StateChangeTime": _time(moment),
        "Region": _region_name(region),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "OKActions": alarm.ok_actions or [],
        "AlarmActions": alarm.alarm_actions or [],
        "InsufficientDataActions": alarm.insufficient_data_actions or [],
        **about,
    }


def _region_name(region: str) -> str:
    return {"us-east-1": "US East (N. Virginia)", "eu-west-1": "EU (Ireland)"}.get(region, region)


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _time(moment: datetime) -> str:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def of(sandbox: Sandbox) -> Alarms:
    """The account's alarms."""
    return next(service for service in sandbox.services if isinstance(service, Alarms))


SERVICES.append(Alarms)

# --- composite alarms ----------------------------------------------------------------------------------------------


def _rule_tree(text: str) -> ast.expr:
    quoted = re.sub(r"(ALARM|OK|INSUFFICIENT_DATA)\s*\(\s*([^\"')]+?)\s*\)", r'\1("\2")', text)
    python = re.sub(r"\b(AND|OR|NOT)\b(?=[^\"]*(?:\"[^\"]*\"[^\"]*)*$)", lambda found: found[1].lower(), quoted)
    python = re.sub(r"\b(TRUE|FALSE)\b", lambda found: found[1].capitalize(), python)
    try:
        return ast.parse(python.strip(), mode="eval").body
    except SyntaxError:
        raise AwsError("ValidationError", f"AlarmRule must not contain errors: {text}") from None


def _alarms_named(text: str) -> set[str]:
    calls = (node for node in ast.walk(_rule_tree(text)) if isinstance(node, ast.Call))
    return {str(each.args[0].value).rsplit(":", 1)[-1] for each in calls if isinstance(each.args[0], ast.Constant)}


def _rule_holds(text: str, states: dict[str, str]) -> bool:
    """*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html"""

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


# --- the API -------------------------------------------------------------------------------------------------------


@rule("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(sandbox: Sandbox, call: Call, proceed: Proceed) -> dict[str, Any]:
    """The alarm exists; a new one has too little data, one that was there keeps its state.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    _check_alarm(call.params)
    return _put(sandbox, call, proceed)


@rule("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The alarm exists, and watches alarms that do."""
    backend, params = cloudwatch_backends[sandbox.account_id][call.region], call.params
    unknown = _alarms_named(params["AlarmRule"]) - backend.alarms.keys()
    if unknown:
        message = f"Could not save the composite alarm as alarms [{', '.join(sorted(unknown))}] do not exist"
        raise AwsError("ValidationError", message)  # the wording is not recorded

    def put() -> None:  # moto has no such operation, but keeps such alarms
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

    return _put(sandbox, call, put)


def _put(sandbox: Sandbox, call: Call, put: Callable[[], object]) -> dict[str, Any]:
    alarms, name = cloudwatch_backends[sandbox.account_id][call.region].alarms, call.params["AlarmName"]
    before = alarms.get(name)
    put()
    alarm = alarms[name]
    alarm.state_value, alarm.state_updated_timestamp = "INSUFFICIENT_DATA", sandbox.now()
    alarm.configuration_updated_timestamp = sandbox.now()
    if before is not None:
        for attribute in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp"):
            setattr(alarm, attribute, getattr(before, attribute))
        vars(alarm)["items"] = vars(before).get("items", [])
    vars(alarm)["params"] = dict(call.params)
    kind = "created" if before is None else "updated"
    _remember(alarm, sandbox.now(), "ConfigurationUpdate", f'Alarm "{name}" {kind}', {})
    return {}


def _check_alarm(params: dict[str, Any]) -> None:
    """Refusals, whose wording is not recorded except where CloudFormation's users quote it."""
    if params.get("ComparisonOperator") not in _COMPARISONS:
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
        periods = [int(params.get("Period", 0))]
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
            unknown = _names(each) - ids if "Expression" in each else set()
        except ExpressionError as error:
            raise _invalid(str(error)) from error
        if unknown:
            raise _invalid(f"Error in expression '{each['Id']}': Undefined variable {', '.join(sorted(unknown))}")
    return [int(each["MetricStat"]["Period"]) for each in queries if "MetricStat" in each] + [
        int(each["Period"]) for each in queries if "Period" in each
    ]


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


@rule("cloudwatch", "SetAlarmState")
def set_alarm_state(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """The alarm is in the state until it is evaluated; its actions run as ever."""
    alarm = cloudwatch_backends[sandbox.account_id][call.region].alarms.get(call.params["AlarmName"])
    if alarm is None:
        raise AwsError("ResourceNotFound", "", 404)
    state = call.params["StateValue"]
    if state not in ("ALARM", "OK", "INSUFFICIENT_DATA"):
        raise _invalid(f"'{state}' is no state of an alarm")
    change(sandbox, call.region, alarm, state, call.params["StateReason"], {}, sandbox.now())
    return {}


@rule("cloudwatch", "DescribeAlarmHistory")
def describe_alarm_history(sandbox: Sandbox, call: Call, _: Proceed) -> dict[str, Any]:
    """What happened to alarms, newest first unless asked otherwise, on one page."""
    params = call.params
    items = [
        item
        for alarm in cloudwatch_backends[sandbox.account_id][call.region].alarms.values()
        if params.get("AlarmName") in (None, alarm.name)
        for item in vars(alarm).get("items", [])
        if params.get("HistoryItemType") in (None, item["HistoryItemType"])
    ]
    items.sort(key=lambda item: item["Timestamp"], reverse=params.get("ScanBy") != "TimestampAscending")
    return {"AlarmHistoryItems": items}
