"""What other programs hear of the work: an event on the default bus for each change and each finding."""

from __future__ import annotations

import json
from itertools import batched
from typing import TYPE_CHECKING, Any

from log_keeper.events.hints import Cause
from log_keeper.policy.log_groups import LogGroupStep
from log_keeper.policy.results import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

SOURCE = "log-keeper"
CHANGED = "Stage Logging Remediated"
FINDING = "Stage Logging Finding"


class EventsLostError(Exception):
    """EventBridge did not take an event; what it tells of was done all the same."""


def put_events(client: Callable[[], EventBridgeClient], result: Result, cause: Cause) -> None:
    """The default bus has an event if the stage was changed, and one for each finding; none otherwise.

    ``client``: is asked for only where there is something to tell.

    Raises EventsLostError, ClientError.
    """
    about = {
        "stage": {
            "account": result.ref.account,
            "region": result.ref.region,
            "protocol": result.protocol,
            "apiId": result.ref.api_id,
            "stageName": result.ref.stage_name,
        },
        "owner": result.owner,
        "cause": {"eventName": cause.event_name, "eventId": cause.event_id},
    }
    entries = [_entry(FINDING, about | {"problem": each.problem, "detail": each.detail}) for each in result.findings]
    is_changed = any(
        change in (LogGroupStep.CREATE, LogGroupStep.SET_RETENTION) for change in result.log_groups.values()
    )
    is_changed |= bool(result.changes)
    if is_changed and result.outcome not in (Outcome.WOULD_BE_REMEDIATED, Outcome.EXEMPT):
        changes = [change.to_dict() for change in result.changes]
        entries.insert(0, _entry(CHANGED, about | {"changes": changes, "logGroups": result.log_groups}))
    lost = []
    for some in batched(entries, 10, strict=False):  # that a call takes. Source: EventBridge's model
        answer = client().put_events(Entries=list(some))
        lost += [entry for entry in answer["Entries"] if "ErrorCode" in entry]
    if lost:
        raise EventsLostError(f"EventBridge did not take {len(lost)} of {len(entries)} events: {lost[0]}")


def _entry(detail_type: str, detail: dict[str, Any]) -> PutEventsRequestEntryTypeDef:
    return {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)}
