"""What a stage's logs depend on besides the stage: log groups, permissions, deliveries. Read from AWS in few calls."""

from __future__ import annotations

from collections.abc import Iterable

from log_keeper.aws import Clients
from log_keeper.judgement import Facts, log_groups_of
from log_keeper.log_group_reading import read_log_groups
from log_keeper.settings import Settings
from log_keeper.stages import Stage


class FactReader:
    """Reads the facts about stages of one region.

    Make one for each event and one for each sweep of a region: what a list tells about the whole region is read once
    and kept.
    """

    def __init__(self, clients: Clients, settings: Settings, region: str) -> None:
        self._clients = clients
        self._settings = settings
        self._region = region

    def read(self, stages: Iterable[Stage]) -> Facts:
        """Return the facts about these stages of the region: one call for each 50 log groups.

        Raises BotoCoreError and ClientError, which the caller reports.
        """
        groups = [group for stage in stages for group in log_groups_of(stage, self._settings)]
        return Facts(log_groups=read_log_groups(self._clients.logs(self._region), groups))
