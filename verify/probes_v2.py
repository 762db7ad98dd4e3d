"""Points about HTTP and WebSocket APIs."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.bench import FORMAT, STAGE, Bench, refusal
from verify.kinds import LOG_GROUP, RESOURCE_POLICY, account_policies
from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value

#: A log stream that log delivery creates when it is allowed to write to a group.
_VALIDATION_STREAM = "log_stream_created_by_aws_to_validate_log_delivery_subscriptions"


def _missing_http_group(bench: Bench) -> Value:
    bench.ledger.expect(RESOURCE_POLICY)
    return _takes_access_log(bench, bench.http_api, "$default", f"{bench.name}/missing-http")


def _missing_websocket_group(bench: Bench) -> Value:
    needs_log_role(bench)
    return not _takes_access_log(bench, bench.websocket_api, STAGE, f"{bench.name}/missing-websocket")


def _takes_access_log(bench: Bench, api_id: str, stage: str, group: str) -> bool:
    """Return whether the stage takes a log group that does not exist."""
    try:
        _set_access_log(bench, api_id, stage, group)
    except ClientError as error:
        if error_code(error) == "NotFoundException" or "does not exist" in refusal(error):
            return False
        raise UnclearError(refusal(error)) from error
    bench.client("apigatewayv2").delete_access_log_settings(ApiId=api_id, StageName=stage)
    return True


def _set_access_log(bench: Bench, api_id: str, stage: str, group: str) -> dict[str, Any]:
    """UpdateStage of access log settings alone, repeated while a deployment is under way."""

    def call() -> dict[str, Any]:
        answer: dict[str, Any] = bench.client("apigatewayv2").update_stage(
            ApiId=api_id,
            StageName=stage,
            AccessLogSettings={"DestinationArn": bench.log_group_arn(group), "Format": FORMAT},
        )
        return answer

    return bench.account.patiently(call, 30, lambda error: error_code(error) == "ConflictException")


def _where_delivery_is_allowed(bench: Bench) -> Value:
    group = bench.log_group("http")
    bench.ledger.expect(RESOURCE_POLICY)
    _set_access_log(bench, bench.http_api, "$default", group)

    def find() -> str:
        if bench.policy_of_group(group):
            return "group"
        return "account" if any(f":log-group:{group}" in text for text in _account_policies(bench)) else ""

    found = bench.account.until(find, 15)
    if not found:
        raise UnclearError("a resource policy of the account allows it already, so that AWS wrote none")
    return found


def _account_policies(bench: Bench) -> list[str]:
    return [document for _, document in account_policies(bench.account)]


def _unchanged_update(bench: Bench) -> Value:
    """The group is created again, so that the permission in its own policy is gone, and its first stream."""
    group = bench.log_group("http-again")
    logs = bench.client("logs")
    bench.ledger.expect(RESOURCE_POLICY)
    _set_access_log(bench, bench.http_api, "$default", group)
    if not bench.account.until(lambda: _is_admitted(bench, group), 15):
        raise UnclearError("AWS left no trace in the log group when it was set the first time")
    LOG_GROUP.delete(bench.account, group)
    bench.account.patiently(
        lambda: logs.create_log_group(logGroupName=group, tags=bench.tags),
        60,
        lambda error: error_code(error) in ("OperationAbortedException", "ResourceAlreadyExistsException"),
    )
    _set_access_log(bench, bench.http_api, "$default", group)
    return bench.account.until(lambda: _is_admitted(bench, group), 30)


def _is_admitted(bench: Bench, group: str) -> bool:
    streams = bench.client("logs").describe_log_streams(logGroupName=group)["logStreams"]
    names = {stream["logStreamName"] for stream in streams}
    return _VALIDATION_STREAM in names or bench.policy_of_group(group) is not None


def _managed_stage(bench: Bench) -> Value:
    group = bench.log_group("quick")
    bench.ledger.expect(RESOURCE_POLICY)
    # A stage of one's own first: it shows that all else is as it must be.
    _set_access_log(bench, bench.http_api, "$default", group)
    try:
        _set_access_log(bench, bench.quick_api, "$default", group)
    except ClientError as error:
        if error_code(error) in ("BadRequestException", "ConflictException"):
            return True
        raise
    return False


def _partial_route(bench: Bench) -> Value:
    client, where = bench.client("apigatewayv2"), {"ApiId": bench.websocket_api, "StageName": STAGE}
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
        "UpdateStage of the stage that quick create made",
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
