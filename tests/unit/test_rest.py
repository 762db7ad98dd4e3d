"""A plan as the patch operations of UpdateStage, and GetStage's answer as a stage."""

from __future__ import annotations

import json
import re
from typing import Any

from builders import OWN_DESTINATION, POLICY, REF, execution_logs, rest_stage
from log_keeper import rest
from log_keeper.policy import plan
from log_keeper.stages import LoggingLevel


def test_new_stage_takes_one_patch() -> None:
    stage = rest_stage(None, destination=None, log_format=None)
    assert rest.patch_operations(plan(stage, POLICY)) == [
        {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": OWN_DESTINATION},
        {"op": "replace", "path": "/accessLogSettings/format", "value": POLICY.access_log_format},
        {"op": "replace", "path": "/*/*/logging/loglevel", "value": "ERROR"},
    ]


def test_method_key_is_its_path() -> None:
    stage = rest_stage(overrides={"pets~1{id}/GET": execution_logs("OFF", data_trace=True)})
    assert [operation.get("path") for operation in rest.patch_operations(plan(stage, POLICY))] == [
        "/pets~1{id}/GET/logging/dataTrace",
        "/pets~1{id}/GET/logging/loglevel",
    ]


class RecordingClient:
    """Takes UpdateStage calls as API Gateway would: 80 operations at most."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, str]]] = []

    def update_stage(self, *, restApiId: str, stageName: str, patchOperations: list[dict[str, str]]) -> None:  # noqa: N803
        assert (restApiId, stageName) == (REF.api_id, REF.stage_name)
        assert len(patchOperations) <= 80
        self.calls.append(patchOperations)


def test_a_hundred_overrides_take_as_few_calls_as_there_can_be() -> None:
    overrides = {f"r{number}/GET": execution_logs("OFF", data_trace=True) for number in range(100)}
    client: Any = RecordingClient()
    rest.apply(client, REF, plan(rest_stage("OFF", overrides=overrides), POLICY))
    operations = [operation for call in client.calls for operation in call]
    assert [len(call) for call in client.calls] == [80, 80, 41]
    assert [operation["path"].endswith("dataTrace") for operation in operations] == [True] * 100 + [False] * 101


def test_absent_settings_are_off() -> None:
    """As recorded: a throttled method without a level, a stage without access log settings."""
    stage = rest.to_stage(REF, {"methodSettings": {"*/*": {"throttlingBurstLimit": 1}}})
    assert stage.execution_logs["*/*"].level is LoggingLevel.OFF
    assert stage.access_log.destination_arn is None
    assert not stage.has_canary


def test_empty_texts_are_absent() -> None:
    stage = rest.to_stage(REF, {"accessLogSettings": {"destinationArn": "", "format": ""}})
    assert (stage.access_log.destination_arn, stage.access_log.format) == (None, None)


def test_format_is_one_line_of_json_of_context_variables() -> None:
    """API Gateway takes a single line, of $context variables only; the seed's ten fields are in it."""
    fields = json.loads(POLICY.access_log_format)
    assert "\n" not in POLICY.access_log_format
    assert all(re.fullmatch(r"\$context(\.[a-zA-Z]+)+", value) for value in fields.values())
    assert {
        "requestId",
        "ip",
        "caller",
        "user",
        "requestTime",
        "httpMethod",
        "resourcePath",
        "status",
        "protocol",
        "responseLength",
    } <= set(fields)
    # HTTP APIs' limit; REST's is not documented.
    assert len(POLICY.access_log_format) < 3000
