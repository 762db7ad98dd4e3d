"""HTTP and WebSocket APIs and their stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    Simple,
    changed_properties,
    if_there,
    resource_type,
    retag,
    shaped,
    without,
    without_star,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class _V2(Simple):
    service = "apigatewayv2"
    keys: ClassVar[tuple[str, ...]] = ("ApiId",)


def _retag(client: Any, arn: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
    put, removed = retag(old, new)
    if put:
        client.tag_resource(ResourceArn=arn, Tags=put)
    if removed:
        client.untag_resource(ResourceArn=arn, TagKeys=removed)


@resource_type
class Api(_V2):
    """An API, created from its properties, or imported from its definition and then changed to its other properties."""

    name = "AWS::ApiGatewayV2::Api"
    create_call, update_call, delete_call, keys = "create_api", "update_api", "delete_api", ()
    identity, identity_parameter = "ApiId", "ApiId"
    attributes: ClassVar[Mapping[str, str]] = {"ApiId": "ApiId", "ApiEndpoint": "ApiEndpoint"}
    _definition: ClassVar[tuple[str, ...]] = ("Body", "BodyS3Location", "BasePath", "FailOnWarnings")
    ignored = frozenset(_definition)
    #: Properties that only CreateApi accepts.
    _only_at_creation: ClassVar[tuple[str, ...]] = ("ProtocolType", "Target", "RouteKey", "CredentialsArn", "Tags")

    def create(self, context: Context, properties: Properties) -> Made:
        body = _body(context, properties)
        if body is None:
            return super().create(context, {**properties, "Tags": context.tags(properties)})
        client = context.client(self.service)
        api_id = client.import_api(Body=body)["ApiId"]
        context.created(api_id)
        client.tag_resource(ResourceArn=_arn(context, api_id), Tags=context.tags(properties))
        self._set(client, api_id, properties)
        return Made(api_id, {"ApiId": api_id, "ApiEndpoint": client.get_api(ApiId=api_id)["ApiEndpoint"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client(self.service)
        body = _body(context, new)
        if body is not None and changed_properties(old, new) & set(self._definition):
            client.reimport_api(ApiId=physical_id, Body=body)
        self._set(client, physical_id, new)
        _retag(client, _arn(context, physical_id), context.tags(old), context.tags(new))
        return {}

    def _set(self, client: Any, api_id: str, properties: Properties) -> None:
        wanted = without(properties, *self.ignored, *self._only_at_creation)
        if wanted:
            client.update_api(**shaped(client, "update_api", {**wanted, "ApiId": api_id}))


def _arn(context: Context, api_id: str, stage_name: str | None = None) -> str:
    path = f"/apis/{api_id}/stages/{stage_name}" if stage_name else f"/apis/{api_id}"
    return f"arn:{context.partition}:apigateway:{context.region}::{path}"


def _body(context: Context, properties: Properties) -> str | None:
    """Return the API's definition as text; None if the template has none."""
    location = properties.get("BodyS3Location")
    if location:
        version = {"VersionId": location["Version"]} if "Version" in location else {}
        answer = context.client("s3").get_object(Bucket=location["Bucket"], Key=location["Key"], **version)
        return json.dumps(yaml.safe_load(answer["Body"].read()))
    body = properties.get("Body")
    return body if body is None or isinstance(body, str) else json.dumps(body)


@resource_type
class V2Stage(_V2):
    """A stage. A property that is removed from the template is removed from the stage, with the calls for that."""

    name = "AWS::ApiGatewayV2::Stage"
    create_call, update_call, delete_call = "create_stage", "update_stage", "delete_stage"
    identity, identity_parameter = "StageName", "StageName"
    ignored = frozenset({"AccessPolicyId"})

    def create(self, context: Context, properties: Properties) -> Made:
        return super().create(context, {**properties, "Tags": context.tags(properties)})

    def parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = super().parameters(context, properties)
        access = wanted.get("AccessLogSettings")
        if access and "DestinationArn" in access:
            wanted["AccessLogSettings"] = {**access, "DestinationArn": without_star(access["DestinationArn"])}
        return wanted

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client(self.service)
        stage = {"ApiId": new["ApiId"], "StageName": physical_id}
        if old.get("AccessLogSettings") and not new.get("AccessLogSettings"):
            if_there(client.delete_access_log_settings, **stage)
        for key in old.get("RouteSettings") or {}:
            if key not in (new.get("RouteSettings") or {}):
                if_there(client.delete_route_settings, **stage, RouteKey=key)
        removed = {key: "" for key in old.get("StageVariables") or {} if key not in (new.get("StageVariables") or {})}
        wanted = without(new, "Tags", *(["AccessLogSettings"] if not new.get("AccessLogSettings") else []))
        if removed:
            wanted["StageVariables"] = {**(new.get("StageVariables") or {}), **removed}
        attributes = super().update(context, physical_id, old, wanted)
        arn = _arn(context, new["ApiId"], physical_id)
        _retag(client, arn, context.tags(old), context.tags(new))
        return attributes


@resource_type
class V2Deployment(_V2):
    name = "AWS::ApiGatewayV2::Deployment"
    create_call, update_call, delete_call = "create_deployment", "update_deployment", "delete_deployment"
    identity, identity_parameter = "DeploymentId", "DeploymentId"
    # A stage with another name is another stage.
    also_replaced_by = frozenset({"StageName"})
    attributes: ClassVar[Mapping[str, str]] = {"DeploymentId": "DeploymentId"}

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        return super().update(context, physical_id, old, without(new, "StageName"))


@resource_type
class V2Route(_V2):
    name = "AWS::ApiGatewayV2::Route"
    create_call, update_call, delete_call = "create_route", "update_route", "delete_route"
    identity, identity_parameter = "RouteId", "RouteId"
    attributes: ClassVar[Mapping[str, str]] = {"RouteId": "RouteId"}


@resource_type
class V2Authorizer(_V2):
    name = "AWS::ApiGatewayV2::Authorizer"
    create_call, update_call, delete_call = "create_authorizer", "update_authorizer", "delete_authorizer"
    identity, identity_parameter = "AuthorizerId", "AuthorizerId"
    attributes: ClassVar[Mapping[str, str]] = {"AuthorizerId": "AuthorizerId"}


@resource_type
class V2Integration(_V2):
    name = "AWS::ApiGatewayV2::Integration"
    create_call, update_call, delete_call = "create_integration", "update_integration", "delete_integration"
    identity, identity_parameter = "IntegrationId", "IntegrationId"
    attributes: ClassVar[Mapping[str, str]] = {"IntegrationId": "IntegrationId"}
