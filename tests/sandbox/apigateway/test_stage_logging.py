"""Execution logs and access logs of a REST stage: which values are accepted, and when a log role is needed."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, log_role, make_rest_stage
from testing.clients import refusal
from testing.rest_apis import NO_ROLE, replace, stage, update

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/apigateway/x"


@pytest.mark.parametrize("op", ["add", "replace"])
def test_operation_add_works_as_replace(sandbox: Sandbox, op: str) -> None:
    api_id = make_rest_stage(sandbox)
    give_log_role(sandbox)
    update(sandbox, api_id, {"op": op, "path": "/*/*/logging/loglevel", "value": "info"})
    update(sandbox, api_id, {"op": op, "path": "/accessLogSettings/destinationArn", "value": GROUP})
    now = stage(sandbox, api_id)
    assert now["methodSettings"]["*/*"]["loggingLevel"] == "INFO"
    assert now["accessLogSettings"] == {"destinationArn": GROUP}


@pytest.mark.parametrize("level", ["BOGUS", "", "WARN"])
def test_wrong_level_is_refused(sandbox: Sandbox, level: str) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, replace("/*/*/logging/loglevel", level))) == (
        "BadRequestException",
        f"Invalid logging level specified: {level or 'null'}",
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/*/*/logging/loglevel", "ERROR"),
        ("/pets/GET/logging/loglevel", "info"),
        ("/accessLogSettings/destinationArn", GROUP),
    ],
)
def test_logging_needs_the_account_role(sandbox: Sandbox, path: str, value: str) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, replace(path, value))) == ("BadRequestException", NO_ROLE)
    give_log_role(sandbox)
    update(sandbox, api_id, replace(path, value))


def test_off_needs_no_role(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "OFF"))
    assert stage(sandbox, api_id)["methodSettings"]["*/*"]["loggingLevel"] == "OFF"


def test_role_of_another_region_does_not_count(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox, region="eu-west-1")
    assert log_role(sandbox, "eu-west-1") is None
    code, message = refusal(
        lambda: update(sandbox, api_id, replace("/*/*/logging/loglevel", "ERROR"), region="eu-west-1")
    )
    assert (code, message) == ("BadRequestException", NO_ROLE)


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            replace("/accessLogSettings/destinationArn", f"{GROUP}:*"),
            (
                "Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': "
                "'log-group:/aws/vendedlogs/apigateway/x:*'"
            ),
        ),
        (replace("/accessLogSettings/destinationArn", ""), "Access Log value must not be empty"),
        (replace("/accessLogSettings/format", ""), "Access Log value must not be empty"),
        (
            replace("/accessLogSettings/nonsense", "x"),
            (
                "Invalid accessLogSettings path. Must be one of : "
                "[/accessLogSettings/destinationArn, /accessLogSettings/format]"
            ),
        ),
    ],
)
def test_wrong_access_log_settings_are_refused(sandbox: Sandbox, operation: dict[str, str], message: str) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, operation)) == ("BadRequestException", message)


@pytest.mark.parametrize("name", ["requestId", "extendedRequestId"])
def test_access_log_format_names_the_request_by_either_id(sandbox: Sandbox, name: str) -> None:
    """*Source:* the refusal of a format with neither, which names both."""
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/accessLogSettings/format", f"$context.{name}"))
    assert stage(sandbox, api_id)["accessLogSettings"]["format"] == f"$context.{name}"


def test_access_log_is_switched_off_whole(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    update(
        sandbox,
        api_id,
        replace("/accessLogSettings/destinationArn", GROUP),
        replace("/accessLogSettings/format", "$context.requestId\n"),
    )
    update(sandbox, api_id, {"op": "remove", "path": "/accessLogSettings"})
    assert "accessLogSettings" not in stage(sandbox, api_id)
