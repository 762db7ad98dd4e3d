"""REST APIs: a stage as GetStage tells it, and a plan as patch operations of one UpdateStage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.policy.plan import Applied, Change, Plan, Setting
from log_keeper.stages import AccessLogSettings, LoggingLevel, MethodSettings, Protocol, Stage, StageRef

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import PatchOperationTypeDef, StageResponseTypeDef, StageTypeDef

#: What one UpdateStage takes. *Source:* DianaIonita/serverless-api-gateway-caching; not found in AWS's own words.
MAX_PATCH_OPERATIONS = 80

#: The settings of every method without settings of its own.
_ALL_METHODS = "*/*"

_PATHS = {
    Setting.ACCESS_LOG_DESTINATION: "/accessLogSettings/destinationArn",
    Setting.ACCESS_LOG_FORMAT: "/accessLogSettings/format",
    Setting.LOGGING_LEVEL: "/logging/loglevel",
    Setting.DATA_TRACE: "/logging/dataTrace",
    Setting.DETAILED_METRICS: "/metrics/enabled",
}


@dataclass(frozen=True, slots=True)
class RestStage:
    """A stage of a REST API as it was read."""

    client: APIGatewayClient
    stage: Stage

    def split(self, changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
        """Return the changes in parts, each of as many as one UpdateStage takes."""
        return batched(changes, MAX_PATCH_OPERATIONS, strict=False)

    def apply(self, plan: Plan) -> Applied:
        """Make each change of the plan in one UpdateStage: see ``split`` for how many it may be.

        Raises ClientError: ConflictException while another change of the stage is under way, NotFoundException if it
        is gone meanwhile.
        """
        ref = self.stage.ref
        operations = patch_operations(plan)
        self.client.update_stage(restApiId=ref.api_id, stageName=ref.stage_name, patchOperations=operations)
        return Applied(plan.changes)


def read_stage(client: APIGatewayClient, ref: StageRef) -> RestStage | None:
    """What API Gateway says of the stage now; None if the stage or its API is gone."""
    try:
        answer = client.get_stage(restApiId=ref.api_id, stageName=ref.stage_name)
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return None
        raise
    return RestStage(client, to_stage(ref, answer))


def to_stage(ref: StageRef, answer: StageTypeDef | StageResponseTypeDef) -> Stage:
    """The stage as GetStage or GetStages describes it.

    A level may be absent, which is read as OFF: whether a method without one logs at the level of ``*/*`` is unknown,
    so that it is given one of its own. Absent and "OFF" were both recorded (localstack/localstack, aws.validated
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


def patch_operations(plan: Plan) -> list[PatchOperationTypeDef]:
    """Return the plan as patch operations, in the plan's order.

    The path of a method setting is ``/`` and its key exactly as GetStage gave it. API Gateway keeps a key as it was
    addressed, less its first slash: ``/~1pets/GET/...`` (CDK) and ``/pets/GET/...`` (Terraform, SAM) make two entries,
    ``~1pets/GET`` and ``pets/GET``, which may stand side by side. Any other spelling of a key would add an entry and
    leave the one that was meant as it is. This holds for a resource named ``variables`` too: the path that addressed
    an entry when it was created addresses the same entry now.
    *Source:* radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json; localstack/localstack,
    test_apigateway_common.snapshot.json; hashicorp/terraform-provider-aws, issue 9738 (key ``/tenant/{name}/.../GET``).
    """
    return [_operation(change) for change in plan.changes]


def _operation(change: Change) -> PatchOperationTypeDef:
    path = _PATHS[change.setting]
    if change.setting not in (Setting.ACCESS_LOG_DESTINATION, Setting.ACCESS_LOG_FORMAT):
        path = f"/{change.override or _ALL_METHODS}{path}"
    return {"op": "replace", "path": path, "value": change.after}
