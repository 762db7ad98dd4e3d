"""What the tags of a stage ask for: execution logs at INFO, perhaps until a date. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from log_keeper.policy.dates import read_end
from log_keeper.policy.policy import Policy
from log_keeper.stages import LoggingLevel


class OptIn(NamedTuple):
    """What the tags of a stage ask for, at one moment.

    ``level``: INFO while the stage is opted in, ERROR otherwise. ``until``: when the opt-in ends, in whole seconds;
    None: the stage is not opted in, or the opt-in has no end.
    ``unreadable_tag``: the key of a tag whose value is not a date; the opt-in counts as ended.
    """

    level: LoggingLevel
    until: datetime | None = None
    unreadable_tag: str | None = None


def read_opt_in(tags: Mapping[str, str], policy: Policy, now: datetime) -> OptIn:
    """Return what the tags ask for. An opt-in whose end is in the past, or cannot be read, has ended."""
    if tags.get(policy.info_tag_key, "").strip().upper() != LoggingLevel.INFO:
        return OptIn(LoggingLevel.ERROR)
    if policy.until_tag_key not in tags:
        return OptIn(LoggingLevel.INFO)
    try:
        until = read_end(tags[policy.until_tag_key])
    except ValueError:
        return OptIn(LoggingLevel.ERROR, unreadable_tag=policy.until_tag_key)
    return OptIn(LoggingLevel.INFO, until) if now < until else OptIn(LoggingLevel.ERROR)
