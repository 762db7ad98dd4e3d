"""What a preview shows; nothing in it can act as markup, a formula or a control character."""

from __future__ import annotations

import csv
import io
import json
import re
from copy import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.policy.evaluation import Facts, evaluate, log_groups_of
from log_keeper.policy.log_groups import LogGroupFacts
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol, Stage
from preview.model import Count, Preview, RegionPreview, StagePreview, count
from preview.reading import explain
from preview.report_data import COLUMNS, to_csv, to_json
from preview.report_html import to_html
from preview.words import headline, method_in_words, points, policy_parameters, printable, role_in_words, steps
from testing.builders import DEPLOYMENT, POLICY, REF, V2_REF, method_settings, rest_stage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VALID = AccountRole(RoleStatus.VALID, "arn:aws:iam::123456789012:role/Logs")
INVALID = AccountRole(RoleStatus.INVALID, None, "is none")


def stage_preview(
    stage: Stage, name: str = "shop", *, has_groups: bool = True, policy: Policy = POLICY
) -> StagePreview:
    """Return the preview of a stage."""
    facts = LogGroupFacts(NOW - timedelta(days=1), expires=True)
    existing = {group.name: facts for group in log_groups_of(stage, policy)} if has_groups else {}
    return StagePreview(name, evaluate(stage, policy, Facts(existing), NOW))


def preview(*stages: StagePreview, role: AccountRole | None = VALID, errors: tuple[str, ...] = ()) -> Preview:
    region = RegionPreview("us-east-1", stages, role, needs_role=True, has_trail=True, errors=errors)
    return Preview(DEPLOYMENT.account, POLICY, NOW, (region,))


def said(stage: StagePreview, policy: Policy = POLICY) -> list[str]:
    return [f"{point.what}: {point.why}".removesuffix(": ") for point in points(stage, policy)]


def test_compliant_stage_requires_no_changes() -> None:
    stage = stage_preview(rest_stage())
    assert stage.outcome is Outcome.COMPLIANT
    assert said(stage) == []


def test_changes_of_a_new_stage_are_described() -> None:
    stage = stage_preview(rest_stage("OFF", destination=None, log_format=None), has_groups=False)
    assert stage.outcome is Outcome.WOULD_BE_REMEDIATED
    assert said(stage) == [
        "create the execution log group, retention 30 days: otherwise API Gateway creates it, without retention",
        ("set access log destination to a new log group, retention 365 days: access logs are always on (APIGateway.9)"),
        "set access log format to Log Keeper's JSON: each line must contain the id of its request",
        (
            "change execution logging level from OFF to ERROR: "
            "ERROR unless the stage is tagged execution-logs (APIGateway.1)"
        ),
    ]
    assert [step.log_group for step in steps(stage, POLICY)] == [
        "API-Gateway-Execution-Logs_a1b2c3d4e5/prod",
        "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("own", "words"),
    [("$context.requestId", "your format"), ("/log-keeper/rest", "the format in SSM parameter /log-keeper/rest")],
)
def test_format_of_the_owner_is_named(own: str, words: str) -> None:
    policy = POLICY._replace(own_formats={Protocol.REST: own})
    stage = stage_preview(rest_stage(log_format=None), policy=policy)
    why = "each line must contain the id of its request"
    assert said(stage, policy) == [f"set access log format to {words}: {why}"]


def test_methods_with_the_same_change_are_one_step() -> None:
    overrides = {f"pets~1{number}/GET": method_settings("INFO") for number in range(6)}
    [step] = steps(stage_preview(rest_stage("ERROR", overrides=overrides)), POLICY)
    assert step.what == (
        "change execution logging level from INFO to ERROR, of the methods "
        "GET /pets/0, GET /pets/1, GET /pets/2, GET /pets/3 and 2 more"
    )
    [step] = steps(stage_preview(rest_stage("INFO", overrides={"~1/GET": method_settings("INFO")})), POLICY)
    assert step.what.endswith(", of the stage and of the method GET /")


