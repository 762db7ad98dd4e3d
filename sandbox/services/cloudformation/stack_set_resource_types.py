"""Stack sets."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from sandbox.core.resource_types import (
    Context,
    Made,
    Properties,
    ResourceType,
    TemplateError,
    changed_properties,
    key_values,
    resource_type,
    shaped,
    text,
    without,
)

#: (one account, or the units of an organization, as JSON; region) -> the parameter overrides.
type _Instances = dict[tuple[str, str], list[Any]]


@resource_type
class StackSet(ResourceType):
    """Its calls and their order.

    *Source:* aws-cloudformation/aws-cloudformation-resource-providers-cloudformation, ``aws-cloudformation-stackset``
    """

    name = "AWS::CloudFormation::StackSet"
    also_replaced_by = frozenset({"CallAs"})
    _elsewhere: ClassVar[tuple[str, ...]] = ("StackInstancesGroup", "OperationPreferences", "Tags", "CallAs")

    def create(self, context: Context, properties: Properties) -> Made:
        client, wanted = context.client("cloudformation"), _instances(properties)
        self._settle(context, properties)
        parameters = self._parameters(context, properties)
        identity: str = client.create_stack_set(**shaped(client, "create_stack_set", parameters))["StackSetId"]
        try:
            self._create_instances(context, identity, properties, wanted)
        except Exception:
            # The rollback of the stack, which does not know of the set yet.
            self.delete(context, identity, properties)
            raise
        return Made(identity, {"StackSetId": identity})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        client = context.client("cloudformation")
        self._settle(context, new)
        before, wanted = _instances(old), _instances(new)
        removed: _Instances = {target: [] for target in before if target not in wanted}
        self._delete_instances(context, physical_id, new, removed)
        if changed_properties(old, new) - {"StackInstancesGroup", "OperationPreferences", "CallAs"}:
            parameters = without(self._parameters(context, new), "StackSetName")
            parameters |= {"StackSetName": physical_id} | _preferences(new)
            answer = client.update_stack_set(**shaped(client, "update_stack_set", parameters))
            self._stabilize(context, physical_id, new, answer["OperationId"])
        added = {target: each for target, each in wanted.items() if target not in before}
        self._create_instances(context, physical_id, new, added)
        for target, overrides in wanted.items():
            if target in before and before[target] != overrides:
                parameters = _call(physical_id, new, target[0], [target[1]]) | {"ParameterOverrides": overrides}
                answer = client.update_stack_instances(**shaped(client, "update_stack_instances", parameters))
                self._stabilize(context, physical_id, new, answer["OperationId"])
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        client = context.client("cloudformation")
        named = {"StackSetName": physical_id, **_call_as(properties)}
        if properties.get("PermissionModel") == "SERVICE_MANAGED":
            left: _Instances = {target: [] for target in _instances(properties)}
        else:
            found = client.list_stack_instances(**named)["Summaries"]
            left = {(_account(each["Account"]), each["Region"]): [] for each in found}
        self._delete_instances(context, physical_id, properties, left)
        client.delete_stack_set(**named)

    def _parameters(self, context: Context, properties: Properties) -> Properties:
        wanted = without(properties, *self._elsewhere)
        if "TemplateBody" in wanted:
            wanted["TemplateBody"] = text(wanted["TemplateBody"])
        return {**wanted, **_call_as(properties), "Tags": key_values(context.tags(properties, system=False))}

    @staticmethod
    def _settle(context: Context, properties: Properties) -> None:
        """The two roles, which the same template may just have made, are waited for."""
        for name in ("AdministrationRoleARN", "ExecutionRoleName"):
            if properties.get(name):
                context.settle(properties[name])

    def _create_instances(self, context: Context, identity: str, properties: Properties, wanted: _Instances) -> None:
        client = context.client("cloudformation")
        for account, regions, overrides in _grouped(wanted):
            parameters = _call(identity, properties, account, regions) | {"ParameterOverrides": overrides}
            answer = client.create_stack_instances(**shaped(client, "create_stack_instances", parameters))
            self._stabilize(context, identity, properties, answer["OperationId"])

    def _delete_instances(self, context: Context, identity: str, properties: Properties, removed: _Instances) -> None:
        client = context.client("cloudformation")
        for account, regions, _ in _grouped(removed):
            parameters = _call(identity, properties, account, regions) | {"RetainStacks": False}
            answer = client.delete_stack_instances(**shaped(client, "delete_stack_instances", parameters))
            self._stabilize(context, identity, properties, answer["OperationId"])

    @staticmethod
    def _stabilize(context: Context, identity: str, properties: Properties, operation_id: str) -> None:
        client = context.client("cloudformation")
        named = {"StackSetName": identity, "OperationId": operation_id, **_call_as(properties)}

        def ended() -> dict[str, Any] | None:
            answer = client.describe_stack_set_operation(**named)
            operation: dict[str, Any] = answer["StackSetOperation"]
            return None if operation["Status"] in ("RUNNING", "QUEUED", "STOPPING") else operation

        operation = context.wait_until(ended)
        if operation["Status"] != "SUCCEEDED":
            reason = operation.get("StatusReason", "")
            raise TemplateError(
                f"Resource handler returned message: \"Resource of type 'Stack set operation [{operation_id}] was "
                f"unexpectedly stopped or failed. status reason(s): [{reason}]' with identifier '{identity}' did not "
                'stabilize." (HandlerErrorCode: NotStabilized)'
            )


def _instances(properties: Properties) -> _Instances:
    found: _Instances = {}
    for index, group in enumerate(properties.get("StackInstancesGroup") or []):
        targets = group["DeploymentTargets"]
        checked = "OrganizationalUnitIds" if "OrganizationalUnitIds" in targets else "Accounts"
        for key, values in (("Regions", group["Regions"]), (f"DeploymentTargets/{checked}", targets[checked])):
            if not values:
                where = f"#/StackInstancesGroup/{index}/{key}"
                raise TemplateError(
                    f"Properties validation failed with message: {where}: expected minimum item count: 1, found: 0"
                )
        for region in group["Regions"]:
            if checked == "OrganizationalUnitIds":
                found[json.dumps(targets, sort_keys=True), region] = group.get("ParameterOverrides") or []
                continue
            for account in targets["Accounts"]:
                found[_account(account), region] = group.get("ParameterOverrides") or []
    return found


def _account(account_id: object) -> str:
    """Return the target that is one account."""
    return json.dumps({"Accounts": [str(account_id)]})


def _call_as(properties: Properties) -> Properties:
    return {"CallAs": properties["CallAs"]} if "CallAs" in properties else {}


def _grouped(wanted: _Instances) -> list[tuple[str, list[str], list[Any]]]:
    """Return targets with the regions that share their overrides: one call each."""
    groups: list[tuple[str, list[str], list[Any]]] = []
    for (account, region), overrides in wanted.items():
        known = next((each for each in groups if (each[0], each[2]) == (account, overrides)), None)
        if known is None:
            groups.append((account, [region], overrides))
        else:
            known[1].append(region)
    return groups


def _preferences(properties: Properties) -> Properties:
    return {key: properties[key] for key in ("OperationPreferences",) if key in properties}


def _call(identity: str, properties: Properties, target: str, regions: list[str]) -> Properties:
    targets = json.loads(target)
    where = {"DeploymentTargets": targets} if "OrganizationalUnitIds" in targets else targets
    return {
        "StackSetName": identity,
        **where,
        "Regions": regions,
        **_preferences(properties),
        **_call_as(properties),
    }
