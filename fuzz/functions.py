"""Claims about both functions with one message, and an AWS that gives any answer and records the calls."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any
from unittest import mock

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from fuzz.claims import API_ID, LOG_GROUP, REGIONS, STAGE_NAMES
from handlers import enforce, sweep
from log_keeper.aws.pace import Pace
from log_keeper.aws.parallel import Parallel
from log_keeper.events.cloudtrail import read_event
from log_keeper.events.hints import UnreadableEventError
from log_keeper.events.sweep_work import UnreadableWorkError
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, Protocol
from testing.builders import ACCOUNT, DEPLOYMENT, OWN_ROLE_ARN, REGION
from testing.deliveries import Context

_LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Logs"
_TRUST = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}

#: A log delivery of the execution logs of a stage.
_CONFIGURATION = {"destinationResourceArn": "arn:aws:s3:::execution-logs"}
_SOURCE = {
    "name": "shop",
    "resourceArns": [f"arn:aws:apigateway:{REGION}:{ACCOUNT}:/restapis/a1b2c3d4e5/stages/prod"],
    "logType": "EXECUTION_LOGS",
}
_DELIVERY = {
    "deliverySourceName": "shop",
    "deliveryDestinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:delivery-destination:shop",
}

#: The calls that write which the functions may make, in an account whose log role is valid.
_WRITES = {
    "apigateway": {"UpdateStage"},
    "apigatewayv2": {"UpdateStage"},
    "logs": {"CreateLogGroup", "PutResourcePolicy", "PutRetentionPolicy"},
    "scheduler": {"CreateSchedule", "UpdateSchedule", "DeleteSchedule"},
    "events": {"PutEvents"},
    "sqs": {"SendMessage", "SendMessageBatch"},
}
_QUEUES = (DEPLOYMENT.queues.stage_queue_url, DEPLOYMENT.queues.sweep_queue_url)
_READS = ("Get", "Describe", "List", "Simulate")


@dataclass
class Aws:
    """Replaces ``Clients``: its clients check each call against the service model, and answer it."""

    rest: Mapping[str, Any]
    v2: Mapping[str, Any]
    protocol: Protocol
    calls: list[tuple[str, str]] = field(default_factory=list)
    parallel: Parallel = field(default_factory=Parallel)

    def __getattr__(self, name: str) -> Callable[..., _Client]:
        service = {"account_settings": "apigateway"}.get(name, name)
        return lambda region=REGION: _Client(self, service, region)

    def pace(self, _: str) -> Pace:
        return Pace(1e9, sleep=lambda _: None)

    def answer(self, operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
        match operation:
            case "GetStage":
                return dict(self.rest if "restApiId" in params else self.v2)
            case "GetStages" if "restApiId" in params:
                return {"item": [dict(self.rest) | {"stageName": name} for name in ("prod", "test")]}
            case "GetStages":
                return {"Items": [dict(self.v2) | {"StageName": name} for name in ("$default", "prod")]}
            case "GetRestApis":
                return {"items": [{"id": "a1b2c3d4e5"}]}
            case "GetApis":
                return {"Items": [{"ApiId": "f6g7h8i9j0", "ProtocolType": self.protocol, "Name": "web"}]}
            case "DescribeTrails":
                return {"trailList": []}
            case "GetApi":
                return {"ProtocolType": self.protocol}
            case "GetAccount":
                return {"cloudwatchRoleArn": _LOG_ROLE}
            case "GetRole":
                return {"Role": {"Arn": _LOG_ROLE, "AssumeRolePolicyDocument": {"Statement": [_TRUST]}}}
            case "SimulatePrincipalPolicy":
                return {
                    "EvaluationResults": [
                        {"EvalActionName": action, "EvalDecision": "allowed"} for action in params["ActionNames"]
                    ]
                }
            case "DescribeLogGroups":
                return {"logGroups": []}
            case "DescribeResourcePolicies":
                return {"resourcePolicies": []}
            case "DescribeDeliverySources":
                return {"deliverySources": [_SOURCE]}
            case "DescribeDeliveries":
                return {"deliveries": [_DELIVERY]}
            case "GetDeliveryDestination":
                return {"deliveryDestination": {"deliveryDestinationConfiguration": _CONFIGURATION}}
            case "GetSchedule":
                raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, operation)
            case "PutEvents":
                return {"FailedEntryCount": 0, "Entries": []}
        return {}


class _Client:
    def __init__(self, aws: Aws, service: str, region: str) -> None:
        self._aws, self._service, self._region = aws, service, region

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        return functools.partial(self._call, _operations(self._service)[method])

    def get_paginator(self, method: str) -> mock.Mock:
        def paginate(PaginationConfig: object = None, **params: Any) -> list[dict[str, Any]]:  # noqa: N803, ARG001
            return [getattr(self, method)(**params)]

        return mock.Mock(paginate=paginate)

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        shape: Any = _model(self._service).operation_model(operation).input_shape
        refusal = ParamValidator().validate(params, shape)
        assert not refusal.has_errors(), f"{operation}: {refusal.generate_report()}"
        assert self._region in REGIONS
        assert operation.startswith(_READS) or operation in _WRITES.get(self._service, ()), f"{operation} changes more"
        for name, pattern in (
            ("restApiId", API_ID),
            ("ApiId", API_ID),
            ("stageName", STAGE_NAMES[ApiVersion.V1]),
            ("StageName", STAGE_NAMES[ApiVersion.V2]),
        ):
            assert name not in params or pattern.match(params[name]), f"{operation} of {params[name]!r}"
        assert params.get("QueueUrl", _QUEUES[0]) in _QUEUES
        for group in [*params.get("logGroupIdentifiers", ()), *filter(None, [params.get("logGroupName")])]:
            assert LOG_GROUP.match(group), f"{operation} of {group!r}"
        self._aws.calls.append((self._service, operation))
        return self._aws.answer(operation, params)


@functools.cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def _operations(service: str) -> dict[str, str]:
    return {xform_name(operation): operation for operation in _model(service).operation_names}


@contextmanager
def _replaced_clients(function: ModuleType, aws: Aws) -> Iterator[None]:
    """Let the function use the clients of ``aws``. A log line that cannot be written raises an error."""

    def complain(_: logging.LogRecord) -> None:
        raise  # the error that logging, which calls this, has just caught

    with (
        mock.patch.object(function, "Clients", return_value=aws),
        mock.patch.object(logging.Handler, "handleError", side_effect=complain),
    ):
        yield


def check_delivery(
    body: str, rest: Mapping[str, Any], v2: Mapping[str, Any], protocol: Protocol, settings: Settings
) -> None:
    """Check that the Enforce function processes a readable message, and reports an unreadable one without AWS calls."""
    aws = Aws(rest, v2, protocol)
    record = {"messageId": "0", "receiptHandle": "", "body": body, "eventSource": "aws:sqs"}
    with _replaced_clients(enforce, aws):
        answer: Any = enforce.EnforceHandler(settings).handle({"Records": [record]}, Context())  # type: ignore[arg-type]
    failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    if is_readable(body, settings):
        assert failed == [], "the message was read, and processing it failed"
    else:
        assert failed == ["0"]
        assert aws.calls == []


def check_sweep(
    body: str, rest: Mapping[str, Any], v2: Mapping[str, Any], protocol: Protocol, settings: Settings
) -> None:
    """Check that the Sweep function processes a readable message, whatever the stages are, and only sends to SQS."""
    aws = Aws(rest, v2, protocol)
    try:
        with _replaced_clients(sweep, aws):
            sweep.SweepHandler(settings).handle_message(body, Context(remaining=900_000))  # type: ignore[arg-type]
    except UnreadableWorkError:
        assert aws.calls == []
    assert {service for service, operation in aws.calls if not operation.startswith(_READS)} <= {"sqs"}


def is_readable(body: str, settings: Settings) -> bool:
    """Return whether the message is an event that Log Keeper can read."""
    try:
        read_event(json.loads(body), account=ACCOUNT, regions=settings.deployment.regions, own_role_arn=OWN_ROLE_ARN)
    except (RecursionError, UnreadableEventError, ValueError):
        return False
    return True
