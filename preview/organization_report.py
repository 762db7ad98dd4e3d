"""A preview of an organization in any form: one part for each account, in a temporary file, until the totals are known.

So the memory that a preview needs does not grow with the number of stages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import Protocol, TextIO

from preview.members import Member, MemberPreview, Totals


class Form(Protocol):
    """A form of the output, such as CSV."""

    #: Between the parts of two accounts.
    separator: str

    def part(self, found: MemberPreview) -> str:
        """Return what is written about one account; empty for nothing."""

    def before(self, totals: Totals) -> str:
        """Return what is written before the accounts."""

    def after(self, totals: Totals) -> str:
        """Return what is written after the accounts."""


class OrganizationReport:
    """A report in one form. Accounts can be added in any order."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 -- it lives as long as the report
        #: Where the part of each account begins and ends in the file.
        self._parts: dict[str, tuple[int, int]] = {}

    def add(self, found: MemberPreview) -> None:
        """Add an account."""
        begin = self._file.tell()
        if part := self._form.part(found):
            self._file.write(part.encode())
            self._parts[found.member.account_id] = begin, self._file.tell()

    def write(self, totals: Totals, members: Iterable[Member], stream: TextIO) -> None:
        """Write the report, with the accounts in the order of ``members``, and delete the temporary file."""
        stream.write(self._form.before(totals))
        separator = ""
        for member in members:
            begin, end = self._parts.get(member.account_id, (0, 0))
            if begin < end:
                self._file.seek(begin)
                stream.write(separator + self._file.read(end - begin).decode())
                separator = self._form.separator
        stream.write(self._form.after(totals))
        self._file.close()
