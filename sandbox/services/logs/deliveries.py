"""CloudWatch Logs' delivery of vended logs: sources, destinations, and the deliveries that connect them.

Of API Gateway's logs, execution logs of REST stages (``EXECUTION_LOGS``) can be delivered since 2026-09. While a stage
has a delivery, API Gateway writes nothing to ``API-Gateway-Execution-Logs_*``; see ``rest_requests``.

*Source:* botocore's service model of ``logs``; API Gateway developer guide, "Create a log delivery for REST API
execution logs" and "Delete a log delivery for REST API execution logs". Recorded wordings of refusals:
aws-cloudformation/cloudformation-coverage-roadmap issue 2513, aws-samples/sample-autonomous-cloud-coding-agents pull
request 662, hashicorp/terraform-provider-aws; the others are those of moto, or not recorded.
"""

from __future__ import annotations

import re
import secrets
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

#: The log type of a REST stage's execution logs.
EXECUTION_LOGS = "EXECUTION_LOGS"
#: The documented form of a stage's ARN has the account; the form in calls of API Gateway does not.
_STAGE_ARN = re.compile(r"arn:aws:apigateway:([a-z0-9-]+):(\d{12})?:/restapis/([^/]+)/stages/([^/]+)")
_NAME = re.compile(r"[\w-]{1,60}")
_PAGE = 50
_FORMATS = ("w3c", "raw", "json", "plain", "parquet")
#: Type of a destination, by the service in the ARN of the resource that receives the logs.
_TYPES = {"logs": "CWL", "s3": "S3", "firehose": "FH"}
_ID = string.ascii_letters + string.digits


@dataclass(slots=True)
class _Deliveries:
    """Sources and destinations by name, and deliveries by id, of one region, as the Describe calls return them."""

    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    deliveries: dict[str, dict[str, Any]] = field(default_factory=dict)


def _of(account: Account, region: str) -> _Deliveries:
    return account.state(_Deliveries, region)


def destinations_of_stage(account: Account, region: str, api_id: str, stage_name: str) -> list[str]:
    """Return the ARNs of the resources that receive the stage's execution logs; empty for the standard log group."""
    here = _of(account, region)
    names = {
        name
        for name, source in here.sources.items()
        if source["logType"] == EXECUTION_LOGS
        and (match := _STAGE_ARN.fullmatch(source["resourceArns"][0]))
        and (match[3], match[4]) == (api_id, stage_name)
    }
    by_arn = {each["arn"]: each for each in here.destinations.values()}
    return [
        by_arn[delivery["deliveryDestinationArn"]]["deliveryDestinationConfiguration"]["destinationResourceArn"]
        for delivery in here.deliveries.values()
        if delivery["deliverySourceName"] in names
    ]


# ---- sources


