"""Stages of HTTP and WebSocket APIs: what UpdateStage keeps, merges and refuses.

Where nothing else is said, *Source:* recordings of AWS of 2026-09 in radkawar/stackd,
``testdata/aws/apigateway/{http_logs,http_log_settings,rest_websocket_logs}.json``.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.apigatewayv2 import access_logs, log_delivery
from sandbox.services.apigatewayv2.deployments import deploy_automatically
from sandbox.services.apigatewayv2.state import Stage, api_of, bad, extras, now, page, stage_of

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}|\$default")

#: The default route settings of a new stage. Settings of a route have only the members that were set.
DEFAULT_ROUTE_SETTINGS: dict[str, dict[str, Any]] = {
    "HTTP": {"DetailedMetricsEnabled": False},
    "WEBSOCKET": {"DataTraceEnabled": False, "DetailedMetricsEnabled": False, "LoggingLevel": "OFF"},
}


def described(api: Any, stage: Stage) -> dict[str, Any]:
    """Return the stage as GetStage does: members that are not set are absent, except maps, which are empty."""
    answer: dict[str, Any] = {
        "AccessLogSettings": dict(stage.access_log) or None,
        "ApiGatewayManaged": stage.is_managed or None,
        "AutoDeploy": stage.auto_deploy,
        "ClientCertificateId": stage.client_certificate_id,
        "CreatedDate": stage.created,
        "DefaultRouteSettings": {**DEFAULT_ROUTE_SETTINGS[api.protocol_type], **stage.default_route_settings},
        "DeploymentId": stage.deployment_id,
        "Description": stage.description or None,
        "LastDeploymentStatusMessage": stage.deployment_message,
        "LastUpdatedDate": stage.updated,
        "RouteSettings": deepcopy(stage.route_settings),
        "StageName": stage.name,
        "StageVariables": dict(stage.variables),
        "Tags": dict(stage.tags),
    }
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigatewayv2", "GetStage")
def _get(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return described(api_of(account, call), stage_of(account, call))


@rule("apigatewayv2", "GetStages")
def _get_all(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    api = api_of(account, call)
    shown, more = page(list(api.stages.values()), call.params, lambda stage: str(stage.name))
    return {"Items": [described(api, stage) for stage in shown], **more}


@rule("apigatewayv2", "CreateStage")
def _create(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    api, name = api_of(account, call), call.params["StageName"]
    if not _NAME.fullmatch(name):
        raise bad("Stage name only allows a-zA-Z0-9_- or $default")  # the wording is not recorded
    if name in api.stages:
        raise AwsError("ConflictException", "Stage already exists", 409)
    created = now(account)
    stage = Stage(name, created, created, tags=dict(call.params.get("Tags") or {}))
    _change(account, call, api, stage)
    api.stages[name] = stage
    if stage.auto_deploy:
        deploy_automatically(account, api)
    return described(api, stage)


@rule("apigatewayv2", "UpdateStage")
def _update(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Change the members that are sent, all or none, and keep the others."""
    api, before = api_of(account, call), stage_of(account, call)
    if before.is_managed and account.behaviour.managed_stage_is_locked:
        # The model says "You can't modify the $default stage", but AWS accepts access log settings for it
        # (approov/quickstart-aws-api-gateway-v2, in 2021). No refusal is recorded: the wording is invented.
        raise bad("You can't modify the $default stage, which is managed by API Gateway")
    stage = deepcopy(before)
    _change(account, call, api, stage)
    stage.updated = now(account)
    api.stages[stage.name] = stage
    if stage.auto_deploy and not before.auto_deploy:
        deploy_automatically(account, api)
    return described(api, stage)


@rule("apigatewayv2", "DeleteStage")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    del api_of(account, call).stages[stage_of(account, call).name]
    return {}


