"""What the tags of a stage ask for: execution logs at INFO, perhaps until a date. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from log_keeper.policy.policy import Policy
from log_keeper.stages import LoggingLevel

#: A date, perhaps with a time. ISO 8601 also has weeks (2026-W52) and days of the year, which nobody writes on purpose.
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}(?P<time>[T ].+)?")


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
        until = _end(tags[policy.until_tag_key].strip())
    except ValueError:
        return OptIn(LoggingLevel.ERROR, unreadable_tag=policy.until_tag_key)
    return OptIn(LoggingLevel.INFO, until) if now < until else OptIn(LoggingLevel.ERROR)


def _end(text: str) -> datetime:
    """Return the moment that an ISO 8601 date or time names; for a date, the end of that day. The default is UTC.

    A fraction of a second is rounded up, because EventBridge Scheduler takes whole seconds only.

    Raises ValueError.
    """
    if not (match := _DATE.fullmatch(text)):
        raise ValueError(f"{text!r} is not an ISO 8601 date")
    try:
        if match["time"] is None:
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
    except OverflowError as error:
        raise ValueError(f"{text!r} is after the year 9999") from error
