"""The queries of the template and the documentation find what they are named for, in lines that the account wrote."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.cloudformation import templates
from testing.accounts import make_rest_stage, make_role, set_log_role, tag_rest_stage
from testing.builders import updated
from testing.deliveries import Deliver
from testing.execution_logs import put_lines
from testing.queries import run_query
from testing.served_apis import Answer, add_rest_method, ask

ROOT = Path(__file__).parents[2]
OWN_LOG = "/aws/lambda/log-keeper-enforce"


def saved_query(name: str) -> str:
    """Return the text of a saved query of the template."""
    resources = templates.parse_source((ROOT / "observability.yaml").read_text())["Resources"]
    return str(resources[name]["Properties"]["QueryString"])


def documented_query(page: str, beginning: str) -> str:
    """Return the query of a page of the documentation that begins so."""
    blocks = (ROOT / "docs" / page).read_text().split("```")[1::2]
    [found] = [block for block in blocks if block.strip().startswith(beginning)]
    return found


def rows(sandbox: Sandbox, group: str, query: str) -> list[dict[str, str]]:
    now = sandbox.now()
    found = run_query(sandbox, group, query, now - timedelta(hours=1), now + timedelta(minutes=1))
    return [{name: value for name, value in row.items() if name != "@ptr"} for row in found]


@pytest.fixture
def served(sandbox: Sandbox, deliver: Deliver) -> tuple[str, list[Answer]]:
    """Make a compliant REST stage at INFO, and three requests to it. Return the API's id and the answers."""
    set_log_role(sandbox, make_role(sandbox))
    api_id = make_rest_stage(sandbox)
    template = {"application/json": '{"statusCode": 200}'}
    add_rest_method(sandbox, api_id, "pets", type="MOCK", requestTemplates=template)
    add_rest_method(sandbox, api_id, "broken", type="MOCK")
    tag_rest_stage(sandbox, api_id, {"execution-logs": "INFO"})
    assert deliver(updated(api_id)) == []
    return api_id, [ask(sandbox, api_id, f"prod/{path}") for path in ("pets", "broken", "broken")]


def test_saved_queries_of_access_logs(sandbox: Sandbox, served: tuple[str, list[Answer]]) -> None:
    api_id, answers = served
    group = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    slowest = rows(sandbox, group, saved_query("SlowestRequestsQuery"))
    assert {row["requestId"] for row in slowest} == {answer.request_id for answer in answers}
    assert [int(row["responseLatency"]) for row in slowest] == sorted(
        (int(row["responseLatency"]) for row in slowest), reverse=True
    )
    assert {(row["httpMethod"], row["route"]) for row in slowest} == {("GET", "/pets"), ("GET", "/broken")}
    errors = rows(sandbox, group, saved_query("ErrorsByRouteQuery"))
    failed = Counter(("/broken" if number else "/pets", str(answer.status)) for number, answer in enumerate(answers))
    assert {(row["route"], row["status"]): int(row["errors"]) for row in errors} == {
        key: count for key, count in failed.items() if key[1] >= "400"
    }
    assert errors[0]["route"] == "/broken"
    [caller] = rows(sandbox, group, saved_query("TopCallersQuery"))
    assert (caller["requests"], caller["userAgent"]) == ("3", "me")
    by_status = rows(sandbox, group, saved_query("RequestsByStatusQuery"))
    assert sum(int(row["requests"]) for row in by_status) == 3
    assert {row["status"] for row in by_status} == {str(answer.status) for answer in answers}


def test_saved_query_of_one_request_shows_its_execution_log_in_order(
    sandbox: Sandbox, served: tuple[str, list[Answer]]
) -> None:
    api_id, answers = served
    query = saved_query("OneRequestQuery").replace("REQUEST-ID", answers[0].request_id)
    found = [row["@message"] for row in rows(sandbox, f"API-Gateway-Execution-Logs_{api_id}/prod", query)]
    assert len(found) > 3
    assert all(answers[0].request_id in line for line in found)
    assert "Extended Request Id" in found[0]
    assert "Method completed with status" in found[-1]


def test_documented_query_of_clients_with_old_tls(sandbox: Sandbox) -> None:
    lines = [
        {"tlsVersion": version, "ip": "192.0.2.1", "userAgent": "old"} for version in ("TLSv1", "TLSv1", "TLSv1.3")
    ]
    put_lines(sandbox, "/access", [(sandbox.now(), json.dumps(line)) for line in lines])
    [row] = rows(sandbox, "/access", documented_query("access-logs.md", "filter tlsVersion"))
    assert (row["tlsVersion"], row["ip"], row["requests"]) == ("TLSv1", "192.0.2.1", "2")


def test_documented_queries_of_log_keepers_own_log(sandbox: Sandbox) -> None:
    def line(outcome: str, owner: str, account: str) -> str:
        stage = {"region": "us-east-1", "protocol": "REST", "apiId": "a", "stageName": "prod", "owner": owner}
        return json.dumps({"outcome": outcome, "stage": stage, "accountId": account})

    lines = [line("remediated", "shop", "1"), line("remediated", "web", "1"), line("compliant", "shop", "1")]
    lines += [line("would be remediated", "shop", account) for account in ("1", "2", "2")]
    put_lines(sandbox, OWN_LOG, [(sandbox.now(), text) for text in lines])
    [changed] = rows(sandbox, OWN_LOG, documented_query("operations.md", "fields @timestamp, stage.apiId"))
    assert (changed["stage.apiId"], changed["outcome"]) == ("a", "remediated")
    counted = rows(sandbox, OWN_LOG, documented_query("organization.md", 'filter outcome = "would be remediated"'))
    assert [(row["accountId"], row["stages"]) for row in counted] == [("1", "1"), ("2", "2")]
