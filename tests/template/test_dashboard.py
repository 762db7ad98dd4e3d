"""Each search of the dashboard finds the metrics that its widget is named for, and no others."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics

from log_keeper.inventory import Count
from log_keeper.reporting import Reporter
from log_keeper.stages import Protocol
from log_keeper.sweep import Swept
from sandbox.services.cloudwatch.metrics import Key
from testing import metric_search
from tools import translate


def widgets(**parameters: str) -> list[dict[str, Any]]:
    """Return the properties of each widget, with sample names of resources. ``parameters``: of the template."""
    body = translate.resolved_with_nested_stacks(translate.translated(), parameters)["Dashboard"]["DashboardBody"]
    found: list[dict[str, Any]] = json.loads(body)["widgets"]
    return [widget["properties"] for widget in found]


def searches() -> dict[str, str]:
    """Return the searches of the dashboard by their widgets' titles."""
    return {
        properties["title"]: metric["expression"]
        for properties in widgets()
        for [metric, *_] in properties.get("metrics", [])
        if isinstance(metric, dict) and "SEARCH" in metric["expression"]
    }


SEARCHES = searches()
EXECUTION, ACCESS = "Ingested bytes of execution logs", "Ingested bytes of access logs"
OF_SWEEPS = {
    "Non-compliant stages, last sweep": "StagesFoundNonCompliant",
    "Compliant stages, last sweep": "StagesFoundCompliant",
    "Stages opted in to INFO": "StagesOptedIn",
}

#: Log groups, and the search that finds each.
GROUPS = {
    "API-Gateway-Execution-Logs_a1b2c3d4e5/prod": EXECUTION,
    "API-Gateway-Execution-Logs_0f9e8d7c6b/v2": EXECUTION,
    "API-Gateway-Execution-Logs_a1b2c3d4e5/lambda": EXECUTION,
    "/aws/apigateway/pxmrwlfk3a/production": EXECUTION,
    "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod": ACCESS,
    "/aws/vendedlogs/apigatewayv2/pxmrwlfk3a/.default": ACCESS,
    "/aws/vendedlogs/apigatewayv2/pxmrwlfk3a/production": ACCESS,
    "/aws/vendedlogs/apigateway/a1b2c3d4e5/aws-apigateway": ACCESS,
    # API Gateway's own, of when a log role was set.
    "/aws/apigateway/welcome": None,
    # Functions of others, and ours.
    "/aws/lambda/orders": None,
    "/aws/lambda/log-keeper-enforce": None,
    "/aws/lambda/API-Gateway-Execution-Logs-to-S3": None,
    "/aws/lambda/aws-apigateway-authorizer": None,
    "/aws/lambda/vendedlogs-apigateway-reader": None,
    # Other services, and other teams.
    "/aws/vendedlogs/states/checkout": None,
    "/aws/vendedlogs/pipes/apigateway-events": None,
    "/aws/http-api/apigateway": None,
    "/aws/codebuild/api-gateway": None,
    "/shop/api-gateway/logs": None,
    "/shop/apigateway/access": None,
    "aws-waf-logs-apigateway": None,
    # A search knows no beginning of a name, and no case of a word: the same words in a row are found too.
    "/shop/api-gateway/execution-logs": EXECUTION,
}


def metrics_of_log_groups() -> list[Key]:
    """Return the metrics that CloudWatch Logs writes about the log groups.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
    """
    of_group = [
        ("AWS/Logs", name, frozenset({("LogGroupName", group)}))
        for group in GROUPS
        for name in ("IncomingBytes", "IncomingLogEvents")
    ]
    of_filter = [
        (
            "AWS/Logs",
            "ForwardedBytes",
            frozenset({("LogGroupName", group), ("DestinationType", "Lambda"), ("FilterName", "IncomingBytes")}),
        )
        for group in GROUPS
    ]
    return [*of_group, *of_filter, ("AWS/Logs", "IncomingBytes", frozenset())]


def metrics_of_log_keeper(capsys: pytest.CaptureFixture[str]) -> list[Key]:
    """Return the metrics that the Sweep function writes about two regions."""
    reporter = Reporter(Logger(service="log-keeper"), Metrics(namespace="LogKeeper", service="log-keeper"))
    for region in ("eu-west-1", "us-east-1"):
        reporter.sweep_finished(
            Swept(region, {protocol: Count(evaluated=3, compliant=2, opted_in=1) for protocol in Protocol})
        )
    found: list[Key] = []
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line)
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", []):
            for dimensions in directive["Dimensions"]:
                values = frozenset((name, document[name]) for name in dimensions)
                found += [(directive["Namespace"], metric["Name"], values) for metric in directive["Metrics"]]
    return found


def test_every_search_has_a_test() -> None:
    assert SEARCHES.keys() == {EXECUTION, ACCESS, *OF_SWEEPS}


@pytest.mark.parametrize("title", [EXECUTION, ACCESS])
def test_bytes_of_the_log_groups_are_found(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = metric_search.found(SEARCHES[title], [*metrics_of_log_groups(), *metrics_of_log_keeper(capsys)])
    assert {(name, dict(dimensions)["LogGroupName"]) for _, name, dimensions in found} == {
        ("IncomingBytes", group) for group, finder in GROUPS.items() if finder == title
    }


@pytest.mark.parametrize(("title", "name"), OF_SWEEPS.items())
def test_metrics_of_sweeps_are_found(title: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = metric_search.found(SEARCHES[title], [*metrics_of_log_groups(), *metrics_of_log_keeper(capsys)])
    assert {key[1] for key in found} == {name}
    assert sorted((dict(key[2])["region"], dict(key[2])["protocol"]) for key in found) == sorted(
        (region, protocol) for region in ("eu-west-1", "us-east-1") for protocol in Protocol
    )


@pytest.mark.parametrize(
    "term",
    ['"API-Gateway-Execution-Logs"', '"/aws/vendedlogs/apigateway"', 'LogGroupName="/aws/vendedlogs/apigateway"'],
)
def test_beginning_of_a_name_in_quotes_finds_nothing(term: str) -> None:
    """Earlier searches had this mistake."""
    expression = f"SEARCH('{{AWS/Logs,LogGroupName}} MetricName=\"IncomingBytes\" {term}', 'Sum', 3600)"
    assert metric_search.found(expression, metrics_of_log_groups()) == []


@pytest.mark.parametrize("expression", SEARCHES.values(), ids=SEARCHES)
def test_search_takes_its_widgets_period_and_statistic(expression: str) -> None:
    search = metric_search.parse(expression)
    [properties] = [each for each in widgets() if SEARCHES.get(each["title"]) == expression]
    assert (search.statistic, search.period) == (properties["stat"], properties["period"])


def test_accounts_that_need_attention_are_shown_only_for_an_organization() -> None:
    title = "Accounts that need attention"
    assert title not in [widget["title"] for widget in widgets()]
    [shown] = [widget for widget in widgets(OrganizationId="o-a1b2c3d4e5") if widget["title"] == title]
    assert 'message = "Finding"' in shown["query"]
    fields = {"accountId", "accountName", "organizationalUnitId", "problem", "outcome"}
    assert fields <= set(re.findall(r"\w+", shown["query"]))
