"""Several accounts are read at once, in any order; reports have them in the order of the organization."""

from __future__ import annotations

import io
import threading
from contextlib import closing
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from log_keeper.policy.results import Outcome
from preview.members import Member, MemberPreview, Totals, headline
from preview.model import Count, Preview, RegionPreview
from preview.organization import _AT_ONCE, read_members
from preview.organization_report import OrganizationReport
from preview.reading import ShowProgress, show_no_progress
from preview.roles import RoleSessions
from testing.builders import DEPLOYMENT, POLICY

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
MEMBERS = tuple(
    Member(f"{number:012}", f"account-{number}", "ACTIVE", ("r-ab12",), ("Root",)) for number in range(3 * _AT_ONCE)
)


def totals() -> Totals:
    return Totals("o-a1b2c3d4e5", "Reader", POLICY, NOW, left_out=0)


def test_few_accounts_are_read_at_once_and_each_once() -> None:
    """The first accounts wait for each other, so all of them run at once; no further one runs meanwhile."""
    barrier, lock = threading.Barrier(_AT_ONCE, timeout=30), threading.Lock()
    running, most, first = 0, 0, {member.account_id for member in MEMBERS[:_AT_ONCE]}

    def read(member: Member, _: ShowProgress) -> MemberPreview:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        if member.account_id in first:
            barrier.wait()
        with lock:
            running -= 1
        return MemberPreview(member, reason="no")

    found = [each.member for each in read_members(MEMBERS, read, show_no_progress)]
    assert sorted(member.account_id for member in found) == [member.account_id for member in MEMBERS]
    assert most == _AT_ONCE


def test_progress_counts_accounts() -> None:
    shown: list[tuple[str, int, int | None]] = []

    def read(member: Member, show_progress: ShowProgress) -> MemberPreview:
        show_progress("eu-west-1", 3, 7)
        return MemberPreview(member, reason="no")

    list(read_members(MEMBERS[:2], read, lambda *progress: shown.append(progress)))
    assert {(text, of) for text, _, of in shown} == {("account-0, eu-west-1", 2), ("account-1, eu-west-1", 2)}
    assert all(done <= 1 for _, done, _ in shown)


def test_reading_ends_when_the_user_interrupts_it() -> None:
    """Threads that read end at the next sign of their progress, and no further account is begun."""
    ended: list[str] = []
    all_run = threading.Barrier(_AT_ONCE, timeout=30)

    def read(member: Member, show_progress: ShowProgress) -> MemberPreview:
        all_run.wait()
        if member is MEMBERS[0]:
            return MemberPreview(member, reason="no")
        try:
            for number in range(1_000_000):
                show_progress("eu-west-1", number, None)
        except Exception as error:
            ended.append(type(error).__name__)
            raise
        return MemberPreview(member, reason="not stopped")

    with closing(read_members(MEMBERS, read, show_no_progress)) as reading:
        assert next(reading).member is MEMBERS[0]
    assert ended == ["_StoppedError"] * (_AT_ONCE - 1)


def test_error_that_is_none_of_aws_ends_the_program() -> None:
    def read(_: Member, __: ShowProgress) -> MemberPreview:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(read_members(MEMBERS, read, show_no_progress))


class _Form:
    """A form of output that names the accounts."""

    separator = ", "

    def part(self, found: MemberPreview) -> str:
        return "" if found.member is MEMBERS[1] else found.member.name + "\N{EURO SIGN}"

    def before(self, _: Totals) -> str:
        return "<"

    def after(self, _: Totals) -> str:
        return ">"


def test_report_has_the_accounts_in_order_however_they_were_read() -> None:
    report, stream = OrganizationReport(_Form()), io.StringIO()
    for number in (2, 1, 0):
        report.add(MemberPreview(MEMBERS[number]))
    report.write(totals(), MEMBERS[:4], stream)
    assert stream.getvalue() == "<account-0\N{EURO SIGN}, account-2\N{EURO SIGN}>"


def test_totals_are_in_the_order_of_the_accounts() -> None:
    found = totals()
    for number in (2, 0, 1):
        found.add(MemberPreview(MEMBERS[number], reason=f"reason {number}"))
    found.arrange(MEMBERS)
    assert [row.member for row in found.all_rows] == list(MEMBERS[:3])
    assert found.errors == [f"{number:012} (account-{number}): reason {number}" for number in range(3)]


def test_headline_says_what_is_not_compliant_and_what_is_unread() -> None:
    found = totals()
    found.add(MemberPreview(MEMBERS[0], Preview(DEPLOYMENT.account, POLICY, NOW, (RegionPreview("eu-west-1"),))))
    assert headline(found) == "There are no stages in 1 account."
    assert found.is_compliant
    protocol = next(iter(found.by_protocol))
    compliant = Count({**Count.none().by_outcome, Outcome.COMPLIANT: 3}, 0)
    found.by_protocol[protocol] += compliant
    assert headline(found) == "No stage requires changes, of 3 stages in 1 account."
    outcomes = {**compliant.by_outcome, Outcome.NON_COMPLIANT: 1}
    found.by_protocol[protocol] = replace(compliant, by_outcome=outcomes)
    found.add(MemberPreview(MEMBERS[1], reason="no"))
    assert headline(found) == (
        "1 of 4 stages in 1 account cannot be made compliant; 1 of 2 accounts could not be read."
    )


def test_numbers_can_be_added() -> None:
    one = Count({**Count.none().by_outcome, Outcome.COMPLIANT: 1}, 1)
    both = one + one
    assert (both.evaluated, both.by_outcome[Outcome.COMPLIANT], both.opted_in) == (2, 2, 2)
    assert Count.none().evaluated == 0


class _Sts:
    """A client of STS whose credentials end in some minutes, and have a new token each time."""

    def __init__(self, minutes: int) -> None:
        self._ends = datetime.now(UTC) + timedelta(minutes=minutes)
        self.asked: list[dict[str, str]] = []

    def assume_role(self, **parameters: str) -> dict[str, Any]:
        self.asked.append(parameters)
        keys = {"AccessKeyId": "ASIAX", "SecretAccessKey": "secret", "SessionToken": f"token {len(self.asked)}"}
        return {"Credentials": keys | {"Expiration": self._ends}}


@pytest.mark.parametrize(("minutes", "tokens"), [(60, ["token 1", "token 1"]), (5, ["token 2", "token 3"])])
def test_role_is_assumed_again_before_its_credentials_end(minutes: int, tokens: list[str]) -> None:
    sts: Any = _Sts(minutes)
    session = RoleSessions(sts, "aws-cn", "audit/Reader", "secret", None).open("111111111111")
    credentials = session.get_credentials()
    assert [credentials.get_frozen_credentials().token for _ in range(2)] == tokens
    asked = {key: value for key, value in sts.asked[-1].items() if key != "Policy"}
    assert asked == {
        "RoleArn": "arn:aws-cn:iam::111111111111:role/audit/Reader",
        "RoleSessionName": "log-keeper-preview",
        "ExternalId": "secret",
    }