@rule("apigatewayv2", "DeleteAccessLogSettings")
def _delete_access_log(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Switch the access log off. A stage without one does not change."""
    api, stage = api_of(account, call), stage_of(account, call)
    if stage.access_log:
        if api.protocol_type == "HTTP":
            log_delivery.authorise(account, call, log_delivery.ACTIONS_TO_END)
        stage.access_log = {}
        stage.updated = now(account)
    return {}


@rule("apigatewayv2", "DeleteRouteSettings")
def _delete_route_settings(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Remove the settings of the route, which then follows the default route settings.

    That a route without settings is refused is inferred from the model, which has NotFoundException, and from the text
    of UpdateStage.
    """
    stage, key = stage_of(account, call), call.params["RouteKey"]
    if key not in stage.route_settings:
        raise _no_route(key)
    del stage.route_settings[key]
    stage.updated = now(account)
    return {}


# ---- changes


def _change(account: Account, call: Call, api: Any, stage: Stage) -> None:
    """Change the stage, a new one or a draft, as the parameters say. Raise AwsError if AWS would refuse them."""
    params = call.params
    _set_deployment(account, params, api, stage)
    if "Description" in params:
        stage.description = params["Description"]
    if params.get("ClientCertificateId"):
        stage.client_certificate_id = params["ClientCertificateId"]
    for name, value in (params.get("StageVariables") or {}).items():
        # An empty value removes the variable. Source: hashicorp/terraform-provider-aws apigatewayv2/stage.go
        if value:
            stage.variables[name] = value
        else:
            stage.variables.pop(name, None)
    _set_route_settings(account, call, api, stage)
    if params.get("AccessLogSettings") is not None:
        # A member that is not sent stays. So an empty object changes nothing; without an access log it is refused.
        merged = {**stage.access_log, **params["AccessLogSettings"]}
        stage.access_log = access_logs.accept(account, call, api.protocol_type, merged, stage.access_log)


def _set_deployment(account: Account, params: dict[str, Any], api: Any, stage: Stage) -> None:
    """Set the deployment of the stage. Refuse it for a stage with auto-deploy.

    *Source:* the model ("Can't be updated if autoDeploy is enabled"), aws-controllers-k8s/apigatewayv2-controller pull
    request 15; the wording is not recorded.
    """
    was_automatic = stage.auto_deploy
    if params.get("AutoDeploy") is not None:
        stage.auto_deploy = params["AutoDeploy"]
    if params.get("DeploymentId") is None:
        return
    if was_automatic or stage.auto_deploy:
        raise bad("Deployment ID cannot be set on a stage that deploys automatically")
    if params["DeploymentId"] not in extras(account, api).deployments:
        raise AwsError("NotFoundException", "Invalid Deployment identifier specified", 404)  # wording not recorded
    stage.deployment_id = params["DeploymentId"]


def _set_route_settings(account: Account, call: Call, api: Any, stage: Stage) -> None:
    """Merge the request into the default route settings, member by member, and into the settings of routes, by route.

    Whether settings of one route are merged is not recorded: switch ``partial_route_settings``. A call with routes is
    refused while the stage has settings of a route that does not exist, whether the call names it or not. *Source:*
    DianaIonita/serverless-api-gateway-throttling, issues 33 and 43. That a call without routes is accepted is inferred.
    """
    protocol = api.protocol_type
    default, routes = call.params.get("DefaultRouteSettings"), call.params.get("RouteSettings") or {}
    known = {route.route_key for route in api.routes.values()}
    for key in {**stage.route_settings, **routes} if routes else ():
        if key not in known:
            raise _no_route(key)
    for sent in (default or {}, *routes.values()):
        # Even OFF is refused; a data trace that is off is accepted, and not stored.
        if protocol == "HTTP" and ("LoggingLevel" in sent or sent.get("DataTraceEnabled")):
            raise bad("Execution logs are not supported on protocolType HTTP")
    if default is not None:
        stage.default_route_settings = {**stage.default_route_settings, **_fitted(protocol, default)}
    for key, sent in routes.items():
        kept = stage.route_settings.get(key, {}) if account.behaviour.partial_route_settings == "keeps" else {}
        stage.route_settings[key] = {**kept, **_fitted(protocol, sent)}
    if default is not None or routes:
        levels = [each.get("LoggingLevel", "OFF") for each in _all_settings(stage)]
        if any(level != "OFF" for level in levels):
            access_logs.check_role(account, call.region)


def _all_settings(stage: Stage) -> list[dict[str, Any]]:
    return [stage.default_route_settings, *stage.route_settings.values()]


def _fitted(protocol: str, sent: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as AWS stores them. A level that does not exist is no error: it becomes OFF.

    Recorded for ``DEBUG``; inferred for lower case.
    """
    fitted = dict(sent)
    if protocol == "HTTP":
        fitted.pop("DataTraceEnabled", None)
    elif "LoggingLevel" in fitted and fitted["LoggingLevel"] not in ("INFO", "ERROR"):
        fitted["LoggingLevel"] = "OFF"
    return fitted


def _no_route(key: str) -> AwsError:
    """Return the error for a route that does not exist.

    *Source:* terraform-aws-modules/terraform-aws-apigateway-v2 pull request 80.
    """
    return AwsError("NotFoundException", f"Unable to find Route by key {key} within the provided RouteSettings", 404)
