"""The context in which a resource type works: the resource's stack, and clients that call for the stack's deployer."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sandbox.core.arn import Arn
from sandbox.core.resource_types import Context
from sandbox.services.cloudformation.custom_resources import Responses
from sandbox.services.cloudformation.stack_models import PRINCIPAL, Nesting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.core.call import Caller
    from sandbox.services.cloudformation.stack_models import Desired, Stack
    from sandbox.services.cloudformation.stacks import CloudFormation

#: The longest time to wait for a resource, in seconds.
LONGEST_RESOURCE = 600.0


@dataclass(slots=True)
class Contexts:
    """Creates the contexts of one stack's resources during one operation."""

    cloudformation: CloudFormation
    stack: Stack
    deployer: Caller
    #: True while a failed operation is undone.
    is_rollback: bool = False

    def of(
        self, logical_id: str, kind: str, desired: Desired | None, created: Callable[[str], None] | None = None
    ) -> Context:
        """Return the context of one resource. ``created``: records the physical id of a resource that is created."""
        stack, account = self.stack, self.cloudformation.account
        return Context(
            client=lambda service: account.client(service, stack.region, caller=self.deployer, invoked_by=PRINCIPAL),
            account=stack.account,
            region=stack.region,
            partition=Arn.parse(stack.stack_id).partition,
            stack_name=stack.name,
            stack_id=stack.stack_id,
            logical_id=logical_id,
            resource_type=kind,
            stack_tags=desired.tags if desired else {},
            capabilities=desired.capabilities if desired else (),
            service_role=stack.role_arn,
            created=created or (lambda _: None),
            settle=self._settle,
            wait_until=partial(account.wait_until, timeout=LONGEST_RESOURCE),
            responses=account.service(Responses),
            nesting=self._nesting,
        )

    def _settle(self, role_arn: str) -> None:
        account, name = self.cloudformation.account, Arn.parse(role_arn).name
        with suppress(TimeoutError):  # then the call that needs the role reports the error
            account.wait_until(lambda: account.is_propagated(name))

    @contextmanager
    def _nesting(self, name: str) -> Iterator[None]:
        key, known = (self.stack.region, name), self.cloudformation.nesting
        known[key] = Nesting(self.stack, self.is_rollback)
        try:
            yield
        finally:
            del known[key]
