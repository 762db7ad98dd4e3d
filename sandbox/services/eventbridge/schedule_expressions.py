"""``at``, ``rate`` and ``cron`` expressions, and the times that they name.

Rules of EventBridge and EventBridge Scheduler interpret them differently (``Dialect``). The only maintained library
on PyPI, aws-croniter 2.1.1, fails on ``LW`` and ``1-5W``, stops after ten months without an occurrence, and has no
time zones.

*Source:* https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html ; what rules accept and refuse was
recorded on 2026-09-15 in radkawar/stackd ``testdata/aws/eventbridge/scheduled_rules.json`` and in localstack
``test_events_schedule.snapshot.json`` and ``test_scheduler.snapshot.json``.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo


class Dialect(StrEnum):
    """The service that interprets the expression."""

    RULE = "rule"
    SCHEDULER = "scheduler"


@dataclass(frozen=True, slots=True)
class At:
    """An expression with one occurrence."""

    moment: datetime

    def first(self, _: datetime, __: datetime | None = None) -> datetime:
        """Return the only occurrence, whether it has passed or not."""
        return self.moment

    def following(self, _: datetime) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Rate:
    """An expression with occurrences at equal intervals."""

    every: timedelta

    def first(self, now: datetime, start: datetime | None = None) -> datetime:
        """Return *now*, or the first occurrence after it that is counted from *start*."""
        if start is None or start >= now:
            return start or now
        return start - (start - now) // self.every * self.every

    def following(self, occurrence: datetime) -> datetime:
        return occurrence + self.every


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression with occurrences at certain times of certain days."""

    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    #: Ranges, because rules of EventBridge accept years up to 2147483647.
    years: tuple[range, ...]
    #: Tells whether the expression includes the day.
    names_day: Callable[[date], bool]
    zone: tzinfo

    def first(self, now: datetime, start: datetime | None = None) -> datetime | None:
        """Return the first occurrence that is not before *now* and not before *start*, or None."""
        return self.following(max(now, start or now) - timedelta(microseconds=1))

    def following(self, occurrence: datetime) -> datetime | None:
        """Return the next occurrence after the given time, or None.

        Local times that a change of the clock skips are left out.
        """
        begin = occurrence.astimezone(self.zone).date()
        # The calendar repeats after 400 years.
        for year in range(begin.year, min(begin.year + 400, MAXYEAR) + 1):
            if not any(year in named for named in self.years):
                continue
            for month in sorted(self.months):
                for number in range(1, calendar.monthrange(year, month)[1] + 1):
                    day = date(year, month, number)
                    if day >= begin and self.names_day(day) and (moment := self._on(day, occurrence)):
                        return moment
        return None

    def _on(self, day: date, occurrence: datetime) -> datetime | None:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                local = datetime.combine(day, time(hour, minute), self.zone)
                moment = local.astimezone(UTC)
                is_real = moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None)
                if moment > occurrence and is_real:
                    return moment
        return None


type Expression = At | Rate | Cron

_RATE = re.compile(r"rate\(([0-9]+) (minute|hour|day)(s?)\)")
_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_CRON = re.compile(r"cron\((.*)\)")
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LARGEST = 2**31 - 1


def parse(text: str, zone: tzinfo = UTC, dialect: Dialect = Dialect.SCHEDULER) -> Expression:
    """Parse *text* and return the expression. Raise ValueError if the service refuses it.

    A rule accepts no ``at``, requires the singular for 1 and only for 1, and one space between the fields of cron.
    """
    is_rule = dialect is Dialect.RULE
    if (found := _AT.fullmatch(text)) and not is_rule:
        return At(datetime.fromisoformat(found[1]).replace(tzinfo=zone).astimezone(UTC))
    if found := _RATE.fullmatch(text):
        count = int(found[1])
        if not 1 <= count <= _LARGEST or (is_rule and (count == 1) == bool(found[3])):
            raise ValueError(text)
        return Rate(count * timedelta(**{f"{found[2]}s": 1}))
    if found := _CRON.fullmatch(text):
        fields = found[1].upper().split(" ") if is_rule else found[1].upper().split()
        if len(fields) != 6 or not all(fields) or (fields[2] == "?") == (fields[4] == "?"):
            raise ValueError(text)
        read = _Reader(dialect)
        return Cron(
            read.values(fields[0], 0, 59),
            read.values(fields[1], 0, 23),
            read.values(fields[3], 1, 12, _MONTHS),
            tuple(read.span(part, *read.years, wraps=False) for part in fields[5].split(",")),
            read.day_of_week(fields[4]) if fields[2] == "?" else read.day_of_month(fields[2]),
            zone,
        )
    raise ValueError(text)


