"""Nested stacks: stacks that are resources of another stack, their parent.

The deployer of the parent creates, updates and deletes them, with the parent's tags, capabilities and service role,
which therefore must be allowed to pass itself. A nested stack whose creation fails stays as it is until the rollback of
the parent deletes it. A nested stack that was updated keeps what the update replaced until the parent is updated too,
so that a rollback of the parent can restore it.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-nested-stacks.html and the page of
the type; the calls are those that the handlers of the registry's schema may make. AWS's answers in public repositories:
fernandomullerjr/cloudformation-solutions-architect-study ``Comandos.sh`` (DescribeStacks: capabilities of the parent,
DisableRollback true), tongueroo/demo-routes-cors-issue ``README.md`` (events of a parent whose update fails),
jhw/pareto ``NOTES.md`` (reasons of a nested stack and its parent whose creation fails). Reasons of refusals:
aws-quickstart/quickstart-redhat-openshift issue 111 and lumigo-io/SAR-Logging issue 31. Service role:
aws-samples/sample-autonomous-cloud-coding-agents issue 865, aws-solutions-library-samples/data-lakes-on-aws issue 275.
"""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from sandbox.core.resource_types import (
    Context,
    HandlerError,
    Made,
    Properties,
    RefusedError,
    ResourceType,
    key_values,
    resource_type,
    shaped,
    text,
)

#: The longest time to wait for an operation on a nested stack, in seconds.
_LONGEST = 3600.0
_NOTHING_TO_UPDATE = "No updates are to be performed."
#: The statuses in which the update of a nested stack waits for the update of its parent.
_HELD = frozenset({"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"})


@resource_type
class NestedStack(ResourceType):
    """A stack whose outputs are the attributes ``Outputs.NAME``."""

    name = "AWS::CloudFormation::Stack"
    always_updated = True

    def create(self, context: Context, properties: Properties) -> Made:
        name = context.generated_name()
        wanted = {"StackName": name, **_parameters(context, properties)}
        if "TimeoutInMinutes" in properties:
            wanted["TimeoutInMinutes"] = properties["TimeoutInMinutes"]
        with context.nesting(name):
            stack_id: str = _call(context, "create_stack", wanted)["StackId"]
        context.created(stack_id)
        found = _ended(context, stack_id)
        if found["StackStatus"] != "CREATE_COMPLETE":
            raise HandlerError(f"Embedded stack {stack_id} was not successfully created: {_reason(found)}")
        return Made(stack_id, _outputs(found))

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        try:
            with context.nesting(_name(physical_id)):
                _call(context, "update_stack", {"StackName": physical_id, **_parameters(context, new)})
        except RefusedError as error:
            if str(error) != _NOTHING_TO_UPDATE:
                raise
        found = _ended(context, physical_id)
        if found["StackStatus"] in {"UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_FAILED"}:
            raise HandlerError(
                f"Embedded stack {physical_id} was not successfully updated. Currently in {found['StackStatus']} with "
                f"reason: {_reason(found)}"
            )
        return Made(physical_id, _outputs(found))

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        with context.nesting(_name(physical_id)):
            _call(context, "delete_stack", {"StackName": physical_id})
        found = _ended(context, physical_id)
        if found["StackStatus"] != "DELETE_COMPLETE":
            raise HandlerError(f"Embedded stack {physical_id} was not successfully deleted: {_reason(found)}")

    def replaces(self, old: Properties, new: Properties) -> bool:
        """Return False: no update replaces a nested stack."""
        return False


def _parameters(context: Context, properties: Properties) -> Properties:
    """Return the parameters that CreateStack and UpdateStack share. The values of a list are joined with commas."""
    given = properties.get("Parameters") or {}
    values = {key: ",".join(map(text, each)) if isinstance(each, list) else text(each) for key, each in given.items()}
    return {
        "TemplateURL": properties["TemplateURL"],
        "Parameters": [{"ParameterKey": key, "ParameterValue": each} for key, each in values.items()],
        "Capabilities": list(context.capabilities),
        "NotificationARNs": properties.get("NotificationARNs") or [],
        **({"RoleARN": context.service_role} if context.service_role else {}),
        "Tags": key_values(context.tags(properties, system=False)),
    }


def _call(context: Context, method: str, parameters: Properties) -> dict[str, Any]:
    """Call CloudFormation. Raise RefusedError with the text of a refusal, the reason in the parent's event."""
    client = context.client("cloudformation")
    try:
        return dict(getattr(client, method)(**shaped(client, method, parameters)))
    except ClientError as error:
        raise RefusedError(error.response["Error"].get("Message", "")) from error


def _ended(context: Context, stack_id: str) -> dict[str, Any]:
    """Wait until the operation on the nested stack ends or waits for its parent, and return the stack."""
    client = context.client("cloudformation")

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = client.describe_stacks(StackName=stack_id)["Stacks"][0]
        status = found["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") and status not in _HELD else found

    return dict(context.wait_until(described, timeout=_LONGEST))


def _reason(stack: dict[str, Any]) -> str:
    return f"{stack.get('StackStatusReason', '').rstrip()} "


def _outputs(stack: dict[str, Any]) -> Properties:
    return {f"Outputs.{each['OutputKey']}": each["OutputValue"] for each in stack.get("Outputs", [])}


def _name(stack_id: str) -> str:
    return stack_id.split("/")[1]
