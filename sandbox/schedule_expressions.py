"""``at``, ``rate`` and ``cron`` expressions: when something recurs.

*Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


@dataclass(frozen=True, slots=True)
class At:
    """Once."""

    moment: datetime

    def first(self, _: datetime, __: datetime | None = None) -> datetime:
        """The one occurrence, be it past or not."""
        return self.moment

    def following(self, _: datetime) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Rate:
    """Again and again, at even distances."""

    every: timedelta

    def first(self, now: datetime, start: datetime | None = None) -> datetime:
        """At once, or at *start*, from which later ones are counted too."""
        if start is None or start >= now:
            return start or now
        return start - (start - now) // self.every * self.every

    def following(self, occurrence: datetime) -> datetime:
        return occurrence + self.every


@dataclass(frozen=True, slots=True)
class Cron:
    """At certain times of certain days."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    #: 1 is Sunday.
    weekdays: frozenset[int]
    years: frozenset[int]
    zone: tzinfo

    def first(self, now: datetime, start: datetime | None = None) -> datetime | None:
        """Not before *now*, nor before *start*."""
        return self.following(max(now, start or now) - timedelta(microseconds=1))

    def following(self, occurrence: datetime) -> datetime | None:
        """The next one after that time; None if no more years are named. Local times that a clock skips are skipped."""
        day = occurrence.astimezone(self.zone).date()
        while day.year <= max(self.years):
            if self._names(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        local = datetime.combine(day, time(hour, minute), self.zone)
                        moment = local.astimezone(UTC)
                        is_real = moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                        if moment > occurrence and is_real:
                            return moment
            day += timedelta(days=1)
        return None

    def _names(self, day: date) -> bool:
        return (
            day.day in self.days
            and day.month in self.months
            and day.isoweekday() % 7 + 1 in self.weekdays
            and day.year in self.years
        )


type Expression = At | Rate | Cron

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((.*)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def parse(text: str, zone: tzinfo = UTC) -> Expression:
    """The expression that *text* is. ValueError if it is none; NotImplementedError for L, W and # in ``cron``."""
    if found := _AT.fullmatch(text):
        return At(datetime.fromisoformat(found[1]).replace(tzinfo=zone).astimezone(UTC))
    if found := _RATE.fullmatch(text):
        count = int(found[1])
        if count < 1:
            raise ValueError(text)
        return Rate(count * timedelta(**{f"{found[2]}s": 1}))
    if found := _CRON.fullmatch(text):
        fields = found[1].split()
        if len(fields) != 6 or (fields[2] == "?") == (fields[4] == "?"):
            raise ValueError(text)
        return Cron(
            _field(fields[0], 0, 59),
            _field(fields[1], 0, 23),
            _field(fields[2], 1, 31),
            _field(fields[3], 1, 12, _MONTHS),
            _field(fields[4], 1, 7, _WEEKDAYS),
            _field(fields[5], 1970, 2199),
            zone,
        )
    raise ValueError(text)


def _field(text: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
    for number, name in enumerate(names, low):
        text = text.upper().replace(name, str(number))
    if re.search("[LW#]", text):
        raise NotImplementedError(text)
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span in ("*", "?"):
            begin, end = low, high
        else:
            begin = int(first)
            end = int(last) if last else high if step else begin
        if not low <= begin <= end <= high:
            raise ValueError(text)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(found)
