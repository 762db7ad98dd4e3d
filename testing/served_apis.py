"""Methods and routes with integrations, for APIs that the sandbox serves."""

from __future__ import annotations

from typing import Any

from sandbox.core.account import Account


def add_rest_method(
    account: Account,
    api_id: str,
    path: str,
    *,
    authorization_type: str = "NONE",
    authorizer: str | None = None,
    **integration: Any,
) -> None:
    """Add GET on a path, such as ``pets/{id}`` or the empty path of the root, with the integration.

    ``authorizer``: id of a Lambda authorizer. The sandbox serves the method without a new deployment.
    """
    client = account.client("apigateway")
    known = {each["path"]: each["id"] for each in client.get_resources(restApiId=api_id, limit=500)["items"]}
    resource, at = known["/"], ""
    for part in filter(None, path.split("/")):
        at += f"/{part}"
        parent = resource
        resource = known.get(at) or client.create_resource(restApiId=api_id, parentId=parent, pathPart=part)["id"]
    where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "GET"}
    authorized = {} if authorizer is None else {"authorizerId": authorizer}
    client.put_method(**where, authorizationType=authorization_type, **authorized)
    client.put_integration(**where, **integration)


def add_http_route(account: Account, api_id: str, route_key: str, function_arn: str, payload: str = "2.0") -> None:
    """Add a route of an HTTP API that a function answers."""
    client = account.client("apigatewayv2")
    integration = client.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function_arn, PayloadFormatVersion=payload
    )["IntegrationId"]
    client.create_route(ApiId=api_id, RouteKey=route_key, Target=f"integrations/{integration}")


def lambda_uri(function_arn: str, region: str = "us-east-1") -> str:
    """Return the URI of an integration that invokes the function."""
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
