"""REST APIs: deployments, tags, and import of OpenAPI documents."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import yaml
from moto.apigateway.models import apigateway_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import hook, rule
from sandbox.services.apigateway import canaries
from sandbox.services.apigateway.api_members import described
from sandbox.services.apigateway.stages import api_of, extras

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_VERBS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"})


@hook
def _api_exists(account: Account, call: Call) -> None:
    """Refuse a call about a REST API that does not exist. For calls about a method the resource is checked instead.

    *Source:* localstack/localstack ``test_apigateway_api.snapshot.json``.
    """
    if call.service == "apigateway" and "restApiId" in call.params and "httpMethod" not in call.params:
        api_of(account, call)


@rule("apigateway", "GetRestApis")
def _get_all(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return one page of APIs: as many as ``limit`` (default 25, at most 500) after the opaque token ``position``.

    *Source:* botocore's service model. No recording shows a limit beyond 500. Here it counts as 500.
    """
    limit = min(call.params.get("limit") or 25, 500)
    after = ""
    if call.params.get("position"):
        try:
            after = base64.b64decode(call.params["position"], validate=True).decode()
        except ValueError as error:
            raise AwsError("BadRequestException", "Invalid position parameter") from error  # wording not recorded
    apis = apigateway_backends[account.account_id][call.region].apis
    rest = [apis[api_id] for api_id in sorted(apis) if api_id > after]
    answer: dict[str, Any] = {"items": [described(api) for api in rest[:limit]]}
    if len(rest) > limit:
        answer["position"] = base64.b64encode(rest[limit - 1].id.encode()).decode()
    return answer


# ---- deployments


