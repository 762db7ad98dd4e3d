"""CloudFormation types of Lambda."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    Simple,
    changed_properties,
    resource_type,
    retag,
    shaped,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


#: The module that CloudFormation adds to the code of inline functions with the line ``import cfnresponse``.
#: *Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
_CFNRESPONSE = '''
import json
import urllib.request

SUCCESS, FAILED = "SUCCESS", "FAILED"


def send(event, context, responseStatus, responseData, physicalResourceId=None, noEcho=False, reason=None):
    """Send the answer of a custom resource to CloudFormation."""
    body = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    content = json.dumps(body).encode()
    request = urllib.request.Request(event["ResponseURL"], content, {"content-type": ""}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        print("Status code:", answer.status)
'''


@resource_type
class Function(ResourceType):
    name = "AWS::Lambda::Function"
    _code: ClassVar[frozenset[str]] = frozenset({"Code", "Architectures"})
    _elsewhere: ClassVar[tuple[str, ...]] = (
        "Code", "Architectures", "Tags", "ReservedConcurrentExecutions", "PackageType", "FunctionName",
        "CodeSigningConfigArn", "RecursiveLoop", "RuntimeManagementConfig", "SnapStart",
    )  # fmt: skip

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        wanted = without(
            properties, "Code", "Tags", "ReservedConcurrentExecutions", "RecursiveLoop", "RuntimeManagementConfig"
        )
        wanted.setdefault("FunctionName", context.generated_name(64))
        wanted["Code"] = self._package(properties)
        answer = client.create_function(**shaped(client, "create_function", wanted), Tags=context.tags(properties))
        context.created(answer["FunctionName"])
        self._reserve(context, answer["FunctionName"], {}, properties)
        return Made(answer["FunctionName"], {"Arn": answer["FunctionArn"]})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("lambda")
        changed = changed_properties(old, new)
        if changed & self._code:
            architectures = {"Architectures": new["Architectures"]} if "Architectures" in new else {}
            client.update_function_code(FunctionName=physical_id, **self._package(new), **architectures)
        if changed - set(self._elsewhere):
            wanted = without(new, *self._elsewhere)
            for name, default in _FUNCTION_DEFAULTS.items():
                if name in old:
                    wanted.setdefault(name, default)
            client.update_function_configuration(
                FunctionName=physical_id, **shaped(client, "update_function_configuration", wanted)
            )
        self._reserve(context, physical_id, old, new)
        arn = context.arn("lambda", f"function:{physical_id}")
        put, removed = retag(context.tags(old), context.tags(new))
        if put:
            client.tag_resource(Resource=arn, Tags=put)
        if removed:
            client.untag_resource(Resource=arn, TagKeys=removed)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("lambda").delete_function(FunctionName=physical_id)

    @staticmethod
    def _package(properties: Properties) -> Properties:
        code = properties["Code"]
        if "ZipFile" not in code:
            return {key: code[key] for key in ("S3Bucket", "S3Key", "S3ObjectVersion", "ImageUri") if key in code}
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            python = str(properties.get("Runtime", "")).startswith("python")
            package.writestr("index.py" if python else "index.js", code["ZipFile"])
            if python and re.search(r"^\s*import cfnresponse\b", code["ZipFile"], re.MULTILINE):
                package.writestr("cfnresponse.py", _CFNRESPONSE)
        return {"ZipFile": archive.getvalue()}

    @staticmethod
    def _reserve(context: Context, name: str, old: Properties, new: Properties) -> None:
        client, key = context.client("lambda"), "ReservedConcurrentExecutions"
        if key in new and new[key] != old.get(key):
            client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(new[key]))
        elif key in old and key not in new:
            client.delete_function_concurrency(FunctionName=name)


#: The values that properties get when the template no longer has them.
_FUNCTION_DEFAULTS: dict[str, Any] = {
    "Environment": {"Variables": {}},
    "Description": "",
    "MemorySize": 128,
    "Timeout": 3,
    "Layers": [],
    "TracingConfig": {"Mode": "PassThrough"},
}


@resource_type
class EventSourceMapping(ResourceType):
    name = "AWS::Lambda::EventSourceMapping"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        wanted = {**without(properties, "Tags"), "Tags": context.tags(properties)}
        answer = client.create_event_source_mapping(**shaped(client, "create_event_source_mapping", wanted))
        arn = context.arn("lambda", f"event-source-mapping:{answer['UUID']}")
        return Made(answer["UUID"], {"Id": answer["UUID"], "EventSourceMappingArn": arn})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("lambda")
        wanted = without(new, "EventSourceArn", "Tags")
        client.update_event_source_mapping(UUID=physical_id, **shaped(client, "update_event_source_mapping", wanted))
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("lambda").delete_event_source_mapping(UUID=physical_id)


@resource_type
class Permission(ResourceType):
    name = "AWS::Lambda::Permission"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        statement_id = context.generated_name(100)
        client.add_permission(StatementId=statement_id, **shaped(client, "add_permission", properties))
        return Made(statement_id, {"Id": statement_id})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("lambda").remove_permission(FunctionName=properties["FunctionName"], StatementId=physical_id)


@resource_type
class Version(ResourceType):
    name = "AWS::Lambda::Version"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        wanted = without(properties, "ProvisionedConcurrencyConfig", "RuntimePolicy")
        answer = client.publish_version(**shaped(client, "publish_version", wanted))
        arn = context.arn("lambda", f"function:{answer['FunctionName']}:{answer['Version']}")
        return Made(arn, {"Version": answer["Version"], "FunctionArn": arn})

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        function, _, version = physical_id.rpartition(":")
        context.client("lambda").delete_function(FunctionName=function, Qualifier=version)


@resource_type
class Alias(ResourceType):
    name = "AWS::Lambda::Alias"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        wanted = without(properties, "ProvisionedConcurrencyConfig")
        arn = client.create_alias(**shaped(client, "create_alias", wanted))["AliasArn"]
        return Made(arn, {"AliasArn": arn})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("lambda")
        client.update_alias(**shaped(client, "update_alias", without(new, "ProvisionedConcurrencyConfig")))
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        context.client("lambda").delete_alias(FunctionName=properties["FunctionName"], Name=properties["Name"])


@resource_type
class LayerVersion(Simple):
    name = "AWS::Lambda::LayerVersion"
    service, create_call, delete_call = "lambda", "publish_layer_version", None
    generated, limit, identity = "LayerName", 140, "LayerVersionArn"
    attributes: ClassVar[Mapping[str, str]] = {"LayerVersionArn": "LayerVersionArn"}


@resource_type
class EventInvokeConfig(ResourceType):
    name = "AWS::Lambda::EventInvokeConfig"

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client("lambda")
        client.put_function_event_invoke_config(**shaped(client, "put_function_event_invoke_config", properties))
        return Made(context.generated_name())

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        self.create(context, new)
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        client = context.client("lambda")
        wanted = {key: properties[key] for key in ("FunctionName", "Qualifier") if key in properties}
        client.delete_function_event_invoke_config(**wanted)
