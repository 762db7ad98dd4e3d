"""REST APIs and their stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from sandbox.resource_types.base import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    changed_properties,
    resource_type,
    retag,
    shaped,
    text,
    true,
    without,
)
from sandbox.templates import TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class RestApi(ResourceType):
    name = "AWS::ApiGateway::RestApi"
    replaced_by = frozenset()
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
        _retag_api(client, arn, context.tags(old), context.tags(new))
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


def _retag_api(client: Any, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    put, gone = retag(old, new)
    if put:
        client.tag_resource(resourceArn=arn, tags=put)
    if gone:
        client.untag_resource(resourceArn=arn, tagKeys=gone)


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
    """A change removes the method and makes it again, where CloudFormation patches it."""

    name = "AWS::ApiGateway::Method"
    replaced_by = frozenset({"RestApiId", "ResourceId", "HttpMethod"})

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
        return Made(f"{properties['RestApiId']}|{properties['ResourceId']}|{properties['HttpMethod']}")

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.delete(context, physical_id, old)
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("apigateway").delete_method(
            restApiId=properties["RestApiId"], resourceId=properties["ResourceId"], httpMethod=properties["HttpMethod"]
        )


#: Properties of a method setting, and the paths that patch them.
_METHOD_SETTINGS = {
    "LoggingLevel": "logging/loglevel",
    "DataTraceEnabled": "logging/dataTrace",
    "MetricsEnabled": "metrics/enabled",
    "ThrottlingBurstLimit": "throttling/burstLimit",
    "ThrottlingRateLimit": "throttling/rateLimit",
    "CachingEnabled": "caching/enabled",
    "CacheTtlInSeconds": "caching/ttlInSeconds",
    "CacheDataEncrypted": "caching/dataEncrypted",
}


def _setting_path(setting: Properties) -> str:
    """Return the path that patches the entry of a method setting: its resource path and method as the template has
    them.

    The root is ``/`` in a template and ``/~1`` in a patch. A property that is missing becomes the word ``null``, which
    API Gateway refuses. *Source:* aws/serverless-application-model, issue 399 (``null/null/logging/dataTrace``) and
    ``integration/combination/test_api_settings.py`` (``/one`` gives the key ``one/GET``); of the root:
    go-to-k/cdkd, verified against AWS in 2026-07.
    """
    resource = str(setting.get("ResourcePath", "null"))
    return f"{'/~1' if resource == '/' else resource}/{setting.get('HttpMethod', 'null')}"


def _stage_patches(old: Properties, new: Properties) -> list[dict[str, str]]:
    """The patch operations that turn a stage's logging and method settings from *old* to *new*."""
    patches: list[dict[str, str]] = []
    access, had = new.get("AccessLogSetting") or {}, old.get("AccessLogSetting") or {}
    if had and not access:
        patches.append({"op": "remove", "path": "/accessLogSettings"})
    for name, path in (("DestinationArn", "destinationArn"), ("Format", "format")):
        if name in access and access[name] != had.get(name):
            patches.append({"op": "replace", "path": f"/accessLogSettings/{path}", "value": text(access[name])})
    wanted = {_setting_path(each): each for each in new.get("MethodSettings") or []}
    before = {_setting_path(each): each for each in old.get("MethodSettings") or []}
    patches += [{"op": "remove", "path": entry} for entry in before if entry not in wanted]
    for entry, setting in wanted.items():
        for name, path in _METHOD_SETTINGS.items():
            if name in setting and setting[name] != before.get(entry, {}).get(name):
                patches.append({"op": "replace", "path": f"{entry}/{path}", "value": text(setting[name])})
    return patches


