"""Log groups: made where they are missing, with a retention, and otherwise kept as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group as it should be.

    ``retention``: in days. ``kms_key_arn``: only for a group that is made.
    ``is_owners``: a destination that the owner chose, whose retention is theirs too, once it exists.
    """

    name: str
    retention: int
    kms_key_arn: str | None
    is_owners: bool = False


@dataclass(frozen=True, slots=True)
class LogGroupFacts:
    """A log group as it is. ``expires``: by a retention of its own or an account-level policy."""

    born: datetime
    expires: bool


class LogGroupStep(StrEnum):
    """What a log group lacks."""

    CREATE = "created"
    SET_RETENTION = "retention set"
    #: It never expires and may hold lines older than the retention: setting one now would delete them.
    KEEP_UNEXPIRING = "left without retention"
    #: Its owner chose it, and it does not exist: nobody else creates it under that name, which a template may own.
    AWAIT_OWNER = "missing"


def missing_step(wanted: LogGroup, facts: LogGroupFacts | None, now: datetime) -> LogGroupStep | None:
    """What the group lacks: to exist, or to expire; None for nothing.

    A retention that somebody set is left, and an account-level retention policy too. A group that never expires and
    may hold lines older than its retention is left as well, since a retention would delete those lines.
    """
    if facts is None:
        return LogGroupStep.AWAIT_OWNER if wanted.is_owners else LogGroupStep.CREATE
    if wanted.is_owners or facts.expires:
        return None
    is_old = now - facts.born > timedelta(days=wanted.retention)
    return LogGroupStep.KEEP_UNEXPIRING if is_old else LogGroupStep.SET_RETENTION
