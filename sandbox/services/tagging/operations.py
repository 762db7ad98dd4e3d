"""The Resource Groups Tagging API, which Tag Editor uses, for the APIs and stages of API Gateway. moto has the rest.

It calls API Gateway with the permissions of its caller, as a call on their behalf. Whether CloudTrail shows these calls
besides its own is switch ``tagging_api_shows_service_calls``.

*Source:* the model of botocore; https://docs.aws.amazon.com/tag-editor/latest/userguide/security_logging-monitoring.html
(the record) and https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-tagging.html (``aws.tagging``)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from moto.apigateway.models import apigateway_backends
from moto.apigatewayv2.models import apigatewayv2_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.cloudtrail.records import TAGGING

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_ARN = re.compile(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+)::/(restapis|apis)/.+")
_MOST_ARNS = 20


@rule("resourcegroupstaggingapi", "TagResources")
def tag_resources(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Tag each resource; the answer names those that could not be."""
    tags = call.params["Tags"]

    def tag(client: Any, arn: str, *, is_v2: bool) -> None:
        if is_v2:
            client.tag_resource(ResourceArn=arn, Tags=tags)
        else:
            client.tag_resource(resourceArn=arn, tags=tags)

    return _for_each(account, call, proceed, tag)


@rule("resourcegroupstaggingapi", "UntagResources")
def untag_resources(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Remove the tags from each resource; the answer names those where that failed."""
    keys = call.params["TagKeys"]

    def untag(client: Any, arn: str, *, is_v2: bool) -> None:
        if is_v2:
            client.untag_resource(ResourceArn=arn, TagKeys=keys)
        else:
            client.untag_resource(resourceArn=arn, tagKeys=keys)

    return _for_each(account, call, proceed, untag)


def _for_each(account: Account, call: Call, proceed: Proceed, change: Callable[..., None]) -> dict[str, Any]:
    arns = call.params["ResourceARNList"]
    if not 1 <= len(arns) <= _MOST_ARNS:
        message = f"ResourceARNList must have 1 to {_MOST_ARNS} members."  # the wording is not recorded
        raise AwsError("InvalidParameterException", message)
    failed: dict[str, Any] = {}
    others = [arn for arn in arns if not _ARN.fullmatch(arn)]
    if others:
        failed |= proceed({**call.params, "ResourceARNList": others}).get("FailedResourcesMap", {})
    for arn in arns:
        found = _ARN.fullmatch(arn)
        if found is None:
            continue
        if found[1] != call.region:
            failed[arn] = _failure(400, "InvalidParameterException", f"{arn} is not in {call.region}.")
            continue
        is_v2 = found[2] == "apis"
        service = "apigatewayv2" if is_v2 else "apigateway"
        client = account.client(service, call.region, caller=call.caller, invoked_by=TAGGING)
        try:
            change(client, arn, is_v2=is_v2)
        except ClientError as error:
            refused = error.response["Error"]
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            failed[arn] = _failure(status, refused["Code"], refused["Message"])
    return {"FailedResourcesMap": failed}


def _failure(status: int, code: str, message: str) -> dict[str, Any]:
    return {"StatusCode": status, "ErrorCode": code, "ErrorMessage": message}


_NAMES_OF_MOTO = {"logs:log-group": "logs:loggroup"}


@rule("resourcegroupstaggingapi", "GetResources")
def get_resources(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Answer as moto does, and add API Gateway's tagged resources to its last page.

    Types are named as in ARNs, so log groups are ``logs:log-group``, which moto calls ``logs:loggroup``.
    *Source:* botocore's model of GetResources, ResourceTypeFilters.
    """
    types = [_NAMES_OF_MOTO.get(name, name) for name in call.params.get("ResourceTypeFilters") or []]
    answer = proceed({**call.params, "ResourceTypeFilters": types} if types else call.params)
    if answer.get("PaginationToken"):
        return answer
    mine = [
        {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}
        for arn, tags in _tagged(account, call.region)
        if tags and _is_asked_for(call.params, arn, tags)
    ]
    return {
        "PaginationToken": "",
        **answer,
        "ResourceTagMappingList": [*answer.get("ResourceTagMappingList", []), *mine],
    }


def _tagged(account: Account, region: str) -> Iterator[tuple[str, dict[str, str]]]:
    prefix = f"arn:aws:apigateway:{region}::"
    for api in apigateway_backends[account.account_id][region].apis.values():
        yield f"{prefix}/restapis/{api.id}", api.tags or {}
        for stage in api.stages.values():
            yield f"{prefix}/restapis/{api.id}/stages/{stage.name}", stage.tags or {}
    for v2_api in apigatewayv2_backends[account.account_id][region].apis.values():
        yield f"{prefix}/apis/{v2_api.api_id}", dict(v2_api.backend.get_tags(v2_api.arn))
        for v2_stage in v2_api.stages.values():
            yield f"{prefix}/apis/{v2_api.api_id}/stages/{v2_stage.name}", v2_stage.tags or {}


def _is_asked_for(params: dict[str, Any], arn: str, tags: dict[str, str]) -> bool:
    types = params.get("ResourceTypeFilters")
    collection = arn.split("::/")[1].split("/")[0]
    if types and not {"apigateway", f"apigateway:{collection}"} & set(types):
        return False
    if params.get("ResourceARNList") and arn not in params["ResourceARNList"]:
        return False
    return all(
        each["Key"] in tags and (not each.get("Values") or tags[each["Key"]] in each["Values"])
        for each in params.get("TagFilters", [])
    )
