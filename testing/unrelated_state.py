"""Read everything in an account that Log Keeper must not change, to compare it before and after."""

from __future__ import annotations

from typing import Any

from sandbox.core.account import Account

#: Members of a stage that Log Keeper may change; all others must stay as they are.
_LOGGING = {"accessLogSettings", "AccessLogSettings", "lastUpdatedDate", "LastUpdatedDate", "ResponseMetadata"}
#: The same, of the settings of one method or route.
_LOGGING_SETTINGS = {"loggingLevel", "dataTraceEnabled", "LoggingLevel", "DataTraceEnabled"}
#: How the names of the log groups begin that Log Keeper can create or change.
_OURS = ("API-Gateway-Execution-Logs_", "/aws/vendedlogs/apigateway", "/aws/apigateway/")


def unrelated_state(sandbox: Account) -> dict[str, Any]:
    """Return everything in the account except the logging of API Gateway stages and what Log Keeper owns."""
    found: dict[str, Any] = {}
    rest, v2, iam, logs = (sandbox.client(name) for name in ("apigateway", "apigatewayv2", "iam", "logs"))
    for api in rest.get_rest_apis(limit=500)["items"]:
        found[f"api {api['id']}"] = api
        for stage in rest.get_stages(restApiId=api["id"])["item"]:
            found[f"stage {api['id']}/{stage['stageName']}"] = _without_logging(stage, "methodSettings")
    for api in v2.get_apis()["Items"]:
        found[f"api {api['ApiId']}"] = api
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            found[f"stage {api['ApiId']}/{stage['StageName']}"] = _without_logging(stage, "RouteSettings")
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"] != "APIGatewayCloudWatchLogs":
            found[f"role {role['RoleName']}"] = role
    for group in logs.describe_log_groups()["logGroups"]:
        if not group["logGroupName"].startswith(_OURS):
            found[f"log group {group['logGroupName']}"] = group
    return found


def _without_logging(stage: dict[str, Any], settings: str) -> dict[str, Any]:
    kept = {key: value for key, value in stage.items() if key not in {*_LOGGING, settings, "DefaultRouteSettings"}}
    methods = {key: _bare(value) for key, value in stage.get(settings, {}).items()}
    # The first patch of */* creates the whole entry, with the values that were in effect before.
    methods.pop("*/*", None)
    default = _bare(stage.get("DefaultRouteSettings", {}))
    return kept | {settings: methods, "DefaultRouteSettings": default}


def _bare(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in _LOGGING_SETTINGS}
