"""Stacks and change sets. Each resource is made by ordinary API calls in the name of the deployer.

moto's own engine makes resources behind the account's back: no caller, no records, no permissions, no rollback. So this
one takes its place. Resources are made one after the other in the order of their dependencies.
"""

from __future__ import annotations

import re
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from sandbox import event_bus, templates
from sandbox.account import SERVICES
from sandbox.call import AwsError
from sandbox.resource_types import TYPES, Context, already_gone, changed_properties
from sandbox.templates import Scope, TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sandbox.account import Sandbox
    from sandbox.call import Call, Caller

PRINCIPAL = "cloudformation.amazonaws.com"
#: A call that starts work on a stack answers when the work is done, or after this many seconds (AWS: at once). Waiters
#: look every 5 to 30 seconds: so they are content with their first look.
ANSWER_AFTER_SECONDS = 20.0
#: The longest that a resource is waited for, in seconds.
LONGEST_RESOURCE = 600.0
#: Stands in a change set for what a resource that is still to be made will be called.
_TO_BE_KNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


class ResourceFailedError(Exception):
    """A resource could not be made, changed or removed; the text is the reason its event gives."""


@dataclass(slots=True)
class StackResource:
    """A resource that a stack has made."""

    logical_id: str
    type: str
    physical_id: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    status: str
    updated: datetime
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Desired:
    """What a stack is to become."""

    body: str
    #: With macros expanded.
    template: dict[str, Any]
    #: As given; defaults are not in here.
    parameters: dict[str, str]
    #: With defaults, lists as lists.
    values: dict[str, Any]
    tags: dict[str, str]
    capabilities: tuple[str, ...] = ()


@dataclass(slots=True)
class Stack:
    """One stack, deleted ones included."""

    stack_id: str
    name: str
    region: str
    account: str
    created: datetime
    status: str
    desired: Desired | None = None
    resources: dict[str, StackResource] = field(default_factory=dict)
    outputs: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None
    updated: datetime | None = None
    deleted: datetime | None = None
    role_arn: str | None = None
    notification_arns: list[str] = field(default_factory=list)
    disable_rollback: bool = False
    #: A stack that cannot be made is deleted, and not only rolled back.
    deletes_on_failure: bool = False
    termination_protection: bool = False


@dataclass(slots=True)
class ChangeSet:
    """A change set: what a stack would become, and how that differs."""

    change_set_id: str
    name: str
    stack: Stack
    kind: Literal["CREATE", "UPDATE"]
    created: datetime
    description: str | None
    desired: Desired | None
    changes: list[dict[str, Any]]
    role_arn: str | None
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    reason: str | None = None


