"""The work of one message of SweepQueue: a sweep to start, a region to sweep, or what remains of it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from log_keeper.events.cloudtrail import LOG_GROUP_POLICY_EVENTS
from log_keeper.names import check_name
from log_keeper.stages import Api, Protocol


class UnreadableWorkError(ValueError):
    """A message that is not for SweepQueue. It belongs in the dead-letter queue, where a person can read it."""


class Start(NamedTuple):
    """A sweep to start: of all managed regions of an account. ``account``: None for all governed accounts."""

    account: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A region to sweep.

    ``account``: the member account; None for the stack's own account. ``tries``: how often its role was refused.
    ``is_enforced``: whether the stack that creates the role that remediates is current in that account; None if that
    was not read.
    ``apis``: those that remain to be evaluated; None before they are listed. ``protocol``: of the APIs to evaluate;
    None for a whole sweep, which evaluates all APIs and also checks the region itself.
    """

    region: str
    apis: tuple[Api, ...] | None = None
    protocol: Protocol | None = None
    account: str | None = None
    tries: int = 0
    is_enforced: bool | None = None

    def to_message(self) -> str:
        """Return the work as a message of SweepQueue: 50 KB of at most 1 MB for the largest region, with 1,920 APIs."""
        left = None if self.apis is None else [[api.api_id, api.protocol] for api in self.apis]
        message: dict[str, object] = {"region": self.region, "apis": left, "protocol": self.protocol}
        message |= {} if self.account is None else {"account": self.account}
        message |= {"tries": self.tries} if self.tries else {}
        message |= {} if self.is_enforced is None else {"enforced": self.is_enforced}
        return json.dumps(message, separators=(",", ":"))

    @classmethod
    def from_message(cls, body: str, regions: tuple[str, ...], own_account: str) -> Work | Start:
        """Return the work that a message names, or the sweep that an event starts.

        A change to an account's resource policy for log delivery concerns all HTTP APIs of its region. A stack that was
        deployed to a member account starts a sweep of that account.

        Raises UnreadableWorkError for anything else.
        """
        try:
            message = json.loads(body)
        except (RecursionError, ValueError) as error:
            raise UnreadableWorkError(f"the message is not JSON: {error}") from error
        account = message.get("account") if isinstance(message, dict) else None
        member = None if account in (None, own_account) else _account(account)
        match message:
            case {"detail": {"eventName": str() as name}, "region": region} if name in LOG_GROUP_POLICY_EVENTS:
                return cls(_managed(region, regions), protocol=Protocol.HTTP, account=member)
            case {"detail": _}:
                return Start(member)
            case {"region": region, "apis": None | list() as left}:
                # Messages of earlier versions have no protocol.
                protocol = Protocol.HTTP if message.get("protocol") == Protocol.HTTP else None
                apis = None if left is None else tuple(map(_api, left))
                tries = message.get("tries") if isinstance(message.get("tries"), int) else 0
                is_enforced = message.get("enforced") if isinstance(message.get("enforced"), bool) else None
                return cls(_managed(region, regions), apis, protocol, member, tries, is_enforced)
        raise UnreadableWorkError("the message is neither an event nor a region to sweep")


def _account(account: object) -> str:
    try:
        return check_name("account", account)
    except ValueError as error:
        raise UnreadableWorkError(str(error)) from error


def _managed(region: object, regions: tuple[str, ...]) -> str:
    if not isinstance(region, str) or region not in regions:
        raise UnreadableWorkError("the region of the message is not managed")
    return region


def _api(message: object) -> Api:
    match message:
        case [api_id, str() as protocol] if protocol in Protocol:
            try:
                return Api(check_name("api_id", api_id), Protocol(protocol))
            except ValueError as error:
                raise UnreadableWorkError(str(error)) from error
    raise UnreadableWorkError("each API in the message needs an id and a protocol")
