"""Whether the tags of a stage exempt it from changes, perhaps until a date. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from log_keeper.policy.dates import read_end
from log_keeper.policy.policy import Policy

#: How long before its end an exemption is reported.
_NOTICE = timedelta(days=7)


class Exemption(NamedTuple):
    """What the tags of a stage say about an exemption, at one moment.

    ``is_valid``: the stage is exempt. ``until``: when the exemption ends; None: it has no end. ``reason``: as the tag
    gives it, or None. ``ends_soon``: within seven days.
    ``unreadable_tag``: the key of a tag whose value is not a date; the stage is not exempt.
    """

    is_valid: bool
    until: datetime | None = None
    reason: str | None = None
    ends_soon: bool = False
    unreadable_tag: str | None = None

    def to_dict(self) -> dict[str, str | None] | None:
        """Return the exemption as log lines, events and the preview show it; None if the stage is not exempt."""
        if not self.is_valid:
            return None
        return {"until": None if self.until is None else self.until.isoformat(), "reason": self.reason}


NONE = Exemption(is_valid=False)


def read_exemption(tags: Mapping[str, str], policy: Policy, now: datetime) -> Exemption:
    """Return what the tags say. An exemption whose end is in the past, or cannot be read, has ended."""
    if policy.exempt_tag_key is None or policy.exempt_tag_key not in tags:
        return NONE
    reason = tags.get(policy.exempt_reason_tag_key, "").strip() or None
    if policy.exempt_until_tag_key not in tags:
        return Exemption(is_valid=True, reason=reason)
    try:
        until = read_end(tags[policy.exempt_until_tag_key])
    except ValueError:
        return Exemption(is_valid=False, unreadable_tag=policy.exempt_until_tag_key)
    return (
        Exemption(is_valid=True, until=until, reason=reason, ends_soon=until <= now + _NOTICE) if now < until else NONE
    )
