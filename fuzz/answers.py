"""Create any answer about a stage that botocore's service models allow, and any settings of Log Keeper."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import botocore.session

from fuzz.choices import Choices
from log_keeper.policy.access_log_format import FormatName
from log_keeper.settings import Settings
from log_keeper.stages import Protocol
from testing.builders import ACCOUNT, FORMATS, REGION, settings_with

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)

_GROUPS = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
_DESTINATIONS = (
    f"{_GROUPS}mine",
    f"{_GROUPS}mine:*",
    f"{_GROUPS}/aws/vendedlogs/apigateway/a1b2c3d4e5/prod",
    _GROUPS,
    f"{_GROUPS}aws/reserved",
    f"{_GROUPS}mine:log-stream:other",
    f"{_GROUPS}{'long' * 200}",
    f"arn:aws:logs:{REGION}:999999999999:log-group:theirs",
    "arn:aws:logs:eu-west-1:123456789012:log-group:elsewhere",
    "arn:aws-cn:logs:us-east-1:123456789012:log-group:china",
    f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/amazon-apigateway-mine",
    f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/other",
    f"arn:aws:firehose:eu-west-1:999999999999:deliverystream/amazon-apigateway-{'long' * 40}",
    "",
)
_FORMATS = (FORMATS[Protocol.REST], "$context.requestId", "$context.status", "")
_TAG_KEYS = (
    "execution-logs",
    "execution-logs-until",
    "execution-logs-data-trace",
    "hands-off",
    "aws:cloudformation:stack-name",
)
_TAG_VALUES = (
    "INFO",
    " info ",
    "true",
    "2026-12-24",
    "2026-12-24T18:00Z",
    "2026-11-02T12:00:00.000001",
    "9999-12-31T23:59:59.5",
    "9999-12-31",
    "0001-01-01T00:00+14:00",
    "soon",
    "",
)
#: Texts with a meaning, by the name of the member (for maps: of their keys and values). Other texts are tried too.
WORDS: Mapping[str, Sequence[str]] = {
    "loggingLevel": ("OFF", "ERROR", "INFO", "info", "DEBUG", ""),
    "destinationArn": _DESTINATIONS,
    "DestinationArn": _DESTINATIONS,
    "format": _FORMATS,
    "Format": _FORMATS,
    "tags key": _TAG_KEYS,
    "Tags key": _TAG_KEYS,
    "tags value": _TAG_VALUES,
    "Tags value": _TAG_VALUES,
    "methodSettings key": (
        "*/*",
        "~1/GET",
        "~1pets/GET",
        "pets/GET",
        "/pets/GET",
        "~1pets~1{id}/GET",
        "pets~1{id}/GET",
        "/pets/{id}/toys/GET",
        "{proxy+}/POST",
        "~1variables/GET",
        "variables/GET",
        "~1canarySettings/PUT",
        "accessLogSettings/POST",
        "description/HEAD",
        "~1a.b-c:d_e~1logging/PATCH",
    ),
    "RouteSettings key": ("$default", "$connect", "GET /pets/{id}", "ANY /{proxy+}", "send"),
}
_SIZES = (0, 1, 2, 3, 4)


@functools.cache
def _shape(service: str, name: str) -> Any:
    return botocore.session.get_session().get_service_model(service).shape_for(name)


def rest_answer(choices: Choices) -> dict[str, Any]:
    """Return an answer of GetStage, or one stage of an answer of GetStages, for a REST API."""
    answer: dict[str, Any] = any_of(_shape("apigateway", "Stage"), choices)
    return answer


def v2_answer(choices: Choices) -> dict[str, Any]:
    """Return an answer of GetStage, or one stage of an answer of GetStages, for an HTTP or WebSocket API."""
    answer: dict[str, Any] = any_of(_shape("apigatewayv2", "GetStageResponse"), choices)
    return answer


def any_tags(choices: Choices) -> dict[str, str]:
    """Return tags that a stage can have."""
    tags: dict[str, str] = any_of(_shape("apigateway", "Stage").members["tags"], choices, "tags")
    return tags


def any_settings(choices: Choices) -> Settings:
    """Return settings with any values of the parameters that decide about a stage."""
    return settings_with(
        access_log_format=choices.pick(tuple(FormatName)),
        allows_data_trace=choices.flip(),
        wants_detailed_metrics=choices.flip(),
        exempt_tag_key=choices.pick((None, "hands-off")),
    )


def any_of(shape: Any, choices: Choices, name: str = "") -> Any:
    """Return a value of the shape: with or without each member, with known and with unknown texts."""
    match shape.type_name:
        case "structure":
            return {member: any_of(of, choices, member) for member, of in shape.members.items() if choices.flip()}
        case "map":
            size = choices.pick(_SIZES)
            return {
                any_of(shape.key, choices, f"{name} key"): any_of(shape.value, choices, f"{name} value")
                for _ in range(size)
            }
        case "string" if enum := getattr(shape, "enum", None):
            return choices.pick(enum)
        case "string":
            words = WORDS.get(name, ())
            is_known = words and choices.pick(range(5)) > 0
            return choices.pick(words) if is_known else choices.text()
        case "boolean":
            return choices.flip()
        case "integer":
            return choices.pick((0, 5000)) if choices.flip() else choices.integer()
        case "double":
            return choices.pick((0.0, 0.5)) if choices.flip() else choices.number()
        case "timestamp":
            return NOW
    raise NotImplementedError(f"shapes of type {shape.type_name} are not implemented: no member of a stage has had one")
