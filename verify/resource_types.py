"""The types of resources that a run can create: how to find them by name, and how to delete them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.account import Account, is_throttled

#: The beginning of each name of a run's resources, before the id of the run. It is also the key of their tag.
PREFIX = "log-keeper-verify"
#: The id of a run, which follows the prefix and a hyphen.
_RUN_ID = re.compile(r"[0-9a-f]{8}(?![0-9a-z])")
#: Key of a tag on a role that is set as log role for a while. Value: the ARN of the role to restore, empty for none.
FORMER = f"{PREFIX}-former-log-role"
#: Separates a resource from the name of the policy that contains it. ARNs have no spaces.
_OF = " of "
#: Error codes for a resource that is deleted already.
_NOT_FOUND = frozenset(
    {
        "NotFoundException",
        "ResourceNotFoundException",
        "NoSuchEntity",
        "NoSuchEntityException",
        "TrailNotFoundException",
        "NoSuchBucket",
    }
)
#: Seconds to wait for a call that comes too fast: DeleteRestApi may be called once in 30 seconds.
#: *Source:* API Gateway developer guide, "Amazon API Gateway quotas"
_PATIENCE = 100


def is_of_run(name: str, prefix: str) -> bool:
    """Return whether this is the name of a resource of a run. ``prefix``: the prefix of all runs, or of one run.

    A name such as ``log-keeper-verify-results`` has the prefix, but not the id of a run: somebody else created it.
    """
    return name.startswith(prefix) and _RUN_ID.match(name, len(PREFIX) + 1) is not None


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One type of resource.

    ``find``: returns the ids of the resources whose names begin with a prefix. ``remove``: deletes the resource with an
    id. ``by_hand``: the AWS CLI command that deletes it, without ``aws``; ``{id}`` stands for the id.
    """

    name: str
    find: Callable[[Account, str], Iterable[str]]
    remove: Callable[[Account, str], object]
    by_hand: str

    def search(self, account: Account, prefix: str) -> list[str]:
        """Return the ids of the resources whose names begin with the prefix. Raise ClientError or BotoCoreError."""
        return account.patiently(lambda: list(self.find(account, prefix)), _PATIENCE, is_throttled)

    def delete(self, account: Account, resource_id: str) -> None:
        """Delete the resource, unless it is deleted already. Raise ClientError or BotoCoreError if AWS refuses."""
        try:
            account.patiently(lambda: self.remove(account, resource_id), _PATIENCE, is_throttled)
        except ClientError as error:
            if error_code(error) not in _NOT_FOUND:
                raise


