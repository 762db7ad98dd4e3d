"""Deployments of HTTP and WebSocket APIs, also those of auto-deploy, and lists of routes in pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule
from sandbox.services.apigatewayv2.state import Deployment, api_of, bad, extras, new_id, now, page, stage_by_name

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

#: The text with which AWS refuses to deploy an API without routes.
#: *Source:* of HTTP APIs: cloud-custodian's recording ``test_apigwv2_stage_update`` of 2025-01 (in 2020,
#: mach-composer/mach-composer-cli issue 42, it said "no routes"); aws/serverless-application-model issue 2512.
_NO_ROUTES = {
    "HTTP": "Unable to deploy API because no valid routes exist in this API",
    "WEBSOCKET": "At least one route is required before deploying the Api",
}

#: The description of a deployment that auto-deploy creates. *Source:* the AWS CLI's example of ``get-deployment``.
_AUTOMATIC = "Automatic deployment triggered by changes to the Api configuration"


def _deploy(account: Account, api: Any, *, is_automatic: bool, description: str = "") -> Deployment:
    if not api.routes:
        raise bad(_NO_ROUTES[api.protocol_type])
    deployment = Deployment(new_id(6), now(account), is_automatic, description)
    extras(account, api).deployments[deployment.id] = deployment
    return deployment


def deploy_automatically(account: Account, api: Any) -> None:
    """Deploy the API to every stage with auto-deploy, or set the stage's message to the reason of the failure.

    No CloudTrail record is expected of it. *Source:* the message of success: the AWS CLI's example of
    ``apigatewayv2 get-stages``; that of a failure: cloud-custodian's recording ``test_apigwv2_stage_update``.
    """
    stages = [stage for stage in api.stages.values() if stage.auto_deploy]
    if not stages:
        return
    if api.routes:
        deployment = _deploy(account, api, is_automatic=True, description=_AUTOMATIC)
        message = f"Successfully deployed stage with deployment ID '{deployment.id}'"
    else:
        deployment, message = None, f"Deployment attempt failed: {_NO_ROUTES[api.protocol_type]}"
    for stage in stages:
        stage.deployment_id = deployment.id if deployment else stage.deployment_id
        stage.deployment_message = message
        stage.updated = now(account)


@rule(
    "apigatewayv2",
    "CreateRoute",
    "UpdateRoute",
    "DeleteRoute",
    "CreateIntegration",
    "UpdateIntegration",
    "DeleteIntegration",
)
def _change(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Make the change as moto does, then deploy the stages with auto-deploy.

    The default connection type of an integration is INTERNET. *Source:* botocore's service model.
    """
    api = api_of(account, call)
    if call.operation == "CreateRoute":
        key = call.params["RouteKey"]
        if any(route.route_key == key for route in api.routes.values()):
            # Source: the text: anomalyco/sst issue 5031.
            raise AwsError("ConflictException", f"Route with key {key} already exists for this API", 409)
    made_public = call.operation == "CreateIntegration" and not call.params.get("ConnectionType")
    answer = proceed({**call.params, "ConnectionType": "INTERNET"} if made_public else call.params)
    deploy_automatically(account, api)
    return _without_empty(answer)


# ---- deployments


@rule("apigatewayv2", "CreateDeployment")
def _create_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create a deployment. With the name of a stage, point the stage to it; unlike with REST APIs, it must exist.

    That a stage with auto-deploy is refused follows from the model: its DeploymentId "can't be updated".
    """
    api = api_of(account, call)
    name = call.params.get("StageName")
    stage = stage_by_name(api, name) if name else None
    if stage and stage.auto_deploy:
        raise bad("Deployment ID cannot be set on a stage that deploys automatically")  # wording not recorded
    deployment = _deploy(account, api, is_automatic=False, description=call.params.get("Description") or "")
    if stage:
        stage.deployment_id, stage.updated = deployment.id, now(account)
    return _described(deployment)


@rule("apigatewayv2", "GetDeployment")
def _get_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return _described(_deployment(account, call))


@rule("apigatewayv2", "GetDeployments")
def _get_deployments(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    known = list(extras(account, api_of(account, call)).deployments.values())
    shown, more = page(known, call.params, lambda deployment: deployment.id)
    return {"Items": [_described(deployment) for deployment in shown], **more}


@rule("apigatewayv2", "UpdateDeployment")
def _update_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Change the description, the only member of a deployment that can change."""
    deployment = _deployment(account, call)
    if "Description" in call.params:
        deployment = replace(deployment, description=call.params["Description"])
        extras(account, api_of(account, call)).deployments[deployment.id] = deployment
    return _described(deployment)


@rule("apigatewayv2", "DeleteDeployment")
def _delete_deployment(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the deployment. Refuse it if a stage points to it, as with REST APIs; not recorded for these APIs."""
    deployment, api = _deployment(account, call), api_of(account, call)
    if any(stage.deployment_id == deployment.id for stage in api.stages.values()):
        raise bad("Active stages pointing to this deployment must be moved or deleted")
    del extras(account, api).deployments[deployment.id]
    return {}


def _deployment(account: Account, call: Call) -> Deployment:
    deployment = extras(account, api_of(account, call)).deployments.get(call.params["DeploymentId"])
    if deployment is None:
        raise AwsError("NotFoundException", "Invalid Deployment identifier specified", 404)  # wording not recorded
    return deployment


def _described(deployment: Deployment) -> dict[str, Any]:
    """Return the deployment. *Source:* radkawar/stackd ``testdata/aws/apigateway/http_logs.json``."""
    answer: dict[str, Any] = {
        "AutoDeployed": deployment.is_automatic,
        "CreatedDate": deployment.created,
        "DeploymentId": deployment.id,
        "DeploymentStatus": "DEPLOYED",
    }
    return {**answer, "Description": deployment.description} if deployment.description else answer


# ---- routes and integrations, in pages; those of quick create are marked as managed


@rule("apigatewayv2", "GetRoutes", "GetIntegrations")
def _get_list(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    identity = "RouteId" if call.operation == "GetRoutes" else "IntegrationId"
    shown, more = page(proceed()["Items"], call.params, lambda item: str(item[identity]))
    return {"Items": [_marked(account, call, item) for item in shown], **more}


@rule("apigatewayv2", "GetRoute", "GetIntegration")
def _get_one(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    return _marked(account, call, proceed())


def _marked(account: Account, call: Call, item: dict[str, Any]) -> dict[str, Any]:
    managed = extras(account, api_of(account, call)).managed
    is_managed = managed & {item.get("RouteId"), item.get("IntegrationId")}
    return {**_without_empty(item), **({"ApiGatewayManaged": True} if is_managed else {})}


def _without_empty(item: dict[str, Any]) -> dict[str, Any]:
    """Return the route without empty request parameters. *Source:* the AWS CLI's example of ``get-routes``."""
    return {name: value for name, value in item.items() if (name, value) != ("RequestParameters", {})}
