"""A plan becomes patch operations of UpdateStage, and GetStage's answer a stage."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from log_keeper.aws import rest
from log_keeper.policy.plan import plan
from log_keeper.stages import LoggingLevel, Protocol
from testing.builders import FORMATS, OWN_DESTINATION, POLICY, REF, method_settings, rest_stage

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def test_new_stage_needs_one_patch() -> None:
    stage = rest_stage("OFF", destination=None, log_format=None)
    assert rest.patch_operations(plan(stage, POLICY, NOW)) == [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": OWN_DESTINATION},
        {"op": "replace", "path": "/accessLogSettings/format", "value": FORMATS[Protocol.REST]},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"},
    ]


def test_method_is_patched_under_its_key_as_it_was_read() -> None:
    """Both spellings of one method, a path with a slash in front, and a resource named ``variables``."""
    keys = ["~1/GET", "~1pets/GET", "pets/GET", "/a/{b}/c/GET", "pets~1{id}/GET", "variables/GET", "~1variables/GET"]
    stage = rest_stage(overrides={key: method_settings("OFF") for key in keys})
    assert [operation.get("path") for operation in rest.patch_operations(plan(stage, POLICY, NOW))] == [
        f"/{key}/logging/loglevel" for key in keys
    ]


class RecordingClient:
    """A client that accepts UpdateStage as API Gateway does: at most 80 operations."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, str]]] = []

    def update_stage(self, *, restApiId: str, stageName: str, patchOperations: list[dict[str, str]]) -> None:  # noqa: N803
        assert (restApiId, stageName) == (REF.api_id, REF.stage_name)
        assert len(patchOperations) <= 80
        self.calls.append(patchOperations)


def test_hundred_overrides_need_the_fewest_calls() -> None:
    overrides = {f"r{number}/GET": method_settings("OFF", data_trace=True) for number in range(100)}
    client: Any = RecordingClient()
    stage = rest_stage("OFF", overrides=overrides)
    planned = plan(stage, POLICY, NOW)
    made = [rest.apply(client, stage, replace(planned, changes=part)) for part in rest.split(planned.changes)]
    assert [change for applied in made for change in applied.made] == list(planned.changes)
    operations = [operation for call in client.calls for operation in call]
    assert [len(call) for call in client.calls] == [80, 80, 41]
    assert [operation["path"].endswith("dataTrace") for operation in operations] == [True] * 100 + [False] * 101


def test_absent_settings_are_off() -> None:
    """As recorded: a throttled method without a level, a stage without access log settings."""
    stage = rest.to_stage(REF, {"methodSettings": {"*/*": {"throttlingBurstLimit": 1}}})
    assert stage.settings.level is LoggingLevel.OFF
    assert stage.access_log.destination_arn is None
    assert not stage.has_canary


@pytest.mark.parametrize(
    ("level", "read"),
    [("info", LoggingLevel.INFO), ("", LoggingLevel.OFF), ("DEBUG", LoggingLevel.UNKNOWN)],
)
def test_any_level_is_read(level: str, read: LoggingLevel) -> None:
    stage = rest.to_stage(REF, {"methodSettings": {"*/*": {"loggingLevel": level}}})
    assert stage.settings.level is read


@pytest.mark.parametrize("tags", [{}, {"execution-logs": "INFO"}])
def test_unknown_level_is_replaced(tags: dict[str, str]) -> None:
    """It may log nothing, or more than INFO does: data trace is switched off first, then the level is set."""
    entry = {"loggingLevel": "DEBUG", "dataTraceEnabled": True}
    stage = rest.to_stage(REF, {"methodSettings": {"*/*": entry, "~1/GET": entry}, "tags": tags})  # type: ignore[typeddict-item]
    changes = [change for change in plan(stage, POLICY, NOW).changes if "access log" not in change.setting]
    wanted = "INFO" if tags else "ERROR"
    assert [(change.before, change.after) for change in changes] == [
        (True, False),
        (True, False),
        ("unknown", wanted),
        ("unknown", wanted),
    ]


def test_empty_text_is_read_as_absent() -> None:
    stage = rest.to_stage(REF, {"accessLogSettings": {"destinationArn": "", "format": ""}})
    assert (stage.access_log.destination_arn, stage.access_log.format) == (None, None)
