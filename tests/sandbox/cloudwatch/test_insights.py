"""CloudWatch validates Contributor Insights rules, dashboards and saved queries, and evaluates rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.cloudwatch.alarms import Alarms
from testing.clients import client, refusal
from testing.cloudformation import create, physical, template
from testing.iam import allow, role

GROUP = "/aws/lambda/enforce"
HOUR = timedelta(hours=1)


@pytest.fixture
def account() -> Iterator[Sandbox]:
    """An account with one log group, whose clock can be moved."""
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        logs = client(sandbox, "logs")
        logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName="s")
        yield sandbox


def definition(**changes: Any) -> dict[str, Any]:
    made = {
        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
        "LogGroupNames": ["/aws/lambda/*"],
        "LogFormat": "JSON",
        "Contribution": {"Keys": ["$.region", "$.stage"], "Filters": [{"Match": "$.result", "In": ["changed"]}]},
        "AggregateOn": "Count",
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def put_rule(sandbox: Sandbox, **changes: Any) -> None:
    text = json.dumps(definition(**changes))
    client(sandbox, "cloudwatch").put_insight_rule(RuleName="r", RuleState="ENABLED", RuleDefinition=text)


def log(sandbox: Sandbox, *events: Any) -> None:
    now = int(sandbox.now().timestamp() * 1000)
    lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
    client(sandbox, "logs").put_log_events(
        logGroupName=GROUP, logStreamName="s", logEvents=[{"timestamp": now, "message": line} for line in lines]
    )


def changed(stage: str, **more: Any) -> dict[str, Any]:
    return {"region": "us-east-1", "stage": stage, "result": "changed", **more}


def report(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    now = sandbox.now()
    window = {"StartTime": now - HOUR, "EndTime": now + timedelta(minutes=1), "Period": 300}
    answer: dict[str, Any] = client(sandbox, "cloudwatch").get_insight_rule_report(RuleName="r", **window, **more)
    return answer


def found(answer: dict[str, Any]) -> list[tuple[list[str], float]]:
    return [(each["Keys"], each["ApproximateAggregateValue"]) for each in answer["Contributors"]]


def test_contributors_are_ranked_by_count(account: Sandbox) -> None:
    log(account, changed("prod"))  # before the rule exists: not counted
    put_rule(account)
    log(account, changed("prod"), changed("prod"), changed("dev"), {**changed("x"), "result": "in line"}, "START")
    log(account, {"result": "changed", "stage": "of no region"})
    answer = report(account, Metrics=["MaxContributorValue", "UniqueContributors"])
    assert found(answer) == [(["us-east-1", "prod"], 2.0), (["us-east-1", "dev"], 1.0)]
    assert (answer["AggregateValue"], answer["ApproximateUniqueCount"]) == (3.0, 2)
    assert answer["KeyLabels"] == ["$.region", "$.stage"]
    assert max(each.get("MaxContributorValue", 0) for each in answer["MetricDatapoints"]) == 2.0
    assert found(report(account, MaxContributorCount=1)) == [(["us-east-1", "prod"], 2.0)]


@pytest.mark.parametrize(
    ("condition", "stages"),
    [
        ({"NotIn": ["a"]}, ["b"]),
        ({"StartsWith": ["a", "c"]}, ["a"]),
        ({"GreaterThan": 1}, []),
        ({"IsPresent": True}, ["a", "b"]),
    ],
)
def test_filter_selects_lines(account: Sandbox, condition: dict[str, Any], stages: list[str]) -> None:
    put_rule(account, Contribution={"Keys": ["$.stage"], "Filters": [{"Match": "$.stage", **condition}]})
    log(account, changed("a"), changed("b"))
    assert [keys[0] for keys, _ in found(report(account))] == stages


def test_rule_sums_a_value(account: Sandbox) -> None:
    put_rule(account, AggregateOn="Sum", Contribution={"Keys": ["$.of.stage"], "ValueOf": "$.settings"})
    log(account, {"of": {"stage": "a"}, "settings": 3}, {"of": {"stage": "a"}, "settings": 4}, {"of": {"stage": "b"}})
    assert found(report(account)) == [(["a"], 7.0)]


@pytest.mark.parametrize(
    "changes",
    [
        {"Schema": {"Name": "CloudWatchLogRule", "Version": 2}},
        {"LogGroupNames": []},
        {"LogGroupNames": ["/aws/*/x"]},
        {"LogFormat": "TEXT"},
        {"AggregateOn": "Sum"},
        {"AggregateOn": "Average"},
        {"Contribution": {"Keys": []}},
        {"Contribution": {"Keys": ["$.a"] * 5}},
        {"Contribution": {"Keys": ["stage"]}},
        {"Contribution": {"Keys": ["$.a"], "Filters": [{"Match": "$.a", "Equals": 1}]}},
        {"Contribution": None},
        {"Surplus": 1},
    ],
)
def test_invalid_definitions_are_refused(account: Sandbox, changes: dict[str, Any]) -> None:
    assert refusal(lambda: put_rule(account, **changes))[0].startswith("InvalidParameterValue")


def test_alarm_evaluates_the_greatest_contributor(account: Sandbox) -> None:
    rule = {
        "Type": "AWS::CloudWatch::InsightRule",
        "Properties": {"RuleName": "r", "RuleState": "ENABLED", "RuleBody": json.dumps(definition())},
    }
    watched = {
        "Type": "AWS::CloudWatch::Alarm",
        "DependsOn": "Rule",
        "Properties": {
            "Metrics": [{"Id": "e", "Expression": "INSIGHT_RULE_METRIC('r', 'MaxContributorValue')", "Period": 3600}],
            "EvaluationPeriods": 1,
            "Threshold": 5,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        },
    }
    described = create(account, template({"Rule": rule, "Alarm": watched}))
    assert described["StackStatus"] == "CREATE_COMPLETE", described

    def state() -> str:
        account.service(Alarms).evaluate()
        answer = client(account, "cloudwatch").describe_alarms(AlarmNames=[physical(account)["Alarm"]])
        value: str = answer["MetricAlarms"][0]["StateValue"]
        return value

    log(account, *[changed("a")] * 5, *[changed("b")] * 5)
    assert state() == "OK"
    log(account, changed("a"))
    assert state() == "ALARM"
    clock = account.clock
    assert isinstance(clock, MovableClock)
    clock.advance(2 * HOUR)
    assert state() == "OK"


def test_calls_about_rules_need_their_permissions(account: Sandbox) -> None:
    put_rule(account)
    policy = allow(
        "cloudwatch:GetInsightRuleReport", resource="arn:aws:cloudwatch:us-east-1:123456789012:insight-rule/r"
    )
    reader = role(account, "reader", policy=policy)
    keys = account.caller_of_role(reader, "me")
    cloudwatch = client(account, "cloudwatch", credentials=keys)
    now = account.now()
    window = {"StartTime": now - HOUR, "EndTime": now, "Period": 60}
    assert cloudwatch.get_insight_rule_report(RuleName="r", **window)["Contributors"] == []
    assert refusal(lambda: cloudwatch.get_insight_rule_report(RuleName="s", **window))[0].startswith("AccessDenied")


METRIC = {"type": "metric", "width": 12, "properties": {"region": "us-east-1", "metrics": [["LogKeeper", "Changed"]]}}


@pytest.mark.parametrize(
    "body",
    [
        "{",
        {},
        {"widgets": [{"type": "chart", "properties": {}}]},
        {"widgets": [{"type": "text", "properties": {}}]},
        {"widgets": [{"type": "text", "width": 25, "properties": {"markdown": "x"}}]},
        {"widgets": [{**METRIC, "x": 13}]},
        {"widgets": [{"type": "metric", "properties": {"region": "us-east-1"}}]},
        {"widgets": [{"type": "metric", "properties": {"region": "us-east-1", "metrics": [["n"]]}}]},
        {"widgets": [{"type": "log", "properties": {"region": "us-east-1"}}]},
    ],
)
def test_invalid_dashboards_are_refused(account: Sandbox, body: Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    code, _ = refusal(lambda: client(account, "cloudwatch").put_dashboard(DashboardName="d", DashboardBody=text))
    assert code.startswith(("InvalidParameterInput", "DashboardInvalidInput"))


def test_dashboard_is_put_and_read(account: Sandbox) -> None:
    dimensions = ["LogKeeper", "Changed", "Region", "us-east-1", {"stat": "Sum"}]
    expressions = [[{"expression": "SUM(METRICS())", "id": "e"}], dimensions]
    insight = {"type": "metric", "properties": {"region": "us-east-1", "metrics": expressions}}
    query = {"type": "log", "properties": {"region": "us-east-1", "query": "SOURCE 'x' | fields @message"}}
    body = json.dumps({"widgets": [METRIC, insight, query]})
    cloudwatch = client(account, "cloudwatch")
    assert cloudwatch.put_dashboard(DashboardName="d", DashboardBody=body)["DashboardValidationMessages"] == []
    assert cloudwatch.get_dashboard(DashboardName="d")["DashboardBody"] == body


@pytest.mark.parametrize(
    "query",
    [
        "fields @timestamp, @message | sort @timestamp desc | limit 20",
        "filter @message like /(?i)error|fail/ | stats count(*) as n by bin(5m), status",
        "parse @message /\\((?<request>[^)]+)\\)/ | filter request = 'a|b' # one\n| sort @timestamp",
        "filter ispresent(status) and status >= 500\n| stats count() as errors by routeKey | display errors, routeKey",
    ],
)
def test_valid_query_is_saved(account: Sandbox, query: str) -> None:
    logs = client(account, "logs")
    made = logs.put_query_definition(name="Log Keeper/slowest", queryString=query, logGroupNames=[GROUP])
    (saved,) = logs.describe_query_definitions(queryDefinitionNamePrefix="Log Keeper")["queryDefinitions"]
    assert (saved["queryDefinitionId"], saved["queryString"]) == (made["queryDefinitionId"], query)
    logs.put_query_definition(queryDefinitionId=made["queryDefinitionId"], name="n", queryString=query)
    assert logs.delete_query_definition(queryDefinitionId=made["queryDefinitionId"])["success"]
    assert logs.describe_query_definitions()["queryDefinitions"] == []


@pytest.mark.parametrize(
    "query",
    ["select 1", "fields @message |", "filter (a = 1", "limit ten", "stats n by x", "fields 'open", "filter"],
)
def test_invalid_query_is_refused(account: Sandbox, query: str) -> None:
    logs = client(account, "logs")
    code, _ = refusal(lambda: logs.put_query_definition(name="q", queryString=query))
    assert code == "InvalidParameterException"
