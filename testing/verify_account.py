"""Read what a run of ``make verify`` leaves in an account."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox


def traces(sandbox: Sandbox) -> dict[str, list[Any]]:
    """Return everything in the account of the types that a run creates."""

    def read(service: str, operation: str, member: str) -> list[Any]:
        found: list[Any] = getattr(sandbox.client(service), operation)()[member]
        return found

    return {
        "REST APIs": read("apigateway", "get_rest_apis", "items"),
        "V2 APIs": read("apigatewayv2", "get_apis", "Items"),
        "log groups": read("logs", "describe_log_groups", "logGroups"),
        "policies": read("logs", "describe_resource_policies", "resourcePolicies"),
        "sources": read("logs", "describe_delivery_sources", "deliverySources"),
        "schedules": read("scheduler", "list_schedules", "Schedules"),
        "trails": read("cloudtrail", "list_trails", "Trails"),
        "buckets": read("s3", "list_buckets", "Buckets"),
        "roles": [role["RoleName"] for role in read("iam", "list_roles", "Roles")],
        "account": [sandbox.client("apigateway").get_account().get("cloudwatchRoleArn")],
    }
