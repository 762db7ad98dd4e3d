"""One operation on one stack: create, update and delete its resources, and roll back after a failure."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import Made, RefusedError, TemplateError, changed_properties, type_of
from sandbox.services.cloudformation.stack_changes import dependencies, in_order
from sandbox.services.cloudformation.stack_contexts import Contexts
from sandbox.services.cloudformation.stack_events import Reported, ResourceFailedError, add_event, put_status
from sandbox.services.cloudformation.stack_models import StackResource, with_policies
from sandbox.services.cloudformation.stack_values import imported_value, outputs_of, values_of
from sandbox.services.cloudformation.template_functions import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from sandbox.core.call import Caller
    from sandbox.services.cloudformation.stack_models import Desired, Stack
    from sandbox.services.cloudformation.stacks import CloudFormation


class Work:
    """One operation on one stack, from its first event to its last."""

    def __init__(self, cloudformation: CloudFormation, stack: Stack, deployer: Caller) -> None:
        self._cloudformation = cloudformation
        self._account = cloudformation.account
        self._stack = stack
        self._contexts = Contexts(cloudformation, stack, deployer)
        self._resource_event = partial(add_event, cloudformation, stack)
        #: Of an update: what restores the resources, and the state of the stack before it.
        self._steps: list[Callable[[], None]] = []
        self._before = stack.resources, stack.desired, stack.outputs
        #: Of an update: the resources to delete at its end, each with its policy.
        self._leftover: list[tuple[StackResource, str]] = []

    # ---- the three operations

    def create(self, desired: Desired) -> None:
        """Create the stack. If that fails, delete its resources again, unless rollback is disabled."""
        stack = self._stack
        stack.desired = desired
        self._status("CREATE_IN_PROGRESS", "User Initiated")
        try:
            self._apply(desired)
        except (ResourceFailedError, TemplateError) as failure:
            if stack.disable_rollback:
                self._status("CREATE_FAILED", str(failure))
                return
            stack.deletion = self._now()
            self._contexts.is_rollback = True
            if stack.deletes_on_failure:
                self._status("DELETE_IN_PROGRESS", f"{failure} Delete requested by user.")
                self._end_deletion("DELETE")
            else:
                self._status("ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
                self._end_deletion("ROLLBACK")
            return
        self._status("CREATE_COMPLETE")

    def update(self, desired: Desired, *, is_held: bool = False) -> None:
        """Update the stack to the desired state. If that fails, restore the former one, unless rollback is disabled.

        ``is_held``: True if the update is a part of the parent's update, which then calls ``finish`` or ``roll_back``.
        """
        stack = self._stack
        stack.updated = self._now()
        self._status("UPDATE_IN_PROGRESS", "User Initiated")
        self._before = dict(stack.resources), stack.desired, stack.outputs
        if is_held:
            self._cloudformation.held[stack.stack_id] = self
        try:
            self._leftover = self._apply(desired, self._steps)
        except (ResourceFailedError, TemplateError) as failure:
            if stack.disable_rollback:
                self._cloudformation.held.pop(stack.stack_id, None)
                self._finish_nested()
                self._status("UPDATE_FAILED", str(failure))
                return
            self._status("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            if not is_held and self.roll_back():
                self.finish()
            return
        stack.desired = desired
        self._status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        if not is_held:
            self.finish()

    def roll_back(self) -> bool:
        """Restore the state before the update. Return whether that was possible for every resource."""
        stack, self._contexts.is_rollback = self._stack, True
        if stack.status != "UPDATE_ROLLBACK_IN_PROGRESS":
            self._status("UPDATE_ROLLBACK_IN_PROGRESS")
        resources, stack.desired, stack.outputs = self._before
        clean = self._undo(self._steps)
        stack.resources, self._leftover = resources, []
        self._status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" if clean else "UPDATE_ROLLBACK_FAILED")
        return clean

    def finish(self) -> None:
        """End the update, or its rollback, of the nested stacks and of this one. Delete what is not needed any more."""
        self._finish_nested()
        for resource, policy in self._leftover:
            self._delete(resource, policy)
        self._status("UPDATE_ROLLBACK_COMPLETE" if self._contexts.is_rollback else "UPDATE_COMPLETE")

    def _finish_nested(self) -> None:
        """End the updates of the nested stacks.

        *Source* of the second event about each: tongueroo/demo-routes-cors-issue ``README.md``
        """
        for resource in self._stack.resources.values():
            if nested := self._cloudformation.held.pop(resource.physical_id, None):
                nested.finish()
                self._nested_event(resource, "UPDATE_COMPLETE")

    def delete(self, *, is_rollback: bool = False) -> None:
        """Delete the stack and its resources, except those to retain. Report the resources whose deletion failed.

        ``is_rollback``: True for a nested stack, if the creation of its parent is rolled back.
        """
        stack, self._contexts.is_rollback = self._stack, is_rollback
        stack.deletion = self._now()
        stack.change_set_id = None
        self._cloudformation.held.pop(stack.stack_id, None)
        self._status("DELETE_IN_PROGRESS", "User Initiated")
        self._end_deletion("DELETE")

    def _end_deletion(self, operation: str) -> None:
        """Delete all resources and set the status of the stack.

        *Source* of the reason: LocalStack's recording ``test_blocked_stack_deletion``.
        """
        failed = self._delete_all()
        if failed:
            self._status(f"{operation}_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
            return
        if operation == "DELETE":
            self._stack.deleted = self._now()
        self._status(f"{operation}_COMPLETE")

    def _undo(self, steps: list[Callable[[], None]]) -> bool:
        clean = True
        for step in reversed(steps):
            try:
                step()
            except ResourceFailedError:
                clean = False  # the event contains the resource and the reason
        return clean

    # ---- resources

    def _apply(self, desired: Desired, undo: list[Callable[[], None]] | None = None) -> list[tuple[StackResource, str]]:
        """Create and update every resource. Return those to delete afterwards, in order, each with its policy."""
        stack, undo = self._stack, undo if undo is not None else []
        before = dict(stack.resources)
        scope = self.scope(desired)
        leftover: list[tuple[StackResource, str]] = []
        declared = {name: each for name, each in desired.template["Resources"].items() if scope.wanted(each)}
        order = in_order(scope, declared)
        removed = [before[name] for name in before if name not in declared]
        for name in order:
            declaration = declared[name]
            kind = declaration["Type"]
            old = before.get(name)
            try:
                properties = scope.evaluate(declaration.get("Properties") or {})
                _check_type(old, kind, name)
            except TemplateError as error:
                status = "CREATE_FAILED" if old is None else "UPDATE_FAILED"
                self._resource_event(name, kind, old.physical_id if old else "", status, str(error))
                raise
            if old is None:
                self._create(desired, name, declaration, properties, undo)
            elif not changed_properties(old.properties, properties) and not type_of(kind).always_updated:
                stack.resources[name] = with_policies(replace(old), declaration)
            elif type_of(kind).replaces(old.properties, properties):
                leftover.append((old, old.replace_policy))
                self._create(desired, name, declaration, properties, undo, replaced=old)
            else:
                updated = self._update(desired, old, properties, undo)
                if updated.physical_id != old.physical_id:
                    leftover.append((old, old.replace_policy))
                stack.resources[name] = with_policies(updated, declaration)
        stack.outputs = outputs_of(self._cloudformation, self._stack, scope, desired)
        # In the order of their creation, so that they can be deleted in the reverse order.
        stack.resources = {name: stack.resources[name] for name in order}
        return [*((each, each.deletion_policy) for each in reversed(removed)), *reversed(leftover)]

    def scope(self, desired: Desired) -> Scope:
        """Return the scope in which the template's names refer to the resources that the stack has so far."""
        stack = self._stack

        def resource(name: str) -> StackResource:
            if name not in stack.resources:
                raise TemplateError(f"Unresolved resource dependencies [{name}] in the Resources block of the template")
            return stack.resources[name]

        def attribute(name: str, wanted: str) -> Any:
            made = resource(name)
            if wanted not in made.attributes:
                raise TemplateError(type_of(made.type).missing_attribute(made.type, wanted, stack.stack_id, name))
            return made.attributes[wanted]

        return Scope(
            template=desired.template,
            values=values_of(self._stack, desired),
            reference=lambda name: resource(name).physical_id,
            attribute=attribute,
            imported=partial(imported_value, self._cloudformation, self._stack.region),
        )

    def _create(
        self,
        desired: Desired,
        name: str,
        declaration: Mapping[str, Any],
        properties: dict[str, Any],
        undo: list[Callable[[], None]],
        *,
        replaced: StackResource | None = None,
    ) -> None:
        """Create one resource. If it exists but fails later, it stays in the stack, so that the rollback deletes it."""
        kind = declaration["Type"]
        status = "CREATE" if replaced is None else "UPDATE"
        started: list[StackResource] = []

        def created(physical_id: str) -> None:
            if started:
                return
            resource = StackResource(name, kind, physical_id, properties, {}, f"{status}_IN_PROGRESS", self._now())
            started.append(with_policies(resource, declaration))
            self._stack.resources[name] = started[0]
            undo.append(partial(self._remove, started[0]))
            self._resource_event(
                name, kind, physical_id, f"{status}_IN_PROGRESS", "Resource creation Initiated", properties
            )

        why = None
        if replaced is not None:
            why = "Requested update requires the creation of a new physical resource; hence creating one."
        before = replaced.physical_id if replaced else ""
        self._resource_event(name, kind, before, f"{status}_IN_PROGRESS", why, properties)
        try:
            with self._reported(name, kind, before, f"{status}_FAILED", properties, started):
                made = type_of(kind).create(self._contexts.of(name, kind, desired, created), properties)
        except ResourceFailedError as failure:
            if started:
                started[0].status, started[0].reason = f"{status}_FAILED", str(failure)
            raise
        created(made.physical_id)
        started[0].physical_id = made.physical_id
        started[0].attributes, started[0].status = dict(made.attributes), f"{status}_COMPLETE"
        self._resource_event(name, kind, made.physical_id, f"{status}_COMPLETE", None, properties)

    def _update(
        self, desired: Desired, old: StackResource, properties: dict[str, Any], undo: list[Callable[[], None]]
    ) -> StackResource:
        """Update one resource. First record how to undo it, since a failed update may have made some changes."""
        name, kind = old.logical_id, old.type
        updated = replace(old, properties=properties, attributes=dict(old.attributes), updated=self._now())
        undo.append(partial(self._restore, updated, old))
        self._resource_event(name, kind, old.physical_id, "UPDATE_IN_PROGRESS", None, properties)
        try:
            with self._reported(name, kind, old.physical_id, "UPDATE_FAILED", properties):
                context = self._contexts.of(name, kind, desired)
                result = type_of(kind).update(context, old.physical_id, old.properties, properties)
        except ResourceFailedError as failure:
            if isinstance(failure.__cause__, RefusedError):
                undo.pop()
            raise
        if isinstance(result, Made):  # a new id in the answer of a custom resource means that it was replaced
            updated.physical_id = result.physical_id
            updated.attributes = dict(result.attributes)
        else:
            updated.attributes |= result
        updated.status = "UPDATE_COMPLETE"
        self._resource_event(name, kind, updated.physical_id, "UPDATE_COMPLETE", None, properties)
        return updated

    def _restore(self, updated: StackResource, old: StackResource) -> None:
        if nested := self._cloudformation.held.get(old.physical_id):
            self._nested_event(old, "UPDATE_IN_PROGRESS")
            clean = nested.roll_back()
            self._nested_event(old, "UPDATE_COMPLETE" if clean else "UPDATE_FAILED")
            if not clean:
                raise ResourceFailedError(f"The following resource(s) failed to update: [{old.logical_id}].")
            return
        assert self._stack.desired
        restored = self._update(self._stack.desired, updated, old.properties, [])
        old.attributes = restored.attributes
        if restored.physical_id != updated.physical_id:
            self._delete(updated, "Delete")
        old.physical_id = restored.physical_id

    def _remove(self, made: StackResource) -> None:
        self._delete(made, "Retain" if made.deletion_policy == "Retain" else "Delete", strict=True)

    def _delete_all(self) -> list[str]:
        """Delete every resource, except those to retain. Return the names of those that could not be deleted.

        If a resource could not be deleted, the resources that it depends on are kept, as CloudFormation does.
        """
        stack, failed = self._stack, list[str]()
        needs: Mapping[str, set[str]] = {}
        if stack.desired is not None:
            scope = self.scope(stack.desired)
            needs = dependencies(scope, {name: stack.desired.template["Resources"][name] for name in stack.resources})
        blocked: set[str] = set()
        for resource in reversed(list(stack.resources.values())):
            name, policy = resource.logical_id, resource.deletion_policy
            if name in blocked:
                blocked |= needs.get(name, set())
                continue
            kept = policy == "Retain" or (policy == "RetainExceptOnCreate" and not self._contexts.is_rollback)
            if self._delete(resource, "Retain" if kept else "Delete"):
                del stack.resources[name]
            else:
                failed.append(name)
                blocked |= needs.get(name, set())
        return failed

    def _delete(self, resource: StackResource, policy: str, *, strict: bool = False) -> bool:
        """Delete the resource, or keep it if its policy says so. On failure return False, or raise if *strict*."""
        name, kind, physical_id = resource.logical_id, resource.type, resource.physical_id
        if policy.startswith("Retain"):
            self._resource_event(name, kind, physical_id, "DELETE_SKIPPED", None, resource.properties)
            return True
        self._resource_event(name, kind, physical_id, "DELETE_IN_PROGRESS", None, resource.properties)
        try:
            with self._reported(name, kind, physical_id, "DELETE_FAILED", resource.properties, deleting=True):
                context = self._contexts.of(name, kind, self._stack.desired)
                type_of(kind).delete(context, physical_id, resource.properties)
        except ResourceFailedError as failure:
            resource.status, resource.reason = "DELETE_FAILED", str(failure)
            if strict:
                raise
            return False
        self._resource_event(name, kind, physical_id, "DELETE_COMPLETE", None, resource.properties)
        return True

    def _reported(
        self,
        name: str,
        kind: str,
        physical_id: str,
        status: str,
        properties: Mapping[str, Any],
        started: list[StackResource] | None = None,
        *,
        deleting: bool = False,
    ) -> Reported:
        def event(reason: str) -> None:
            known = started[0].physical_id if started else physical_id
            self._resource_event(name, kind, known, status, reason, properties)

        verb = {"CREATE_FAILED": "create", "UPDATE_FAILED": "update", "DELETE_FAILED": "delete"}[status]
        return Reported(event, name, verb, deleting)

    # ---- events

    def _nested_event(self, resource: StackResource, status: str) -> None:
        self._resource_event(
            resource.logical_id, resource.type, resource.physical_id, status, None, resource.properties
        )

    def _now(self) -> datetime:
        return self._account.now()

    def _status(self, status: str, reason: str | None = None) -> None:
        stack = self._stack
        stack.status, stack.reason = status, reason
        self._resource_event(stack.name, "AWS::CloudFormation::Stack", stack.stack_id, status, reason)
        with self._account.lock:
            put_status(self._account, stack)


def _check_type(old: StackResource | None, kind: str, name: str) -> None:
    if old is not None and old.type != kind:
        raise TemplateError(f"Update of resource type is not permitted. [{name}]")
