"""CloudTrail records of write calls of API Gateway, CloudWatch Logs and IAM, sent to the default event bus.

Records have the shapes of those of real accounts: radkawar/stackd ``testdata/aws/apigateway/cloudtrail_deployed.json``
and cloud-custodian ``tests/data/cwe/event-cloud-trail-*``; no real record of UpdateStage (v1) is public; its shape
follows the rule of all others.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from moto.core.utils import get_service_model

from sandbox.core.registry import recorder
from sandbox.services.cloudtrail.trails import Trails
from sandbox.services.eventbridge import event_bus

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import AwsError, Call, CallRecord

#: eventSource, and source of the EventBridge event. Both versions of API Gateway have the same, and share names of
#: operations.
_SOURCES = {
    "apigateway": "apigateway",
    "apigatewayv2": "apigateway",
    "logs": "logs",
    "iam": "iam",
    "resourcegroupstaggingapi": "tagging",
}
_READS = ("Get", "List", "Describe", "Simulate", "Generate", "Filter", "Test")
#: The caller of API Gateway when its resources are tagged with the Resource Groups Tagging API.
TAGGING = "tagging.amazonaws.com"
#: Data events, which a trail of management events does not log.
_DATA_EVENTS = frozenset({"PutRecord", "PutLogEvents", "StartQuery", "StopQuery", "StartLiveTail"})


@recorder
def record(account: Account, answered: CallRecord, result: dict[str, Any] | None, error: AwsError | None) -> None:
    """Record the call on the trail and on the event bus, if it is a write call of a service in this module.

    Failed calls are recorded, too. Without a trail nothing reaches EventBridge.
    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
    """
    call = answered.call
    service = _SOURCES.get(call.service)
    if service is None or call.operation.startswith(_READS) or call.operation in _DATA_EVENTS:
        return
    if call.caller.invoked_by == TAGGING and not account.behaviour.tagging_api_shows_service_calls:
        return
    detail = _record(answered, service, result, error)
    account.trail.append(detail)
    if account.service(Trails).log(detail):
        event_bus.put(account, detail["awsRegion"], envelope(account, detail))


def envelope(account: Account, detail: dict[str, Any]) -> dict[str, Any]:
    """Return the EventBridge event with the CloudTrail record; ``resources`` is empty in such events."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "AWS API Call via CloudTrail",
        "source": f"aws.{detail['eventSource'].split('.')[0]}",
        "account": account.account_id,
        "time": detail["eventTime"],
        "region": detail["awsRegion"],
        "resources": [],
        "detail": detail,
    }


