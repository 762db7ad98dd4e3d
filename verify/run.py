"""The resources of one run: temporary APIs, log groups and roles, created when a probe first needs them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from verify.account import Account
from verify.ledger import Ledger
from verify.resource_types import LOG_GROUP, PREFIX, REST_API, ROLE, V2_API, ResourceType

#: A format that every protocol takes.
FORMAT = "$context.requestId"
#: The REST API's stage, and its two methods.
STAGE = "verify"


@dataclass(frozen=True, slots=True)
class Options:
    """What the user allowed, besides temporary resources.

    ``account_settings``: whether the run may set another log role for a while. ``stack_name``: name of Log Keeper's
    stack. ``minutes_for_stack``: time in which a stage must become compliant. ``minutes_for_cloudtrail``: time to wait
    for CloudTrail's event history; 0 leaves it out.
    """

    account_settings: bool = False
    stack_name: str = "log-keeper"
    minutes_for_stack: float = 10
    minutes_for_cloudtrail: float = 0


class Run:
    """One run. ``run_id``: eight characters in each name, so that the run touches no resources of other runs."""

    def __init__(self, account: Account, ledger: Ledger, run_id: str, options: Options) -> None:
        self.account = account
        self.ledger = ledger
        self.options = options
        self.name = f"{PREFIX}-{run_id}"
        self.tags = {PREFIX: run_id}
        #: Values that several probes share, by a name that they choose.
        self.shared: dict[str, object] = {}

    def client(self, service: str) -> Any:
        """Return a client in the run's region."""
        return self.account.client(service)

    def create(self, resource_type: ResourceType, resource_id: str, call: Any, **parameters: Any) -> Any:
        """Create a resource whose id is its name, and note it. Return the answer of ``call``."""
        self.ledger.expect(resource_type)
        answer = call(**parameters)
        self.ledger.add(resource_type, resource_id)
        return answer

    # ---- who and where

    @cached_property
    def _identity(self) -> dict[str, str]:
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    @property
    def account_id(self) -> str:
        """Return the account's id."""
        return self._identity["Account"]

    @property
    def partition(self) -> str:
        """Return the account's partition, for example ``aws``."""
        return self._identity["Arn"].split(":")[1]

    # ---- log groups

    def log_group_arn(self, name: str) -> str:
        """Return the ARN, without the ``:*`` at its end."""
        return f"arn:{self.partition}:logs:{self.account.region}:{self.account_id}:log-group:{name}"

    def log_group(self, name: str, log_class: str = "STANDARD") -> str:
        """Create a log group that keeps lines for a day. Return its name, which begins with the run's."""
        whole = f"{self.name}/{name}"
        logs = self.client("logs")
        wanted = {"logGroupName": whole, "logGroupClass": log_class, "tags": self.tags}
        self.create(LOG_GROUP, whole, logs.create_log_group, **wanted)
        logs.put_retention_policy(logGroupName=whole, retentionInDays=1)
        return whole

    def has_log_group(self, name: str) -> bool:
        """Return whether a log group of this name exists."""
        found = self.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return any(group["logGroupName"] == name for group in found)

    def policy_of_group(self, name: str) -> str | None:
        """Return the log group's own resource policy, None if it has none."""
        found = self.client("logs").describe_resource_policies(
            policyScope="RESOURCE", resourceArn=self.log_group_arn(name)
        )
        return next((each["policyDocument"] for each in found.get("resourcePolicies", [])), None)

    # ---- APIs

    @cached_property
    def rest_api(self) -> str:
        """Return the id of the probes' REST API, deployed to STAGE."""
        return self.new_rest_api(self.name, {})

    @cached_property
    def http_api(self) -> str:
        """Return the id of the probes' HTTP API, with a stage ``$default``."""
        return self.new_http_api(f"{self.name}-http", {})

    @cached_property
    def quick_api(self) -> str:
        """Return the id of an HTTP API from quick create, whose stage API Gateway manages."""
        return self._v2_api(Name=f"{self.name}-quick", ProtocolType="HTTP", Target=self.rest_url)

    @cached_property
    def websocket_api(self) -> str:
        """Return the id of the probes' WebSocket API, with a stage STAGE."""
        return self.new_websocket_api(f"{self.name}-websocket", {})

    def api_host(self, api_id: str) -> str:
        """Return the host of the API."""
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        return f"{api_id}.execute-api.{self.account.region}.{suffix}"

    @property
    def rest_url(self) -> str:
        """Return the address of the REST API's stage, which answers 200."""
        return f"https://{self.api_host(self.rest_api)}/{STAGE}"

    def new_rest_api(self, name: str, stage_tags: dict[str, str]) -> str:
        """Create a REST API whose GET / and GET /pets answer 200 by themselves, deployed to STAGE. Return its id."""
        client = self.client("apigateway")
        self.ledger.expect(REST_API)
        api_id: str = client.create_rest_api(
            name=name,
            description="Created by make verify of Log Keeper, which deletes it again.",
            tags=self.tags,
            endpointConfiguration={"types": ["REGIONAL"]},
        )["id"]
        self.ledger.add(REST_API, api_id)
        root = client.get_resources(restApiId=api_id)["items"][0]["id"]
        pets = client.create_resource(restApiId=api_id, parentId=root, pathPart="pets")["id"]
        for resource in (root, pets):
            where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "GET"}
            client.put_method(**where, authorizationType="NONE")
            client.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
            client.put_method_response(**where, statusCode="200")
            client.put_integration_response(**where, statusCode="200")
        deployment = client.create_deployment(restApiId=api_id)["id"]
        client.create_stage(restApiId=api_id, stageName=STAGE, deploymentId=deployment, tags=self.tags | stage_tags)
        return api_id

    def new_http_api(self, name: str, stage_tags: dict[str, str]) -> str:
        """Create an HTTP API whose GET / asks the REST API, with a stage ``$default``. Return its id."""
        client = self.client("apigatewayv2")
        api_id = self._v2_api(Name=name, ProtocolType="HTTP")
        integration = client.create_integration(
            ApiId=api_id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="GET",
            IntegrationUri=self.rest_url,
            PayloadFormatVersion="1.0",
        )["IntegrationId"]
        client.create_route(ApiId=api_id, RouteKey="GET /", Target=f"integrations/{integration}")
        client.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True, Tags=self.tags | stage_tags)
        return api_id

    def new_websocket_api(self, name: str, stage_tags: dict[str, str]) -> str:
        """Create a WebSocket API with the routes ``$connect`` and ``send``, and a stage STAGE. Return its id."""
        client = self.client("apigatewayv2")
        api_id = self._v2_api(Name=name, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
        integration = client.create_integration(
            ApiId=api_id,
            IntegrationType="MOCK",
            RequestTemplates={"200": '{"statusCode": 200}'},
            TemplateSelectionExpression="200",
        )["IntegrationId"]
        for route in ("$connect", "send"):
            client.create_route(ApiId=api_id, RouteKey=route, Target=f"integrations/{integration}")
        deployment = client.create_deployment(ApiId=api_id)["DeploymentId"]
        client.create_stage(ApiId=api_id, StageName=STAGE, DeploymentId=deployment, Tags=self.tags | stage_tags)
        return api_id

    def _v2_api(self, **parameters: Any) -> str:
        self.ledger.expect(V2_API)
        api_id: str = self.client("apigatewayv2").create_api(**parameters, Tags=self.tags)["ApiId"]
        self.ledger.add(V2_API, api_id)
        return api_id

    def update_rest_stage(self, *operations: tuple[str, str, str]) -> dict[str, Any]:
        """Send patch operations of (op, path, value), that of a ``remove`` without its value. Return AWS's answer."""
        answer: dict[str, Any] = self.client("apigateway").update_stage(
            restApiId=self.rest_api,
            stageName=STAGE,
            patchOperations=[
                {"op": op, "path": path} | ({} if op == "remove" else {"value": value})
                for op, path, value in operations
            ],
        )
        return answer

    # ---- roles

    def role(self, purpose: str, service: str, policy: dict[str, Any] | None = None) -> str:
        """Create a role that the service may assume. Return its ARN. ``policy``: its permissions; None for none."""
        name = self.role_name(purpose)
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        created = self.create(
            ROLE,
            name,
            iam.create_role,
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            Description="Created by make verify of Log Keeper, which deletes it again.",
            Tags=[{"Key": key, "Value": value} for key, value in self.tags.items()],
        )
        if policy is not None:
            self.put_role_policy(purpose, policy)
        arn: str = created["Role"]["Arn"]
        return arn

    def role_name(self, purpose: str) -> str:
        """Return the name of the run's role for the purpose."""
        return f"{self.name}-{purpose}-{self.account.region}"

    def put_role_policy(self, purpose: str, policy: dict[str, Any]) -> None:
        """Replace the permissions of a role of the run."""
        self.client("iam").put_role_policy(
            RoleName=self.role_name(purpose), PolicyName="verify", PolicyDocument=json.dumps(policy)
        )


def refusal(error: ClientError) -> str:
    """Return the code and the message of the error, for a report."""
    return f"{error_code(error)}: {error_message(error)}"
