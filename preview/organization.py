"""Read the accounts of an organization, several at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws.errors import error_code, error_message
from log_keeper.stages import Account
from preview.members import ACTIVE, Member, MemberPreview
from preview.model import Preview
from preview.reading import ShowProgress, explain
from preview.roles import RoleSessions
from tools.aws_session import one_line

if TYPE_CHECKING:
    import boto3

#: Accounts that are read at once. Each has a pace of its own; nearly all time is waiting for it.
_AT_ONCE = 8
#: By the state of an account: what to do about it. *Source:* Organizations user guide, "Monitor the state of your AWS
#: accounts".
_REMEDIES = {
    "PENDING_ACTIVATION": "complete its sign-up",
    "SUSPENDED": "AWS Support can tell why and reopen it",
}


class _StoppedError(Exception):
    """The user has interrupted the program: raised in the threads that read accounts."""


@dataclass(frozen=True, slots=True)
class MemberReader:
    """Reads one account. The caller's own is read with the caller's own session, without the role.

    ``read``: reads all regions of an account with a session.
    """

    home: Account
    session: boto3.Session
    roles: RoleSessions
    read: Callable[[boto3.Session, Account, ShowProgress], Preview]

    def read_member(self, member: Member, show_progress: ShowProgress) -> MemberPreview:
        """Return what could be read of the account, or the reason why nothing could."""
        account = Account(member.account_id, self.home.partition)
        is_own = account.account_id == self.home.account_id
        if member.state != ACTIVE:
            remedy = _REMEDIES.get(member.state)
            return MemberPreview(
                member,
                reason=f"not read, because the account is {member.state}: {f'{remedy}; or ' if remedy else ''}"
                "leave it out with --exclude-accounts.",
            )
        try:
            session = self.session if is_own else self.roles.open(account.account_id)
        except (BotoCoreError, ClientError) as error:
            return MemberPreview(member, reason=self._refused(member, error))
        try:
            return MemberPreview(member, self.read(session, account, show_progress))
        except (BotoCoreError, ClientError) as error:
            return MemberPreview(member, reason=f"could not be read: {explain(error)}")

    def _refused(self, member: Member, error: BotoCoreError | ClientError) -> str:
        arn = self.roles.arn(member.account_id)
        if not (isinstance(error, ClientError) and error_code(error) == "AccessDenied"):
            return f"{arn} could not be assumed: {explain(error)}"
        return (
            f"{arn} cannot be assumed: {one_line(error_message(error)).rstrip('.')}. Check that the role exists in the "
            "account, that its trust policy allows you (does it ask for an --external-id?), and that you may call "
            "sts:AssumeRole; or leave the account out with --exclude-accounts."
        )


def read_members(
    members: Iterable[Member], read: Callable[[Member, ShowProgress], MemberPreview], show_progress: ShowProgress
) -> Generator[MemberPreview]:
    """Yield what was read of each account as soon as it is there. At most ``_AT_ONCE`` accounts are held."""
    members = list(members)
    stopped, done = threading.Event(), 0

    def read_one(member: Member) -> MemberPreview:
        def show(region: str, _: int, __: int | None) -> None:
            if stopped.is_set():
                raise _StoppedError
            show_progress(f"{member.name}, {region}", done, len(members))

        return read(member, show)

    waiting = iter(members)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running: set[Future[MemberPreview]] = set()
        try:
            running |= {pool.submit(read_one, member) for member in islice(waiting, _AT_ONCE)}
            while running:
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    done += 1
                    yield future.result()
                running |= {pool.submit(read_one, member) for member in islice(waiting, len(ready))}
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
