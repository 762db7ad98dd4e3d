"""An organization with accounts, units and stages, and what happens in it: for the demo and an end-to-end test."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import CallRecord
from sandbox.core.clock import MovableClock
from sandbox.services.lambda_.event_sources import EventSources
from sandbox.services.organizations.organization import Organization
from testing.member_stages import FURTHER, REGIONS, StageKey, Stages, compliant_stages, create_stages
from testing.organizations import ORGANIZATION, new_organization
from testing.stacks import Deployed

CANARY, PRODUCTS, PLATFORM = UNITS = ("canary", "products", "platform")
#: A unit whose accounts are never enforced, for an account that moves there.
AUDIT_ONLY = "audit-only"
MEMBERS_SET, ENFORCE_SET = "log-keeper-members", "log-keeper-enforce"
WOULD_BE_REMEDIATED = "would be remediated"
#: Seconds between two checks of a condition that reads many stages or a whole log.
_PAUSE = 0.2
_READS = ("Get", "Describe", "List", "Simulate")


@dataclass(frozen=True, slots=True)
class Size:
    """How large the organization is. ``accounts``: by unit. ``stages``: in each region of each account."""

    accounts: Mapping[str, int]
    stages: Stages


#: 12 accounts with 240 stages in two regions.
FULL = Size({CANARY: 2, PRODUCTS: 6, PLATFORM: 4}, Stages(rest=4, http=3, websocket=3))
#: 4 accounts with 24 stages in two regions.
SMALL = Size({CANARY: 1, PRODUCTS: 2, PLATFORM: 1}, Stages(rest=1, http=1, websocket=1))


@dataclass(slots=True)
class Story:
    """The organization. Its hub is the sandbox's first account."""

    hub: Sandbox
    organization: Organization
    size: Size
    #: IDs of the units, by name.
    units: dict[str, str]
    #: The member accounts by name, also those that have not joined yet or have left.
    accounts: dict[str, Account] = field(default_factory=dict)
    #: The stages that existed when their account was created.
    stages: set[StageKey] = field(default_factory=set)
    #: Log Keeper's stack, None before the first deployment.
    _stack: Deployed | None = None

    @classmethod
    def begin(cls, hub: Sandbox, size: Size) -> Story:
        """Create the organization, its units, accounts and stages. Log Keeper is not deployed."""
        organization = new_organization(hub)
        units = {name: organization.add_unit(name) for name in (*UNITS, AUDIT_ONLY)}
        story = cls(hub, organization, size, units)
        for unit, count in size.accounts.items():
            for number in range(1, count + 1):
                account = story.create_account(f"{unit}-{number}")
                organization.join(account, f"{unit}-{number}", units[unit])
        return story

    @property
    def stack(self) -> Deployed:
        """Return Log Keeper's stack. Raise LookupError if it is not deployed."""
        if self._stack is None:
            raise LookupError("Log Keeper is not deployed yet")
        return self._stack

    # ---- what people do

    def create_account(self, name: str) -> Account:
        """Create an account with stages. It is in no organization yet."""
        account = self.hub.add_account(f"{len(self.accounts) + 1:02}".rjust(12, "7"))
        self.accounts[name] = account
        for region in REGIONS:
            self.stages |= create_stages(account, region, self.size.stages)
        return account

    def parameters(self, *enforced: str) -> dict[str, str]:
        """Return the parameters about the organization of a deployment that enforces these units."""
        ids = ",".join(self.units[name] for name in enforced)
        return {
            "OrganizationId": ORGANIZATION,
            "MemberOUs": self.organization.root_id,
            "Regions": FURTHER,
        } | ({"EnforceOUs": ids} if ids else {})

    def deploy(self, *enforced: str) -> Deployed:
        """Deploy Log Keeper with the real ``sam``, or update it. These units are enforced, all others audited."""
        quick = {"SettleSeconds": "0", "SweepRate": "10"}
        self._stack = Deployed(self.hub, deployment.deploy(self.hub, quick | self.parameters(*enforced)))
        return self._stack

    def join(self, name: str, unit: str) -> None:
        """Let an account join the organization, in this unit."""
        self.organization.join(self.accounts[name], name, self.units[unit])

    def move(self, name: str, unit: str) -> None:
        """Move an account to this unit."""
        self.organization.move(self.accounts[name].account_id, self.units[unit])

    def leave(self, name: str) -> None:
        """Let an account leave the organization."""
        self.organization.leave(self.accounts[name])

    def create_stage(self, name: str, region: str) -> StageKey:
        """Create a REST stage in an account, and return it."""
        [stage] = create_stages(self.accounts[name], region, Stages(rest=1, http=0, websocket=0))
        return stage

    def delete_rule(self, name: str, region: str) -> None:
        """Delete the rule that forwards changes of stages, as an administrator of the account."""
        events = self.accounts[name].client("events", region)
        events.remove_targets(Rule="log-keeper-stages", Ids=["Hub"])
        events.delete_rule(Name="log-keeper-stages")

    def delete_stack(self, name: str, region: str, stack_set: str = MEMBERS_SET) -> None:
        """Delete the stack that a stack set has created in an account, as an administrator of the account."""
        client = self.accounts[name].client("cloudformation", region)
        [stack_id] = [
            each["StackId"]
            for each in client.describe_stacks()["Stacks"]
            if each["StackName"].startswith(f"StackSet-{stack_set}-")
        ]
        client.delete_stack(StackName=stack_id)
        client.get_waiter("stack_delete_complete").wait(StackName=stack_id, WaiterConfig={"Delay": 1})

    def pass_time(self, by: timedelta) -> None:
        """Advance the clock of the accounts, which must be one that can be moved."""
        clock = self.hub.clock
        assert isinstance(clock, MovableClock)
        clock.advance(by)

    # ---- what can be seen

    def unit_of(self, name: str) -> str | None:
        """Return the name of the unit that the account is in, None if it is not in the organization."""
        unit_id = self.organization.parents.get(self.accounts[name].account_id)
        return None if unit_id is None else self.organization.units[unit_id].name

    def in_unit(self, unit: str) -> list[Account]:
        """Return the accounts that are in this unit now."""
        return [account for name, account in self.accounts.items() if self.unit_of(name) == unit]

    def stages_of(self, *accounts: Account) -> set[StageKey]:
        """Return the stages that existed when these accounts were created."""
        ids = {account.account_id for account in accounts}
        return {key for key in self.stages if key.account_id in ids}

    def compliant(self, *accounts: Account) -> set[StageKey]:
        """Return the compliant stages of these accounts."""
        return compliant_stages(accounts)

    def lines(self, *functions: str) -> Iterator[dict[str, Any]]:
        """Yield the lines that these functions have logged about member accounts. ``functions``: default both."""
        for function in functions or ("enforce", "sweep"):
            for line in self.stack.log(function):
                if line.startswith("{") and "accountId" in (read := json.loads(line)):
                    yield read

    def reported(self, outcome: str, *functions: str) -> set[StageKey]:
        """Return the stages of member accounts that were reported with this outcome."""
        return {stage_of(line) for line in self.lines(*functions) if line.get("outcome") == outcome}

    def reported_in(self, unit: str) -> set[StageKey]:
        """Return the stages that would be remediated, of the accounts that were reported to be in this unit."""
        return {
            stage_of(line)
            for line in self.lines()
            if line.get("outcome") == WOULD_BE_REMEDIATED and line.get("organizationalUnitId") == self.units[unit]
        }

    def findings(self, name: str) -> list[dict[str, Any]]:
        """Return the findings about an account that are about no stage."""
        account_id = self.accounts[name].account_id
        return [line for line in self.lines() if line["accountId"] == account_id and "problem" in line]

    def changes(self, *accounts: Account) -> list[CallRecord]:
        """Return the calls with which Log Keeper has changed something in these accounts."""
        return [
            record
            for account in accounts
            for record in account.calls
            if "log-keeper" in record.call.user_agent
            and record.error_code is None
            and not record.call.operation.startswith(_READS)
        ]

    def instances(self, stack_set: str) -> set[tuple[str, str, str]]:
        """Return the stack instances of a stack set: account, region, status."""
        client = self.hub.client("cloudformation")
        pages = client.get_paginator("list_stack_instances")
        return {
            (each["Account"], each["Region"], each["Status"])
            for page in pages.paginate(StackSetName=stack_set, CallAs="DELEGATED_ADMIN")
            for each in page["Summaries"]
        }

    def wait_until(
        self, condition: Callable[[], object], timeout: float = 180, *, pausing: timedelta = timedelta()
    ) -> float:
        """Wait until the condition is true. Return the seconds of the accounts' clock that it took.

        ``timeout``: real seconds, after which TimeoutError is raised. ``pausing``: by how much the clock is advanced
        between two checks, where Log Keeper tries again after minutes.
        """
        begun, deadline = self.hub.now(), time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout} s: {condition}")
            if pausing:
                self.pass_time(pausing)
            self.hub.is_stopping.wait(_PAUSE)
        return (self.hub.now() - begun).total_seconds()

    def wait_until_idle(self) -> None:
        """Wait until no function runs and no queue has a message. Advance the clock where messages are delayed."""

        def is_idle() -> bool:
            if self.hub.service(EventSources).is_idle():
                return True
            self.pass_time(timedelta(seconds=1) if self._has_messages() else timedelta(minutes=1))
            return False

        self.wait_until(is_idle)

    def _has_messages(self) -> bool:
        """Return whether a queue has a message that is not delayed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        client, outputs = self.hub.client("sqs"), self.stack.outputs
        queues = (outputs["StageQueueUrl"], outputs["SweepQueueUrl"])
        found = [client.get_queue_attributes(QueueUrl=each, AttributeNames=names)["Attributes"] for each in queues]
        return any(each[name] != "0" for each in found for name in names)


def stage_of(line: dict[str, Any]) -> StageKey:
    """Return the stage that a log line is about."""
    stage = line["stage"]
    return StageKey(line["accountId"], stage["region"], stage["protocol"], stage["apiId"], stage["stageName"])
