"""Dates and times in the values of tags. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

#: A date, perhaps with a time. ISO 8601 also has weeks (2026-W52) and days of the year, which nobody writes on purpose.
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}(?P<time>[T ].+)?")
#: The last second of the year 9999, which people write for "never".
_LAST = datetime.max.replace(microsecond=0, tzinfo=UTC)


def read_end(text: str) -> datetime:
    """Return the moment that an ISO 8601 date or time names; for a date, the end of that day. The default is UTC.

    A fraction of a second is rounded up, because EventBridge Scheduler takes whole seconds only. A moment after the
    year 9999 in UTC is its last second.

    Raises ValueError.
    """
    text = text.strip()
    if not (match := _DATE.fullmatch(text)):
        raise ValueError(f"{text!r} is not an ISO 8601 date")
    try:
        if match["time"] is None:
            return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)
    except OverflowError as error:
        if not text.startswith("9999"):
            raise ValueError(f"{text!r} is before the year 1") from error
        return _LAST
