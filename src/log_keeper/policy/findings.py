"""What needs the action of a person, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Problem(StrEnum):
    """What cannot be put in line, and is for somebody to look at."""

    MANAGED_STAGE = "API Gateway refuses changes to the managed stage of a quick-created API"
    STALE_ROUTE = "settings of a route that does not exist: API Gateway refuses changes to those of any route"
    ROUTE_SETTINGS_LOST = "API Gateway dropped settings of a route, and they could not be put back"
    UNREADABLE_TAG = "a tag's value is no ISO 8601 date or time, and counts as past"
    FIREHOSE_MISSING = "the Firehose stream that access logs go to does not exist"
    NO_RETENTION = "a log group has no retention; one set now would delete old lines"
    DESTINATION_MISSING = "the log group that access logs go to does not exist: no access log is kept"
    DESTINATION_RECREATED = "the log group of the access logs was deleted and created again: older lines are lost"
    DELIVERY_DENIED = "a resource policy denies log delivery to the log group: no access log is kept"
    LOG_GROUP_DELETED = "a log group of the stage was deleted: its lines, retention, key and filters are lost"
    LOG_GROUP_EXISTS = "a deployment could not create a log group that exists already"
    DELIVERED_ELSEWHERE = "execution logs go where a log delivery takes them, not to the standard log group"
    DELIVERY_LOST = "a log delivery takes execution logs to something that does not exist: they are lost"
    CHANGE_FAILED = "a required change could not be made; it is tried again"
    LIMITED_LOG_ROLE = (
        "the CloudWatch log role may not write to log groups of the stage: what it does not write is lost"
    )
    DENIED_BY_ORGANIZATION = "a service control policy may keep the CloudWatch log role from writing"
    NO_TRAIL = "no CloudTrail trail logs management write events: changes are found by the sweep only"
    NO_FORWARDERS = "changes in the region are found by the sweep only: its forwarder is incomplete"
    NOT_FORWARDED = "events of the region could not be delivered to the stack's own region"
    REGION_UNAVAILABLE = "the region cannot be reached: it is disabled, or denied to Log Keeper"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and of what: a tag's key, a route, a stream, a log group, a region."""

    problem: Problem
    detail: str
