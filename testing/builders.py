"""Build stages, policies and events for tests. Everything that a test does not set has a default."""

from __future__ import annotations

import json
from copy import replace
from pathlib import Path
from typing import Any

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.policy.policy import Policy
from log_keeper.settings import (
    Deployment,
    Forwarding,
    LogRoleSettings,
    Organization,
    Queues,
    ScheduleSettings,
    Settings,
)
from log_keeper.stages import (
    AccessLogSettings,
    Account,
    ApiVersion,
    LoggingLevel,
    MethodSettings,
    Protocol,
    Stage,
    StageRef,
)

ACCOUNT = "123456789012"
REGION = "us-east-1"
OWN_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/log-keeper-EnforceRole"
SWEEP_ROLE_ID = "AROASANDBOXSWEEPROLE0"
MADE_ROLE = f"arn:aws:iam::{ACCOUNT}:role/APIGatewayCloudWatchLogs"
EVENTS = Path(__file__).parent.parent / "events"

FORMATS = access_log_formats(FormatName.JSON)
POLICY = Policy(partition="aws", info_tag_key="execution-logs", own_account=ACCOUNT)
REF = StageRef(ACCOUNT, REGION, ApiVersion.V1, "a1b2c3d4e5", "prod")
V2_REF = StageRef(ACCOUNT, REGION, ApiVersion.V2, "a1b2c3d4e5", "$default")
OWN_DESTINATION = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/vendedlogs/apigateway/a1b2c3d4e5/prod"

DEPLOYMENT = Deployment(
    account=Account(ACCOUNT, "aws"),
    regions=(REGION,),
    own_role_arn=OWN_ROLE_ARN,
    is_audit=False,
    log_role=LogRoleSettings(arn=None, name="APIGatewayCloudWatchLogs"),
    queues=Queues(
        stage_queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:log-keeper-StageQueue",
        stage_queue_url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/log-keeper-StageQueue",
        sweep_queue_url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/log-keeper-SweepQueue",
    ),
    schedules=ScheduleSettings("log-keeper-opt-ins", f"arn:aws:iam::{ACCOUNT}:role/log-keeper-OptInScheduleRole"),
    forwarding=Forwarding(
        rules=("log-keeper-stages", "log-keeper-role", "log-keeper-groups"),
        queue="log-keeper-undelivered",
        stack_set="log-keeper-forwarders",
    ),
    sweep_rate=4,
    settle_seconds=15,
    missing_log_group_minutes=60,
    sweep_role_id=SWEEP_ROLE_ID,
)
#: The organization that the hub governs, in tests that deploy no stack.
ORGANIZATION_SETTINGS = Organization(
    units=("ou-ab12-11111111",),
    excluded_accounts=(),
    member_read_role="/log-keeper-member-read",
    member_remediate_role="/log-keeper-member-remediate",
    members_stack_set="log-keeper-members",
    enforce_stack_set="log-keeper-enforce",
    rules=("log-keeper-stages",),
)
SETTINGS = Settings(POLICY, DEPLOYMENT)
#: The same settings as environment variables, as the template sets them.
ENVIRONMENT = {
    "ACCOUNT_ID": ACCOUNT,
    "PARTITION": "aws",
    "REGIONS": REGION,
    "OWN_ROLE_ARN": OWN_ROLE_ARN,
    "LOG_ROLE_NAME": "APIGatewayCloudWatchLogs",
    "LOG_ROLE_ARN": "",
    "LOG_ROLE_PATH": "/",
    "LOG_ROLE_BOUNDARY_ARN": "",
    "INFO_TAG_KEY": "execution-logs",
    "ACCESS_LOG_RETENTION_DAYS": "365",
    "EXECUTION_LOG_RETENTION_DAYS": "30",
    "LOG_GROUP_KMS_KEY_ARN": "",
    "LOG_GROUP_TAGS": "",
    "COPY_TAG_KEYS": "",
    "ACCESS_LOG_CLASS": "Standard",
    "EXECUTION_LOG_CLASS": "Standard",
    "PROTECT_LOG_GROUPS": "No",
    "ACCESS_LOG_GROUP_NAME": "",
    "ACCESS_LOG_FORMAT": "JSON",
    "REST_ACCESS_LOG_FORMAT": "",
    "HTTP_ACCESS_LOG_FORMAT": "",
    "WEBSOCKET_ACCESS_LOG_FORMAT": "",
    "ALLOW_DATA_TRACE": "No",
    "DETAILED_METRICS": "No",
    "MODE": "Enforce",
    "EXEMPT_TAG_KEY": "",
    "OWNER_TAG_KEY": "",
    "FORWARD_LOGS": ",,log-keeper,",
    "SCHEDULE_GROUP": DEPLOYMENT.schedules.group,
    "SCHEDULE_ROLE_ARN": DEPLOYMENT.schedules.role_arn,
    "FORWARDS": "true",
    "FORWARDING_RULES": ",".join(DEPLOYMENT.forwarding.rules),
    "FORWARDING_QUEUE": DEPLOYMENT.forwarding.queue,
    "FORWARDING_STACK_SET": DEPLOYMENT.forwarding.stack_set,
    "STAGE_QUEUE_ARN": DEPLOYMENT.queues.stage_queue_arn,
    "STAGE_QUEUE_URL": DEPLOYMENT.queues.stage_queue_url,
    "SWEEP_QUEUE_URL": DEPLOYMENT.queues.sweep_queue_url,
    "SWEEP_RATE": "4",
    "SETTLE_SECONDS": "15",
    "MISSING_LOG_GROUP_MINUTES": "60",
    "ENVIRONMENTS": "2",
    "SWEEP_ROLE_ID": SWEEP_ROLE_ID,
}


