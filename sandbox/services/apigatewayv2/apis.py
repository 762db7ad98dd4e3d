"""HTTP and WebSocket APIs themselves: quick create, import of OpenAPI documents, lists in pages, and tags."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import yaml

from sandbox.core.registry import hook, rule
from sandbox.services.apigatewayv2.deployments import deploy_automatically
from sandbox.services.apigatewayv2.state import (
    Stage,
    api_by_id,
    api_of,
    backend_of,
    bad,
    extras,
    new_id,
    now,
    page,
    stage_by_name,
)

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_VERBS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"})


@hook
def _api_exists(account: Account, call: Call) -> None:
    """Refuse every call under ``/v2/apis/ID`` if the API does not exist, always with the same text."""
    if call.service == "apigatewayv2" and call.http_path.startswith("/v2/apis/") and "ApiId" in call.params:
        api_of(account, call)


def described(account: Account, region: str, api: Any) -> dict[str, Any]:
    """Return the API as CreateApi does: members that are not set are absent, also tags.

    *Source:* radkawar/stackd ``testdata/aws/apigateway/{http_log_settings,rest_websocket_logs}.json``.
    """
    more = extras(account, api)
    scheme = "wss" if api.protocol_type == "WEBSOCKET" else "https"
    answer = {
        "ApiEndpoint": f"{scheme}://{api.api_id}.execute-api.{region}.amazonaws.com",
        "ApiId": api.api_id,
        "ApiKeySelectionExpression": api.api_key_selection_expression,
        "CorsConfiguration": api.cors_configuration,
        "CreatedDate": more.created,
        "Description": api.description or None,
        "DisableSchemaValidation": api.disable_schema_validation,
        "DisableExecuteApiEndpoint": bool(api.disable_execute_api_endpoint),
        "IpAddressType": more.ip_address_type,
        "Name": api.name,
        "ProtocolType": api.protocol_type,
        "RouteSelectionExpression": api.route_selection_expression,
        "Tags": backend_of(account, region).get_tags(api.arn) or None,
        "Version": api.version or None,
    }
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigatewayv2", "CreateApi")
def _create(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create the API. With a ``Target`` (quick create), also a route, an integration and the stage ``$default``.

    The stage has auto-deploy, and API Gateway manages all three. CloudTrail is expected to record only CreateApi.

    *Source:* botocore's service model of CreateApi.
    """
    params = call.params
    protocol, target = params["ProtocolType"], params.get("Target")
    if protocol not in ("HTTP", "WEBSOCKET"):
        raise bad("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
    if protocol == "WEBSOCKET" and not params.get("RouteSelectionExpression"):
        raise bad("RouteSelectionExpression is required for WebSocket APIs")  # wording not recorded
    if protocol == "WEBSOCKET" and target:
        raise bad("Quick create is supported only for HTTP APIs")  # wording not recorded
    api = _new_api(account, call, name=params["Name"], protocol=protocol, tags=params.get("Tags") or {})
    _set(account, api, params)
    if target:
        _quick_create(account, api, target, params.get("RouteKey") or "$default", params.get("CredentialsArn"))
    return described(account, call.region, api)


def _new_api(account: Account, call: Call, *, name: str, protocol: str, tags: dict[str, str]) -> Any:
    """Create an API with an id like those of AWS: ten lower case letters and digits, where moto has eight.

    *Source:* radkawar/stackd ``testdata/aws/apigateway/rest_websocket_logs.json``.
    """
    backend = backend_of(account, call.region)
    api = backend.create_api(
        api_key_selection_expression=None,
        cors_configuration=None,
        description=None,
        disable_execute_api_endpoint=None,
        disable_schema_validation=None,
        name=name,
        protocol_type=protocol,
        route_selection_expression=None,
        tags={},
        version=None,
    )
    del backend.apis[api.api_id]
    api.arn = api.arn.removesuffix(api.api_id)
    api.api_id = new_id(10)
    api.arn += api.api_id
    backend.apis[api.api_id] = api
    backend.tag_resource(api.arn, tags)
    extras(account, api).created = now(account)
    return api


def _set(account: Account, api: Any, params: dict[str, Any]) -> None:
    """Set the members of the API that the parameters name, and keep the others."""
    for parameter, attribute in (
        ("ApiKeySelectionExpression", "api_key_selection_expression"),
        ("CorsConfiguration", "cors_configuration"),
        ("Description", "description"),
        ("DisableExecuteApiEndpoint", "disable_execute_api_endpoint"),
        ("DisableSchemaValidation", "disable_schema_validation"),
        ("Name", "name"),
        ("RouteSelectionExpression", "route_selection_expression"),
        ("Version", "version"),
    ):
        if params.get(parameter) is not None:
            setattr(api, attribute, params[parameter])
    if params.get("IpAddressType"):
        extras(account, api).ip_address_type = params["IpAddressType"]


def _quick_create(account: Account, api: Any, target: str, route_key: str, credentials: str | None) -> None:
    is_function = target.startswith("arn:")
    integration = api.create_integration(
        connection_type="INTERNET",
        credentials_arn=credentials,
        description="",
        integration_method="POST" if is_function else "ANY",
        integration_type="AWS_PROXY" if is_function else "HTTP_PROXY",
        integration_uri=target,
        payload_format_version="2.0" if is_function else "1.0",
    )
    route = api.create_route(
        api_key_required=False,
        authorization_scopes=[],
        authorization_type="NONE",
        route_key=route_key,
        target=f"integrations/{integration.id}",
    )
    extras(account, api).managed |= {integration.id, route.route_id}
    created = now(account)
    api.stages["$default"] = Stage("$default", created, created, is_managed=True, auto_deploy=True)
    deploy_automatically(account, api)


def _with_tags(account: Account, region: str, api: Any) -> dict[str, Any]:
    """Return the API as answers of reads and updates have it: with its tags, also if it has none.

    *Source:* cloud-custodian's recordings ``test_apigwv2_api_update`` of 2025-01 and ``test_apigwv2_stage_query`` of
    2023-08; the AWS CLI's example of ``get-apis``.
    """
    return {"Tags": {}, **described(account, region, api)}


@rule("apigatewayv2", "GetApi")
def _get(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return _with_tags(account, call.region, api_of(account, call))


@rule("apigatewayv2", "GetApis")
def _get_all(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    apis = list(backend_of(account, call.region).apis.values())
    shown, more = page(apis, call.params, lambda api: str(api.api_id))
    return {"Items": [_with_tags(account, call.region, api) for api in shown], **more}


@rule("apigatewayv2", "UpdateApi")
def _update(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    api = api_of(account, call)
    _set(account, api, call.params)
    deploy_automatically(account, api)
    return _with_tags(account, call.region, api)


@rule("apigatewayv2", "DeleteCorsConfiguration")
def _delete_cors(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    api_of(account, call).cors_configuration = None
    return {}


@rule("apigatewayv2", "DeleteApi")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the API with its stages. CloudTrail records nothing about the stages."""
    api = api_of(account, call)
    del backend_of(account, call.region).apis[api.api_id]
    return {}


# ---- tags


def _tagged(account: Account, call: Call) -> tuple[Any, Stage | None] | None:
    """Return the API and, if the ARN is that of a stage, the stage; None for other resources, such as VPC links."""
    arn = unquote(call.params["ResourceArn"])
    found = re.fullmatch(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+)::/apis/([^/]+)(?:/stages/([^/]+))?", arn)
    if found is None:
        return None
    region, api_id, stage_name = found.groups()
    api = api_by_id(account, region, api_id)
    return api, stage_by_name(api, stage_name) if stage_name else None


def _tags(tagged: tuple[Any, Stage | None]) -> dict[str, str]:
    api, stage = tagged
    return dict(stage.tags if stage else api.backend.get_tags(api.arn))


@rule("apigatewayv2", "TagResource")
def _tag(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    tagged = _tagged(account, call)
    if tagged is None:
        return proceed()
    api, stage = tagged
    wanted = call.params.get("Tags") or {}
    if len({**_tags(tagged), **wanted}) > 50:
        raise bad("Number of tags cannot exceed 50")  # the wording is not recorded
    if stage:
        stage.tags.update(wanted)
    else:
        api.backend.tag_resource(api.arn, wanted)
    return {}


@rule("apigatewayv2", "UntagResource")
def _untag(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    tagged = _tagged(account, call)
    if tagged is None:
        return proceed()
    api, stage = tagged
    keys = call.params["TagKeys"]
    if stage:
        stage.tags = {key: value for key, value in stage.tags.items() if key not in keys}
    else:
        api.backend.untag_resource(api.arn, keys)
    return {}


@rule("apigatewayv2", "GetTags")
def _get_tags(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    tagged = _tagged(account, call)
    return proceed() if tagged is None else {"Tags": _tags(tagged)}


# ---- import


@rule("apigatewayv2", "ImportApi")
def _import(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create an HTTP API with the document's routes and tags. It has no stage: only the console adds one.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html ; ImportApi has no
    parameter for a stage. That it creates none is inferred.
    """
    document = _document(call)
    api = _new_api(account, call, name=document["info"]["title"], protocol="HTTP", tags=_document_tags(document))
    _read_into(api, document)
    return described(account, call.region, api)


@rule("apigatewayv2", "ReimportApi")
def _reimport(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Replace the API's routes by those of the document. Its stages stay; those with auto-deploy are deployed."""
    document, api = _document(call), api_of(account, call)
    api.routes.clear()
    api.integrations.clear()
    api.name = document["info"]["title"]
    api.backend.tag_resource(api.arn, _document_tags(document))
    _read_into(api, document)
    deploy_automatically(account, api)
    return described(account, call.region, api)


def _document(call: Call) -> dict[str, Any]:
    """Return the body, OpenAPI 3 in JSON or YAML, all that HTTP APIs accept. Wordings of refusals are not recorded."""
    text = call.params["Body"]
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise bad(f"Invalid OpenAPI input: {error}") from error
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3"):
        raise bad("Invalid OpenAPI input. Only OpenAPI 3 definitions are supported for HTTP APIs.")
    if not isinstance(document.get("info"), dict) or not document["info"].get("title"):
        raise bad("Invalid OpenAPI input: attribute info.title is missing")
    return document


def _document_tags(document: dict[str, Any]) -> dict[str, str]:
    """Return the tags in the document.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-extensions-tag-value.html
    """
    key = "x-amazon-apigateway-tag-value"
    return {tag["name"]: str(tag[key]) for tag in document.get("tags") or [] if key in tag}


def _read_into(api: Any, document: dict[str, Any]) -> None:
    api.version = str(document["info"].get("version") or "")
    api.description = document["info"].get("description")
    cors = document.get("x-amazon-apigateway-cors")
    if cors:
        api.cors_configuration = {name[:1].upper() + name[1:]: value for name, value in cors.items()}
    shared = (document.get("components") or {}).get("x-amazon-apigateway-integrations") or {}
    for path, item in (document.get("paths") or {}).items():
        for verb, method in (item or {}).items():
            if verb.lower() in _VERBS:
                name = "ANY" if verb.lower().startswith("x-") else verb.upper()
                key = "$default" if path == "/$default" else f"{name} {path}"
                _read_route(api, key, method or {}, shared)


def _read_route(api: Any, key: str, method: dict[str, Any], shared: dict[str, Any]) -> None:
    integration = method.get("x-amazon-apigateway-integration") or {}
    if "$ref" in integration:
        integration = shared.get(integration["$ref"].rsplit("/", 1)[-1]) or {}
    target = None
    if integration:
        made = api.create_integration(
            connection_type=str(integration.get("connectionType", "INTERNET")).upper(),
            connection_id=integration.get("connectionId"),
            credentials_arn=integration.get("credentials"),
            description="",
            integration_method=integration.get("httpMethod"),
            integration_type=str(integration.get("type", "")).upper(),
            integration_subtype=integration.get("subtype"),
            integration_uri=integration.get("uri"),
            payload_format_version=str(integration.get("payloadFormatVersion", "1.0")),
            timeout_in_millis=integration.get("timeoutInMillis"),
        )
        target = f"integrations/{made.id}"
    api.create_route(
        api_key_required=False, authorization_scopes=[], authorization_type="NONE", route_key=key, target=target,
        operation_name=method.get("operationId"),
    )  # fmt: skip
