"""A part of a sweep, as a message of SweepQueue. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass

from log_keeper.events.cloudtrail import LOG_GROUP_POLICY_EVENTS
from log_keeper.stages import Api, Protocol, check_name


class UnreadableWorkError(ValueError):
    """Not what is put on SweepQueue. It belongs in the dead-letter queue, where somebody can look at it."""


@dataclass(frozen=True, slots=True)
class Work:
    """A region to sweep.

    ``apis``: those that are left of it, None before they are listed. ``protocol``: of the APIs that are evaluated; None
    for a whole sweep, of all APIs and of what is the region's.
    """

    region: str
    apis: tuple[Api, ...] | None = None
    protocol: Protocol | None = None

    def to_message(self) -> str:
        """The work as a message of SweepQueue. The largest region, 1,920 APIs, takes 50 KB of the 1 MB there are."""
        left = None if self.apis is None else [[api.api_id, api.protocol] for api in self.apis]
        message = {"region": self.region, "apis": left, "protocol": self.protocol}
        return json.dumps(message, separators=(",", ":"))

    @classmethod
    def from_message(cls, body: str, regions: tuple[str, ...]) -> Work | None:
        """Return the work that a message names; None for any other event: a new sweep, of all regions.

        A change to the account's policy for log delivery is an event about all HTTP APIs of its region.
        Raises UnreadableWorkError for what is neither.
        """
        try:
            message = json.loads(body)
        except (RecursionError, ValueError) as error:
            raise UnreadableWorkError(f"not JSON: {error}") from error
        match message:
            case {"detail": {"eventName": str() as name}, "region": region} if name in LOG_GROUP_POLICY_EVENTS:
                return cls(_managed(region, regions), protocol=Protocol.HTTP)
            case {"detail": _}:
                return None
            case {"region": region, "apis": None | list() as left}:
                # A message of the version before has no protocol.
                protocol = Protocol.HTTP if message.get("protocol") == Protocol.HTTP else None
                return cls(_managed(region, regions), None if left is None else tuple(map(_api, left)), protocol)
        raise UnreadableWorkError("neither an event nor a region to sweep")


def _managed(region: object, regions: tuple[str, ...]) -> str:
    if not isinstance(region, str) or region not in regions:
        raise UnreadableWorkError("a region that is not looked after")
    return region


def _api(message: object) -> Api:
    match message:
        case [api_id, str() as protocol] if protocol in Protocol:
            try:
                return Api(check_name("api_id", api_id), Protocol(protocol))
            except ValueError as error:
                raise UnreadableWorkError(str(error)) from error
    raise UnreadableWorkError("an API to sweep has an id and a kind")