def _pages(client: Any, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[member]


# ---- API Gateway


def _rest_apis(account: Account, prefix: str) -> Iterator[str]:
    for api in _pages(account.client("apigateway"), "get_rest_apis", "items"):
        if is_of_run(api["name"], prefix) and PREFIX in api.get("tags", {}):
            yield api["id"]


def _v2_apis(account: Account, prefix: str) -> Iterator[str]:
    for api in _pages(account.client("apigatewayv2"), "get_apis", "Items"):
        if is_of_run(api["Name"], prefix) and PREFIX in api.get("Tags", {}):
            yield api["ApiId"]


REST_API = ResourceType(
    "REST API",
    _rest_apis,
    lambda account, resource_id: account.client("apigateway").delete_rest_api(restApiId=resource_id),
    "apigateway delete-rest-api --rest-api-id {id}",
)
V2_API = ResourceType(
    "HTTP or WebSocket API",
    _v2_apis,
    lambda account, resource_id: account.client("apigatewayv2").delete_api(ApiId=resource_id),
    "apigatewayv2 delete-api --api-id {id}",
)


# ---- CloudWatch Logs


def _log_groups(account: Account, prefix: str) -> Iterator[str]:
    yield from (name for name in _log_groups_below(account, prefix) if is_of_run(name, prefix))


def _log_groups_below(account: Account, prefix: str) -> Iterator[str]:
    for group in _pages(account.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
        yield group["logGroupName"]


def search_log_groups_of(account: Account, api_id: str) -> list[str]:
    """Return the log groups of an API, whose names contain its id. Raise ClientError or BotoCoreError."""
    return account.patiently(lambda: list(_log_groups_of(account, api_id)), _PATIENCE, is_throttled)


def _log_groups_of(account: Account, api_id: str) -> Iterator[str]:
    """Return the log groups that API Gateway or Log Keeper have created for an API: their names contain its id."""
    for before in (
        "API-Gateway-Execution-Logs_",
        "/aws/apigateway/",
        "/aws/vendedlogs/apigateway/",
        "/aws/vendedlogs/apigatewayv2/",
    ):
        yield from _log_groups_below(account, f"{before}{api_id}/")


def account_policies(account: Account) -> Iterator[tuple[str, str]]:
    """Return the name and the document of each resource policy of the account."""
    client, more = account.client("logs"), dict[str, str]()
    while True:
        answer = client.describe_resource_policies(**more)
        for policy in answer.get("resourcePolicies", []):
            yield policy["policyName"], policy.get("policyDocument", "")
        if not answer.get("nextToken"):
            return
        more = {"nextToken": answer["nextToken"]}


def _policy_entries(account: Account, prefix: str) -> Iterator[str]:
    """Return ``RESOURCE of POLICY`` for each log group of a run that a policy of the account names."""
    for name, document in account_policies(account):
        for statement in filter(lambda each: isinstance(each, dict), _statements(document)):
            for resource in _listed(statement.get("Resource")):
                if is_of_run(str(resource).partition(":log-group:")[2], prefix):
                    yield f"{resource}{_OF}{name}"


def _remove_policy_entry(account: Account, entry: str) -> None:
    """Remove one resource from a policy of the account. A statement or policy without any other resource is deleted.

    AWS lists many log groups in one statement, or adds one statement for each: both occur.
    *Source:* radkawar/stackd testdata/aws/apigateway/http_log_settings.json, its first observation (2026-09)
    """
    resource, _, policy_name = entry.partition(_OF)
    client = account.client("logs")
    for document in [document for name, document in account_policies(account) if name == policy_name]:
        statements = _statements(document)
        kept = [without for each in statements if (without := _without(each, resource)) is not None]
        if kept == statements:
            continue
        if kept:
            text = json.dumps({**json.loads(document), "Statement": kept}, separators=(",", ":"))
            client.put_resource_policy(policyName=policy_name, policyDocument=text)
        else:
            client.delete_resource_policy(policyName=policy_name)


def _without(statement: Any, resource: str) -> Any:
    """Return the statement without the resource, None if it has no other."""
    if not isinstance(statement, dict) or resource not in _listed(statement.get("Resource")):
        return statement
    others = [each for each in _listed(statement["Resource"]) if each != resource]
    return {**statement, "Resource": others} if others else None


def _statements(document: str) -> list[Any]:
    try:
        policy = json.loads(document)
    except ValueError:
        return []
    return _listed(policy.get("Statement")) if isinstance(policy, dict) else []


def _listed(value: Any) -> list[Any]:
    """Return the members of a list, or the value that stands for a list of one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _delivery_sources(account: Account, prefix: str) -> Iterator[str]:
    for source in _pages(account.client("logs"), "describe_delivery_sources", "deliverySources"):
        if is_of_run(source["name"], prefix):
            yield source["name"]


LOG_GROUP = ResourceType(
    "log group",
    _log_groups,
    lambda account, resource_id: account.client("logs").delete_log_group(logGroupName=resource_id),
    "logs delete-log-group --log-group-name '{id}'",
)
RESOURCE_POLICY = ResourceType(
    "entry in a resource policy of CloudWatch Logs",
    _policy_entries,
    _remove_policy_entry,
    "logs describe-resource-policies  # take out {id}: put-resource-policy",
)
DELIVERY_SOURCE = ResourceType(
    "delivery source",
    _delivery_sources,
    lambda account, resource_id: account.client("logs").delete_delivery_source(name=resource_id),
    "logs delete-delivery-source --name {id}",
)


# ---- the rest


def _schedules(account: Account, prefix: str) -> Iterator[str]:
    for schedule in _pages(account.client("scheduler"), "list_schedules", "Schedules", NamePrefix=prefix):
        if is_of_run(schedule["Name"], prefix):
            yield schedule["Name"]


def _trails(account: Account, prefix: str) -> Iterator[str]:
    for trail in account.client("cloudtrail").describe_trails(includeShadowTrails=False)["trailList"]:
        if is_of_run(trail["Name"], prefix):
            yield trail["Name"]


def _buckets(account: Account, prefix: str) -> Iterator[str]:
    for bucket in account.client("s3").list_buckets()["Buckets"]:
        if is_of_run(bucket["Name"], prefix) and bucket["Name"].endswith(f"-{account.region}"):
            yield bucket["Name"]


def _remove_bucket(account: Account, name: str) -> None:
    client = account.client("s3")
    for entry in _pages_of_bucket(client, name):
        client.delete_object(Bucket=name, Key=entry)
    client.delete_bucket(Bucket=name)


def _pages_of_bucket(client: Any, name: str) -> Iterator[str]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
        yield from (each["Key"] for each in page.get("Contents", []))


def _roles(account: Account, prefix: str) -> Iterator[str]:
    for role in _pages(account.client("iam"), "list_roles", "Roles"):
        # Roles belong to the whole account; a run in another region may be in progress.
        if is_of_run(role["RoleName"], prefix) and role["RoleName"].endswith(f"-{account.region}"):
            yield role["RoleName"]


def _remove_role(account: Account, name: str) -> None:
    """Delete the role. If it is still set as log role, first restore the log role that it replaced."""
    client, gateway = account.client("iam"), account.client("apigateway")
    tags = {tag["Key"]: tag["Value"] for tag in client.list_role_tags(RoleName=name)["Tags"]}
    if FORMER in tags and gateway.get_account().get("cloudwatchRoleArn", "").endswith(f":role/{name}"):
        operation = {"op": "replace", "path": "/cloudwatchRoleArn", "value": tags[FORMER]}
        gateway.update_account(patchOperations=[operation])
    for policy in client.list_role_policies(RoleName=name)["PolicyNames"]:
        client.delete_role_policy(RoleName=name, PolicyName=policy)
    client.delete_role(RoleName=name)


SCHEDULE = ResourceType(
    "schedule",
    _schedules,
    lambda account, resource_id: account.client("scheduler").delete_schedule(Name=resource_id),
    "scheduler delete-schedule --name {id}",
)
TRAIL = ResourceType(
    "trail",
    _trails,
    lambda account, resource_id: account.client("cloudtrail").delete_trail(Name=resource_id),
    "cloudtrail delete-trail --name {id}",
)
BUCKET = ResourceType("bucket", _buckets, _remove_bucket, "s3 rb --force s3://{id}")
ROLE = ResourceType(
    "role",
    _roles,
    _remove_role,
    "iam delete-role --role-name {id}  # after aws iam delete-role-policy, for each of list-role-policies",
)

#: In the order of deletion: a resource that uses another one comes before it.
RESOURCE_TYPES = (SCHEDULE, DELIVERY_SOURCE, V2_API, REST_API, TRAIL, BUCKET, RESOURCE_POLICY, LOG_GROUP, ROLE)