@resource_type
class Stage(ResourceType):
    """CreateStage, which cannot set logging, and then one UpdateStage for what it cannot set."""

    name = "AWS::ApiGateway::Stage"
    replaced_by = frozenset({"RestApiId", "StageName"})
    _patched: ClassVar[tuple[str, ...]] = ("AccessLogSetting", "MethodSettings")
    _fields: ClassVar[Mapping[str, str]] = {
        "DeploymentId": "/deploymentId",
        "Description": "/description",
        "TracingEnabled": "/tracingEnabled",
        "CacheClusterEnabled": "/cacheClusterEnabled",
        "CacheClusterSize": "/cacheClusterSize",
        "ClientCertificateId": "/clientCertificateId",
        "DocumentationVersion": "/documentationVersion",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("apigateway")
        wanted = {
            **without(properties, *self._patched, "Tags", "ClientCertificateId"),
            "Tags": context.tags(properties),
        }
        wanted.setdefault("StageName", context.generated_name(128).replace("-", "_"))
        stage = client.create_stage(**shaped(client, "create_stage", wanted))
        patches = _stage_patches({}, properties)
        if patches:
            client.update_stage(
                restApiId=properties["RestApiId"], stageName=stage["stageName"], patchOperations=patches
            )
        return Made(stage["stageName"])

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("apigateway")
        changed = changed_properties(old, new)
        patches = [
            {"op": "replace", "path": path, "value": text(new.get(name, ""))}
            for name, path in self._fields.items()
            if name in changed
        ]
        variables, had = new.get("Variables") or {}, old.get("Variables") or {}
        patches += [{"op": "remove", "path": f"/variables/{name}"} for name in had if name not in variables]
        patches += [
            {"op": "replace", "path": f"/variables/{name}", "value": text(value)}
            for name, value in variables.items()
            if had.get(name) != value
        ]
        patches += _stage_patches(old, new)
        if patches:
            client.update_stage(restApiId=new["RestApiId"], stageName=physical_id, patchOperations=patches)
        path = f"/restapis/{new['RestApiId']}/stages/{physical_id}"
        arn = f"arn:{context.partition}:apigateway:{context.region}::{path}"
        _retag_api(client, arn, context.tags(old), context.tags(new))
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("apigateway").delete_stage(restApiId=properties["RestApiId"], stageName=physical_id)


@resource_type
class Deployment(ResourceType):
    """A deployment; with ``StageName`` also the stage that it makes or moves."""

    name = "AWS::ApiGateway::Deployment"
    replaced_by = frozenset({"RestApiId", "StageName", "DeploymentCanarySettings"})

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("apigateway")
        stage = properties.get("StageDescription") or {}
        wanted = without(properties, "StageDescription")
        if stage.get("Description"):
            wanted["stageDescription"] = stage["Description"]
        for name in ("CacheClusterEnabled", "CacheClusterSize", "TracingEnabled", "Variables"):
            if name in stage:
                wanted[name] = stage[name]
        deployment = client.create_deployment(**shaped(client, "create_deployment", wanted))
        if properties.get("StageName"):
            self._describe(context, properties, {}, stage)
        return Made(deployment["id"], {"DeploymentId": deployment["id"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        if old.get("Description") != new.get("Description"):
            context.client("apigateway").update_deployment(
                restApiId=new["RestApiId"],
                deploymentId=physical_id,
                patchOperations=[{"op": "replace", "path": "/description", "value": new.get("Description", "")}],
            )
        if new.get("StageName"):
            self._describe(context, new, old.get("StageDescription") or {}, new.get("StageDescription") or {})
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        client, api = context.client("apigateway"), properties["RestApiId"]
        if properties.get("StageName"):
            # A deployment that a stage uses cannot be removed; the stage came with this resource and goes with it
            # (inferred: stacks that only declare Deployment with StageName are deleted without error).
            for stage in client.get_stages(restApiId=api, deploymentId=physical_id)["item"]:
                if stage["stageName"] == properties["StageName"]:
                    client.delete_stage(restApiId=api, stageName=stage["stageName"])
        client.delete_deployment(restApiId=api, deploymentId=physical_id)

    @staticmethod
    def _describe(context: Context, properties: Properties, old: Properties, new: Properties) -> None:
        client, name = context.client("apigateway"), properties["StageName"]
        whole: Properties = {key: new[key] for key in _METHOD_SETTINGS if key in new}
        if whole:
            new = {
                **new,
                "MethodSettings": [{**whole, "ResourcePath": "/*", "HttpMethod": "*"}, *new.get("MethodSettings", [])],
            }
        patches = _stage_patches(old, new)
        if patches:
            client.update_stage(restApiId=properties["RestApiId"], stageName=name, patchOperations=patches)
        if new.get("Tags"):
            path = f"/restapis/{properties['RestApiId']}/stages/{name}"
            arn = f"arn:{context.partition}:apigateway:{context.region}::{path}"
            client.tag_resource(resourceArn=arn, tags=context.tags(new, system=False))


@resource_type
class Account(ResourceType):
    """The region's CloudWatch log role. Removing the resource leaves the setting as it is.

    *Source:* the CloudFormation reference of AWS::ApiGateway::Account; Terraform and CDK warn of the same. That a role
    of the same stack works at once, as templates everywhere expect (CDK's ``cloudWatchRole``), is inferred to be
    CloudFormation waiting until it has spread.
    """

    name = "AWS::ApiGateway::Account"
    replaced_by = frozenset()

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
        """Nothing changes."""


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
    replaced_by = frozenset({"RestApiId", "ResponseType"})


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
