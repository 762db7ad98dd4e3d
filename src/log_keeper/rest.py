"""REST APIs: reads a stage, and turns a plan into patch operations."""

from __future__ import annotations

from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws import error_code
from log_keeper.policy import Change, Plan, Setting
from log_keeper.stages import AccessLogSettings, ExecutionLogSettings, LoggingLevel, Stage, StageRef

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import PatchOperationTypeDef, StageResponseTypeDef, StageTypeDef

#: What one UpdateStage takes. *Source:* DianaIonita/serverless-api-gateway-caching; not found in AWS's own words.
MAX_PATCH_OPERATIONS = 80

_PATHS = {
    Setting.ACCESS_LOG_DESTINATION: "/accessLogSettings/destinationArn",
    Setting.ACCESS_LOG_FORMAT: "/accessLogSettings/format",
    Setting.LOGGING_LEVEL: "/{method}/logging/loglevel",
    Setting.DATA_TRACE: "/{method}/logging/dataTrace",
}


def read_stage(client: APIGatewayClient, ref: StageRef) -> Stage | None:
    """What API Gateway says of the stage now; None if the stage or its API is gone."""
    try:
        answer = client.get_stage(restApiId=ref.api_id, stageName=ref.stage_name)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return to_stage(ref, answer)


def to_stage(ref: StageRef, answer: StageTypeDef | StageResponseTypeDef) -> Stage:
    """The stage as GetStage or GetStages describes it.

    A level may be absent, which is read as OFF: whether a method without one logs at the level of ``*/*`` is unknown,
    so that it is given one of its own. Absent and "OFF" were both recorded (localstack/localstack, aws.validated
    snapshots; hashicorp/terraform-provider-aws, issue 9738).
    """
    access = answer.get("accessLogSettings", {})
    return Stage(
        ref=ref,
        tags=answer.get("tags", {}),
        access_log=AccessLogSettings(access.get("destinationArn") or None, access.get("format") or None),
        execution_logs={
            method: ExecutionLogSettings(
                LoggingLevel(settings.get("loggingLevel", "OFF").upper()), settings.get("dataTraceEnabled", False)
            )
            for method, settings in answer.get("methodSettings", {}).items()
        },
        has_canary=bool(answer.get("canarySettings")),
    )


def patch_operations(plan: Plan) -> list[PatchOperationTypeDef]:
    """The plan as the patch operations of UpdateStage, in the plan's order.

    The key of a method in ``methodSettings`` (``pets~1{id}/GET``) is also its path in a patch.
    *Source:* go-to-k/cdkd, verified against API Gateway; DianaIonita/serverless-api-gateway-caching.
    """
    return [_operation(change) for change in plan.changes]


def _operation(change: Change) -> PatchOperationTypeDef:
    return {"op": "replace", "path": _PATHS[change.setting].format(method=change.method), "value": change.after}


def apply(client: APIGatewayClient, ref: StageRef, plan: Plan) -> None:
    """Each change of the plan is made, by one UpdateStage unless it takes more operations than one call may have.

    Raises ClientError: ConflictException while another change of the stage is under way, NotFoundException if it is
    gone meanwhile.
    """
    for operations in batched(patch_operations(plan), MAX_PATCH_OPERATIONS, strict=False):
        client.update_stage(restApiId=ref.api_id, stageName=ref.stage_name, patchOperations=list(operations))