@rule("logs", "PutDeliverySource")
def _put_source(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create or update the source. A resource has one source for each log type, whose resource cannot be changed.

    Refuse a stage without execution logs; the wording is not recorded.
    """
    params, sources = call.params, _of(account, call.region).sources
    name, arn, log_type = params["name"], params["resourceArn"], params["logType"]
    _check_name(name)
    service = Arn.parse(arn).service
    if service == "apigateway":
        _check_stage(account, call, arn, log_type)
    if name in sources:
        _refuse_tags(params)
        if sources[name]["resourceArns"] != [arn]:
            raise _conflict(
                "Update to existing Delivery Source with new ResourceId is not allowed. "
                "Please create a new Delivery Source instead."
            )
    for other, source in sources.items():
        if other != name and (source["resourceArns"], source["logType"]) == ([arn], log_type):
            raise _conflict("This ResourceId has already been used in another Delivery Source in this account.")
    source = {
        "name": name,
        "arn": _arn(account, call, f"delivery-source:{name}"),
        "resourceArns": [arn],
        "service": service,
        "logType": log_type,
    }
    sources[name] = source | _tags(params)
    return {"deliverySource": sources[name]}


def _check_stage(account: Account, call: Call, arn: str, log_type: str) -> None:
    match = _STAGE_ARN.fullmatch(arn)
    is_known = match is not None and match[1] == call.region and match[2] in (account.account_id, None)
    if (
        match is None
        or not is_known
        or (match[2] is None and not account.behaviour.takes_delivery_sources_without_account)
    ):
        raise _invalid(f"Provided resource ARN is not valid: {arn}")
    if log_type != EXECUTION_LOGS:
        raise _invalid("This service is not allowed for this LogSource.")
    api = apigateway_backends[account.account_id][call.region].apis.get(match[3])
    stage = None if api is None else api.stages.get(match[4])
    if stage is None:
        raise AwsError("ResourceNotFoundException", "The specified resource does not exist.")
    levels = [(settings.get("loggingLevel") or "OFF").upper() for settings in (stage.method_settings or {}).values()]
    if not {"ERROR", "INFO"}.intersection(levels):
        raise _invalid("Execution logging is not enabled for the specified stage.")


@rule("logs", "GetDeliverySource")
def _get_source(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return {"deliverySource": _found(_of(account, call.region).sources, call.params["name"], "Delivery Source")}


@rule("logs", "DescribeDeliverySources")
def _describe_sources(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    arns = call.params.get("resourceArns")
    sources = _of(account, call.region).sources.values()
    return _page(call, "deliverySources", "name", [s for s in sources if arns is None or s["resourceArns"][0] in arns])


@rule("logs", "DeleteDeliverySource")
def _delete_source(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    here, name = _of(account, call.region), call.params["name"]
    _found(here.sources, name, "Delivery Source")
    if any(delivery["deliverySourceName"] == name for delivery in here.deliveries.values()):
        raise _conflict("Delivery Source is used by a Delivery. Please delete the Delivery first.")
    del here.sources[name]
    return {}


# ---- destinations


@rule("logs", "PutDeliveryDestination")
def _put_destination(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create or replace the destination. The type of its resource cannot change.

    Whether AWS checks that the resource exists, here or when it is connected, is not recorded: it is not checked.
    """
    params, destinations = call.params, _of(account, call.region).destinations
    name = params["name"]
    _check_name(name)
    _check_format(params.get("outputFormat"))
    resource = params.get("deliveryDestinationConfiguration", {}).get("destinationResourceArn", "")
    kind = _TYPES.get(Arn.parse(resource).service)
    if kind is None:
        raise _invalid("Provided destination resource ARN is not valid.")
    existing = destinations.get(name)
    if existing is not None:
        _refuse_tags(params)
        if params.get("outputFormat", existing.get("outputFormat")) != existing.get("outputFormat"):
            raise _invalid(
                "Update to existing Delivery Destination with new Output Format is not allowed. "
                "Please create a new Delivery Destination instead."
            )
        if kind != existing["deliveryDestinationType"]:
            raise _conflict("Update to existing Delivery Destination with a new type is not allowed.")
    destination = {
        "name": name,
        "arn": _arn(account, call, f"delivery-destination:{name}"),
        "deliveryDestinationType": kind,
        "deliveryDestinationConfiguration": {"destinationResourceArn": resource},
    }
    output_format = params.get("outputFormat", (existing or {}).get("outputFormat"))
    if output_format is not None:
        destination["outputFormat"] = output_format
    destinations[name] = destination | _tags(params)
    return {"deliveryDestination": destinations[name]}


@rule("logs", "GetDeliveryDestination")
def _get_destination(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    found = _found(_of(account, call.region).destinations, call.params["name"], "Delivery Destination")
    return {"deliveryDestination": found}


@rule("logs", "DescribeDeliveryDestinations")
def _describe_destinations(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    names = call.params.get("names")
    found = [each for each in _of(account, call.region).destinations.values() if names is None or each["name"] in names]
    return _page(call, "deliveryDestinations", "name", found)


@rule("logs", "DeleteDeliveryDestination")
def _delete_destination(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    here, name = _of(account, call.region), call.params["name"]
    arn = _found(here.destinations, name, "Delivery Destination")["arn"]
    if any(delivery["deliveryDestinationArn"] == arn for delivery in here.deliveries.values()):
        raise _conflict("Delivery Destination is used by a Delivery. Please delete the Delivery first.")
    del here.destinations[name]
    return {}


# ---- deliveries


@rule("logs", "CreateDelivery")
def _create(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create the delivery. A source has one for each type of destination. Other accounts have no destinations here."""
    params, here = call.params, _of(account, call.region)
    source = _found(here.sources, params["deliverySourceName"], "Delivery Source")
    arn = params["deliveryDestinationArn"]
    destination = next((each for each in here.destinations.values() if each["arn"] == arn), None)
    if destination is None:
        raise _not_found("Delivery Destination")
    kind = destination["deliveryDestinationType"]
    for other in here.deliveries.values():
        if other["deliverySourceName"] == source["name"] and other["deliveryDestinationType"] == kind:
            raise _conflict("Delivery already exists for this Delivery Source with the same Delivery Destination Type.")
    delivery_id = "".join(secrets.choice(_ID) for _ in range(16))
    delivery = {
        "id": delivery_id,
        "arn": _arn(account, call, f"delivery:{delivery_id}"),
        "deliverySourceName": source["name"],
        "deliveryDestinationArn": arn,
        "deliveryDestinationType": kind,
    }
    here.deliveries[delivery_id] = delivery | _configuration(params) | _tags(params)
    return {"delivery": here.deliveries[delivery_id]}


@rule("logs", "GetDelivery")
def _get(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return {"delivery": _found(_of(account, call.region).deliveries, call.params["id"], "Delivery")}


@rule("logs", "DescribeDeliveries")
def _describe(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    names = call.params.get("deliverySourceNames")
    deliveries = _of(account, call.region).deliveries.values()
    return _page(call, "deliveries", "id", [d for d in deliveries if names is None or d["deliverySourceName"] in names])


@rule("logs", "UpdateDeliveryConfiguration")
def _update(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Change the fields and the format of the delivery. Its source and destination cannot change."""
    delivery = _found(_of(account, call.region).deliveries, call.params["id"], "Delivery")
    delivery |= _configuration(call.params)
    return {}


@rule("logs", "DeleteDelivery")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    deliveries = _of(account, call.region).deliveries
    _found(deliveries, call.params["id"], "Delivery")
    del deliveries[call.params["id"]]
    return {}


# ---- shared


def _page(call: Call, member: str, key: str, found: Iterable[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(found, key=lambda each: str(each[key]))
    after, limit = call.params.get("nextToken"), call.params.get("limit", _PAGE)
    ordered = [each for each in ordered if after is None or each[key] > after]
    answer: dict[str, Any] = {member: ordered[:limit]}
    if len(ordered) > limit:
        answer["nextToken"] = ordered[limit - 1][key]
    return answer


def _configuration(params: dict[str, Any]) -> dict[str, Any]:
    names = ("recordFields", "fieldDelimiter", "s3DeliveryConfiguration")
    return {name: params[name] for name in names if name in params}


def _tags(params: dict[str, Any]) -> dict[str, Any]:
    return {"tags": params["tags"]} if params.get("tags") else {}


def _arn(account: Account, call: Call, resource: str) -> str:
    return f"arn:aws:logs:{call.region}:{account.account_id}:{resource}"


def _found(things: dict[str, dict[str, Any]], name: str, what: str) -> dict[str, Any]:
    if name not in things:
        raise _not_found(what)
    return things[name]


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _invalid(
            f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: "
            r"Member must satisfy regular expression pattern: [\w-]*"
        )


def _check_format(output_format: str | None) -> None:
    """Refuse an unknown format. *Source:* localstack/localstack ``test_logs_delivery.snapshot.json`` of 2026-02."""
    if output_format is not None and output_format not in _FORMATS:
        raise _invalid(
            f"1 validation error detected: Value '{output_format}' at 'outputFormat' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(_FORMATS)}]"
        )


def _refuse_tags(params: dict[str, Any]) -> None:
    if params.get("tags"):
        raise _conflict("Tags can only be provided when a resource is being created, not updated.")


def _not_found(what: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Requested {what} does not exist in this account.")


def _conflict(message: str) -> AwsError:
    return AwsError("ConflictException", message)


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationException", message)
