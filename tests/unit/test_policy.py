"""A stage goes in, the changes that it lacks come out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import OWN_DESTINATION, POLICY, execution_logs, rest_stage
from log_keeper.policy import Change, Setting, plan
from log_keeper.stages import AccessLogSettings, ExecutionLogSettings, LoggingLevel, Stage


def changes(stage: Stage) -> list[tuple[Setting, str | None, str | None, str]]:
    return [(change.setting, change.method, change.before, change.after) for change in plan(stage, POLICY).changes]


def level(method: str, before: str, after: str) -> tuple[Setting, str | None, str | None, str]:
    return (Setting.LOGGING_LEVEL, method, before, after)


def trace_off(method: str) -> tuple[Setting, str | None, str | None, str]:
    return (Setting.DATA_TRACE, method, "true", "false")


DESTINATION_SET = (Setting.ACCESS_LOG_DESTINATION, None, None, OWN_DESTINATION)
FORMAT_SET = (Setting.ACCESS_LOG_FORMAT, None, None, POLICY.access_log_format)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        pytest.param(rest_stage(), [], id="in line"),
        pytest.param(
            rest_stage(None, destination=None, log_format=None),
            [DESTINATION_SET, FORMAT_SET, level("*/*", "OFF", "ERROR")],
            id="new",
        ),
        pytest.param(rest_stage("OFF"), [level("*/*", "OFF", "ERROR")], id="switched off"),
        pytest.param(rest_stage("INFO"), [level("*/*", "INFO", "ERROR")], id="INFO without the tag"),
        pytest.param(rest_stage("INFO", tags={"execution-logs": "INFO"}), [], id="INFO with the tag"),
        pytest.param(
            rest_stage("ERROR", tags={"execution-logs": "info"}), [level("*/*", "ERROR", "INFO")], id="any case"
        ),
        pytest.param(
            rest_stage("INFO", tags={"execution-logs": "ERROR"}), [level("*/*", "INFO", "ERROR")], id="tagged ERROR"
        ),
        pytest.param(
            rest_stage("INFO", tags={"Execution-Logs": "INFO"}), [level("*/*", "INFO", "ERROR")], id="keys have case"
        ),
        pytest.param(
            rest_stage(overrides={"~1/GET": execution_logs("OFF"), "pets~1{id}/GET": execution_logs("INFO")}),
            [level("~1/GET", "OFF", "ERROR"), level("pets~1{id}/GET", "INFO", "ERROR")],
            id="overrides do not follow",
        ),
        pytest.param(
            rest_stage(None, overrides={"~1/GET": execution_logs("ERROR")}),
            [level("*/*", "OFF", "ERROR")],
            id="one override is not every method",
        ),
        pytest.param(
            rest_stage(tags={"execution-logs": "INFO"}, overrides={"~1/GET": execution_logs("ERROR")}),
            [level("*/*", "ERROR", "INFO"), level("~1/GET", "ERROR", "INFO")],
            id="the tag is for every method",
        ),
        pytest.param(
            rest_stage("OFF", data_trace=True, overrides={"~1/GET": execution_logs("OFF", data_trace=True)}),
            [trace_off("*/*"), trace_off("~1/GET"), level("*/*", "OFF", "ERROR"), level("~1/GET", "OFF", "ERROR")],
            id="bodies end before a level rises",
        ),
        pytest.param(
            rest_stage("INFO", tags={"execution-logs": "INFO"}, data_trace=True),
            [trace_off("*/*")],
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
def test_plan_has_exactly_what_the_stage_lacks(
    stage: Stage, expected: list[tuple[Setting, str | None, str | None, str]]
) -> None:
    assert changes(stage) == expected


def test_a_format_without_a_request_id_is_replaced() -> None:
    assert changes(rest_stage(log_format="$context.status")) == [
        (Setting.ACCESS_LOG_FORMAT, None, "$context.status", POLICY.access_log_format)
    ]


def test_every_change_says_why() -> None:
    stage = rest_stage("OFF", data_trace=True, destination=None, log_format=None)
    assert all(change.reason for change in plan(stage, POLICY).changes)


STAGES = st.builds(
    rest_stage,
    st.sampled_from([None, *LoggingLevel]),
    tags=st.dictionaries(
        st.sampled_from(["execution-logs", "team"]), st.sampled_from(["INFO", "info", " Info ", "x", ""])
    ),
    data_trace=st.booleans(),
    destination=st.sampled_from([None, OWN_DESTINATION, "arn:aws:logs:us-east-1:123456789012:log-group:mine"]),
    log_format=st.sampled_from([None, "$context.requestId", "$context.status"]),
    overrides=st.dictionaries(
        st.sampled_from(["~1/GET", "pets/POST", "pets~1{id}/*"]),
        st.builds(ExecutionLogSettings, st.sampled_from(LoggingLevel), st.booleans()),
    ),
)


@given(STAGES)
def test_a_stage_with_its_plan_applied_is_in_line(stage: Stage) -> None:
    assert plan(apply(stage, plan(stage, POLICY).changes), POLICY).is_in_line


@given(STAGES)
def test_no_level_rises_while_bodies_are_traced(stage: Stage) -> None:
    """At no point of the plan does a method both log and trace, unless it did before."""
    for change in plan(stage, POLICY).changes:
        stage = apply(stage, (change,))
        if change.setting is Setting.LOGGING_LEVEL and change.method in stage.execution_logs:
            assert not stage.execution_logs[change.method].data_trace


def apply(stage: Stage, planned: tuple[Change, ...]) -> Stage:
    """The stage as API Gateway would have it after the changes."""
    for change in planned:
        match change.setting:
            case Setting.ACCESS_LOG_DESTINATION:
                stage = replace(stage, access_log=AccessLogSettings(change.after, stage.access_log.format))
            case Setting.ACCESS_LOG_FORMAT:
                stage = replace(stage, access_log=AccessLogSettings(stage.access_log.destination_arn, change.after))
            case Setting.LOGGING_LEVEL | Setting.DATA_TRACE:
                assert change.method is not None
                now = stage.execution_logs.get(change.method, ExecutionLogSettings())
                then = (
                    replace(now, level=LoggingLevel(change.after))
                    if change.setting is Setting.LOGGING_LEVEL
                    else replace(now, data_trace=change.after == "true")
                )
                stage = replace(stage, execution_logs={**stage.execution_logs, change.method: then})
    return stage
