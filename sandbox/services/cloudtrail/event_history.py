"""CloudTrail's event history of a region: LookupEvents, which returns records of write calls.

*Source:* botocore's model of LookupEvents; that the history needs no trail: CloudTrail user guide, "Working with
CloudTrail Event history". On AWS the history is minutes late; here it is not.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

#: Attribute -> member of the record. Other attributes are not implemented.
_MEMBERS = {"EventName": "eventName", "EventSource": "eventSource", "EventId": "eventID"}
_PAGE = 50


@rule("cloudtrail", "LookupEvents")
def _lookup(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the records with the attribute, newest first, at most fifty on a page."""
    params = call.params
    wanted = {_MEMBERS[each["AttributeKey"]]: each["AttributeValue"] for each in params.get("LookupAttributes", [])}
    found = [
        record
        for record in reversed(account.trail)
        if record["awsRegion"] == call.region and all(record.get(name) == value for name, value in wanted.items())
    ]
    start, limit = int(params.get("NextToken") or 0), params.get("MaxResults", _PAGE)
    answer: dict[str, Any] = {"Events": [_described(record) for record in found[start : start + limit]]}
    return answer if len(found) <= start + limit else {**answer, "NextToken": str(start + limit)}


def _described(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "EventTime": datetime.fromisoformat(record["eventTime"]).astimezone(UTC),
        "ReadOnly": "false",
        "Resources": [],
        "CloudTrailEvent": json.dumps(record),
    }
