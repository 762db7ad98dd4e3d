"""Reads what a stage's logs depend on besides the stage: log groups, permissions, deliveries. In few calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from log_keeper.aws.clients import Clients
from log_keeper.aws.deliveries import DeliveryReader
from log_keeper.aws.log_groups import read_log_groups
from log_keeper.aws.resource_policies import ResourcePolicies
from log_keeper.aws.role_reading import LogRole, RoleReader
from log_keeper.aws.subscription_filters import read_filter
from log_keeper.policy.evaluation import Facts
from log_keeper.policy.execution_logs import Delivery, needs_deliveries
from log_keeper.policy.log_delivery import DeliveryFacts
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, Subscription, delivery_group_of, log_groups_of
from log_keeper.policy.log_role import LogRoleFacts
from log_keeper.policy.policy import Policy
from log_keeper.policy.subscriptions import readable_filters
from log_keeper.stages import Account, Protocol, Stage, StageRef


class FactReader:
    """Reads the facts about stages of one region.

    Make one for each event and one for each sweep of a region: it keeps the answers of lists about the whole region.
    ``log_role``: the region's CloudWatch log role; None if it is not known: the facts then say nothing about it.
    ``always_reads_deliveries``: reads deliveries of execution logs also if they decide nothing about the stages.
    """

    def __init__(
        self,
        clients: Clients,
        account: Account,
        region: str,
        policy: Policy,
        log_role: LogRole | None = None,
        *,
        always_reads_deliveries: bool = True,
    ) -> None:
        self._clients = clients
        self._account = account
        self._region = region
        self._policy = policy
        self._log_role = log_role
        self._policies = ResourcePolicies(clients.logs(region))
        self._execution_log_deliveries = DeliveryReader(clients, account, region)
        self._always_reads_deliveries = always_reads_deliveries

    def read(self, stages: Iterable[Stage]) -> Facts:
        """Return the facts about these stages of the region: one call for each 50 log groups.

        One more call for each 25 log groups that the log role is not known to be allowed to use: those that an owner
        chose, and all of them if the role is limited.
        For stages of HTTP APIs one more call for each of a few, or for each 50 of many: see ``ResourcePolicies.read``.
        For REST stages also the list of the region's sources of log delivery, once; and if one of them is for a stage,
        the list of deliveries, and their destinations.
        For each existing log group whose lines are forwarded one call, in a pace of its own.

        Raises BotoCoreError and ClientError.
        """
        logs, stages = self._clients.logs(self._region), list(stages)
        deliveries = self._read_deliveries(stages) if self._always_reads_deliveries else {}
        groups = [group for stage in stages for group in log_groups_of(stage, self._policy)]
        log_groups = read_log_groups(logs, [*groups, *_receivers(deliveries)])
        log_role = self._read_log_role(stages)
        denied = {} if log_role is None else log_role.denied
        if not self._always_reads_deliveries and any(
            needs_deliveries(stage, log_groups.keys(), denied) for stage in stages
        ):
            deliveries, known = self._read_deliveries(stages), {group.name for group in groups}
            log_groups |= read_log_groups(logs, [group for group in _receivers(deliveries) if group.name not in known])
        access_log_deliveries = self._access_log_deliveries(stages, log_groups)
        return Facts(log_groups, log_role, access_log_deliveries, deliveries, self._read_filters(groups, log_groups))

    def _read_filters(
        self, groups: Iterable[LogGroup], log_groups: Mapping[str, LogGroupFacts]
    ) -> dict[str, Subscription]:
        """Return Log Keeper's subscription filters, by log group."""
        logs, name = self._clients.logs(self._region), self._policy.filter_name
        found = {group: read_filter(logs, group, name) for group in readable_filters(groups, log_groups)}
        return {group: subscription for group, subscription in found.items() if subscription is not None}

    def _read_log_role(self, stages: Iterable[Stage]) -> LogRoleFacts | None:
        """Return what the log role is denied on the log groups that it writes to for the stages."""
        writers = [stage for stage in stages if stage.needs_account_role]
        if self._log_role is None or not writers:
            return None
        written = [group for stage in writers for group in log_groups_of(stage, self._policy)]
        reader = RoleReader(self._clients, self._account, self._region)
        return reader.facts(self._log_role, written, self._policy.access_log_names)

    def _read_deliveries(self, stages: Iterable[Stage]) -> dict[StageRef, tuple[Delivery, ...]]:
        """Return the deliveries of execution logs of those stages that have any."""
        refs = [stage.ref for stage in stages if stage.protocol is Protocol.REST]
        found = self._execution_log_deliveries.read() if refs else {}
        return {ref: found[ref] for ref in refs if ref in found}

    def _access_log_deliveries(
        self, stages: Iterable[Stage], log_groups: Mapping[str, LogGroupFacts]
    ) -> dict[str, DeliveryFacts]:
        """Return the facts about log delivery to the access log groups of HTTP APIs, by name of the log group."""
        names = {name for stage in stages if (name := delivery_group_of(stage, self._policy)) is not None}
        prefix = self._account.log_group_prefix(self._region)
        found = self._policies.read(
            [prefix + name for name in names], missing=[prefix + name for name in names - log_groups.keys()]
        )
        return {arn.removeprefix(prefix): facts for arn, facts in found.items()}


def _receivers(deliveries: Mapping[StageRef, tuple[Delivery, ...]]) -> list[LogGroup]:
    """Return the log groups that deliveries go to. They belong to their owners, and their retention does not matter."""
    names = {each.log_group for some in deliveries.values() for each in some if each.log_group is not None}
    return [LogGroup(name, 0, None, is_owners=True) for name in sorted(names)]
