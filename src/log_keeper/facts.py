"""What a stage's logs depend on besides the stage: log groups, permissions, deliveries. Read from AWS in few calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from log_keeper.aws import Clients
from log_keeper.judgement import Facts, log_groups_of
from log_keeper.log_group_reading import read_log_groups
from log_keeper.role_reading import LogRole, RoleReader
from log_keeper.settings import Settings
from log_keeper.stages import Stage


class FactReader:
    """Reads the facts about stages of one region.

    Make one for each event and one for each sweep of a region: what a list tells about the whole region is read once
    and kept. ``log_role``: the region's CloudWatch log role, as far as it is known; None: nothing is said of it.
    """

    def __init__(self, clients: Clients, settings: Settings, region: str, log_role: LogRole | None = None) -> None:
        self._clients = clients
        self._settings = settings
        self._region = region
        self._log_role = log_role

    def read(self, stages: Iterable[Stage]) -> Facts:
        """Return the facts about these stages of the region: one call for each 50 log groups.

        One more call for each 25 log groups of which the log role is not known to allow the use: those that an owner
        chose, and all where the role is limited.

        Raises BotoCoreError and ClientError, which the caller reports.
        """
        stages = list(stages)
        groups = [group for stage in stages for group in log_groups_of(stage, self._settings)]
        facts = Facts(log_groups=read_log_groups(self._clients.logs(self._region), groups))
        writers = [stage for stage in stages if stage.needs_account_role]
        if self._log_role is None or not writers:
            return facts
        written = [group for stage in writers for group in log_groups_of(stage, self._settings)]
        reader = RoleReader(self._clients, self._settings, self._region)
        return replace(facts, log_role=reader.facts(self._log_role, written))
