"""Points about HTTP and WebSocket APIs."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value
from verify.resource_types import LOG_GROUP, RESOURCE_POLICY, account_policies
from verify.run import FORMAT, STAGE, Run, refusal

#: A log stream that log delivery creates when it is allowed to write to a group.
_VALIDATION_STREAM = "log_stream_created_by_aws_to_validate_log_delivery_subscriptions"


def _missing_http_group(run: Run) -> Value:
    run.ledger.expect(RESOURCE_POLICY)
    return _takes_access_log(run, run.http_api, "$default", f"{run.name}/missing-http")


def _missing_websocket_group(run: Run) -> Value:
    needs_log_role(run)
    return not _takes_access_log(run, run.websocket_api, STAGE, f"{run.name}/missing-websocket")


def _takes_access_log(run: Run, api_id: str, stage: str, group: str) -> bool:
    """Return whether the stage accepts a log group that does not exist."""
    try:
        _set_access_log(run, api_id, stage, group)
    except ClientError as error:
        if error_code(error) == "NotFoundException" or "does not exist" in refusal(error):
            return False
        raise UnclearError(refusal(error)) from error
    run.client("apigatewayv2").delete_access_log_settings(ApiId=api_id, StageName=stage)
    return True


def _set_access_log(run: Run, api_id: str, stage: str, group: str) -> dict[str, Any]:
    """Call UpdateStage with access log settings only. Repeat it while a deployment is in progress."""

    def call() -> dict[str, Any]:
        answer: dict[str, Any] = run.client("apigatewayv2").update_stage(
            ApiId=api_id,
            StageName=stage,
            AccessLogSettings={"DestinationArn": run.log_group_arn(group), "Format": FORMAT},
        )
        return answer

    return run.account.patiently(call, 30, lambda error: error_code(error) == "ConflictException")


def _where_delivery_is_allowed(run: Run) -> Value:
    group = run.log_group("http")
    run.ledger.expect(RESOURCE_POLICY)
    _set_access_log(run, run.http_api, "$default", group)

    def find() -> str:
        if run.policy_of_group(group):
            return "group"
        return "account" if any(f":log-group:{group}" in text for text in _account_policies(run)) else ""

    found = run.account.until(find, 15)
    if not found:
        raise UnclearError("a resource policy of the account allows it already, so AWS wrote none")
    return found


def _account_policies(run: Run) -> list[str]:
    return [document for _, document in account_policies(run.account)]


def _unchanged_update(run: Run) -> Value:
    """Delete the group and create it again, which removes the permission in its own policy and its first stream."""
    group = run.log_group("http-again")
    logs = run.client("logs")
    run.ledger.expect(RESOURCE_POLICY)
    _set_access_log(run, run.http_api, "$default", group)
    if not run.account.until(lambda: _is_admitted(run, group), 15):
        raise UnclearError("AWS left no trace in the log group when it was set the first time")
    LOG_GROUP.delete(run.account, group)
    run.account.patiently(
        lambda: logs.create_log_group(logGroupName=group, tags=run.tags),
        60,
        lambda error: error_code(error) in ("OperationAbortedException", "ResourceAlreadyExistsException"),
    )
    _set_access_log(run, run.http_api, "$default", group)
    return run.account.until(lambda: _is_admitted(run, group), 30)


def _is_admitted(run: Run, group: str) -> bool:
    streams = run.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    names = {stream["logStreamName"] for stream in streams}
    return _VALIDATION_STREAM in names or run.policy_of_group(group) is not None


def _managed_stage(run: Run) -> Value:
    group = run.log_group("quick")
    run.ledger.expect(RESOURCE_POLICY)
    # First an ordinary stage: it shows that everything else is right.
    _set_access_log(run, run.http_api, "$default", group)
    try:
        _set_access_log(run, run.quick_api, "$default", group)
    except ClientError as error:
        if error_code(error) in ("BadRequestException", "ConflictException"):
            return True
        raise
    return False


def _infrequent_access_destination(run: Run) -> Value:
    run.ledger.expect(RESOURCE_POLICY)
    # First an ordinary log group: it shows that everything else is right.
    _set_access_log(run, run.http_api, "$default", run.log_group("standard"))
    try:
        _set_access_log(run, run.http_api, "$default", run.log_group("infrequent", "INFREQUENT_ACCESS"))
    except ClientError as error:
        if error_code(error) == "BadRequestException":
            return True
        raise UnclearError(refusal(error)) from error
    return False


def _partial_route(run: Run) -> Value:
    client, where = run.client("apigatewayv2"), {"ApiId": run.websocket_api, "StageName": STAGE}
    client.update_stage(**where, RouteSettings={"send": {"DataTraceEnabled": True, "DetailedMetricsEnabled": True}})
    client.update_stage(**where, RouteSettings={"send": {"DetailedMetricsEnabled": False}})
    settings = client.get_stage(**where)["RouteSettings"].get("send", {})
    client.delete_route_settings(**where, RouteKey="send")
    if settings.get("DetailedMetricsEnabled") is not False:
        raise UnclearError(f"the route has the settings {settings}")
    return "keeps" if settings.get("DataTraceEnabled") else "resets"


POINTS = (
    Point(
        "missing-http-log-group",
        "UpdateStage of an HTTP API with a log group that does not exist",
        "accepts_missing_http_log_groups",
        False,
        {True: "is accepted", False: "is refused"},
        _missing_http_group,
    ),
    Point(
        "infrequent-access-log-group",
        "UpdateStage of an HTTP API with a log group of the class Infrequent Access",
        "refuses_infrequent_access_destinations",
        False,
        {True: "is refused", False: "is accepted"},
        _infrequent_access_destination,
    ),
    Point(
        "log-delivery-policy",
        "Where AWS allows log delivery to write an HTTP API's access log",
        "log_delivery_policy",
        "group",
        {"group": "in the log group's policy", "account": "in a policy of the account"},
        _where_delivery_is_allowed,
    ),
    Point(
        "unchanged-access-log",
        "UpdateStage of an HTTP API with the settings that it has, after its log group was created again",
        "unchanged_update_runs_log_delivery_admission",
        True,
        {True: "allows log delivery again", False: "changes nothing"},
        _unchanged_update,
    ),
    Point(
        "managed-stage",
        "UpdateStage of the stage that quick create has created",
        "managed_stage_is_locked",
        False,
        {True: "is refused", False: "is accepted"},
        _managed_stage,
    ),
    Point(
        "partial-route-settings",
        "Settings of a route that UpdateStage does not send",
        "partial_route_settings",
        "keeps",
        {"keeps": "are kept", "resets": "are reset"},
        _partial_route,
    ),
    Point(
        "missing-websocket-log-group",
        "UpdateStage of a WebSocket API with a log group that does not exist",
        "refuses_missing_websocket_log_groups",
        False,
        {True: "is refused", False: "is accepted"},
        _missing_websocket_group,
    ),
)
