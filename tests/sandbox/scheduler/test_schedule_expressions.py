"""Which schedule expressions AWS accepts, and when they are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from sandbox.services.eventbridge.schedule_expressions import At, Cron, Dialect, Rate, parse
from testing.schedules import NOON


def occurrences(expression: str, count: int = 3, after: str = "2027-01-01T00:00", zone: str = "UTC") -> list[str]:
    cron = parse(expression, UTC if zone == "UTC" else ZoneInfo(zone))
    assert isinstance(cron, Cron)
    moment: datetime | None = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found: list[str] = []
    while len(found) < count and moment is not None and (moment := cron.following(moment)):
        found.append(moment.strftime("%Y-%m-%d %H:%M"))
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cron(0 8 L * ? *)", ["2027-01-31 08:00", "2027-02-28 08:00", "2027-03-31 08:00"]),
        ("cron(0 8 L-3 * ? *)", ["2027-01-28 08:00", "2027-02-25 08:00", "2027-03-28 08:00"]),
        ("cron(0 8 LW * ? *)", ["2027-01-29 08:00", "2027-02-26 08:00", "2027-03-31 08:00"]),
        # The 1st of May 2027 is a Saturday: its nearest working day in the same month is the 3rd.
        ("cron(0 8 1W 5 ? 2027)", ["2027-05-03 08:00"]),
        ("cron(0 8 15W 8 ? 2027)", ["2027-08-16 08:00"]),
        ("cron(0 8 31W 10 ? 2027)", ["2027-10-29 08:00"]),
        ("cron(15 10 ? * 6L *)", ["2027-01-29 10:15", "2027-02-26 10:15", "2027-03-26 10:15"]),
        ("cron(15 10 ? * FRIL 2027)", ["2027-01-29 10:15", "2027-02-26 10:15", "2027-03-26 10:15"]),
        ("cron(0 2 ? * SAT#3 *)", ["2027-01-16 02:00", "2027-02-20 02:00", "2027-03-20 02:00"]),
        ("cron(0 2 ? * 2#5 *)", ["2027-03-29 02:00", "2027-05-31 02:00", "2027-08-30 02:00"]),
        ("cron(0 2 ? * L *)", ["2027-01-02 02:00", "2027-01-09 02:00", "2027-01-16 02:00"]),
        ("cron(0 22-1 1 1 ? *)", ["2027-01-01 01:00", "2027-01-01 22:00", "2027-01-01 23:00"]),
        ("cron(0 0 1 NOV-JAN ? *)", ["2027-11-01 00:00", "2027-12-01 00:00", "2028-01-01 00:00"]),
        ("cron(0 0 ? * fri-mon 2027)", ["2027-01-02 00:00", "2027-01-03 00:00", "2027-01-04 00:00"]),
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("cron(0 0 31 FEB ? *)", []),
        ("cron(0 0 1 1 ? 2027,2029-2033/2)", ["2029-01-01 00:00", "2031-01-01 00:00", "2033-01-01 00:00"]),
    ],
)
def test_cron_is_due(expression: str, expected: list[str]) -> None:
    assert occurrences(expression) == expected


def test_local_time_that_the_clock_skips_is_skipped() -> None:
    found = occurrences("cron(30 2 * * ? *)", 2, "2027-03-27T00:00", "Europe/Berlin")
    assert found == ["2027-03-27 01:30", "2027-03-29 00:30"]


#: Recorded on 2026-09-15.
TAKEN_BY_RULES = [
    "cron(0 0 1-5W * ? *)",
    "cron(0/0 * * * ? *)",
    "cron(0/60 * * * ? *)",
    "cron(0 0 1 1 ? 1969)",
    "cron(0 0 1 1 ? 2200)",
    "cron(0 0 ? jan mon *)",
    "cron(50-10/5 * * * ? *)",
    "cron(0 0 28-3 * ? *)",
    "cron(0 0 ? * * *)",
    "rate(1 minute)",
    "rate(5 minutes)",
]
REFUSED_BY_RULES = [
    "cron(0 0 ? * ? *)",
    "cron(0 0 * * * *)",
    "cron(0 0 1 * MON *)",
    "cron(0 0 ? * MON#6 *)",
    "cron(0 0 ? * MON#0 *)",
    "cron(0 0 ? * 3#1,6#3 *)",
    "cron(0 0 1 1 ? 2030-2027)",
    "cron(0 12 * * ?)",
    "cron(0 0 12 * * ? *)",
    "cron(60 0 * * ? *)",
    "cron(0 24 * * ? *)",
    "cron(0 0 0 * ? *)",
    "cron(0 0 1 13 ? *)",
    "cron(0 0 ? * 8 *)",
    "cron(? 0 * * ? *)",
    "CRON(0 0 * * ? *)",
    "cron(0  0 * * ? *)",
    "cron(0\t0 * * ? *)",
    "cron( 0 0 * * ? * )",
    " cron(0 0 * * ? *) ",
    "cron(0 dummy ? * MON-FRI *)",
    "rate(10 seconds)",
    "rate(1 minutes)",
    "rate(10 minute)",
    "rate(0 minutes)",
    "rate(-10 minutes)",
    "rate(10 MINUTES)",
    "rate( 10 minutes )",
    "rate()",
    "at(2027-01-01T00:00:00)",
]


@pytest.mark.parametrize("expression", TAKEN_BY_RULES)
def test_rule_accepts_the_expression(expression: str) -> None:
    parse(expression, dialect=Dialect.RULE)


@pytest.mark.parametrize("expression", REFUSED_BY_RULES)
def test_rule_refuses_the_expression(expression: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(expression, dialect=Dialect.RULE)


@pytest.mark.parametrize("expression", ["cron(0 0 1 1 ? 1969)", "cron(0/0 * * * ? *)", "cron(0 0 ? * MONDAY *)"])
def test_scheduler_accepts_only_documented_values(expression: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(expression)


def test_expressions_are_parsed_and_invalid_ones_refused() -> None:
    assert parse("rate(5 minutes)") == Rate(timedelta(minutes=5))
    assert parse("at(2027-03-01T13:00:00)") == At(NOON + timedelta(hours=1))
    workdays = parse("cron(0/30 9-10 ? * MON-FRI *)")
    assert isinstance(workdays, Cron)
    assert workdays.first(NOON - timedelta(hours=2, minutes=10)) == NOON.replace(hour=10)
    friday = datetime(2027, 3, 5, 10, 30, tzinfo=UTC)
    assert workdays.following(friday) == datetime(2027, 3, 8, 9, tzinfo=UTC)
    assert parse("cron(0 0 1 1 ? 2020)").following(NOON) is None
    for wrong in ("rate(0 days)", "rate(5 weeks)", "at(2027-03-01)", "at(2027-13-01T00:00:00)", "cron(0 9 * * *)",
                  "cron(0 9 * * * *)", "cron(61 9 * * ? *)", "at(2027-03-01T13:00:00Z)", "soon"):  # fmt: skip
        with pytest.raises(ValueError):
            parse(wrong)