class _Reader:
    """Parses the fields of a cron expression, in capitals, as one service does. Raises ValueError for invalid ones."""

    def __init__(self, dialect: Dialect) -> None:
        self._is_rule = dialect is Dialect.RULE
        #: A rule accepts years outside the documented range.
        self.years = (0, _LARGEST) if self._is_rule else (1970, 2199)

    def values(self, field: str, low: int, high: int, names: tuple[str, ...] = ()) -> frozenset[int]:
        """Return the numbers that a field names. A range may wrap, as from Friday to Monday."""
        size = high - low + 1
        spans = [self.span(part, low, high, names=names) for part in field.split(",")]
        return frozenset((value - low) % size + low for span in spans for value in span)

    def span(self, part: str, low: int, high: int, *, names: tuple[str, ...] = (), wraps: bool = True) -> range:
        """Return the numbers that one part of a list names. They exceed *high* if the range wraps."""
        span, slash, step_text = part.partition("/")
        step = self._number(step_text, *((0, _LARGEST) if self._is_rule else (1, high))) if slash else 1
        if span == "*":
            begin, end = low, high
        else:
            first, dash, last = span.partition("-")
            begin = self._number(first, low, high, names)
            end = self._number(last, low, high, names) if dash else high if slash else begin
        if end < begin:
            if not wraps:
                raise ValueError(part)
            end += high - low + 1
        return range(begin, end + 1, step) if step else range(begin, begin + 1)

    def day_of_month(self, field: str) -> Callable[[date], bool]:
        """Return the test for days: numbers, ``L`` (the last day), ``L-3``, ``15W``, ``LW`` (the last working day).

        ``15W`` is the working day of the month nearest to the 15th. A rule accepts ``W`` after a range and ignores it,
        as recorded for ``1-5W``.
        """
        day, w, rest = field.partition("W")
        is_nearest = bool(w)
        if rest:
            raise ValueError(field)
        if day.startswith("L"):
            if day != "L" and not day.startswith("L-"):
                raise ValueError(field)
            offset = self._number(day[2:], 0, 30) if day != "L" else 0
            return lambda given: given.day == _day(given, _length(given) - offset, is_nearest)
        days = self.values(day, 1, 31)
        if is_nearest and "-" in day and self._is_rule:
            is_nearest = False
        if not is_nearest:
            return lambda given: given.day in days
        (wanted,) = days
        return lambda given: given.day == _day(given, wanted, True)

    def day_of_week(self, field: str) -> Callable[[date], bool]:
        """Return the test for weekdays: numbers (1 is Sunday), names, ``L`` (Saturday), ``6L``, ``3#2``.

        ``6L`` is the last Friday of the month, ``3#2`` the second Tuesday.
        """
        day, hash_, ordinal = field.partition("#")
        if hash_:
            if "#" in ordinal or "," in field:
                raise ValueError(field)
            weekday, number = self._number(day, 1, 7, _WEEKDAYS), self._number(ordinal, 1, 5)
            return lambda given: _weekday(given) == weekday and (given.day - 1) // 7 + 1 == number
        if field == "L":
            return lambda given: _weekday(given) == 7
        days = self.values(field.removesuffix("L"), 1, 7, _WEEKDAYS)
        if not field.endswith("L"):
            return lambda given: _weekday(given) in days
        (last,) = days
        return lambda given: _weekday(given) == last and given.day + 7 > _length(given)

    def _number(self, text: str, low: int, high: int, names: tuple[str, ...] = ()) -> int:
        """Return the number that the text means. A rule ignores what follows a number or a name, as in ``MONDAY``."""
        for number, name in enumerate(names, low):
            if text == name or (self._is_rule and text.startswith(name)):
                return number
        digits = re.match("[0-9]+", text) if self._is_rule else re.fullmatch("[0-9]+", text)
        if not digits or not low <= int(digits[0]) <= high:
            raise ValueError(text)
        return int(digits[0])


def _day(given: date, wanted: int, is_nearest: bool) -> int | None:
    """Return the number of the day in the month of *given*, or None if the month has no such day."""
    last = _length(given)
    if not 1 <= wanted <= last:
        return None
    weekday = given.replace(day=wanted).isoweekday()
    if not is_nearest or weekday < 6:
        return wanted
    if weekday == 6:
        return wanted - 1 if wanted > 1 else wanted + 2
    return wanted + 1 if wanted < last else wanted - 2


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _weekday(day: date) -> int:
    """Return the number of the weekday: 1 is Sunday."""
    return day.isoweekday() % 7 + 1
