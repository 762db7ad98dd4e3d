"""What the tags of a stage ask for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from log_keeper.policy.policy import Policy
from log_keeper.stages import LoggingLevel

#: A date, perhaps with a time; a week (2026-W52) and a day of the year are dates of ISO 8601 that nobody means.
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}(?P<time>[T ].+)?")


@dataclass(frozen=True, slots=True)
class OptIn:
    """What the tags of a stage ask for, at one moment.

    ``level``: INFO while it is opted in. ``until``: when that ends; None: not opted in, or without an end.
    ``unreadable_tag``: the key of a tag whose value is no date; it counts as past.
    """

    level: LoggingLevel
    until: datetime | None = None
    unreadable_tag: str | None = None


def read_opt_in(tags: Mapping[str, str], policy: Policy, now: datetime) -> OptIn:
    """What the tags ask for. An opt-in whose end is past, or cannot be read, is none."""
    if tags.get(policy.info_tag_key, "").strip().upper() != LoggingLevel.INFO:
        return OptIn(LoggingLevel.ERROR)
    if policy.until_tag_key not in tags:
        return OptIn(LoggingLevel.INFO)
    try:
        until = _end(tags[policy.until_tag_key].strip())
    except ValueError:
        return OptIn(LoggingLevel.ERROR, unreadable_tag=policy.until_tag_key)
    return OptIn(LoggingLevel.INFO, until) if now < until else OptIn(LoggingLevel.ERROR)


def _end(text: str) -> datetime:
    """The moment that an ISO 8601 date or time names: a date holds to its end. Without a zone it is UTC.

    A part of a second counts as a whole one, since schedules know no parts.
    """
    if not (match := _DATE.fullmatch(text)):
        raise ValueError(f"{text} is no date")
    try:
        if match["time"] is None:
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
    except OverflowError as error:
        raise ValueError(f"{text} is beyond the calendar") from error