@pytest.mark.parametrize(
    ("override", "protocol", "words"),
    [
        ("~1/GET", Protocol.REST, "GET /"),
        ("pets~1{id}/DELETE", Protocol.REST, "DELETE /pets/{id}"),
        ("~1pets~1{id}/DELETE", Protocol.REST, "DELETE /pets/{id}"),
        ("/pets/{id}/DELETE", Protocol.REST, "DELETE /pets/{id}"),
        ("GET /pets", Protocol.HTTP, "GET /pets"),
        ("$connect", Protocol.WEBSOCKET, "$connect"),
    ],
)
def test_method_is_described(override: str, protocol: Protocol, words: str) -> None:
    assert method_in_words(override, protocol) == words


def test_missing_log_groups_are_described_by_what_they_are_for() -> None:
    chosen = "arn:aws:logs:us-east-1:123456789012:log-group:theirs"
    canary = stage_preview(rest_stage(destination=chosen, has_canary=True), has_groups=False)
    assert [step.what for step in steps(canary, POLICY)] == [
        "create the execution log group, retention 30 days",
        "create the execution log group of the canary, retention 30 days",
        "change access log destination to a new log group, if this one is missing for MissingLogGroupMinutes",
    ]
    young = {"API-Gateway-Execution-Logs_a1b2c3d4e5/prod": LogGroupFacts(NOW, expires=False)}
    stage = StagePreview("shop", evaluate(rest_stage(destination=chosen), POLICY, Facts(young), NOW))
    assert steps(stage, POLICY)[0].what == "set retention of the execution log group to 30 days"


def test_exemption_of_a_stage_is_the_first_step() -> None:
    policy = replace(POLICY, exempt_tag_key="hands-off")
    stage = stage_preview(rest_stage("OFF", tags={"hands-off": ""}), policy=policy)
    assert stage.outcome is Outcome.EXEMPT
    assert said(stage, policy)[0] == "exempt, because it has the tag hands-off; without this tag, Log Keeper would:"
    assert Preview(DEPLOYMENT.account, policy, NOW, (RegionPreview("us-east-1", (stage,), VALID),)).is_compliant
    assert policy_parameters(policy)["ExemptTagKey"] == "hands-off"


def test_opt_in_and_findings_are_described() -> None:
    tags = {"execution-logs": "INFO", "execution-logs-until": "2026-12-24"}
    stage = stage_preview(rest_stage("INFO", tags=tags))
    assert said(stage) == ["opted in to INFO by its tag execution-logs until 2026-12-25 00:00 UTC"]
    unreadable = stage_preview(rest_stage("ERROR", tags=tags | {"execution-logs-until": "soon"}))
    assert said(unreadable) == [
        "the value of a tag is not an ISO 8601 date or time, and counts as past (execution-logs-until)"
    ]
    assert not unreadable.is_opted_in


@pytest.mark.parametrize("until", ["2026-12-24", "soon"])
def test_http_api_is_never_at_info(until: str) -> None:
    destination = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default"
    tags = {"execution-logs": "INFO", "execution-logs-until": until}
    stage = stage_preview(rest_stage(ref=V2_REF, protocol=Protocol.HTTP, tags=tags, destination=destination))
    assert stage.outcome is Outcome.COMPLIANT
    assert not stage.is_opted_in
    assert said(stage) == []


def test_counts_and_headline_are_those_of_the_stages() -> None:
    stages = [stage_preview(rest_stage()), stage_preview(rest_stage("OFF")), stage_preview(rest_stage("OFF"))]
    outcomes = {Outcome.COMPLIANT: 1, Outcome.WOULD_BE_REMEDIATED: 2, Outcome.NON_COMPLIANT: 0, Outcome.EXEMPT: 0}
    assert count(stages) == Count(outcomes, opted_in=0)
    assert count(stages).evaluated == 3
    assert headline(preview(*stages)) == "2 of 3 stages would be remediated."
    assert headline(preview()) == "There are no stages."
    assert not preview(*stages).is_compliant


def test_invalid_role_is_non_compliant_only_where_it_is_needed() -> None:
    assert not preview(role=INVALID).is_compliant
    assert headline(preview(role=INVALID)) == "There are no stages, and the account has no valid log role in us-east-1."
    unneeded = RegionPreview("us-east-1", role=INVALID)
    assert not unneeded.needs_valid_role
    assert role_in_words(unneeded) == "none; no API here needs one"


def test_region_without_a_trail_is_a_finding() -> None:
    region = RegionPreview("eu-west-1", role=VALID, has_trail=False)
    found = Preview(DEPLOYMENT.account, POLICY, NOW, (region,))
    assert found.is_compliant
    assert len(found.findings) == 1
    assert "Findings that need action" in to_html(found)


