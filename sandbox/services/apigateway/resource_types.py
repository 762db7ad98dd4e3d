"""CloudFormation types of REST APIs, except stages and deployments."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    TemplateError,
    changed_properties,
    resource_type,
    shaped,
    text,
    true,
    without,
)
from sandbox.services.apigateway.stage_resource_types import retag_api

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class RestApi(ResourceType):
    name = "AWS::ApiGateway::RestApi"
    _definition: ClassVar[tuple[str, ...]] = ("Body", "BodyS3Location", "Parameters", "FailOnWarnings", "Mode")
    _patched: ClassVar[Mapping[str, str]] = {
        "Name": "/name",
        "Description": "/description",
        "Policy": "/policy",
        "MinimumCompressionSize": "/minimumCompressionSize",
        "DisableExecuteApiEndpoint": "/disableExecuteApiEndpoint",
        "ApiKeySourceType": "/apiKeySource",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("apigateway")
        definition = self._body(context, properties)
        wanted = without(properties, *self._definition, "Tags", "ApiKeySourceType", "CloneFrom")
        if "ApiKeySourceType" in properties:
            wanted["apiKeySource"] = properties["ApiKeySourceType"]
        wanted.setdefault("Name", ((definition or {}).get("info") or {}).get("title") or context.logical_id)
        wanted["Tags"] = context.tags(properties)
        api = client.create_rest_api(**shaped(client, "create_rest_api", wanted))
        context.created(api["id"])
        if definition is not None:
            self._import(context, api["id"], definition, properties)
        return Made(api["id"], self._attributes(context, api["id"]))

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("apigateway")
        changed = changed_properties(old, new)
        patches = [
            {"op": "replace", "path": path, "value": text(new.get(name, ""))}
            for name, path in self._patched.items()
            if name in changed
        ]
        if patches:
            client.update_rest_api(restApiId=physical_id, patchOperations=patches)
        definition = self._body(context, new)
        if definition is not None and changed & set(self._definition):
            self._import(context, physical_id, definition, new)
        arn = f"arn:{context.partition}:apigateway:{context.region}::/restapis/{physical_id}"
        retag_api(client, arn, context.tags(old), context.tags(new))
        return self._attributes(context, physical_id)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("apigateway").delete_rest_api(restApiId=physical_id)

    @staticmethod
    def _body(context: Context, properties: Properties) -> dict[str, Any] | None:
        location = properties.get("BodyS3Location")
        if location:
            version = {"VersionId": location["Version"]} if "Version" in location else {}
            answer = context.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"], **version)
            return _definition(answer["Body"].read().decode())
        body = properties.get("Body")
        return _definition(body) if isinstance(body, str) else body

    @staticmethod
    def _import(context: Context, api_id: str, definition: dict[str, Any], properties: Properties) -> None:
        context.client("apigateway").put_rest_api(
            restApiId=api_id,
            mode=properties.get("Mode", "overwrite"),
            failOnWarnings=true(properties.get("FailOnWarnings")),
            parameters={key: str(value) for key, value in (properties.get("Parameters") or {}).items()},
            body=json.dumps(definition).encode(),
        )

    @staticmethod
    def _attributes(context: Context, api_id: str) -> Properties:
        pages = context.client("apigateway").get_paginator("get_resources").paginate(restApiId=api_id)
        root = next(item["id"] for page in pages for item in page["items"] if item["path"] == "/")
        return {"RootResourceId": root, "RestApiId": api_id}


def _definition(body: str) -> dict[str, Any]:
    loaded = yaml.safe_load(body)
    if not isinstance(loaded, dict):
        raise TemplateError("Unable to parse API definition because of a malformed document")
    return loaded


@resource_type
class Resource(ResourceType):
    name = "AWS::ApiGateway::Resource"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("apigateway")
        made = client.create_resource(**shaped(client, "create_resource", properties))
        return Made(made["id"], {"ResourceId": made["id"]})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("apigateway").delete_resource(restApiId=properties["RestApiId"], resourceId=physical_id)


@resource_type
class Method(ResourceType):
    """A method. A change deletes it and creates it again, while CloudFormation patches it."""

    name = "AWS::ApiGateway::Method"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("apigateway")
        where = {
            "restApiId": properties["RestApiId"],
            "resourceId": properties["ResourceId"],
            "httpMethod": properties["HttpMethod"],
        }
        wanted = without(properties, "Integration", "MethodResponses", "RestApiId", "ResourceId", "HttpMethod")
        wanted.setdefault("AuthorizationType", "NONE")
        client.put_method(**where, **shaped(client, "put_method", wanted))
        physical_id = f"{properties['RestApiId']}|{properties['ResourceId']}|{properties['HttpMethod']}"
        context.created(physical_id)
        for response in properties.get("MethodResponses") or []:
            client.put_method_response(**where, **shaped(client, "put_method_response", response))
        integration = dict(properties.get("Integration") or {})
        if integration:
            responses = integration.pop("IntegrationResponses", None) or []
            if "IntegrationHttpMethod" in integration:
                integration["integrationHttpMethod"] = integration.pop("IntegrationHttpMethod")
            client.put_integration(**where, **shaped(client, "put_integration", integration))
            for response in responses:
                client.put_integration_response(**where, **shaped(client, "put_integration_response", response))
        return Made(physical_id)

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.delete(context, physical_id, old)
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("apigateway").delete_method(
            restApiId=properties["RestApiId"], resourceId=properties["ResourceId"], httpMethod=properties["HttpMethod"]
        )


@resource_type
class Account(ResourceType):
    """The region's CloudWatch log role. Removing the resource leaves the setting as it is.

    *Source:* the CloudFormation reference of AWS::ApiGateway::Account; Terraform and CDK warn of the same.
    Templates expect that a role of the same stack works at once (CDK's ``cloudWatchRole``). It is inferred that
    CloudFormation waits until the role is effective.
    """

    name = "AWS::ApiGateway::Account"

    def create(self, context: Context, properties: Properties) -> Made:
        role = properties.get("CloudWatchRoleArn")
        if role:
            context.settle(role)
        patch = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role or ""}
        context.client("apigateway").update_account(patchOperations=[patch])
        physical_id = context.generated_name()
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Do nothing: the account keeps its log role."""


class _OfApi(Simple):
    service = "apigateway"
    keys = ("RestApiId",)
    identity = "id"


@resource_type
class Model(_OfApi):
    name = "AWS::ApiGateway::Model"
    create_call, delete_call = "create_model", "delete_model"
    generated, limit, identity, identity_parameter = "Name", 128, "name", "modelName"

    def parameters(self, context: Context, properties: Properties) -> Properties:
        return {"ContentType": "application/json", **properties}


@resource_type
class RequestValidator(_OfApi):
    name = "AWS::ApiGateway::RequestValidator"
    create_call, delete_call = "create_request_validator", "delete_request_validator"
    identity_parameter = "requestValidatorId"
    attributes: ClassVar[Mapping[str, str]] = {"RequestValidatorId": "id"}


@resource_type
class Authorizer(_OfApi):
    name = "AWS::ApiGateway::Authorizer"
    create_call, delete_call = "create_authorizer", "delete_authorizer"
    identity_parameter = "authorizerId"
    attributes: ClassVar[Mapping[str, str]] = {"AuthorizerId": "id"}


@resource_type
class GatewayResponse(_OfApi):
    name = "AWS::ApiGateway::GatewayResponse"
    create_call, update_call, delete_call = "put_gateway_response", "put_gateway_response", "delete_gateway_response"
    identity, identity_parameter = "responseType", "ResponseType"


@resource_type
class ApiKey(Simple):
    name = "AWS::ApiGateway::ApiKey"
    service, create_call, delete_call = "apigateway", "create_api_key", "delete_api_key"
    identity, identity_parameter = "id", "apiKey"
    attributes: ClassVar[Mapping[str, str]] = {"APIKeyId": "id"}

    def parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = {"Name": context.generated_name(), **without(properties, "Tags")}
        return {**wanted, "Tags": context.tags(properties)}


@resource_type
class UsagePlan(Simple):
    name = "AWS::ApiGateway::UsagePlan"
    service, create_call, delete_call = "apigateway", "create_usage_plan", "delete_usage_plan"
    identity, identity_parameter = "id", "usagePlanId"
    attributes: ClassVar[Mapping[str, str]] = {"Id": "id"}

    def parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = {"Name": properties.get("UsagePlanName") or context.generated_name()}
        return {**without(properties, "UsagePlanName", "Tags"), **wanted, "Tags": context.tags(properties)}


@resource_type
class UsagePlanKey(Simple):
    name = "AWS::ApiGateway::UsagePlanKey"
    service, create_call, delete_call = "apigateway", "create_usage_plan_key", "delete_usage_plan_key"
    identity, identity_parameter, keys = "id", "keyId", ("UsagePlanId",)