def _record(
    answered: CallRecord, service: str, result: dict[str, Any] | None, error: AwsError | None
) -> dict[str, Any]:
    call = answered.call
    caller = call.caller
    identity = dict(caller.user_identity)
    if caller.invoked_by:
        identity["invokedBy"] = caller.invoked_by
    on_behalf = caller.invoked_by or identity.get("invokedBy")
    detail: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": _time(answered.time),
        "eventSource": f"{service}.amazonaws.com",
        "eventName": call.operation,
        # IAM is global: its calls are recorded in us-east-1 only.
        "awsRegion": "us-east-1" if service == "iam" else call.region,
        "sourceIPAddress": on_behalf or call.source_ip,
        "userAgent": on_behalf or call.user_agent,
    }
    if error is not None:
        detail["errorCode"] = _error_code(call, error)
        if call.service != "apigatewayv2":  # v2 has the text in responseElements
            detail["errorMessage"] = error.message
    is_denied = error is not None and error.code.startswith("AccessDenied")
    detail["requestParameters"] = None if is_denied else _request_parameters(call)
    detail["responseElements"] = _response_elements(call, result, error)
    detail |= {
        "requestID": call.request_id,
        "eventID": str(uuid.uuid4()),
        "readOnly": False,
        "eventType": "AwsApiCall",
    }
    if service == "logs":
        detail["apiVersion"] = "20140328"
    detail |= {"managementEvent": True, "recipientAccountId": caller.account, "eventCategory": "Management"}
    if call.service in ("apigateway", "apigatewayv2") and not on_behalf:
        detail["tlsDetails"] = {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256"}
        if call.service == "apigateway":
            detail["tlsDetails"]["clientProvidedHostHeader"] = f"apigateway.{call.region}.amazonaws.com"
    return detail


def _error_code(call: Call, error: AwsError) -> str:
    """Return the error's code in CloudTrail: the name of its shape, NoSuchEntityException for the code NoSuchEntity."""
    if error.code.startswith("AccessDenied"):
        return "AccessDenied"
    for shape in get_service_model(call.service).error_shapes:
        if shape.metadata.get("error", {}).get("code") == error.code:
            return shape.name
    return error.code or "TooManyRequestsException"


def _request_parameters(call: Call) -> dict[str, Any] | None:
    shape: Any = get_service_model(call.service).operation_model(call.operation).input_shape
    if shape is None:
        return {"template": False} if call.service == "apigateway" else None
    if call.service == "apigateway":
        return _v1_parameters(call, shape)
    if call.service == "apigatewayv2":
        return _v2_parameters(call, shape)
    if call.service == "iam":
        return _decapitalised(call.params) or None
    if call.service == "resourcegroupstaggingapi":  # keys of tags stay as they are
        return {name[:1].lower() + name[1:]: _plain(value) for name, value in call.params.items()}
    return _plain(call.params) or None


def _v1_parameters(call: Call, shape: Any) -> dict[str, Any]:
    """Return the parameters of a v1 call: URI labels, the body under ``<operation>Input``, and ``template: false``.

    A body without members (an OpenAPI document) is left out.
    """
    payload = shape.serialization.get("payload")
    top: dict[str, Any] = {}
    body: dict[str, Any] = {}
    for name, value in call.params.items():
        if name == payload or isinstance(value, bytes):
            continue
        location = shape.members[name].serialization.get("location")
        if location in ("uri", "querystring"):
            top[name] = value
        else:
            body[name] = _plain(value)
    if payload is None and any("location" not in member.serialization for member in shape.members.values()):
        top[f"{call.operation[0].lower()}{call.operation[1:]}Input"] = body
    return top | {"template": False}


def _v2_parameters(call: Call, shape: Any) -> dict[str, Any]:
    """Return the parameters of a v2 call: path and body on one level, under the ``locationName`` of the model.

    Path parameters stay percent-encoded, also the ARN of a call about tags (inferred from Amazon Connect's records).
    """
    parameters: dict[str, Any] = {}
    for name, value in call.params.items():
        member = shape.members[name]
        located = member.serialization.get("name", name)
        is_path = member.serialization.get("location") == "uri"
        parameters[located] = quote(value, safe="") if is_path else _located(member, value)
    return _masked(parameters)


def _response_elements(call: Call, result: dict[str, Any] | None, error: AwsError | None) -> dict[str, Any] | None:
    if error is not None:
        return {"message": error.message} if call.service == "apigatewayv2" else None
    if not result:
        return None
    if call.service == "apigatewayv2":
        elements = _located(get_service_model(call.service).operation_model(call.operation).output_shape, result)
        return _masked(dict(elements))
    if call.service == "iam":
        return dict(_decapitalised(result))
    if call.service == "resourcegroupstaggingapi":
        return {name[:1].lower() + name[1:]: _plain(value) for name, value in result.items()}
    elements = _plain(result)
    if call.service == "apigateway":
        elements |= _relations(call, result)
    return dict(elements)


def _masked(elements: dict[str, Any]) -> dict[str, Any]:
    """Return the elements without stage variables.

    *Source* for requests: radkawar/stackd ``internal/services/apigatewayv2/audit.go``.
    """
    return {**elements, "stageVariables": "***"} if "stageVariables" in elements else elements


def _relations(call: Call, result: dict[str, Any]) -> dict[str, Any]:
    """Return API Gateway's HAL links in CloudTrail's form: a set of parameters for each."""
    api_id = call.params.get("restApiId")
    names: tuple[str, ...]
    if call.operation in ("CreateStage", "UpdateStage"):
        link = {"restApiId": api_id, "stageName": result.get("stageName"), "template": False}
        names = ("self", "stageUpdate", "stageDelete", "stageFlushAuthorizerCache")
    elif call.operation in ("CreateDeployment", "UpdateDeployment"):
        link = {"restApiId": api_id, "deploymentId": result.get("id"), "template": False}
        names = ("self", "deploymentUpdate", "deploymentDelete")
    else:
        return {}
    return {name: dict(link) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "ResponseMetadata"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return _time(value) if isinstance(value, datetime) else value


def _located(shape: Any, value: Any) -> Any:
    """Return the value with its members under the names that they have in requests and answers."""
    if shape is None:
        return {}
    if shape.type_name == "structure" and isinstance(value, dict):
        known = {name: item for name, item in value.items() if name in shape.members}
        return {
            shape.members[name].serialization.get("name", name): _located(shape.members[name], item)
            for name, item in known.items()
        }
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: _located(shape.value, item) for key, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_located(shape.member, item) for item in value]
    return _plain(value)


def _decapitalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _decapitalised(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decapitalised(item) for item in value]
    return _plain(value)


def _time(value: datetime) -> str:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
