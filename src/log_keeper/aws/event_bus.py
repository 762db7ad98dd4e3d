"""Publishes events for other programs on the default bus: one for each remediated stage and one for each finding."""

from __future__ import annotations

import json
from itertools import batched
from typing import TYPE_CHECKING, Any

from log_keeper.events.hints import Cause
from log_keeper.policy.results import Result
from log_keeper.stages import Account

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "log-keeper"
REMEDIATED = "Stage Logging Remediated"
FINDING = "Stage Logging Finding"
#: The most entries of one PutEvents. *Source:* botocore's model of EventBridge.
_ENTRIES = 10


class EventsLostError(Exception):
    """EventBridge did not accept an event. The work that it reports was done all the same."""


def put_events(new_client: Callable[[], EventBridgeClient], account: Account, result: Result, cause: Cause) -> None:
    """Publish an event if the stage was changed, and one for each finding.

    ``account``: of the stage. ``new_client``: returns the client; is called only if there is something to publish.

    Raises EventsLostError and ClientError.
    """
    entries = _entries(account, result, cause)
    lost = []
    for some in batched(entries, _ENTRIES, strict=False):
        answer = new_client().put_events(Entries=list(some))
        lost += [entry for entry in answer["Entries"] if "ErrorCode" in entry]
    if lost:
        raise EventsLostError(f"EventBridge did not accept {len(lost)} of {len(entries)} events: {lost[0]}")


def _entries(account: Account, result: Result, cause: Cause) -> list[PutEventsRequestEntryTypeDef]:
    found = result.to_dict()
    stage = {"accountId": account.account_id, **account.known(), **found["stage"]}
    about = {"stage": stage, "owner": stage.pop("owner"), "exemption": found["exemption"], "cause": cause.to_dict()}
    entries = [_entry(FINDING, about | finding) for finding in found["findings"]]
    if result.has_changed:
        changed = {"changes": found["changes"], "logGroups": found["logGroups"]}
        entries.insert(0, _entry(REMEDIATED, about | changed))
    return entries


def _entry(detail_type: str, detail: dict[str, Any]) -> PutEventsRequestEntryTypeDef:
    return {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
