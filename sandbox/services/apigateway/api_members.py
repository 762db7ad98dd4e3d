"""REST APIs themselves: the parameters of their creation, and the members that AWS returns.

*Source*, if no other one is named: localstack/localstack ``test_apigateway_api.snapshot.json`` of 2025-07, and
radkawar/stackd ``testdata/aws/apigateway/rest_websocket_logs.json`` of 2026-09.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.apigateway.stages import api_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


def described(api: Any) -> dict[str, Any]:
    """Return the API as GetRestApi does: members that are not set are absent, also tags."""
    answer = {name: value for name, value in api.to_dict().items() if value not in (None, "", [], {})}
    answer["tags"] = dict(api.tags) if api.tags else None
    types = list(answer.get("endpointConfiguration", {}).get("types") or ["EDGE"])
    address = {"types": types, "ipAddressType": "dualstack" if types == ["PRIVATE"] else "ipv4"}
    answer["endpointConfiguration"] = {**address, **answer.get("endpointConfiguration", {})}
    answer |= {"securityPolicy": "TLS_1_0", "apiStatus": "AVAILABLE"}  # Source: stackd's recording of a regional API
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigateway", "CreateRestApi")
def _create(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    params = call.params
    if params.get("description") == "":
        raise _bad("Description cannot be an empty string")
    types = (params.get("endpointConfiguration") or {}).get("types")
    if types is not None and len(types) > 1:
        raise _bad("Cannot create an api with multiple Endpoint Types.")
    if types == []:
        raise _bad("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
    if types == ["PRIVATE"] and params["endpointConfiguration"].get("ipAddressType") == "ipv4":
        raise _bad("Only dualstack ipAddressType is supported for Private APIs.")
    size = params.get("minimumCompressionSize")
    if size is not None and not 0 <= size <= _LARGEST_COMPRESSION:
        raise _bad(f"Invalid minimum compression size, must be between 0 and {_LARGEST_COMPRESSION}")
    call.params = {**params, "restApiId": proceed()["id"]}
    api = api_of(account, call)
    call.params = params
    api.version = params.get("version")  # moto sets the version V1
    return described(api)


_LARGEST_COMPRESSION = 10_485_760


@rule("apigateway", "GetRestApi")
def _get(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return described(api_of(account, call))


@rule("apigateway", "UpdateRestApi")
def _update(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Update an API. Of all answers, only that of an update contains an empty ``tags``."""
    proceed()
    return {"tags": {}, **described(api_of(account, call))}


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
