"""Log forwarding: the subscription filter that each log group should have, and whether it has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, Subscription
from log_keeper.policy.plan import Change, Setting

#: The only class of log groups that can have subscription filters. *Source:* CloudWatch Logs user guide, "Log classes".
STANDARD = "STANDARD"


class RequiredFilters(NamedTuple):
    """The subscription filters that a stage requires. ``subscriptions``: by log group, one for each change.

    ``findings``: about log groups that can have no such filter.
    """

    changes: tuple[Change, ...]
    subscriptions: Mapping[str, Subscription]
    findings: tuple[Finding, ...]


def required_filters(
    groups: Iterable[LogGroup], log_groups: Mapping[str, LogGroupFacts], filters: Mapping[str, Subscription]
) -> RequiredFilters:
    """Return the subscription filters that the log groups require.

    ``log_groups``: by name, those that exist. ``filters``: by log group, the filters of Log Keeper that exist.
    """
    changes, subscriptions, findings = [], {}, []
    for group, wanted in _forwarded(groups):
        log_class = log_groups.get(group.name, group).log_class
        if log_class != STANDARD:
            findings.append(Finding(Problem.NOT_FORWARDABLE, f"{group.name}: class {log_class}"))
        elif (now_set := filters.get(group.name)) != wanted:
            subscriptions[group.name] = wanted
            changes.append(_change(group, now_set, wanted))
    return RequiredFilters(tuple(changes), subscriptions, tuple(findings))


def readable_filters(groups: Iterable[LogGroup], log_groups: Mapping[str, LogGroupFacts]) -> list[str]:
    """Return the names of the log groups whose filters have to be read: a missing log group has none."""
    names = {group.name for group, _ in _forwarded(groups)}
    return sorted(name for name in names & log_groups.keys() if log_groups[name].log_class == STANDARD)


def _forwarded(groups: Iterable[LogGroup]) -> Iterator[tuple[LogGroup, Subscription]]:
    for group in groups:
        if group.subscription is not None:
            yield group, group.subscription


def _change(group: LogGroup, now_set: Subscription | None, wanted: Subscription) -> Change:
    before, after = None if now_set is None else now_set.destination_arn, wanted.destination_arn
    reason = "the lines of the log group are not forwarded"
    if now_set is not None:
        reason = "Log Keeper's subscription filter of the log group is not the one that the parameters describe"
        if before == after:
            before, after = now_set.in_words(), wanted.in_words()
    return Change(Setting.LOG_FORWARDING, None, before, after, reason, group.name)