@rule("apigateway", "CreateDeployment")
def _create_deployment(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create a deployment. An existing stage then uses it, and keeps its settings, tags and logging.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/api/API_CreateDeployment.html for the change of deployment.
    That the method settings stay is inferred: a deployment from the console does not reset logging.
    """
    api = api_of(account, call)
    params = call.params
    methods = [method for resource in api.resources.values() for method in resource.resource_methods.values()]
    if not methods:
        raise AwsError("BadRequestException", "The REST API doesn't contain any methods")
    if not all(method.method_integration for method in methods):
        raise AwsError("BadRequestException", "No integration defined for method")
    name, canary = params.get("stageName"), params.get("canarySettings") or {}
    before = api.stages.get(name)
    has_canary = before is not None and extras(account, before).canary is not None
    canaries.check_deployment(name, stage_exists=before is not None, has_canary=has_canary, given=canary)
    deployed = proceed({key: value for key, value in params.items() if key != "canarySettings"})
    if not name:
        return {"id": deployed["id"], **_described(params), "createdDate": deployed["createdDate"]}
    stage = api.stages[name] = before or api.stages[name]
    if canary:
        extras(account, stage).canary = canaries.deployed_canary(deployed["id"], canary)
    else:
        stage.deployment_id = deployed["id"]
    if params.get("variables") is not None:
        stage.variables = dict(params["variables"])
    if params.get("stageDescription"):
        stage.description = params["stageDescription"]
    if params.get("tracingEnabled") is not None:
        stage.tracing_enabled = params["tracingEnabled"]
    if params.get("cacheClusterEnabled") is not None:
        stage.cache_cluster_enabled = params["cacheClusterEnabled"]
        stage.cache_cluster_size = params.get("cacheClusterSize")
    extras(account, stage).updated = account.now()
    return {"id": deployed["id"], **_described(params), "createdDate": deployed["createdDate"]}


def _described(params: dict[str, Any]) -> dict[str, str]:
    return {"description": params["description"]} if params.get("description") else {}


@rule("apigateway", "GetDeployment")
def _get_deployment(account: Account, call: Call, _: Proceed) -> None:
    """Refuse the call if the deployment does not exist.

    *Source* of the text: the recording of DeleteDeployment. No recording shows it for this call.
    """
    if call.params["deploymentId"] not in api_of(account, call).deployments:
        raise AwsError("NotFoundException", "Invalid Deployment identifier specified", 404)


@rule("apigateway", "UpdateDeployment")
def _update_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Change the description of a deployment. Nothing else of a deployment can change.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html#UpdateDeployment-Patch
    """
    deployment = api_of(account, call).deployments.get(call.params["deploymentId"])
    if deployment is None:
        raise AwsError("NotFoundException", "Invalid Deployment identifier specified", 404)
    for operation in call.params.get("patchOperations") or []:
        if (operation["op"], operation["path"]) != ("replace", "/description"):
            message = f"Invalid patch path '{operation['path']}' specified for op '{operation['op']}'."
            raise AwsError("BadRequestException", message)  # wording not recorded
        deployment.description = operation.get("value", "")
    return {
        "id": deployment.id,
        "description": deployment.description,
        "createdDate": deployment.created_date,
    }


@rule("apigateway", "DeleteDeployment")
def _delete_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete a deployment. Refuse the call if any stage uses the deployment.

    *Source:* localstack/localstack ``test_apigateway_api.snapshot.json``.
    """
    api = api_of(account, call)
    deployment_id = call.params["deploymentId"]
    if deployment_id not in api.deployments:
        raise AwsError("NotFoundException", "Invalid Deployment identifier specified", 404)
    if any(stage.deployment_id == deployment_id for stage in api.stages.values()):
        raise AwsError("BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
    del api.deployments[deployment_id]
    return {}


# ---- tags


def _tagged(account: Account, call: Call) -> Any:
    """Return moto's object for the ARN of an API or a stage. It has the attribute ``tags``."""
    arn = call.params["resourceArn"]
    found = re.fullmatch(r"arn:aws[a-z-]*:apigateway:([a-z0-9-]+)::/restapis/([^/]+)(?:/stages/([^/]+))?", arn)
    if found is None:
        raise AwsError("BadRequestException", f"Invalid ARN specified in the request: {arn}")  # wording not recorded
    region, api_id, stage_name = found.groups()
    api = apigateway_backends[account.account_id][region].apis.get(api_id)
    if api is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {account.account_id}:{api_id}", 404)
    if stage_name is None:
        return api
    if stage_name not in api.stages:
        raise AwsError("NotFoundException", "Invalid Stage identifier specified", 404)
    return api.stages[stage_name]


@rule("apigateway", "TagResource")
def _tag(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    tagged = _tagged(account, call)
    tags = {**(tagged.tags or {}), **call.params["tags"]}
    if len(tags) > 50:
        raise AwsError("LimitExceededException", "Number of tags cannot exceed 50", 429)  # the wording is not recorded
    tagged.tags = tags
    return {}


@rule("apigateway", "UntagResource")
def _untag(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    tagged = _tagged(account, call)
    tagged.tags = {key: value for key, value in (tagged.tags or {}).items() if key not in call.params["tagKeys"]}
    return {}


@rule("apigateway", "GetTags")
def _get_tags(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the resource's own tags. Tags that a stage inherits from its API are left out.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
    """
    return {"tags": dict(_tagged(account, call).tags or {})}


# ---- import


@rule("apigateway", "ImportRestApi")
def _import(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create a REST API with the methods of the document, without a stage."""
    document = _document(call)
    info = document.get("info") or {}
    backend = apigateway_backends[account.account_id][call.region]
    api = backend.create_rest_api(name=info.get("title") or "", description=info.get("description"))  # type: ignore[arg-type]
    api.version = str(info.get("version") or "")
    endpoint_type = (call.params.get("parameters") or {}).get("endpointConfigurationTypes")
    if endpoint_type:
        api.endpoint_configuration = {"types": [endpoint_type]}
    try:
        _read_into(backend, api, document)
    except AwsError:
        del backend.apis[api.id]
        raise
    return described(api)


@rule("apigateway", "PutRestApi")
def _put(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Replace the methods of the API by those of the document, or merge both (``mode``)."""
    api = api_of(account, call)
    document = _document(call)
    mode = call.params.get("mode", "merge")
    if mode not in ("merge", "overwrite"):
        raise AwsError("BadRequestException", 'Enumeration value of OpenAPI import mode must be "overwrite" or "merge"')
    if mode == "overwrite":
        root = api.default
        root.resource_methods = {}
        api.resources = {root.id: root}
        info = document.get("info") or {}
        api.name = info.get("title") or api.name
        api.description = info.get("description")
    _read_into(apigateway_backends[account.account_id][call.region], api, document)
    return described(api)


def _document(call: Call) -> dict[str, Any]:
    """Return the body as an OpenAPI 3 or Swagger 2 document. The body is JSON or YAML."""
    body = call.params.get("body") or b""
    text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    try:
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (json.JSONDecodeError, yaml.YAMLError) as error:
        raise AwsError("BadRequestException", f"Invalid OpenAPI input: {error}") from error  # wording not recorded
    if not isinstance(document, dict) or not ("openapi" in document or "swagger" in document):
        raise AwsError("BadRequestException", "Invalid OpenAPI input.")
    return document


def _read_into(backend: Any, api: Any, document: dict[str, Any]) -> None:
    # The basePath of a Swagger document is ignored, unless the parameter "basepath" requests it.
    for path, item in (document.get("paths") or {}).items():
        resource = _resource(backend, api, path.rstrip("/") or "/")
        for verb, method in (item or {}).items():
            if verb.lower() in _VERBS:
                name = "ANY" if verb.lower().startswith("x-") else verb.upper()
                _read_method(backend, api, resource, name, method or {}, document)


def _resource(backend: Any, api: Any, path: str) -> Any:
    resource = api.default
    walked = ""
    for part in path.strip("/").split("/") if path != "/" else []:
        walked += f"/{part}"
        known = api.get_resource_for_path(walked)
        resource = known or backend.create_resource(api.id, resource.id, part)
    return resource


def _read_method(
    backend: Any, api: Any, resource: Any, name: str, method: dict[str, Any], document: dict[str, Any]
) -> None:
    security = method.get("security", document.get("security")) or []
    needs_key = any("api_key" in scheme for scheme in security)
    auth = (method.get("x-amazon-apigateway-auth") or {}).get("type", "NONE")
    operation = method.get("operationId")
    backend.put_method(api.id, resource.id, name, auth, api_key_required=needs_key, operation_name=operation)
    for status in method.get("responses") or {}:
        if str(status).isdigit():
            backend.put_method_response(api.id, resource.id, name, str(status), None, None)
    integration = method.get("x-amazon-apigateway-integration")
    if not integration:
        return  # the method has no integration, so CreateDeployment refuses the API
    resource.add_integration(
        name,
        str(integration.get("type", "")).upper(),
        integration.get("uri"),
        integration_method=integration.get("httpMethod"),
        request_templates=integration.get("requestTemplates"),
        passthrough_behavior=str(integration.get("passthroughBehavior", "when_no_match")).upper(),
        timeout_in_millis=integration.get("timeoutInMillis"),
        request_parameters=integration.get("requestParameters"),
        credentials=integration.get("credentials"),
        connection_type=integration.get("connectionType"),
    )
    for pattern, response in (integration.get("responses") or {}).items():
        resource.get_integration(name).create_integration_response(
            str(response.get("statusCode", "200")),
            "" if pattern == "default" else pattern,
            response.get("responseTemplates") or {},
            response.get("responseParameters") or {},
            response.get("contentHandling"),
        )
