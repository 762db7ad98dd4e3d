"""REST stages: creation, description, deletion, and UpdateStage as a whole.

What each patch operation accepts, refuses and does is in ``stage_patches``.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import Stage, apigateway_backends

from sandbox.core.call import AwsError, Call
from sandbox.core.registry import rule
from sandbox.services.apigateway import canaries
from sandbox.services.apigateway.checks import check_stage_name
from sandbox.services.apigateway.stage_patches import Draft, StageExtras

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.registry import Proceed

#: The most operations that UpdateStage accepts.
#: *Source:* the constant in DianaIonita/serverless-api-gateway-caching. It is not certain: no page of AWS has it.
MOST_OPERATIONS = 80


def extras(account: Account, stage: Stage) -> StageExtras:
    found = vars(stage).get("sandbox_extras")
    if not isinstance(found, StageExtras):
        found = vars(stage)["sandbox_extras"] = StageExtras(created=account.now(), updated=account.now())
    return found


def api_of(account: Account, call: Call) -> Any:
    """Return moto's REST API that the call names. Raise AWS's error, with account and id, if it does not exist."""
    api_id = call.params["restApiId"]
    api = apigateway_backends[account.account_id][call.region].apis.get(api_id)
    if api is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {account.account_id}:{api_id}", 404)
    return api


def stage_of(account: Account, call: Call) -> Stage:
    # Source: hashicorp/terraform-provider-aws issue 12756.
    stage = api_of(account, call).stages.get(call.params["stageName"])
    if stage is None:
        raise AwsError("NotFoundException", "Invalid stage identifier specified", 404)
    return stage  # type: ignore[no-any-return] # moto's API objects are Any here


def described(account: Account, stage: Stage) -> dict[str, Any]:
    """Return the stage as GetStage answers.

    Values that are not set are absent, except methodSettings, which is ``{}``.
    """
    more = extras(account, stage)
    enabled = bool(stage.cache_cluster_enabled)
    answer: dict[str, Any] = {
        "deploymentId": stage.deployment_id,
        "clientCertificateId": more.client_certificate_id,
        "stageName": stage.name,
        "description": stage.description or None,
        "cacheClusterEnabled": enabled,
        "cacheClusterSize": (stage.cache_cluster_size or "0.5") if enabled else None,
        "cacheClusterStatus": "AVAILABLE" if enabled else "NOT_AVAILABLE",
        "methodSettings": deepcopy(stage.method_settings),
        "variables": dict(stage.variables) or None,
        "documentationVersion": more.documentation_version,
        "accessLogSettings": dict(stage.access_log_settings) if stage.access_log_settings else None,
        "canarySettings": deepcopy(more.canary),
        "tracingEnabled": bool(stage.tracing_enabled),
        "webAclArn": stage.web_acl_arn,
        "tags": dict(stage.tags) if stage.tags else None,
        "createdDate": more.created,
        "lastUpdatedDate": more.updated,
    }
    return {name: value for name, value in answer.items() if value is not None}


@rule("apigateway", "GetStage")
def _get_stage(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return described(account, stage_of(account, call))


@rule("apigateway", "GetStages")
def _get_stages(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return all stages in one answer, since GetStages has no paging."""
    wanted = call.params.get("deploymentId")
    stages = [stage for stage in api_of(account, call).stages.values() if wanted in (None, stage.deployment_id)]
    return {"item": [described(account, stage) for stage in stages]}


@rule("apigateway", "CreateStage")
def _create_stage(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create a stage without logging, since CreateStage has no parameter for it. *Source:* botocore's service model."""
    api = api_of(account, call)
    name = call.params["stageName"]
    check_stage_name(name)
    if call.params["deploymentId"] not in api.deployments:
        raise AwsError("BadRequestException", "Deployment id does not exist")
    given = call.params.get("canarySettings")
    canary = canaries.new_canary(call.params["deploymentId"], given, api.deployments) if given else None
    proceed()
    stage = api.stages[name]
    more = extras(account, stage)
    more.canary = canary
    more.documentation_version = call.params.get("documentationVersion")
    return described(account, stage)


@rule("apigateway", "DeleteStage")
def _delete_stage(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    stage = stage_of(account, call)
    del api_of(account, call).stages[stage.name]
    return {}


@rule("apigateway", "UpdateStage")
def _update_stage(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Apply all operations in order, or none of them."""
    stage = stage_of(account, call)
    operations = call.params.get("patchOperations", [])
    if len(operations) > MOST_OPERATIONS:
        # Source of the text: DianaIonita/serverless-api-gateway-caching issue 46.
        message = "Update size too large. Try updating stage in multiple UpdateStage operations"
        raise AwsError("BadRequestException", message)
    copied = deepcopy(stage)
    draft = Draft(account, call.region, copied, extras(account, copied), api_of(account, call).deployments)
    for operation in operations:
        draft.apply(operation)
    draft.more.updated = account.now()
    api_of(account, call).stages[stage.name] = draft.stage
    return described(account, draft.stage)
