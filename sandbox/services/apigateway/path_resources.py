"""Resources, methods and integrations of REST APIs, where moto's answers differ from AWS's.

*Source:* localstack/localstack ``test_apigateway_api.snapshot.json`` of 2024-04 and 2025-11 for refusals;
radkawar/stackd ``testdata/aws/apigateway/rest_websocket_logs.json`` of 2026-09 for new objects.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import apigateway_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import hook, rule
from sandbox.services.apigateway.stages import api_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_VARIABLE, _GREEDY = re.compile(r"\{.+\}"), re.compile(r"\{.+\+\}")


@hook
def _resource_exists(account: Account, call: Call) -> None:
    """Refuse a call about a method if its API or its resource does not exist."""
    if call.service == "apigateway" and "httpMethod" in call.params:
        _resource(account, call)


@rule("apigateway", "CreateResource")
def _create_resource(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create a resource. Refuse a second variable among the children of a parent, and children of a greedy variable."""
    resources = api_of(account, call).resources
    parent, part = resources.get(call.params["parentId"]), call.params["pathPart"]
    if parent is None:
        raise _missing("Resource")
    if _GREEDY.fullmatch(parent.path_part or ""):
        raise _bad(f"Cannot create a child of a resource with a greedy path variable: {parent.path_part}")
    siblings = [each.path_part for each in resources.values() if each.parent_id == parent.id]
    variable = next((each for each in siblings if each != part and _VARIABLE.fullmatch(each)), None)
    if variable is not None and _VARIABLE.fullmatch(part):
        raise _bad(f"A sibling ({variable}) of this resource already has a variable path part -- only one is allowed")
    return proceed()


@rule("apigateway", "DeleteResource", "GetMethod", "DeleteMethod")
def _of_resource(account: Account, call: Call, proceed: Proceed) -> dict[str, Any] | None:
    """Refuse a call about a resource or a method that does not exist."""
    _method(account, call)
    proceed()
    return None


@rule("apigateway", "PutMethod")
def _put_method(_: Account, __: Call, proceed: Proceed) -> dict[str, Any]:
    """Create a method. The answer has no empty responses."""
    answer = proceed()
    return {name: value for name, value in answer.items() if (name, value) != ("methodResponses", {})}


@rule("apigateway", "PutIntegration", "GetIntegration")
def _integration(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Return the integration with the defaults of AWS."""
    method = _method(account, call)
    if call.operation == "GetIntegration" and method.method_integration is None:
        raise _missing("Integration")
    answer = {name: value for name, value in proceed().items() if value is not None}
    defaults = {
        "passthroughBehavior": "WHEN_NO_MATCH",
        "timeoutInMillis": 29_000,
        "cacheNamespace": call.params["resourceId"],
        "cacheKeyParameters": [],
        "responseTransferMode": "BUFFERED",
    }
    return {**defaults, **answer}


def _method(account: Account, call: Call) -> Any:
    """Return the method that the call names, or None if it names a resource only. Raise AwsError if it is missing."""
    resource = _resource(account, call)
    name = call.params.get("httpMethod")
    if name is not None and name not in resource.resource_methods:
        raise _missing("Method")
    return None if name is None else resource.resource_methods[name]


def _resource(account: Account, call: Call) -> Any:
    """Return the resource that the call names. Raise AwsError, with one text, if it or its API does not exist."""
    api = apigateway_backends[account.account_id][call.region].apis.get(call.params["restApiId"])
    resource = None if api is None else api.resources.get(call.params["resourceId"])
    if resource is None:
        raise _missing("Resource")
    return resource


def _missing(what: str) -> AwsError:
    return AwsError("NotFoundException", f"Invalid {what} identifier specified", 404)


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
