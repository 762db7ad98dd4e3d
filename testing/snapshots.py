"""Compare an account before and after, and read which calls Log Keeper made."""

from __future__ import annotations

from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.call import CallRecord

REGIONS = ("us-east-1", "eu-west-1")
_READS = ("Get", "Describe", "List", "Simulate", "Receive")
#: Calls that Lambda makes for every message, and for the function's own log.
_HOUSEKEEPING = {"DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibility", "CreateLogStream", "PutLogEvents"}


def snapshot(sandbox: Sandbox) -> dict[str, Any]:
    """Return all stages, account settings, log groups, roles, queues and rules."""
    iam = sandbox.client("iam")
    seen: dict[str, Any] = {}
    for role in iam.list_roles()["Roles"]:
        name = role["RoleName"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        inline = [
            iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        ]
        seen[f"role {name}"] = (role["Arn"], role["AssumeRolePolicyDocument"], attached, inline)
    for region in REGIONS:
        rest, v2 = sandbox.client("apigateway", region), sandbox.client("apigatewayv2", region)
        seen[f"{region} account"] = _plain(rest.get_account())
        for api in rest.get_rest_apis()["items"]:
            seen[f"{region} {api['id']}"] = (api, rest.get_stages(restApiId=api["id"])["item"])
        for api in v2.get_apis()["Items"]:
            seen[f"{region} {api['ApiId']}"] = (api, v2.get_stages(ApiId=api["ApiId"])["Items"])
        pages = sandbox.client("logs", region).get_paginator("describe_log_groups").paginate()
        for group in (group for page in pages for group in page["logGroups"]):
            seen[f"{region} {group['logGroupName']}"] = group.get("retentionInDays")
        for rule in sandbox.client("events", region).list_rules()["Rules"]:
            seen[f"{region} {rule['Name']}"] = rule
        for url in sandbox.client("sqs", region).list_queues().get("QueueUrls", []):
            answer = sandbox.client("sqs", region).get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
            seen[f"{region} {url}"] = answer.get("Attributes")
    return seen


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the names of what was created, deleted or changed between two snapshots."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def made_by_program(sandbox: Sandbox, since: int) -> list[CallRecord]:
    """Return Log Keeper's calls since the account's call number ``since``."""
    return [made for made in sandbox.calls[since:] if "log-keeper" in made.call.user_agent]


def writes(sandbox: Sandbox, since: int) -> list[CallRecord]:
    """Return Log Keeper's calls that change the account, without those of Lambda for messages and logs."""
    return [
        made
        for made in made_by_program(sandbox, since)
        if not made.call.operation.startswith(_READS) and made.call.operation not in _HOUSEKEEPING
    ]


def is_of_logging(made: CallRecord, api_id: str, stage_name: str = "prod") -> bool:
    """Tell whether the call only changes the logging of this stage in us-east-1, or publishes an event about it."""
    call = made.call
    params: dict[str, Any] = call.params
    if call.region != "us-east-1" or made.call.caller.account != "123456789012":
        return False
    match call.service, call.operation:
        case "apigateway", "UpdateStage":
            leaves = ("/logging/loglevel", "/logging/dataTrace", "/metrics/enabled")
            return (params["restApiId"], params["stageName"]) == (api_id, stage_name) and all(
                operation["op"] == "replace"
                and (
                    operation["path"] in ("/accessLogSettings/destinationArn", "/accessLogSettings/format")
                    or operation["path"].endswith(leaves)
                )
                for operation in params["patchOperations"]
            )
        case "apigatewayv2", "UpdateStage":
            allowed = {"ApiId", "StageName", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings"}
            return (params["ApiId"], params["StageName"]) == (api_id, stage_name) and params.keys() <= allowed
        case "logs", "CreateLogGroup" | "PutRetentionPolicy":
            return bool(params["logGroupName"].endswith(f"{api_id}/{stage_name.replace('$', '.')}"))
        case "scheduler", _:
            return bool(params["Name"].startswith(f"{api_id}-"))
        case "events", "PutEvents":
            return all(entry["Source"] == "log-keeper" for entry in params["Entries"])
    return False