def test_error_is_one_sentence_that_says_what_to_do() -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not\nauthorized"}}, "GetRestApis")
    expired = ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "late"}}, "GetRestApis")
    closed = ClientError({"Error": {"Code": "UnrecognizedClientException", "Message": "bad token"}}, "GetRestApis")
    assert (
        explain(denied)
        == "access is denied to these credentials: allow the call, or leave the region out. not authorized."
    )
    assert "log in again" in explain(expired)
    assert "enable it" in explain(closed)
    assert "log in" in explain(NoCredentialsError())
    assert "proxy" in explain(EndpointConnectionError(endpoint_url="https://x"))
    for error in (denied, expired, closed, NoCredentialsError()):
        assert "\n" not in explain(error)


NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></script><b>",
    "' onmouseover='alert(1)",
    "&lt;b&gt;",
]


class _Page(HTMLParser):
    """A parser that collects the tags and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "wbr":  # after each slash of a name
            self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def named(text: str) -> Stage:
    """Return a non-compliant stage with the text in every place where somebody outside can choose one."""
    overrides = {f"{text}/GET": method_settings("INFO")}
    return rest_stage(log_format=text, tags={"aws:cloudformation:stack-name": text}, overrides=overrides)


@pytest.mark.parametrize("nasty", NASTY)
def test_page_escapes_everything(nasty: str) -> None:
    """A name is text on the page, wherever it is shown, and adds no tag and no attribute."""
    page, plain = (
        _Page(to_html(preview(stage_preview(named(text), text), errors=(text,)))) for text in (nasty, "plain")
    )
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attributes) for _, attributes in page.tags] == [set(attributes) for _, attributes in plain.tags]
    assert page.text.count(nasty) >= 4


def test_page_loads_nothing() -> None:
    page = to_html(preview(stage_preview(rest_stage("OFF"))))
    tags = _Page(page).tags
    assert not re.search(r"https?:|//[a-z]|url\(|@import", page)
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in tags}
    assert not any({"src", "href", "style"} & set(attributes) for _, attributes in tags)
    assert [attributes["content"] for tag, attributes in tags if "http-equiv" in attributes] == [
        next(line for line in page.splitlines() if "default-src" in line)
        .split('content="')[1][:-2]
        .replace("&#x27;", "'")
    ]
    assert "default-src &#x27;none&#x27;" in page


def test_page_is_complete_without_javascript() -> None:
    """Only elements that need a script are hidden: the filter, and the line that nothing matches."""
    tags = _Page(to_html(preview(stage_preview(rest_stage("OFF"))))).tags
    assert [attributes.get("id") for _, attributes in tags if "hidden" in attributes] == ["filter", "none"]


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"]
)
def test_csv_has_no_formulas(formula: str) -> None:
    tags = {"aws:cloudformation:stack-name": formula}
    [_, row] = csv.reader(io.StringIO(to_csv(preview(stage_preview(rest_stage(tags=tags), formula)))))
    for column in ("owner", "apiName"):
        cell = row[COLUMNS.index(column)]
        assert cell == f"'{printable(formula)}"


@given(st.text(), st.text())
def test_csv_has_a_row_for_each_stage_whatever_its_names(name: str, owner: str) -> None:
    stage = stage_preview(rest_stage(tags={"aws:cloudformation:stack-name": owner}), printable(name))
    rows = list(csv.reader(io.StringIO(to_csv(preview(stage, stage)))))
    assert [len(row) for row in rows] == [len(COLUMNS)] * 3
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)


@given(st.text())
def test_terminal_output_has_no_control_characters(text: str) -> None:
    assert len(printable(text)) == len(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", printable(text))


def test_json_has_each_change_with_its_reason() -> None:
    document = json.loads(to_json(preview(stage_preview(rest_stage("OFF")))))
    [stage] = document["regions"][0]["stages"]
    assert (stage["apiId"], stage["stageName"]) == (REF.api_id, REF.stage_name)
    assert stage["changes"] == [
        {
            "setting": "execution logging level",
            "override": None,
            "from": "OFF",
            "to": "ERROR",
            "reason": "ERROR unless the stage is tagged execution-logs (APIGateway.1)",
        }
    ]
    assert document["summary"]["byProtocol"]["HTTP"]["evaluated"] == 0
