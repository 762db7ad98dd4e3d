"""REST APIs: reads APIs and stages, and makes the changes of a plan as patch operations of UpdateStage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.policy.plan import Applied, Change, Plan, Setting
from log_keeper.stages import (
    AccessLogSettings,
    Api,
    ApiVersion,
    LoggingLevel,
    MethodSettings,
    Protocol,
    Stage,
    StageRef,
)

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import PatchOperationTypeDef, StageResponseTypeDef, StageTypeDef

#: The number of patch operations in one UpdateStage. *Source:* DianaIonita/serverless-api-gateway-caching; AWS does not
#: document it.
MAX_PATCH_OPERATIONS = 80
#: The largest page of GetRestApis. *Source:* botocore's model.
_PAGE = 500

#: The key of the settings of every method without its own.
_ALL_METHODS = "*/*"

_PATHS = {
    Setting.ACCESS_LOG_DESTINATION: "/accessLogSettings/destinationArn",
    Setting.ACCESS_LOG_FORMAT: "/accessLogSettings/format",
    Setting.LOGGING_LEVEL: "/logging/loglevel",
    Setting.DATA_TRACE: "/logging/dataTrace",
    Setting.DETAILED_METRICS: "/metrics/enabled",
}


def list_apis(client: APIGatewayClient) -> list[Api]:
    """Return all REST APIs of the region. Raises BotoCoreError and ClientError."""
    pages = client.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    return [Api(api["id"], Protocol.REST, api.get("name", "")) for page in pages for api in page.get("items", [])]


def list_stages(client: APIGatewayClient, account: str, region: str, api_id: str) -> list[Stage]:
    """Return all stages of the API, from one call; none if the API does not exist.

    Raises BotoCoreError and ClientError; ValueError for an answer that API Gateway is not known to give.
    """
    try:
        answer = client.get_stages(restApiId=api_id)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return []
        raise
    return [
        to_stage(StageRef(account, region, ApiVersion.V1, api_id, stage["stageName"]), stage)
        for stage in answer.get("item", [])
    ]


def read_api_name(client: APIGatewayClient, api_id: str) -> str:
    """Return the name of the API now. Raises BotoCoreError and ClientError, also if the API does not exist."""
    return client.get_rest_api(restApiId=api_id).get("name", "")


def read_stage(client: APIGatewayClient, ref: StageRef) -> Stage | None:
    """Return the stage as it is now; None if the stage or its API does not exist."""
    try:
        answer = client.get_stage(restApiId=ref.api_id, stageName=ref.stage_name)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return to_stage(ref, answer)


def to_stage(ref: StageRef, answer: StageTypeDef | StageResponseTypeDef) -> Stage:
    """Return the stage as GetStage or GetStages describes it.

    A missing level is read as OFF. Whether a method without a level logs at the level of ``*/*`` is not known, so such
    a method gets a level of its own. Both a missing level and "OFF" were recorded (localstack/localstack, aws.validated
    snapshots; hashicorp/terraform-provider-aws, issue 9738).
    """
    access = answer.get("accessLogSettings", {})
    overrides = {
        method: MethodSettings(
            LoggingLevel((settings.get("loggingLevel") or "OFF").upper()),
            settings.get("dataTraceEnabled", False),
            settings.get("metricsEnabled", False),
        )
        for method, settings in answer.get("methodSettings", {}).items()
    }
    return Stage(
        ref=ref,
        protocol=Protocol.REST,
        tags=answer.get("tags", {}),
        access_log=AccessLogSettings(access.get("destinationArn") or None, access.get("format") or None),
        settings=overrides.pop(_ALL_METHODS, MethodSettings()),
        overrides=overrides,
        has_canary=bool(answer.get("canarySettings")),
    )


def split(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    """Yield the changes in parts that each fit into one UpdateStage."""
    return batched(changes, MAX_PATCH_OPERATIONS, strict=False)


def apply(client: APIGatewayClient, stage: Stage, plan: Plan) -> Applied:
    """Make all changes of the plan in one UpdateStage. ``split`` says how many fit.

    Raises ClientError: ConflictException while another change of the stage is in progress, NotFoundException if the
    stage was deleted in the meantime.
    """
    ref, operations = stage.ref, patch_operations(plan)
    client.update_stage(restApiId=ref.api_id, stageName=ref.stage_name, patchOperations=operations)
    return Applied(plan.changes)


def patch_operations(plan: Plan) -> list[PatchOperationTypeDef]:
    """Return the plan as patch operations, in the plan's order.

    The path of a method setting is ``/`` and its key exactly as GetStage returned it. API Gateway keeps a key as it was
    addressed, without the first slash: ``/~1pets/GET/...`` (CDK) and ``/pets/GET/...`` (Terraform, SAM) make two
    entries, ``~1pets/GET`` and ``pets/GET``, which can exist side by side. Any other spelling of a key would add an
    entry and not change the existing one. This is true for a resource named ``variables`` too: the path that addressed
    an entry when it was created addresses the same entry now.
    *Source:* radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json; localstack/localstack,
    test_apigateway_common.snapshot.json; hashicorp/terraform-provider-aws, issue 9738 (key ``/tenant/{name}/.../GET``).
    """
    return [_operation(change) for change in plan.changes]


def _operation(change: Change) -> PatchOperationTypeDef:
    path, value = _PATHS[change.setting], change.after
    if change.setting not in (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT):
        path = f"/{change.override or _ALL_METHODS}{path}"
    return {"op": "replace", "path": path, "value": value if isinstance(value, str) else str(value).lower()}