def settings_with(settings: Settings = SETTINGS, **values: Any) -> Settings:
    """Return the settings with other values. Each name is a field of the policy, of the deployment or of its parts."""
    policy, deployment = settings.policy, settings.deployment
    for name, value in values.items():
        owner = next(
            (
                part
                for part in ("queues", "schedules", "forwarding", "log_role")
                if hasattr(getattr(deployment, part), name)
            ),
            None,
        )
        if hasattr(policy, name):
            policy = replace(policy, **{name: value})
        elif owner is None:
            deployment = replace(deployment, **{name: value})
        else:
            part: Any = replace(getattr(deployment, owner), **{name: value})
            changes: Any = {owner: part}
            deployment = replace(deployment, **changes)
    return Settings(policy, deployment)


def method_settings(level: str = "ERROR", *, data_trace: bool = False, metrics: bool = False) -> MethodSettings:
    """Return the settings of a method."""
    return MethodSettings(LoggingLevel(level), data_trace, metrics)


def rest_stage(
    level: str = "ERROR",
    *,
    ref: StageRef = REF,
    protocol: Protocol = Protocol.REST,
    tags: dict[str, str] | None = None,
    data_trace: bool = False,
    metrics: bool = False,
    destination: str | None = OWN_DESTINATION,
    log_format: str | None = FORMATS[Protocol.REST],
    overrides: dict[str, MethodSettings] | None = None,
    has_canary: bool = False,
) -> Stage:
    """Return a compliant stage of a REST API."""
    return Stage(
        ref=ref,
        protocol=protocol,
        tags=tags or {},
        access_log=AccessLogSettings(destination, log_format),
        settings=method_settings(level, data_trace=data_trace, metrics=metrics),
        overrides=overrides or {},
        has_canary=has_canary,
    )


def sample(name: str) -> dict[str, Any]:
    """Return the event of ``events/NAME.json``."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def record(name: str = "UpdateStage", parameters: object = None, **detail: object) -> dict[str, Any]:
    """Return an event of EventBridge with the CloudTrail record of an API Gateway call."""
    return {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.apigateway",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {
            "eventSource": "apigateway.amazonaws.com",
            "eventName": name,
            "requestParameters": parameters,
        }
        | detail,
    }


def updated(api_id: str, stage_name: str = "prod") -> dict[str, Any]:
    """Return the event of an UpdateStage call."""
    return record("UpdateStage", {"restApiId": api_id, "stageName": stage_name})
