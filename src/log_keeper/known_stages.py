"""The stages of one API, read together: one call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import is_access_denied
from log_keeper.aws.stage_api import Reading, StageReader, reading_of
from log_keeper.events.read_stages import ReadStage, StagesAtMoment
from log_keeper.policy.evaluation import Facts
from log_keeper.shared_facts import SharedFacts
from log_keeper.stages import StageRef


@dataclass(frozen=True, slots=True)
class Known:
    """A stage that was read a short while ago.

    ``until``: when it is to be read again before it is written to. ``facts``: about its log groups and permissions;
    None if they are to be read.
    """

    reading: Reading
    until: datetime
    facts: Facts | None


class KnownStages:
    """Stages of one API. They are read together, and again if the work on those before took too long.

    ``read``: the stages as a sweep has read them; None if they are to be read. ``clock``: returns the time now, with
    its zone. ``written_for``: seconds after a read until which stages are written to; 0: each stage is read alone.
    """

    def __init__(
        self,
        shared_facts: SharedFacts,
        clients: Clients,
        clock: Callable[[], datetime],
        reader: StageReader,
        refs: Sequence[StageRef],
        read: StagesAtMoment | None,
        written_for: int,
    ) -> None:
        self._written_for = timedelta(seconds=written_for)
        self._clients = clients
        self._shared_facts = shared_facts
        self._clock = clock
        self._reader = reader
        self._left = dict.fromkeys(refs)
        self._moment = clock() if read is None else read.moment
        self._stages = {} if read is None else {each.stage.ref: each for each in read.stages}
        self._is_read = read is not None
        self._error: Exception | None = None
        self._is_list_denied = False
        for each in self._stages.values():
            reader.know(each.stage)

    def take(self, ref: StageRef) -> Known | None:
        """Return the stage; None if it is to be read alone: it was not in the list, or SettleSeconds are too few.

        Raises the error of the list, for each stage.
        """
        if not self._written_for:
            return None
        if not self._is_list_denied and (not self._is_read or self._is_old(ref.region)):
            self._read()
        del self._left[ref]
        found = self._stages.get(ref)
        if found is None:
            return None
        left = (self._stages[each].stage for each in self._left if each in self._stages)
        shared = self._shared_facts.about(found.stage, left)
        if shared is None:
            return Known(reading_of(found), self._moment + self._written_for, None)
        return Known(reading_of(found), min(self._moment, shared.moment) + self._written_for, shared.facts)

    def _is_old(self, region: str) -> bool:
        """Return whether the next stage could not be written to in time any more."""
        now, waits = self._clock(), timedelta(seconds=self._clients.pace(region).wait(1))
        is_of_the_past = self._moment <= now + timedelta(seconds=1)  # clocks differ a little
        return not is_of_the_past or now + waits > self._moment + self._written_for

    def _read(self) -> None:
        """Read all stages of the API."""
        if self._error is not None:
            raise self._error
        found: list[ReadStage] = []
        try:
            found = self._reader.read_api(next(iter(self._left)))
        except Exception as error:
            # The role of a member account whose stack is of an earlier version may read each stage alone.
            self._is_list_denied = isinstance(error, ClientError) and is_access_denied(error)
            if not self._is_list_denied:
                self._error = error
                raise
        # After the answer: the wait for the pace comes before the call. The answer itself takes less than a second.
        self._moment = self._clock()
        self._stages = {each.stage.ref: each for each in found}
        self._is_read = True
