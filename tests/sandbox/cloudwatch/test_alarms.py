"""Alarms of CloudWatch are evaluated on the account's clock as AWS documents it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.cloudwatch.alarms import Alarms
from testing.alarms import MINUTE, alarm, put, state
from testing.clients import client, refusal


@pytest.mark.parametrize(
    ("treatment", "found"),
    [("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK"), ("ignore", "INSUFFICIENT_DATA")],
)
def test_missing_data_is_treated_as_set(account: Sandbox, treatment: str, found: str) -> None:
    alarm(account, TreatMissingData=treatment)
    account.service(Alarms).evaluate()
    assert state(account) == found


@pytest.mark.parametrize("sweeps", [0, 1])
def test_overdue_sweep_raises_the_alarm(account: Sandbox, clock: MovableClock, sweeps: int) -> None:
    """The state is ALARM in the hour after two days, counted from the last sweep or from the alarm's creation."""
    alarm(
        account,
        MetricName="Swept",
        Period=86400,
        EvaluationPeriods=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 2880, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": True},
    )
    for _ in range(sweeps):
        put(account, "Swept")
    clock.advance(timedelta(minutes=90))
    clock.advance(timedelta(hours=24))
    clock.advance(timedelta(hours=22))
    assert state(account) == "INSUFFICIENT_DATA"
    clock.advance(timedelta(hours=2))
    assert state(account) == "ALARM"
    put(account, "Swept")
    clock.advance(timedelta(hours=1))
    assert state(account) == "OK"
    clock.advance(timedelta(hours=24))
    clock.advance(timedelta(hours=22))
    assert state(account) == "OK"
    clock.advance(timedelta(hours=2))
    assert state(account) == "ALARM"


def test_alarm_over_more_than_a_day_is_evaluated_on_the_hour(clock: MovableClock, account: Sandbox) -> None:
    """A new alarm for which missing data are breaching is in ALARM at first, although there was data a moment ago."""
    clock.advance(timedelta(minutes=70 - clock.now().minute))
    put(account, value=1)
    alarm(
        account,
        Period=86400,
        EvaluationPeriods=2,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
    )
    clock.advance(MINUTE)
    assert state(account) == "ALARM"
    clock.advance(timedelta(minutes=45))
    assert state(account) == "ALARM"
    clock.advance(timedelta(minutes=5))
    assert state(account) == "OK"


@pytest.mark.parametrize("waits", [False, True])
def test_warm_up_delays_the_evaluation(clock: MovableClock, account: Sandbox, *, waits: bool) -> None:
    """It ends once every period has data, or only at the end of its time."""
    alarm(
        account,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 5, "OnlyStartEvaluatingAfterWarmUpPeriodEnds": waits},
    )
    clock.advance(2 * MINUTE)
    assert state(account) == "INSUFFICIENT_DATA"
    put(account, value=1)
    clock.advance(MINUTE)
    assert state(account) == ("INSUFFICIENT_DATA" if waits else "OK")
    clock.advance(3 * MINUTE)
    assert state(account) == "ALARM"


def test_warm_up_of_more_than_two_days_is_refused(account: Sandbox) -> None:
    code, message = refusal(lambda: alarm(account, WarmUpConfiguration={"WarmUpPeriodDurationInMinutes": 2881}))
    assert (code, message) == (
        "ValidationError",
        "WarmUpPeriodDurationInMinutes must be from 1 to 2880, and not 2881",
    )


def test_alarm_needs_its_datapoints_to_alarm(account: Sandbox, clock: MovableClock) -> None:
    alarm(account, EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="notBreaching")
    put(account)
    clock.advance(MINUTE)
    clock.advance(MINUTE)
    assert state(account) == "OK"
    put(account)
    clock.advance(MINUTE)
    assert state(account) == "ALARM"


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("failed + FILL(changed, 0)", "ALARM"),
        ("failed / changed", "INSUFFICIENT_DATA"),
        ("IF(failed > 2, 5, 0)", "ALARM"),
        ("MAX(METRICS()) - 3", "OK"),
        ("SUM([failed, FILL(changed, 7)])", "ALARM"),
        ('SELECT SUM(Failed) FROM SCHEMA("LogKeeper", Region)', "ALARM"),
        ("SELECT SUM(Failed) FROM \"LogKeeper\" WHERE Region = 'eu-west-1'", "INSUFFICIENT_DATA"),
    ],
)
def test_metric_math_is_evaluated(account: Sandbox, expression: str, found: str) -> None:
    def query(name: str, metric: str) -> dict[str, Any]:
        dimensions = [{"Name": "Region", "Value": "us-east-1"}]
        of = {"Namespace": "LogKeeper", "MetricName": metric, "Dimensions": dimensions}
        return {"Id": name, "MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    queries = [query("failed", "Failed"), query("changed", "Changed"), {"Id": "e", "Expression": expression}]
    nothing = dict.fromkeys(("Namespace", "MetricName", "Statistic", "Period"))
    if expression.startswith("SELECT"):
        queries = [{"Id": "e", "Expression": expression, "Period": 60}]
    alarm(account, Metrics=queries, **nothing)
    put(account, value=3, Region="us-east-1")
    account.service(Alarms).evaluate()
    assert state(account) == found


def test_invalid_alarms_are_refused(account: Sandbox) -> None:
    wrong: list[dict[str, Any]] = [
        {"Period": 90},
        {"Period": 3600, "EvaluationPeriods": 169},
        {"Period": 60, "EvaluationPeriods": 1441},
        {"DatapointsToAlarm": 2},
        {"ExtendedStatistic": "p99"},
        {"TreatMissingData": "never"},
    ]
    for changes in wrong:
        assert refusal(lambda changes=changes: alarm(account, **changes))[0] == "ValidationError"


def test_composite_alarm_follows_its_rule(account: Sandbox) -> None:
    for name in ("a", "b"):
        alarm(account, AlarmName=name, MetricName=name, TreatMissingData="notBreaching")
    cloudwatch = client(account, "cloudwatch")
    cloudwatch.put_composite_alarm(AlarmName="both", AlarmRule='ALARM("a") AND NOT ALARM(b)')
    put(account, "a")
    account.service(Alarms).evaluate()
    assert state(account, "both") == "ALARM"
    put(account, "b")
    account.service(Alarms).evaluate()
    assert state(account, "both") == "OK"
    assert refusal(lambda: cloudwatch.put_composite_alarm(AlarmName="c", AlarmRule="ALARM(z)"))[0] == "ValidationError"