class CloudFormation:
    """The stacks and change sets of the account, in every region."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.stacks: dict[str, Stack] = {}
        self.change_sets: dict[str, ChangeSet] = {}
        #: Guards the two above, and each stack's status.
        self.lock = threading.RLock()
        self._work: list[threading.Thread] = []

    def start(self) -> None:
        """There are no stacks."""
        self.stacks.clear()
        self.change_sets.clear()

    def stop(self) -> None:
        """No stack is being worked on."""
        for thread in self._work:
            thread.join()
        self._work.clear()

    # ---- finding

    def stack(self, region: str, name_or_id: str) -> Stack:
        """The stack; a deleted one only by its id. Refused as AWS does if there is none."""
        for stack in self.stacks.values():
            if stack.region != region:
                continue
            if name_or_id == stack.stack_id or (name_or_id == stack.name and stack.deleted is None):
                return stack
        raise AwsError("ValidationError", f"Stack with id {name_or_id} does not exist")

    def change_set(self, region: str, name_or_id: str, stack_name: str | None) -> ChangeSet:
        """The change set, by ARN, or by name together with its stack."""
        found = self.change_sets.get(name_or_id)
        if found is None and stack_name is not None:
            stack = self.stack(region, stack_name)
            found = next(
                (each for each in self.change_sets.values() if each.stack is stack and each.name == name_or_id), None
            )
        if found is None:
            raise AwsError("ChangeSetNotFound", f"ChangeSet [{name_or_id}] does not exist", 404)
        return found

    def exports(self, region: str) -> dict[str, tuple[str, Stack]]:
        """Each export's value and stack, by name."""
        return {
            output["ExportName"]: (output["OutputValue"], stack)
            for stack in self.stacks.values()
            if stack.region == region and stack.deleted is None
            for output in stack.outputs
            if "ExportName" in output
        }

    # ---- making

    def new_stack(self, call: Call, status: str) -> Stack:
        """A stack of the call's name that has no resources yet."""
        name, region = call.params["StackName"], call.region
        if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
            raise AwsError(
                "ValidationError",
                f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
            )
        partition = templates.pseudo_parameters(call.caller.account, region, name, "")["AWS::Partition"]
        stack_id = f"arn:{partition}:cloudformation:{region}:{call.caller.account}:stack/{name}/{uuid.uuid4()}"
        stack = Stack(stack_id, name, region, call.caller.account, self.sandbox.now(), status)
        stack.notification_arns = call.params.get("NotificationARNs") or []
        stack.termination_protection = bool(call.params.get("EnableTerminationProtection"))
        self.stacks[stack_id] = stack
        return stack

    def desired(self, call: Call, stack: Stack | None) -> Desired:
        """What the call asks a stack to become; raises TemplateError or AwsError where AWS refuses it."""
        params, before = call.params, stack.desired if stack else None
        body = params.get("TemplateBody")
        if params.get("UsePreviousTemplate") and before:
            body = before.body
        elif params.get("TemplateURL"):
            body = self.fetch(call, params["TemplateURL"])
        if not body:
            raise AwsError("ValidationError", "Either Template URL or Template Body must be specified.")
        given: dict[str, str] = {}
        for parameter in params.get("Parameters") or []:
            key = parameter["ParameterKey"]
            if parameter.get("UsePreviousValue"):
                if before is None or key not in before.parameters:
                    if before is None:
                        raise AwsError("ValidationError", f"Parameters: [{key}] must have values")
                    continue  # it had its default, and keeps it
                given[key] = before.parameters[key]
            else:
                given[key] = parameter.get("ParameterValue", "")
        original = templates.parse(body)
        values = templates.parameter_values(original, given, lambda name: self._stored_parameter(call, name))
        name = params["StackName"].split("/")[1] if ":" in params["StackName"] else params["StackName"]
        pseudo = templates.pseudo_parameters(call.caller.account, call.region, name, stack.stack_id if stack else "")
        del pseudo["AWS::NoValue"]
        plain = {key: ",".join(value) if isinstance(value, list) else value for key, value in values.items()}
        template = templates.expand(
            original,
            {**plain, **pseudo},
            call.region,
            lambda: self._managed_policies(call),
            lambda location: self.fetch(call, location),
        )
        unknown = sorted({each["Type"] for each in template["Resources"].values()} - TYPES.keys())
        if unknown:
            raise TemplateError(
                f"Template format error: Unrecognized resource types: [{', '.join(unknown)}] (the sandbox lacks them)"
            )
        templates.check(template)
        capabilities = tuple(params.get("Capabilities") or ())
        _check_capabilities(template, capabilities)
        tags = (
            {tag["Key"]: tag["Value"] for tag in params["Tags"]}
            if "Tags" in params
            else dict(before.tags if before else {})
        )
        return Desired(body, template, given, values, tags, capabilities)

    def _client(self, call: Call, service: str) -> Any:
        return self.sandbox.client(service, call.region, caller=call.caller, invoked_by=PRINCIPAL)

    def _managed_policies(self, call: Call) -> dict[str, str]:
        pages = self.sandbox.client("iam", call.region).get_paginator("list_policies").paginate(Scope="AWS")
        return {policy["PolicyName"]: policy["Arn"] for page in pages for policy in page["Policies"]}

    def _stored_parameter(self, call: Call, name: str) -> str:
        try:
            return str(self._client(call, "ssm").get_parameter(Name=name)["Parameter"]["Value"])
        except ClientError as error:
            raise TemplateError(
                f"Unable to fetch parameters [{name}] from parameter store for this account."
            ) from error

    def fetch(self, call: Call, location: str) -> str:
        """A template or a fragment kept in S3, by its ``s3://`` or ``https://`` address."""
        url = urlsplit(location)
        path = unquote(url.path).lstrip("/")
        if url.scheme == "s3":
            bucket, key = url.netloc, path
        elif re.match(r"[^.]+\.s3[.-]", url.netloc):
            bucket, key = url.netloc.split(".s3", 1)[0], path
        else:
            bucket, _, key = path.partition("/")
        try:
            return str(self._client(call, "s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())
        except ClientError as error:
            raise AwsError("ValidationError", f"S3 error: {error.response['Error'].get('Message')}") from error

    # ---- working

    def run(self, work: Callable[[], None]) -> None:
        """*work* is done, or goes on beside the caller after ``ANSWER_AFTER_SECONDS``."""
        thread = threading.Thread(target=work, name="cloudformation", daemon=True)
        with self.lock:
            self._work = [each for each in self._work if each.is_alive()]
            self._work.append(thread)
        thread.start()
        thread.join(ANSWER_AFTER_SECONDS)

    def deployer(self, caller: Caller, role_arn: str | None) -> Caller:
        """Who makes the stack's resources: the stack's service role, or the caller."""
        if role_arn is None:
            return caller
        credentials = self.sandbox.caller_of_role(role_arn, "AWSCloudFormation")
        return self.sandbox.caller_of_key(credentials["AccessKeyId"])


class Work:
    """One operation on one stack, from its first event to its last."""

    def __init__(self, cloudformation: CloudFormation, stack: Stack, deployer: Caller) -> None:
        self._cloudformation = cloudformation
        self._sandbox = cloudformation.sandbox
        self._stack = stack
        self._deployer = deployer

    # ---- the three operations

    def create(self, desired: Desired) -> None:
        """The stack exists as desired; or it failed, and its resources are gone again."""
        stack = self._stack
        stack.desired = desired
        self._status("CREATE_IN_PROGRESS", "User Initiated")
        try:
            self._apply(desired)
        except (ResourceFailedError, TemplateError) as failure:
            if stack.disable_rollback:
                self._status("CREATE_FAILED", str(failure))
                return
            if stack.deletes_on_failure:
                self._status("DELETE_IN_PROGRESS", f"{failure} Delete requested by user.")
                clean = self._delete_all(rollback=True)
                if clean:
                    stack.deleted = self._now()
                self._status("DELETE_COMPLETE" if clean else "DELETE_FAILED")
                return
            self._status("ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
            clean = self._delete_all(rollback=True)
            self._status("ROLLBACK_COMPLETE" if clean else "ROLLBACK_FAILED")
            return
        self._status("CREATE_COMPLETE")

    def update(self, desired: Desired) -> None:
        """The stack is as desired; or the update failed, and the stack is as it was."""
        stack, before = self._stack, self._stack.desired
        self._status("UPDATE_IN_PROGRESS", "User Initiated")
        resources = dict(stack.resources)
        undo: list[Callable[[], None]] = []
        try:
            leftover = self._apply(desired, undo)
        except (ResourceFailedError, TemplateError) as failure:
            if stack.disable_rollback:
                self._status("UPDATE_FAILED", str(failure))
                return
            self._status("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            clean = self._undo(undo)
            stack.resources, stack.desired = resources, before
            self._status("UPDATE_ROLLBACK_COMPLETE" if clean else "UPDATE_ROLLBACK_FAILED")
            return
        stack.desired = desired
        self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for resource, policy in leftover:
            self._delete(resource, policy)
        stack.updated = self._now()
        self._status("UPDATE_COMPLETE")

    def delete(self) -> None:
        """The stack is gone with all of its resources that are not to be retained; or it says which stayed."""
        stack = self._stack
        self._status("DELETE_IN_PROGRESS", "User Initiated")
        if not self._delete_all(rollback=False):
            left = ", ".join(stack.resources)
            self._status("DELETE_FAILED", f"The following resource(s) failed to delete: [{left}]. ")
            return
        stack.deleted = self._now()
        self._status("DELETE_COMPLETE")

    def _undo(self, steps: list[Callable[[], None]]) -> bool:
        clean = True
        for step in reversed(steps):
            try:
                step()
            except ResourceFailedError:
                clean = False  # its event says which resource, and why
        return clean

    # ---- resources

    def _apply(self, desired: Desired, undo: list[Callable[[], None]] | None = None) -> list[tuple[StackResource, str]]:
        """Every resource is as desired. Returns those that are to go, in the order to remove them in."""
        stack, undo = self._stack, undo if undo is not None else []
        before = dict(stack.resources)
        scope = self.scope(desired)
        leftover: list[tuple[StackResource, str]] = []
        declared = {name: each for name, each in desired.template["Resources"].items() if scope.wanted(each)}
        order = in_order(scope, declared)
        gone = [before[name] for name in before if name not in declared]
        for name in order:
            declaration = declared[name]
            try:
                properties = scope.evaluate(declaration.get("Properties") or {})
            except TemplateError as error:
                self._resource_event(name, declaration["Type"], "", "CREATE_FAILED", str(error))
                raise
            old = before.get(name)
            if old is None:
                made = self._create(desired, name, declaration, properties)
                undo.append(partial(self._remove, made))
            elif old.type != declaration["Type"]:
                raise TemplateError(f"Update of resource type is not permitted. [{name}]")
            elif not changed_properties(old.properties, properties):
                made = old
            elif TYPES[old.type].replaces(old.properties, properties):
                made = self._create(desired, name, declaration, properties)
                leftover.append((old, old.replace_policy))
                undo.append(partial(self._remove, made))
            else:
                made = self._update(desired, old, properties)
                undo.append(partial(self._restore, made, old))
            made.deletion_policy = str(declaration.get("DeletionPolicy", "Delete"))
            made.replace_policy = str(declaration.get("UpdateReplacePolicy", "Delete"))
            stack.resources[name] = made
        stack.outputs = self._outputs(scope, desired)
        # In order of making, so that the reverse is the order of removal.
        stack.resources = {name: stack.resources[name] for name in order}
        return [*((each, each.deletion_policy) for each in reversed(gone)), *reversed(leftover)]

    def scope(self, desired: Desired) -> Scope:
        """What the template's names mean, given the resources that the stack has so far."""
        stack = self._stack

        def resource(name: str) -> StackResource:
            if name not in stack.resources:
                raise TemplateError(f"Unresolved resource dependencies [{name}] in the Resources block of the template")
            return stack.resources[name]

        def attribute(name: str, wanted: str) -> Any:
            made = resource(name)
            if wanted not in made.attributes:
                raise TemplateError(f"Requested attribute {wanted} does not exist in schema for {made.type}")
            return made.attributes[wanted]

        return Scope(
            template=desired.template,
            values=self.values(desired),
            reference=lambda name: resource(name).physical_id,
            attribute=attribute,
            imported=self.imported,
        )

    def values(self, desired: Desired) -> dict[str, Any]:
        """Parameters and pseudo parameters."""
        stack = self._stack
        pseudo = templates.pseudo_parameters(stack.account, stack.region, stack.name, stack.stack_id)
        return {**pseudo, "AWS::NotificationARNs": stack.notification_arns, **desired.values}

    def imported(self, name: str) -> str:
        """The value of another stack's export."""
        exports = self._cloudformation.exports(self._stack.region)
        if name not in exports:
            raise TemplateError(f"No export named {name} found.")
        return exports[name][0]

    def _outputs(self, scope: Scope, desired: Desired) -> list[dict[str, str]]:
        outputs = []
        for key, declaration in (desired.template.get("Outputs") or {}).items():
            if not scope.wanted(declaration):
                continue
            output = {"OutputKey": key, "OutputValue": templates.as_text(scope.evaluate(declaration["Value"]))}
            if "Description" in declaration:
                output["Description"] = declaration["Description"]
            if "Export" in declaration:
                name = str(scope.evaluate(declaration["Export"]["Name"]))
                exported = self._cloudformation.exports(self._stack.region).get(name)
                if exported and exported[1] is not self._stack:
                    raise TemplateError(f"Export with name {name} is already exported by stack {exported[1].name}.")
                output["ExportName"] = name
            outputs.append(output)
        return outputs

    def _context(self, logical_id: str, tags: Mapping[str, str]) -> Context:
        stack = self._stack
        return Context(
            client=lambda service: self._sandbox.client(
                service, stack.region, caller=self._deployer, invoked_by=PRINCIPAL
            ),
            account=stack.account,
            region=stack.region,
            partition=stack.stack_id.split(":")[1],
            stack_name=stack.name,
            stack_id=stack.stack_id,
            logical_id=logical_id,
            stack_tags=tags,
            settle=self._settle,
            wait_until=partial(self._sandbox.wait_until, timeout=LONGEST_RESOURCE),
        )

    def _settle(self, role_arn: str) -> None:
        name = role_arn.rsplit("/", 1)[-1]
        with suppress(TimeoutError):  # then the call that needs the role says what is wrong
            self._sandbox.wait_until(lambda: self._sandbox.is_propagated(name))

    def _create(
        self, desired: Desired, name: str, declaration: Mapping[str, Any], properties: dict[str, Any]
    ) -> StackResource:
        kind = declaration["Type"]
        self._resource_event(name, kind, "", "CREATE_IN_PROGRESS")
        with self._reported(name, kind, "", "CREATE_FAILED"):
            made = TYPES[kind].create(self._context(name, desired.tags), properties)
        self._resource_event(name, kind, made.physical_id, "CREATE_COMPLETE")
        return StackResource(
            name, kind, made.physical_id, properties, dict(made.attributes), "CREATE_COMPLETE", self._now()
        )

    def _update(self, desired: Desired, old: StackResource, properties: dict[str, Any]) -> StackResource:
        self._resource_event(old.logical_id, old.type, old.physical_id, "UPDATE_IN_PROGRESS")
        with self._reported(old.logical_id, old.type, old.physical_id, "UPDATE_FAILED"):
            attributes = TYPES[old.type].update(
                self._context(old.logical_id, desired.tags), old.physical_id, old.properties, properties
            )
        self._resource_event(old.logical_id, old.type, old.physical_id, "UPDATE_COMPLETE")
        return StackResource(
            old.logical_id,
            old.type,
            old.physical_id,
            properties,
            {**old.attributes, **attributes},
            "UPDATE_COMPLETE",
            self._now(),
        )

    def _restore(self, made: StackResource, old: StackResource) -> None:
        assert self._stack.desired
        self._update(self._stack.desired, made, old.properties)

    def _remove(self, made: StackResource) -> None:
        self._delete(made, "Delete", strict=True)

    def _delete_all(self, *, rollback: bool) -> bool:
        """Whether every resource that is not retained is gone."""
        clean = True
        for resource in reversed(list(self._stack.resources.values())):
            kept = resource.deletion_policy == "Retain" or (
                resource.deletion_policy == "RetainExceptOnCreate" and not rollback
            )
            if self._delete(resource, "Retain" if kept else "Delete"):
                del self._stack.resources[resource.logical_id]
            else:
                clean = False
        return clean

    def _delete(self, resource: StackResource, policy: str, *, strict: bool = False) -> bool:
        """Whether the resource is gone or, by its policy, left alone. A *strict* failure is raised."""
        name, kind, physical_id = resource.logical_id, resource.type, resource.physical_id
        if policy.startswith("Retain"):
            self._resource_event(name, kind, physical_id, "DELETE_SKIPPED")
            return True
        self._resource_event(name, kind, physical_id, "DELETE_IN_PROGRESS")
        tags = self._stack.desired.tags if self._stack.desired else {}
        try:
            with self._reported(name, kind, physical_id, "DELETE_FAILED", deleting=True):
                TYPES[kind].delete(self._context(name, tags), physical_id, resource.properties)
        except ResourceFailedError as failure:
            resource.status, resource.reason = "DELETE_FAILED", str(failure)
            if strict:
                raise
            return False
        self._resource_event(name, kind, physical_id, "DELETE_COMPLETE")
        return True

    def _reported(self, name: str, kind: str, physical_id: str, status: str, *, deleting: bool = False) -> _Reported:
        return _Reported(lambda reason: self._resource_event(name, kind, physical_id, status, reason), name, deleting)

    # ---- events

    def _now(self) -> datetime:
        return self._sandbox.now()

    def _status(self, status: str, reason: str | None = None) -> None:
        stack = self._stack
        stack.status, stack.reason = status, reason
        self._resource_event(stack.name, "AWS::CloudFormation::Stack", stack.stack_id, status, reason)
        with self._sandbox.gateway.lock:
            event_bus.put(self._sandbox, stack.region, _status_event(self._sandbox, stack))

    def _resource_event(self, name: str, kind: str, physical_id: str, status: str, reason: str | None = None) -> None:
        add_event(self._cloudformation, self._stack, name, kind, physical_id, status, reason)


def _status_event(sandbox: Sandbox, stack: Stack) -> dict[str, Any]:
    """*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-event-eventbridge.html"""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "CloudFormation Stack Status Change",
        "source": "aws.cloudformation",
        "account": stack.account,
        "time": sandbox.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": stack.region,
        "resources": [stack.stack_id],
        "detail": {
            "stack-id": stack.stack_id,
            "status-details": {"status": stack.status, "status-reason": stack.reason or ""},
            "client-request-token": "",
        },
    }


@dataclass(frozen=True, slots=True)
class _Reported:
    """Turns what a resource's calls raise into an event and a ResourceFailedError."""

    event: Callable[[str], None]
    name: str
    deleting: bool

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            return False
        if isinstance(error, ClientError):
            if self.deleting and already_gone(error):
                return True
            answer = error.response["Error"]
            service = error.operation_name
            reason = f'Resource handler returned message: "{answer.get("Message")}" ({service}: {answer.get("Code")})'
        elif isinstance(error, (BotoCoreError, TemplateError)):
            reason = str(error)
        elif isinstance(error, KeyError):
            reason = f"Properties validation failed for resource {self.name}: required key {error} not found"
        else:
            return False
        self.event(reason)
        raise ResourceFailedError(f"The following resource(s) failed: [{self.name}]. {reason}") from error


def add_event(
    cloudformation: CloudFormation,
    stack: Stack,
    name: str,
    kind: str,
    physical_id: str,
    status: str,
    reason: str | None = None,
) -> None:
    """The stack's history has one more entry, later than all before it by what the API's clock can show."""
    time = cloudformation.sandbox.now()
    if stack.events:
        time = max(time, stack.events[-1]["Timestamp"] + timedelta(milliseconds=1))
    event = {
        "StackId": stack.stack_id,
        "EventId": str(uuid.uuid4()),
        "StackName": stack.name,
        "LogicalResourceId": name,
        "PhysicalResourceId": physical_id,
        "ResourceType": kind,
        "Timestamp": time,
        "ResourceStatus": status,
    }
    if reason:
        event["ResourceStatusReason"] = reason
    with cloudformation.lock:
        stack.events.append(event)


def in_order(scope: Scope, declared: Mapping[str, Any]) -> list[str]:
    """The declared resources, each after those it depends on."""
    needs: dict[str, set[str]] = {}
    for name, declaration in declared.items():
        explicit = declaration.get("DependsOn") or []
        named = {explicit} if isinstance(explicit, str) else set(explicit)
        needs[name] = (scope.dependencies(declaration.get("Properties") or {}) | named) & declared.keys() - {name}
    order: list[str] = []
    while needs:
        ready = [name for name, wanted in needs.items() if not wanted]
        if not ready:
            raise TemplateError(f"Circular dependency between resources: [{', '.join(needs)}]")
        order += ready
        for name in ready:
            del needs[name]
        for wanted in needs.values():
            wanted.difference_update(ready)
    return order


def changes(work: Work, stack: Stack, desired: Desired) -> list[dict[str, Any]]:
    """How the stack's resources would change, as DescribeChangeSet tells it."""
    unknown: set[str] = set()

    def reference(name: str) -> str:
        return _TO_BE_KNOWN if name in unknown or name not in stack.resources else stack.resources[name].physical_id

    def attribute(name: str, wanted: str) -> Any:
        return _TO_BE_KNOWN if reference(name) == _TO_BE_KNOWN else stack.resources[name].attributes.get(wanted)

    scope = Scope(desired.template, work.values(desired), reference, attribute, work.imported)
    declared = {name: each for name, each in desired.template["Resources"].items() if scope.wanted(each)}
    found: list[dict[str, Any]] = []
    for name in in_order(scope, declared):
        change = {"LogicalResourceId": name, "ResourceType": declared[name]["Type"]}
        properties = scope.evaluate(declared[name].get("Properties") or {})
        old = stack.resources.get(name)
        if old is None:
            unknown.add(name)
            found.append({**change, "Action": "Add"})
        elif changed := changed_properties(old.properties, properties):
            replaced = TYPES[old.type].replaces(old.properties, properties)
            if replaced:
                unknown.add(name)
            found.append(
                {
                    **change,
                    "Action": "Modify",
                    "PhysicalResourceId": old.physical_id,
                    "Replacement": "True" if replaced else "False",
                    "Scope": ["Properties"],
                    "Details": [
                        {"Target": {"Attribute": "Properties", "Name": each}, "Evaluation": "Static"}
                        for each in sorted(changed)
                    ],
                }
            )
    for name, old in stack.resources.items():
        if name not in declared:
            found.append(
                {
                    "LogicalResourceId": name,
                    "ResourceType": old.type,
                    "PhysicalResourceId": old.physical_id,
                    "Action": "Remove",
                }
            )
    return [{"Type": "Resource", "ResourceChange": change} for change in found]


def differs(stack: Stack, desired: Desired, found: Iterable[Any]) -> bool:
    """Whether an update has anything to do: resources, outputs or tags."""
    before = stack.desired
    if before is None or list(found):
        return True
    return before.template.get("Outputs") != desired.template.get("Outputs") or before.tags != desired.tags


#: IAM's types, and the property that names one: naming needs a further capability.
IAM_NAMES = {
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Policy": None,
    "AWS::IAM::RolePolicy": None,
}


def _check_capabilities(template: Mapping[str, Any], given: Iterable[str]) -> None:
    wanted = ""
    for resource in template["Resources"].values():
        if resource["Type"] not in IAM_NAMES:
            continue
        named = IAM_NAMES[resource["Type"]]
        if named and named in (resource.get("Properties") or {}):
            wanted = "CAPABILITY_NAMED_IAM"
            break
        wanted = "CAPABILITY_IAM"
    enough = {"CAPABILITY_NAMED_IAM", wanted}
    if wanted and not enough & set(given):
        raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{wanted}]")


def of(sandbox: Sandbox) -> CloudFormation:
    """The account's CloudFormation."""
    return next(service for service in sandbox.services if isinstance(service, CloudFormation))


SERVICES.append(CloudFormation)
