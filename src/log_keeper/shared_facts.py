"""Facts about the stages of several messages, read together: one call for 50 log groups, not one for each message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from log_keeper.aws.errors import CALL_ERRORS
from log_keeper.aws.role_reading import LogRole
from log_keeper.events.read_stages import StagesAtMoment
from log_keeper.facts import FactReader
from log_keeper.log_roles import LogRoles
from log_keeper.policy.evaluation import Facts
from log_keeper.policy.log_groups import LogGroup, log_groups_of
from log_keeper.settings import Settings
from log_keeper.stages import Stage, StageRef

#: The most other stages whose facts are read ahead: with two log groups each, all are in one call of 50 names.
_TOGETHER = 24


class FactsAtMoment(NamedTuple):
    """Facts about stages with these log groups, which were read at ``moment`` or later.

    ``log_role``: the region's, as it was known then.
    """

    moment: datetime
    log_groups: Mapping[StageRef, Sequence[LogGroup]]
    log_role: LogRole | None
    facts: Facts


class SharedFacts:
    """Reads the facts about a stage together with those about others that are needed soon, and keeps them for a while.

    ``new_facts``: creates the reader of facts, as ``FactReader`` does. ``clock``: returns the time now, with its zone.
    A stage is written to at most ``written_for`` seconds after its facts were read. Facts are shared for half of these
    seconds, so that the other half is left for the writes.
    """

    def __init__(
        self,
        new_facts: Callable[..., FactReader],
        settings: Settings,
        log_roles: LogRoles,
        clock: Callable[[], datetime],
    ) -> None:
        self._new_facts = new_facts
        self._log_roles = log_roles
        self._clock = clock
        self._counts_for = timedelta(seconds=settings.deployment.written_for)
        self._policy = settings.policy
        #: To read subscription filters takes so long that facts about many stages would be old.
        self._reads_ahead = settings.deployment.written_for > 0 and not settings.policy.forwards_logs
        #: Stages whose facts are needed soon, with when that was noted.
        self._expected: dict[StageRef, tuple[Stage, datetime]] = {}
        #: By region.
        self._shared: dict[str, FactsAtMoment] = {}

    def expect(self, read: StagesAtMoment) -> None:
        """Note that facts about these stages will be needed soon.

        They are used only for a stage that has the same log groups when its turn comes.
        """
        if self._reads_ahead:
            now = self._clock()
            self._expected |= {each.stage.ref: (each.stage, now) for each in read.stages}

    def about(self, stage: Stage, others: Iterable[Stage]) -> FactsAtMoment | None:
        """Return facts about the stage; None if they have to be read for it alone.

        ``others``: stages of its API whose facts are needed soon.
        """
        region, now = stage.ref.region, self._clock()
        self._expected.pop(stage.ref, None)
        if stage.needs_account_role and self._log_roles.is_due(region):
            return None  # what the log role may do is known after its check
        role, shared = self._log_roles.known(region), self._shared.get(region)
        if shared is not None and shared.log_role is role and self._is_about(shared, stage, now):
            return shared
        recent = {ref: found for ref, found in self._expected.items() if now <= found[1] + self._counts_for}
        self._expected = recent
        expected = [each for ref, (each, _) in recent.items() if ref.region == region]
        stages = {each.ref: each for each in (*expected[:_TOGETHER], *others, stage)}
        reader = self._new_facts(region=region, log_role=role, always_reads_deliveries=False)
        try:
            facts = reader.read(stages.values())
        except CALL_ERRORS:
            self._expected.clear()  # reading them for one stage raises the error, or succeeds
            return None
        log_groups = {ref: log_groups_of(each, self._policy) for ref, each in stages.items()}
        self._shared[region] = FactsAtMoment(now, log_groups, role, facts)
        return self._shared[region]

    def _is_about(self, shared: FactsAtMoment, stage: Stage, now: datetime) -> bool:
        """Return whether the facts are recent enough, and about the log groups that the stage has now."""
        is_recent = now <= shared.moment + self._counts_for / 2
        return is_recent and shared.log_groups.get(stage.ref) == log_groups_of(stage, self._policy)
