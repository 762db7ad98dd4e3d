"""What the tests of the sandbox have in common: boto3 over HTTP, an API with a stage, a log role."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.account import Sandbox

NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"
PUSH_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


def client(
    sandbox: Sandbox, service: str, region: str = "us-east-1", *, credentials: dict[str, str] | None = None
) -> Any:
    """A boto3 client that speaks HTTP with the sandbox, as the administrator or with STS credentials."""
    keys = credentials or {"AccessKeyId": sandbox.access_key, "SecretAccessKey": sandbox.secret_key}
    return _client(
        sandbox.endpoint, service, region, keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("SessionToken")
    )


@lru_cache(maxsize=64)
def _client(endpoint: str, service: str, region: str, access_key: str, secret_key: str, token: str | None) -> Any:
    # Making a client takes longer than a call; the port tells sandboxes apart.
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know the services only as literals
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """The code and message the call was refused with."""
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def deployed_api(sandbox: Sandbox, *, stage_name: str = "prod", region: str = "us-east-1") -> str:
    """The id of a REST API with one mock method, deployed to a stage."""
    gateway = client(sandbox, "apigateway", region)
    api_id: str = gateway.create_rest_api(name="pets")["id"]
    root = gateway.get_resources(restApiId=api_id)["items"][0]["id"]
    gateway.put_method(restApiId=api_id, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api_id, resourceId=root, httpMethod="GET", type="MOCK")
    gateway.create_deployment(restApiId=api_id, stageName=stage_name)
    return api_id


def stage(sandbox: Sandbox, api_id: str, name: str = "prod") -> dict[str, Any]:
    answer: dict[str, Any] = client(sandbox, "apigateway").get_stage(restApiId=api_id, stageName=name)
    del answer["ResponseMetadata"]
    return answer


def update(sandbox: Sandbox, api_id: str, *operations: dict[str, str], region: str = "us-east-1") -> None:
    client(sandbox, "apigateway", region).update_stage(
        restApiId=api_id, stageName="prod", patchOperations=list(operations)
    )


def replace(path: str, value: str) -> dict[str, str]:
    return {"op": "replace", "path": path, "value": value}


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(sandbox: Sandbox, name: str, service: str = "lambda.amazonaws.com", policy: str | None = None) -> str:
    """The ARN of a new role, with one inline policy if given."""
    iam = client(sandbox, "iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return arn


def set_log_role(sandbox: Sandbox, region: str = "us-east-1") -> str:
    """The account has a log role in the region."""
    arn = role(sandbox, "logs", "apigateway.amazonaws.com")
    client(sandbox, "iam").attach_role_policy(RoleName="logs", PolicyArn=PUSH_POLICY)
    patch_account(sandbox, arn, region)
    return arn


def patch_account(sandbox: Sandbox, value: str, region: str = "us-east-1") -> None:
    client(sandbox, "apigateway", region).update_account(patchOperations=[replace("/cloudwatchRoleArn", value)])


def log_role(sandbox: Sandbox, region: str = "us-east-1") -> str | None:
    answer: dict[str, str] = client(sandbox, "apigateway", region).get_account()
    return answer.get("cloudwatchRoleArn")
