"""What a stage's logs depend on besides the stage: log groups, permissions, deliveries. Read from AWS in few calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from log_keeper.aws import Clients
from log_keeper.judgement import Facts, delivery_group_of, log_groups_of
from log_keeper.log_delivery import DeliveryFacts
from log_keeper.log_group_reading import read_log_groups
from log_keeper.log_groups import LogGroupFacts
from log_keeper.resource_policies import ResourcePolicies
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
        self._policies = ResourcePolicies(clients.logs(region))

    def read(self, stages: Iterable[Stage]) -> Facts:
        """Return the facts about these stages of the region: one call for each 50 log groups.

        One more call for each 25 log groups of which the log role is not known to allow the use: those that an owner
        chose, and all where the role is limited.
        For stages of HTTP APIs one more call for each of a few, or for each 50 of many: see ``ResourcePolicies.read``.

        Raises BotoCoreError and ClientError, which the caller reports.
        """
        stages = list(stages)
        groups = [group for stage in stages for group in log_groups_of(stage, self._settings)]
        log_groups = read_log_groups(self._clients.logs(self._region), groups)
        facts = Facts(log_groups, deliveries=self._deliveries(stages, log_groups))
        writers = [stage for stage in stages if stage.needs_account_role]
        if self._log_role is None or not writers:
            return facts
        written = [group for stage in writers for group in log_groups_of(stage, self._settings)]
        reader = RoleReader(self._clients, self._settings, self._region)
        return replace(facts, log_role=reader.facts(self._log_role, written))

    def _deliveries(self, stages: Iterable[Stage], log_groups: Mapping[str, LogGroupFacts]) -> dict[str, DeliveryFacts]:
        """Return the facts about log delivery to the access log groups of the stages, by name of the group."""
        names = {name for stage in stages if (name := delivery_group_of(stage, self._settings)) is not None}
        place = f"arn:{self._settings.partition}:logs:{self._region}:{self._settings.account}:log-group:"
        found = self._policies.read(
            [place + name for name in names], missing=[place + name for name in names - log_groups.keys()]
        )
        return {arn.removeprefix(place): facts for arn, facts in found.items()}
