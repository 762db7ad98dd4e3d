"""HTTP and WebSocket APIs and their stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from sandbox.resource_types.base import (
    Context,
    Made,
    Properties,
    Simple,
    resource_type,
    retag,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class _V2(Simple):
    service = "apigatewayv2"
    keys: ClassVar[tuple[str, ...]] = ("ApiId",)


@resource_type
class Api(_V2):
    name = "AWS::ApiGatewayV2::Api"
    create_call, delete_call, keys = "create_api", "delete_api", ()
    identity, identity_parameter = "ApiId", "ApiId"
    attributes: ClassVar[Mapping[str, str]] = {"ApiId": "ApiId", "ApiEndpoint": "ApiEndpoint"}
    ignored = frozenset({"DisableSchemaValidation", "BasePath", "FailOnWarnings", "Body"})

    def create(self, context: Context, properties: Properties) -> Made:
        if "Body" not in properties:
            return super().create(context, properties)
        client = context.client(self.service)
        answer = client.import_api(Body=json.dumps(properties["Body"]))
        tags = context.tags(properties)
        arn = f"arn:{context.partition}:apigateway:{context.region}::/apis/{answer['ApiId']}"
        client.tag_resource(ResourceArn=arn, Tags=tags)
        return Made(answer["ApiId"], {"ApiId": answer["ApiId"], "ApiEndpoint": answer.get("ApiEndpoint", "")})

    def parameters(self, context: Context, properties: Properties) -> Properties:
        return {**super().parameters(context, properties), "Tags": context.tags(properties)}


@resource_type
class V2Stage(_V2):
    name = "AWS::ApiGatewayV2::Stage"
    create_call, update_call, delete_call = "create_stage", "update_stage", "delete_stage"
    identity, identity_parameter = "StageName", "StageName"
    replaced_by = frozenset({"ApiId", "StageName"})
    ignored = frozenset({"AccessPolicyId"})

    def create(self, context: Context, properties: Properties) -> Made:
        return super().create(context, {**properties, "Tags": context.tags(properties)})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        attributes = super().update(context, physical_id, old, without(new, "Tags"))
        arn = f"arn:{context.partition}:apigateway:{context.region}::/apis/{new['ApiId']}/stages/{physical_id}"
        put, gone = retag(context.tags(old), context.tags(new))
        client = context.client(self.service)
        if put:
            client.tag_resource(ResourceArn=arn, Tags=put)
        if gone:
            client.untag_resource(ResourceArn=arn, TagKeys=gone)
        return attributes


@resource_type
class V2Route(_V2):
    name = "AWS::ApiGatewayV2::Route"
    create_call, update_call, delete_call = "create_route", "update_route", "delete_route"
    identity, identity_parameter = "RouteId", "RouteId"
    replaced_by = frozenset({"ApiId"})
    attributes: ClassVar[Mapping[str, str]] = {"RouteId": "RouteId"}


@resource_type
class V2Integration(_V2):
    name = "AWS::ApiGatewayV2::Integration"
    create_call, update_call, delete_call = "create_integration", "update_integration", "delete_integration"
    identity, identity_parameter = "IntegrationId", "IntegrationId"
    replaced_by = frozenset({"ApiId"})
    attributes: ClassVar[Mapping[str, str]] = {"IntegrationId": "IntegrationId"}
