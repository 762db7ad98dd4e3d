"""The base of all resource types: context, properties as parameters of calls, and types with one call per change."""

from __future__ import annotations

import json
import random
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from botocore.exceptions import ClientError

from sandbox.core import registry_schemas

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from botocore.model import Shape

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """The account, region and stack of one resource, and what its type needs to create it."""

    #: Returns a boto3 client of the service, with which CloudFormation calls for the deployer.
    client: Callable[[str], Any]
    account: str
    region: str
    partition: str
    stack_name: str
    stack_id: str
    logical_id: str
    #: The type as the template names it, such as ``Custom::Seed``.
    resource_type: str
    stack_tags: Mapping[str, str]
    #: The capabilities that the stack's deployer has acknowledged. They hold for its nested stacks too.
    capabilities: tuple[str, ...]
    #: The stack's service role, or None if it has none. CloudFormation passes it to nested stacks.
    service_role: str | None
    #: Records the physical id as soon as the resource exists, for types that need further calls: if one of these fails,
    #: the rollback deletes the resource.
    created: Callable[[str], None]
    #: Waits until the last change of a role is effective.
    settle: Callable[[str], None]
    #: Waits until the condition returns a true value, and returns it.
    wait_until: Callable[..., Any]
    #: The answers of custom resources.
    responses: Responses
    #: For calls about one nested stack of this stack, by its name: CloudFormation makes them as a part of its own work.
    nesting: Callable[[str], AbstractContextManager[None]]

    def generated_name(self, limit: int = 128, *, lower: bool = False) -> str:
        """Return a name as CloudFormation generates it: stack, logical id, twelve random characters."""
        suffix = "".join(random.choices(string.ascii_uppercase + string.digits, k=12))  # noqa: S311 - a name, no secret
        length = limit - len(suffix) - 2
        stack = self.stack_name[: max(length - len(self.logical_id), length // 2)]
        name = f"{stack}-{self.logical_id[: length - len(stack)]}-{suffix}"
        return name.lower() if lower else name

    def tags(self, properties: Mapping[str, Any], *, system: bool = True) -> dict[str, str]:
        """Return the tags of the resource and of its stack.

        ``system``: also CloudFormation's own tags, if the service accepts them.
        """
        declared = properties.get("Tags") or {}
        own = declared if isinstance(declared, dict) else {tag["Key"]: str(tag["Value"]) for tag in declared}
        identity = {
            "aws:cloudformation:stack-name": self.stack_name,
            "aws:cloudformation:stack-id": self.stack_id,
            "aws:cloudformation:logical-id": self.logical_id,
        }
        return {**self.stack_tags, **own, **(identity if system else {})}

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """Return an ARN of this account. ``region``: False for a global service."""
        return f"arn:{self.partition}:{service}:{self.region if region else ''}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that was created: the values of ``Ref`` and ``Fn::GetAtt``."""

    physical_id: str
    attributes: Properties = field(default_factory=dict)


class TemplateError(Exception):
    """CloudFormation refuses the template or a parameter. The text is that of the refusal."""


class Responses(Protocol):
    """The answers of custom resources."""

    def expect(self, region: str, stack_id: str, logical_id: str) -> tuple[str, str]:
        """Return the id of a new request, and the URL for the answer to it."""

    def wait(self, request_id: str, seconds: float) -> bytes | None:
        """Return the answer to the request, or None if there is none after so many seconds or if the account stops."""


class ResourceType:
    """Creates, updates and deletes the resources of one type. A call that fails raises botocore's ClientError."""

    name: ClassVar[str]
    #: Properties whose change replaces the resource here, although the registry's schema does not list them.
    also_replaced_by: ClassVar[frozenset[str]] = frozenset()
    #: True if each update of a stack updates the resource, also with the same properties: what they name may differ.
    always_updated: ClassVar[bool] = False

    def create(self, context: Context, properties: Properties) -> Made:
        """Create the resource. Return its physical id and attributes."""
        raise NotImplementedError

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties | Made:
        """Update the resource to *new*. Return the attributes that changed; a Made if the id may have changed too.

        *old* may be a state that the resource never had: a rollback updates from the failed state to the former one.
        """
        raise NotImplementedError

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Delete the resource."""
        raise NotImplementedError

    def replaces(self, old: Properties, new: Properties) -> bool:
        """Return whether this change needs a new resource."""
        changed = changed_properties(old, new)
        return bool(changed & self.replaced_by) if self.has_update else bool(changed)

    @property
    def replaced_by(self) -> frozenset[str]:
        """Return the properties whose change replaces the resource, if the type has an update."""
        return registry_schemas.create_only(self.name) | self.also_replaced_by

    @property
    def has_update(self) -> bool:
        """Tell whether the sandbox can update a resource of the type. If not, any change replaces it."""
        return type(self).update is not ResourceType.update

    def missing_attribute(self, kind: str, attribute: str, stack_id: str, logical_id: str) -> str:
        """Return the message that refuses ``Fn::GetAtt`` of an attribute that the resource does not have."""
        return f"Requested attribute {attribute} does not exist in schema for {kind}"


class HandlerError(Exception):
    """The type refuses a change without a failed call. The text is the reason in the stack's event."""


class RefusedError(HandlerError):
    """The type refuses a change before it has changed anything, so that nothing has to be undone."""


TYPES: dict[str, ResourceType] = {}
CUSTOM = "AWS::CloudFormation::CustomResource"


def is_known(kind: str) -> bool:
    """Tell whether the sandbox has the resource type."""
    return kind in TYPES or kind.startswith("Custom::")


def type_of(kind: str) -> ResourceType:
    """Return the resource type of this name. All custom types share one."""
    return TYPES[CUSTOM if kind.startswith("Custom::") else kind]


def resource_type(cls: type[ResourceType]) -> type[ResourceType]:
    """Register the resource type."""
    TYPES[cls.name] = cls()
    return cls


def changed_properties(old: Properties, new: Properties) -> frozenset[str]:
    """Return the names of the top-level properties that differ."""
    return frozenset(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def key_values(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as a list of keys and values, the form that most services use."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def without(properties: Properties, *names: str) -> Properties:
    """Return *properties* without the ones that the call does not accept."""
    return {key: value for key, value in properties.items() if key not in names}


def shaped(client: Any, method: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return *properties* as parameters of the client's method: names in the API's case, values of its types.

    CloudFormation's properties have the names of the API's parameters. A template's parameters are always text.
    """
    operation = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    fitted = _fitted(operation.input_shape, dict(properties), method)
    assert isinstance(fitted, dict)
    return fitted


def _fitted(shape: Shape, value: Any, where: str) -> Any:
    match shape.type_name:
        case "structure":
            members = {name.lower(): (name, member) for name, member in shape.members.items()}  # type: ignore[attr-defined]
            fitted: dict[str, Any] = {}
            for key, each in value.items():
                if key.lower() not in members:
                    raise TemplateError(f"Encountered unsupported property {key}")
                name, member = members[key.lower()]
                fitted[name] = _fitted(member, each, key)
            return fitted
        case "list":
            items = value if isinstance(value, list) else [value]
            return [_fitted(shape.member, each, where) for each in items]  # type: ignore[attr-defined]
        case "map":
            return {key: _fitted(shape.value, each, where) for key, each in value.items()}  # type: ignore[attr-defined]
        case "string":
            return text(value)
        case "integer" | "long":
            return _number(int, value, where)
        case "float" | "double":
            return _number(float, value, where)
        case "boolean":
            return true(value)
        case _:
            return value


def _number(kind: type[int] | type[float], value: Any, where: str) -> int | float:
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise TemplateError(f"Value of property {where} must be of type Number") from None


def text(value: Any) -> str:
    """Return a value as CloudFormation passes it to an API that accepts text: documents as JSON."""
    if isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def true(value: Any) -> bool:
    """Tell whether a property is true. A template may give it as a boolean or as text."""
    return value is True or value == "true"


def without_star(destination: Any) -> Any:
    """Return a log group's ARN as CloudFormation passes it to API Gateway: without the ``:*`` of ``Fn::GetAtt``.

    API Gateway itself refuses such an ARN. Applications of AWS CDK and SAM use ``!GetAtt LogGroup.Arn``.
    *Source:* go-to-k/cdkd ``apigateway-provider.ts``, observed on AWS on 2026-08-11.
    """
    return destination.removesuffix(":*") if isinstance(destination, str) else destination


def retag(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    put = {key: value for key, value in new.items() if old.get(key) != value}
    return put, [key for key in old if key not in new]


class Simple(ResourceType):
    """A type with one call each to create, update and delete. Its properties are the parameters of these calls."""

    service: ClassVar[str]
    create_call: ClassVar[str]
    #: The method that updates; it gets all new properties. None: any change replaces the resource.
    update_call: ClassVar[str | None] = None
    delete_call: ClassVar[str | None]
    #: The property for which CloudFormation generates a value if the template has none.
    generated: ClassVar[str | None] = None
    limit: ClassVar[int] = 64
    #: The member of the answer that is the physical id. Without one, it is the generated property.
    identity: ClassVar[str | None] = None
    #: Parameter of ``update`` and ``delete`` for the physical id, and the properties that they need too.
    identity_parameter: ClassVar[str | None] = None
    keys: ClassVar[tuple[str, ...]] = ()
    #: Attribute of the resource: member of the answer to ``create``.
    attributes: ClassVar[Mapping[str, str]] = {}
    ignored: ClassVar[frozenset[str]] = frozenset()

    def create(self, context: Context, properties: Properties) -> Made:
        client = context.client(self.service)
        wanted = self.parameters(context, properties)
        if self.generated:
            wanted.setdefault(self.generated, context.generated_name(self.limit))
        answer = getattr(client, self.create_call)(**shaped(client, self.create_call, wanted))
        physical_id = answer[self.identity] if self.identity else wanted[str(self.generated)]
        known = {name: answer[member] for name, member in self.attributes.items() if member in answer}
        return Made(str(physical_id), {**known, **self.known(context, str(physical_id), answer)})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        assert self.update_call, f"{self.name} has no update: any change replaces it"
        client = context.client(self.service)
        wanted = self.parameters(context, new)
        if self.identity_parameter:
            wanted[self.identity_parameter] = physical_id
        elif self.generated:
            wanted[self.generated] = physical_id
        answer = getattr(client, self.update_call)(**shaped(client, self.update_call, wanted))
        return {name: answer[member] for name, member in self.attributes.items() if member in answer}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        if self.delete_call is None:
            return
        client = context.client(self.service)
        wanted = {key: properties[key] for key in self.keys if key in properties}
        parameter = self.identity_parameter or self.generated
        if parameter:
            wanted[parameter] = physical_id
        getattr(client, self.delete_call)(**shaped(client, self.delete_call, wanted))

    @property
    def has_update(self) -> bool:
        return self.update_call is not None or type(self).update is not Simple.update

    def parameters(self, context: Context, properties: Properties) -> Properties:
        """Return the properties that the API's calls accept."""
        return without(properties, *self.ignored)

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        """Return attributes that the answer does not contain."""
        return {}


#: Error codes of a deletion whose resource does not exist.
_NOT_FOUND = frozenset({
    "NoSuchEntity", "NoSuchEntityException", "NotFoundException", "ResourceNotFoundException", "NoSuchBucket",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "ResourceNotFound",
    "TrailNotFoundException", "StackSetNotFoundException",
})  # fmt: skip


def if_there(call: Callable[..., Any], **parameters: Any) -> None:
    """Make a call that deletes. Ignore the error if the resource does not exist."""
    try:
        call(**parameters)
    except ClientError as error:
        if not is_not_found(error):
            raise


def is_not_found(error: ClientError) -> bool:
    """Tell whether a deletion failed because the resource does not exist. CloudFormation counts it as deleted then."""
    return error.response.get("Error", {}).get("Code", "") in _NOT_FOUND
