"""The sweep of one region: evaluate every stage, check the region itself, and send what to remediate to StageQueue.

Nothing of a stage is changed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws.account_role import AccountRole, RoleStatus, check_role
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_message, is_region_disabled
from log_keeper.aws.forwarders import check_forwarding, is_forwarded
from log_keeper.aws.stage_queue import StageQueue
from log_keeper.aws.trails import has_trail
from log_keeper.events.read_stages import ReadStage
from log_keeper.events.sweep_work import Work
from log_keeper.inventory import Count, Inventory
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.plan import plan
from log_keeper.policy.policy import Policy
from log_keeper.settings import Settings
from log_keeper.stages import Api, Protocol, StageRef


@dataclass(slots=True)
class Swept:
    """What the sweep of a region, or of a part of it, has found. Of stages it has only numbers.

    ``account``: the member account; None for the stack's own account.
    ``has_events``: Log Keeper receives events of the region. ``left``: the work that remains: APIs that there was no
    time for, and APIs that could not be read. ``errors``: why the whole work must be done again.
    ``is_whole``: it is a part of a sweep of all APIs.
    """

    region: str
    counts: dict[Protocol, Count] = field(default_factory=lambda: defaultdict(Count))
    findings: list[Finding] = field(default_factory=list)
    role: AccountRole | None = None
    has_events: bool = True
    left: Work | None = None
    errors: list[Exception] = field(default_factory=list)
    is_whole: bool = True
    account: str | None = None

    @property
    def is_complete(self) -> bool:
        """Return whether the sweep of all APIs of the region has ended."""
        return self.is_whole and self.left is None and not self.errors


class _Found:
    """Sends the stages that require changes to the queue.

    A stage whose own settings have to change is sent as soon as it was read, since it is written to only within
    seconds of that. One that requires only log groups is sent when these were read too, with others.
    """

    def __init__(self, queue: StageQueue, policy: Policy, clock: Callable[[], datetime]) -> None:
        self._queue = queue
        self._policy = policy
        self._clock = clock
        #: Stages whose log groups are not known yet, and when they were read.
        self._others: dict[StageRef, tuple[ReadStage, datetime]] = {}

    def read(self, stages: list[ReadStage]) -> None:
        """Send those stages of one API that have to change."""
        now, changing = self._clock(), []
        for each in stages:
            planned = plan(each.stage, self._policy, now)
            if planned.is_compliant or planned.is_exempt:
                self._others[each.stage.ref] = each, now
            else:
                changing.append(each)
        self._queue.add(changing, now)

    def evaluated(self, evaluations: list[Evaluation]) -> None:
        """Send those stages of one API that require changes and were not sent yet.

        Send also those whose exemption ends soon: the Enforce function then publishes an event about that, which a
        sweep cannot do.
        """
        known = [(found, self._others.pop(found.stage.ref, None)) for found in evaluations]
        late = [read for found, read in known if read is not None and _is_sent(found)]
        if late:
            self._queue.add([each for each, _ in late], late[0][1])


def _is_sent(found: Evaluation) -> bool:
    """Return whether StageQueue gets the stage, which was read with its log groups."""
    return found.plan.exemption.ends_soon if found.plan.is_exempt else found.requires_changes


class Sweep:
    """Does one message's work of a sweep.

    ``clock``: returns the time now, with its zone. ``has_time``: returns whether another API can be started.
    ``on_evaluation``: is called with each evaluation.
    """

    def __init__(
        self,
        clients: Clients,
        settings: Settings,
        clock: Callable[[], datetime],
        has_time: Callable[[], bool],
        on_evaluation: Callable[[Evaluation], None],
    ) -> None:
        self._clients = clients
        self._settings = settings
        self._deployment = settings.deployment
        self._clock = clock
        self._has_time = has_time
        self._on_evaluation = on_evaluation

    def run(self, work: Work) -> Swept:
        """Evaluate every stage of the work, and send each that requires changes to StageQueue, unless in Audit mode.

        The first part of a sweep of all APIs also checks the account's log role, the trail and the forwarding rules of
        the region. The calls that the remediation will make count in the pace: the messages are delayed accordingly. An
        error does not stop the rest.

        Raises BotoCoreError and ClientError if the APIs could not be listed.
        """
        swept = Swept(work.region, is_whole=work.protocol is None, account=work.account)
        inventory = Inventory(self._clients, self._deployment.account, work.region, self._settings.policy)
        apis = work.apis
        if apis is None:
            try:
                apis = tuple(api for api in inventory.list_apis() if work.protocol in (None, api.protocol))
            except ClientError as error:
                # Another region may be denied, or not answer, for the moment only: SQS delivers the message again, and
                # at last it is in the dead-letter queue.
                if not is_region_disabled(error):
                    raise
                detail = f"{work.region}: {error_message(error)}"
                swept.findings.append(Finding(Problem.REGION_UNAVAILABLE, detail))
                return swept
            if swept.is_whole:
                self._check_region(swept)
        self._evaluate(work, apis, inventory, swept)
        return swept

    def _evaluate(self, work: Work, apis: tuple[Api, ...], inventory: Inventory, swept: Swept) -> None:
        """Evaluate the stages of the APIs as long as there is time; note in ``swept`` what remains."""
        queue = StageQueue(self._clients, self._deployment, self._settings.policy, work.region)
        role = self._check_role(apis, swept)
        if role is not None and work.apis is None:
            self._report_role(role, queue, swept)
        started: list[Api] = []

        def while_there_is_time() -> Iterator[Api]:
            for api in apis:
                if not self._has_time():
                    return
                started.append(api)
                yield api

        unread: dict[Api, Exception] = {}
        log_role = None if role is None else role.log_role
        found = _Found(queue, self._settings.policy, self._clock)
        for api, evaluations in inventory.evaluate_all(while_there_is_time(), self._clock, log_role, found.read):
            if isinstance(evaluations, Exception):
                unread[api] = evaluations
                continue
            for evaluation in evaluations:
                swept.counts[api.protocol].add(evaluation)
                self._on_evaluation(evaluation)
            found.evaluated(evaluations)
        queue.send()
        left = apis[len(started) :]
        if unread and len(unread) == len(started):
            swept.errors += unread.values()  # otherwise the same APIs would remain again and again
        elif left or unread:
            swept.left = replace(work, apis=(*left, *unread))

    def _check_region(self, swept: Swept) -> None:
        """Check the region's trail, and what forwards the events of another region."""
        swept.has_events = is_forwarded(self._deployment, swept.region)
        if not swept.has_events:
            return
        try:
            if not has_trail(self._clients.cloudtrail(swept.region)):
                swept.findings.append(Finding(Problem.NO_TRAIL, swept.region))
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)
        try:
            if swept.region != self._deployment.regions[0] or self._deployment.is_member:
                swept.findings += check_forwarding(self._clients, self._deployment, swept.region)
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)

    def _check_role(self, apis: tuple[Api, ...], swept: Swept) -> AccountRole | None:
        """Return the region's log role; None if none of these APIs needs it, or if it could not be read."""
        if all(api.protocol is Protocol.HTTP for api in apis):
            return None
        try:
            return check_role(self._clients, self._deployment.account, swept.region)
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)
            return None

    def _report_role(self, role: AccountRole, queue: StageQueue, swept: Swept) -> None:
        """Note the status of the log role. If it is invalid, ask for its repair, unless in Audit mode."""
        swept.role = role
        if role.log_role is not None and role.log_role.is_denied_by_organization:
            swept.findings.append(Finding(Problem.DENIED_BY_ORGANIZATION, f"{swept.region}: {role.role_arn}"))
        if role.status is RoleStatus.INVALID and not self._deployment.is_audit:
            queue.send_log_role()
