"""One region: every stage, judged from the lists alone. Changes nothing; what is out of line goes on StageQueue.

The lists of APIs come in pages of 500, and one call per API gives its stages; log groups are read by fifty.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws.account_role import AccountRole, RoleStatus, look
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_message, is_region_disabled
from log_keeper.aws.forwarders import check_forwarding, is_forwarded
from log_keeper.aws.stage_queue import Repairs, send
from log_keeper.aws.trails import has_trail
from log_keeper.events.own_events import log_role_to_evaluate
from log_keeper.events.sweep_work import Work
from log_keeper.inventory import evaluate_all, list_apis
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.settings import Settings
from log_keeper.stages import Api, LoggingLevel, Protocol


@dataclass(slots=True)
class Count:
    """How many stages were seen, and of those, how many are in line, and opted in to INFO."""

    seen: int = 0
    in_line: int = 0
    opted_in: int = 0

    def add(self, evaluation: Evaluation) -> None:
        self.seen += 1
        self.in_line += evaluation.is_compliant
        self.opted_in += evaluation.plan.opt_in.level is LoggingLevel.INFO


@dataclass(slots=True)
class Swept:
    """What a sweep of a region, or of a part of it, found: of the stages a count only, however many they are.

    ``has_events``: changes of the region reach Log Keeper as they happen. ``left``: what there was no time for, and
    what could not be read. ``errors``: why nothing can be said of the rest, for which the whole work is to be done
    again. ``is_whole``: it is a part of a sweep of all APIs.
    """

    region: str
    counts: dict[Protocol, Count] = field(default_factory=lambda: defaultdict(Count))
    findings: list[Finding] = field(default_factory=list)
    role: AccountRole | None = None
    has_events: bool = True
    left: Work | None = None
    errors: list[Exception] = field(default_factory=list)
    is_whole: bool = True


def sweep(
    clients: Clients,
    settings: Settings,
    work: Work,
    now: Callable[[], datetime],
    has_time: Callable[[], bool],
    tell: Callable[[Evaluation], None],
) -> Swept:
    """Every stage of the work is judged, and each that is out of line is on StageQueue; in audit mode, judged only.

    The account's log role, the trail and the forwarding rules of the region are looked at too, once. ``has_time``:
    whether another API may be begun; what is left then is in the answer. ``tell``: hears of each evaluation. The calls
    that the repairs will take count in the pace: their messages are delayed along it. What fails does not stop the
    rest.
    """
    swept = Swept(work.region, is_whole=work.protocol is None)
    apis = work.apis
    if apis is None:
        try:
            apis = tuple(api for api in list_apis(clients, work.region) if work.protocol in (None, api.protocol))
        except ClientError as error:
            # A region that denies us, or does not answer, may do so for the moment only: that is tried again, and at
            # last in the dead-letter queue.
            if not is_region_disabled(error):
                raise
            swept.findings.append(Finding(Problem.REGION_UNAVAILABLE, f"{work.region}: {error_message(error)}"))
            return swept
        if swept.is_whole:
            _look_around(clients, settings, swept)
    role = _read_role(clients, settings, swept, apis)
    log_role = None if role is None else role.log_role
    if role is not None and work.apis is None:
        _report_role(clients, settings, swept, role)
    begun: list[Api] = []

    def while_there_is_time() -> Iterator[Api]:
        for api in apis:
            if not has_time():
                return
            begun.append(api)
            yield api

    unread: dict[Api, Exception] = {}
    repairs = Repairs(clients, settings, work.region)
    for api, evaluations in evaluate_all(clients, settings, work.region, while_there_is_time(), now, log_role):
        if isinstance(evaluations, Exception):
            unread[api] = evaluations
            continue
        for evaluation in evaluations:
            swept.counts[api.protocol].add(evaluation)
            tell(evaluation)
        repairs.ask(api, evaluations)
    repairs.send()
    left = apis[len(begun) :]
    if unread and len(unread) == len(begun):
        swept.errors += unread.values()  # else the same would be left for ever
    elif left or unread:
        swept.left = Work(work.region, (*left, *unread), work.protocol)
    return swept


def _look_around(clients: Clients, settings: Settings, swept: Swept) -> None:
    """Check the region's trail, and what forwards the events of a further region."""
    swept.has_events = is_forwarded(settings, swept.region)
    if swept.has_events:
        try:
            if not has_trail(clients.cloudtrail(swept.region)):
                swept.findings.append(Finding(Problem.NO_TRAIL, swept.region))
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)
        try:
            if swept.region != settings.regions[0]:
                swept.findings += check_forwarding(clients, settings, swept.region)
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)


def _read_role(clients: Clients, settings: Settings, swept: Swept, apis: Iterable[Api]) -> AccountRole | None:
    """Return the region's log role; None if no API of these writes with it, or if it could not be read."""
    if all(api.protocol is Protocol.HTTP for api in apis):
        return None
    try:
        return look(clients, settings, swept.region)
    except (BotoCoreError, ClientError) as error:
        swept.errors.append(error)
        return None


def _report_role(clients: Clients, settings: Settings, swept: Swept, role: AccountRole) -> None:
    """An invalid role is put on StageQueue, once in a sweep."""
    swept.role = role
    if role.log_role is not None and role.log_role.is_denied_by_organization:
        swept.findings.append(Finding(Problem.DENIED_BY_ORGANIZATION, f"{swept.region}: {role.role_arn}"))
    if role.status is RoleStatus.INVALID and not settings.is_audit:
        send(clients, settings, [log_role_to_evaluate(settings.account, swept.region)], [0])
