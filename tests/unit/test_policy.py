"""The plan for a stage has exactly the required changes."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.policy.opt_in import OptIn, read_opt_in
from log_keeper.policy.plan import Change, Setting, plan
from log_keeper.policy.policy import Policy
from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage
from testing.builders import OWN_DESTINATION, POLICY, V2_REF, method_settings, rest_stage

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def changes(stage: Stage) -> list[tuple[Setting, str | None, str | None, str]]:
    return [
        (change.setting, change.override, change.before, change.after) for change in plan(stage, POLICY, NOW).changes
    ]


def level(method: str | None, before: str, after: str) -> tuple[Setting, str | None, str | None, str]:
    return (Setting.LOGGING_LEVEL, method, before, after)


def trace_off(method: str | None) -> tuple[Setting, str | None, str | None, str]:
    return (Setting.DATA_TRACE, method, True, False)


DESTINATION_SET = (Setting.ACCESS_LOG_DESTINATION, None, None, OWN_DESTINATION)
FORMAT_SET = (Setting.ACCESS_LOG_FORMAT, None, None, POLICY.access_log_formats[Protocol.REST])


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        pytest.param(rest_stage(), [], id="compliant"),
        pytest.param(
            rest_stage("OFF", destination=None, log_format=None),
            [DESTINATION_SET, FORMAT_SET, level(None, "OFF", "ERROR")],
            id="new",
        ),
        pytest.param(rest_stage("OFF"), [level(None, "OFF", "ERROR")], id="switched off"),
        pytest.param(rest_stage("INFO"), [level(None, "INFO", "ERROR")], id="INFO without the tag"),
        pytest.param(rest_stage("INFO", tags={"execution-logs": "INFO"}), [], id="INFO with the tag"),
        pytest.param(
            rest_stage("ERROR", tags={"execution-logs": "info"}), [level(None, "ERROR", "INFO")], id="any case"
        ),
        pytest.param(
            rest_stage("INFO", tags={"execution-logs": "ERROR"}), [level(None, "INFO", "ERROR")], id="tagged ERROR"
        ),
        pytest.param(
            rest_stage("INFO", tags={"Execution-Logs": "INFO"}), [level(None, "INFO", "ERROR")], id="keys have case"
        ),
        pytest.param(
            rest_stage(overrides={"~1/GET": method_settings("OFF"), "pets~1{id}/GET": method_settings("INFO")}),
            [level("~1/GET", "OFF", "ERROR"), level("pets~1{id}/GET", "INFO", "ERROR")],
            id="overrides do not follow",
        ),
        pytest.param(
            rest_stage("OFF", overrides={"~1/GET": method_settings("ERROR")}),
            [level(None, "OFF", "ERROR")],
            id="one override is not every method",
        ),
        pytest.param(
            rest_stage(tags={"execution-logs": "INFO"}, overrides={"~1/GET": method_settings("ERROR")}),
            [level(None, "ERROR", "INFO"), level("~1/GET", "ERROR", "INFO")],
            id="the tag is for every method",
        ),
        pytest.param(
            rest_stage("OFF", data_trace=True, overrides={"~1/GET": method_settings("OFF", data_trace=True)}),
            [trace_off(None), trace_off("~1/GET"), level(None, "OFF", "ERROR"), level("~1/GET", "OFF", "ERROR")],
            id="bodies end before a level rises",
        ),
        pytest.param(
            rest_stage("INFO", tags={"execution-logs": "INFO"}, data_trace=True),
            [trace_off(None)],
            id="INFO is not bodies",
        ),
        pytest.param(
            rest_stage(destination="arn:aws:firehose:us-east-1:123456789012:deliverystream/amazon-apigateway-x"),
            [],
            id="a destination of the owner's own",
        ),
        pytest.param(
            rest_stage(log_format="$context.extendedRequestId $context.status"), [], id="a format of the owner's own"
        ),
        pytest.param(rest_stage(log_format=None), [FORMAT_SET], id="a destination without a format"),
        pytest.param(
            rest_stage(destination=None, log_format="$context.requestId"),
            [DESTINATION_SET],
            id="a format without a destination",
        ),
    ],
)
def test_plan_has_exactly_the_required_changes(
    stage: Stage, expected: list[tuple[Setting, str | None, str | None, str]]
) -> None:
    assert changes(stage) == expected


def test_format_without_a_request_id_is_replaced() -> None:
    assert changes(rest_stage(log_format="$context.status")) == [
        (Setting.ACCESS_LOG_FORMAT, None, "$context.status", POLICY.access_log_formats[Protocol.REST])
    ]


def test_every_change_has_a_reason() -> None:
    stage = rest_stage("OFF", data_trace=True, destination=None, log_format=None)
    assert all(change.reason for change in plan(stage, POLICY, NOW).changes)


STAGES = st.builds(
    rest_stage,
    st.sampled_from(LoggingLevel),
    protocol=st.sampled_from(Protocol),
    metrics=st.booleans(),
    tags=st.dictionaries(
        st.sampled_from(["execution-logs", "team"]), st.sampled_from(["INFO", "info", " Info ", "x", ""])
    ),
    data_trace=st.booleans(),
    destination=st.sampled_from([None, OWN_DESTINATION, "arn:aws:logs:us-east-1:123456789012:log-group:mine"]),
    log_format=st.sampled_from([None, "$context.requestId", "$context.status"]),
    overrides=st.dictionaries(
        st.sampled_from(["~1/GET", "pets/POST", "pets~1{id}/*"]),
        st.builds(MethodSettings, st.sampled_from(LoggingLevel), st.booleans()),
    ),
)


POLICIES = st.builds(
    replace,
    st.just(POLICY),
    allows_data_trace=st.booleans(),
    wants_detailed_metrics=st.booleans(),
    exempt_tag_key=st.sampled_from([None, "team"]),
)


@given(STAGES, POLICIES)
def test_stage_is_compliant_after_its_plan(stage: Stage, policy: Policy) -> None:
    assert plan(apply(stage, plan(stage, policy, NOW).changes), policy, NOW).is_compliant


@given(STAGES, POLICIES)
def test_no_level_rises_while_data_trace_is_on(stage: Stage, policy: Policy) -> None:
    """No step of the plan lets a method both log and trace, unless data trace is allowed."""
    for change in plan(stage, replace(policy, allows_data_trace=False), NOW).changes:
        stage = apply(stage, (change,))
        if change.setting is Setting.LOGGING_LEVEL:
            assert not settings_of(stage, change.override).data_trace


@given(STAGES, POLICIES)
def test_http_stage_never_gets_an_execution_level(stage: Stage, policy: Policy) -> None:
    changes = plan(replace(stage, protocol=Protocol.HTTP), policy, NOW).changes
    assert {change.setting for change in changes}.isdisjoint({Setting.LOGGING_LEVEL, Setting.DATA_TRACE})


LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def until(value: str, **tags: str) -> dict[str, str]:
    return {"execution-logs": "INFO", "execution-logs-until": value} | tags


@pytest.mark.parametrize(
    ("value", "end"),
    [
        pytest.param("2026-11-02", datetime(2026, 11, 3, tzinfo=UTC), id="a date holds to its end"),
        pytest.param("20261130", datetime(2026, 12, 1, tzinfo=UTC), id="basic form"),
        pytest.param("2026-11-02T18:00", datetime(2026, 11, 2, 18, tzinfo=UTC), id="without a zone it is UTC"),
        pytest.param("2026-11-02T18:00:00Z", datetime(2026, 11, 2, 18, tzinfo=UTC), id="Z"),
        pytest.param("2026-11-02T18:00+02:00", datetime(2026, 11, 2, 16, tzinfo=UTC), id="offset"),
        pytest.param(" 2026-11-02 18:00 ", datetime(2026, 11, 2, 18, tzinfo=UTC), id="spaces"),
        pytest.param("9999-12-31", LAST, id="a date that means never"),
        pytest.param("9999-12-31T23:59:59-01:00", LAST, id="after the year 9999 in UTC"),
        pytest.param("9999-12-31T23:59:59.5", LAST, id="rounded to the year 10000"),
        pytest.param("2026-11-02T18:00:00.01Z", datetime(2026, 11, 2, 18, 0, 1, tzinfo=UTC), id="part of a second"),
    ],
)
def test_opt_in_holds_until_its_end(value: str, end: datetime) -> None:
    assert read_opt_in(until(value), POLICY, NOW) == OptIn(LoggingLevel.INFO, end)
    assert read_opt_in(until(value), POLICY, end - timedelta(seconds=1)).level is LoggingLevel.INFO
    assert read_opt_in(until(value), POLICY, end) == OptIn(LoggingLevel.ERROR)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026-13-01",
        "01.12.2026",
        "0001-01-01T00:00+01:00",
        "2026-W52",
        "2026-11-02T25:00",
    ],
)
def test_date_that_cannot_be_read_counts_as_past_and_is_named(value: str) -> None:
    assert read_opt_in(until(value), POLICY, NOW) == OptIn(LoggingLevel.ERROR, unreadable_tag="execution-logs-until")


def test_end_without_an_opt_in_is_ignored() -> None:
    assert read_opt_in({"execution-logs-until": "soon"}, POLICY, NOW) == OptIn(LoggingLevel.ERROR)


@pytest.mark.parametrize("end", ["2099-01-01", "soon"])
def test_http_stage_is_never_opted_in(end: str) -> None:
    """It has no execution logs, so none of its tags has an end that could be missed or misread."""
    stage = rest_stage(ref=V2_REF, protocol=Protocol.HTTP, tags=until(end))
    assert plan(stage, POLICY, NOW).opt_in == OptIn(LoggingLevel.ERROR)
    assert plan(rest_stage(tags=until("2099-01-01")), POLICY, NOW).opt_in.level is LoggingLevel.INFO


@given(st.text())
def test_any_end_is_read_or_counts_as_past(value: str) -> None:
    opt_in = read_opt_in(until(value), POLICY, NOW)
    assert opt_in.until is None or opt_in.until > NOW


@pytest.mark.parametrize(
    ("tags", "allows_data_trace", "stays"),
    [
        ({"execution-logs": "INFO", "execution-logs-data-trace": "true"}, True, True),
        ({"execution-logs": "INFO", "execution-logs-data-trace": "TRUE"}, True, True),
        ({"execution-logs": "INFO", "execution-logs-data-trace": "true"}, False, False),
        ({"execution-logs": "INFO"}, True, False),
        ({"execution-logs-data-trace": "true"}, True, False),
        (until("2026-11-01", **{"execution-logs-data-trace": "true"}), True, False),
    ],
)
def test_data_trace_stays_only_if_it_is_allowed_and_opted_in(
    tags: dict[str, str], allows_data_trace: bool, stays: bool
) -> None:
    stage = rest_stage("INFO", data_trace=True, tags=tags)
    planned = plan(stage, replace(POLICY, allows_data_trace=allows_data_trace), NOW).changes
    assert any(change.setting is Setting.DATA_TRACE for change in planned) is not stays


def test_detailed_metrics_are_left_alone_or_switched_on_everywhere() -> None:
    stage = rest_stage(overrides={"~1/GET": method_settings()})
    assert plan(stage, POLICY, NOW).is_compliant
    planned = plan(stage, replace(POLICY, wants_detailed_metrics=True), NOW).changes
    assert [(change.setting, change.override) for change in planned] == [
        (Setting.DETAILED_METRICS, None),
        (Setting.DETAILED_METRICS, "~1/GET"),
    ]


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.WEBSOCKET])
def test_metrics_of_routes_follow_the_stage(protocol: Protocol) -> None:
    """Detailed metrics of a route depend on the stage's setting, whatever the route's own setting is."""
    stage = rest_stage(ref=V2_REF, protocol=protocol, overrides={"GET /": method_settings()})
    planned = plan(stage, replace(POLICY, wants_detailed_metrics=True), NOW).changes
    assert [(change.setting, change.override) for change in planned] == [(Setting.DETAILED_METRICS, None)]


def test_stage_with_the_exempt_tag_is_exempt() -> None:
    policy = replace(POLICY, exempt_tag_key="hands-off")
    assert plan(rest_stage(tags={"hands-off": ""}), policy, NOW).is_exempt
    assert not plan(rest_stage(tags={"hands": "off"}), policy, NOW).is_exempt
    assert not plan(rest_stage(tags={"": ""}), POLICY, NOW).is_exempt


def settings_of(stage: Stage, override: str | None) -> MethodSettings:
    return stage.settings if override is None else stage.overrides[override]


def apply(stage: Stage, planned: tuple[Change, ...]) -> Stage:
    """Return the stage as API Gateway would have it after the changes."""
    for change in planned:
        match change.setting:
            case Setting.ACCESS_LOG_DESTINATION:
                stage = replace(stage, access_log=AccessLogSettings(change.after, stage.access_log.format))
                continue
            case Setting.ACCESS_LOG_FORMAT:
                stage = replace(stage, access_log=AccessLogSettings(stage.access_log.destination_arn, change.after))
                continue
            case Setting.LOGGING_LEVEL:
                then = replace(settings_of(stage, change.override), level=LoggingLevel(change.after))
            case Setting.DATA_TRACE:
                then = replace(settings_of(stage, change.override), data_trace=change.after is True)
            case Setting.DETAILED_METRICS:
                then = replace(settings_of(stage, change.override), detailed_metrics=change.after is True)
        if change.override is None:
            stage = replace(stage, settings=then)
        else:
            stage = replace(stage, overrides={**stage.overrides, change.override: then})
    return stage
