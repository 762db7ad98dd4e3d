"""What needs the action of a person: the findings, and how they follow from what was read of a stage. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from log_keeper.events.hints import StageNamed
from log_keeper.policy.execution_logs import Delivery
from log_keeper.policy.exemption import Exemption
from log_keeper.policy.log_delivery import DeliveryFacts, DeliveryPermission
from log_keeper.policy.log_groups import LogGroup, LogGroupStep
from log_keeper.policy.opt_in import OptIn


class Problem(StrEnum):
    """What is wrong, in a sentence that tells the owner what to expect."""

    MANAGED_STAGE = "API Gateway refuses changes to the managed stage of a quick-created API"
    STALE_ROUTE = "settings of a route that does not exist: API Gateway refuses changes to the settings of all routes"
    ROUTE_SETTINGS_LOST = "API Gateway dropped settings of a route, and they could not be restored"
    EXEMPTION_ENDS = "the exemption of the stage ends within seven days: it is changed after that"
    UNREADABLE_TAG = "the value of a tag is not an ISO 8601 date or time, and counts as past"
    FIREHOSE_MISSING = "the Firehose stream that receives access logs does not exist: access logs are lost"
    NO_RETENTION = "a log group has no retention; a retention would delete old lines now"
    DESTINATION_MISSING = "the log group that receives access logs does not exist: access logs are lost"
    DESTINATION_RECREATED = "the log group of the access logs was deleted and created again: older lines are lost"
    DELIVERY_DENIED = "a resource policy denies log delivery to the log group: access logs are lost"
    LOG_GROUP_DELETED = "a log group of the stage was deleted: its lines, retention, key and filters are lost"
    LOG_GROUP_EXISTS = "a deployment could not create a log group that exists already"
    TAGS_REFUSED = "a log group was created without its tags, which CloudWatch Logs refused"
    CLASS_REFUSED = "API Gateway refused a log group of the class Infrequent Access: access logs are not switched on"
    DELIVERED_ELSEWHERE = "a log delivery sends execution logs elsewhere, not to the standard log group"
    DELIVERY_LOST = "a log delivery sends execution logs to a destination that does not exist: they are lost"
    TOO_MANY_FILTERS = "a log group takes no more subscription filters: its lines are not forwarded"
    FORWARDING_REFUSED = "the lines of a log group cannot be forwarded: the destination refuses, or does not exist"
    NOT_FORWARDABLE = "a log group of its class can have no subscription filter: its lines are not forwarded"
    CHANGE_FAILED = "a required change could not be made; it will be tried again"
    LIMITED_LOG_ROLE = "the CloudWatch log role is not allowed to write to log groups of the stage: log lines are lost"
    DENIED_BY_ORGANIZATION = "a service control policy may deny the CloudWatch log role to write"
    NO_TRAIL = "no CloudTrail trail logs management write events: only the sweep finds changes"
    NO_FORWARDERS = "the forwarder of the region is incomplete: only the sweep finds changes"
    NOT_FORWARDED = "events of the region could not be delivered to the stack's own region"
    MEMBER_NOT_CURRENT = "a stack in a member account is not current: the account or region may not be governed"
    MEMBER_WITHOUT_STACK = "a member account or one of its regions has no stack: it is not governed"
    ORGANIZATION_UNREADABLE = "the accounts of the organizational units cannot be listed: one without a stack is missed"
    MEMBER_ROLE_REFUSED = "the role of a member account cannot be assumed although its stack is current"
    REGION_UNAVAILABLE = "the region cannot be reached: it is disabled, or access to it is denied to Log Keeper"


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem, and what has it: the key of a tag, a route, a stream, a log group or a region."""

    problem: Problem
    detail: str

    def to_dict(self) -> dict[str, str]:
        """Return the finding as log lines, events and the preview show it."""
        return {"problem": self.problem, "detail": self.detail}


def log_group_findings(steps: Mapping[LogGroup, LogGroupStep]) -> list[Finding]:
    """Return the findings about log groups that Log Keeper leaves as they are."""
    problems = {
        LogGroupStep.KEEP_UNEXPIRING: Problem.NO_RETENTION,
        LogGroupStep.AWAIT_OWNER: Problem.DESTINATION_MISSING,
    }
    return [
        Finding(problem, group.name)
        for step, problem in problems.items()
        for group, required in steps.items()
        if required is step
    ]


def delivery_findings(delivery: DeliveryFacts | None) -> list[Finding]:
    """Return the finding that access logs of an HTTP API are denied to their log group, if they are."""
    if delivery is None or delivery.permission is not DeliveryPermission.DENIED:
        return []
    return [Finding(Problem.DELIVERY_DENIED, delivery.log_group_arn)]


def opt_in_findings(opt_in: OptIn) -> list[Finding]:
    """Return the finding about the tag that ends the opt-in, if it cannot be read."""
    return [] if opt_in.unreadable_tag is None else [Finding(Problem.UNREADABLE_TAG, opt_in.unreadable_tag)]


def exemption_findings(exemption: Exemption) -> list[Finding]:
    """Return the finding about an exemption that ends soon, or whose end cannot be read."""
    if exemption.unreadable_tag is not None:
        return [Finding(Problem.UNREADABLE_TAG, exemption.unreadable_tag)]
    if exemption.ends_soon and exemption.until is not None:
        return [Finding(Problem.EXEMPTION_ENDS, exemption.until.isoformat())]
    return []


def execution_log_findings(deliveries: Iterable[Delivery], lost: Container[Delivery]) -> list[Finding]:
    """Return a finding for each delivery of execution logs. ``lost``: those whose destination does not exist."""
    return [
        Finding(Problem.DELIVERY_LOST if each in lost else Problem.DELIVERED_ELSEWHERE, each.receiver)
        for each in deliveries
    ]


def event_findings(hint: StageNamed, names: Container[str], existing: Container[str]) -> list[Finding]:
    """Return what the event says about log groups: deleted, created again, or in the way of a deployment.

    ``names``: of the stage's log groups. ``existing``: of the log groups that exist.
    API Gateway itself is said to create a deleted access log group of a REST API again, without a retention.
    *Source:* serverless/serverless, issue 6906; aws/serverless-application-model, issue 2502.
    """
    findings = []
    if hint.deleted_log_group is not None and hint.deleted_log_group in names:
        findings.append(Finding(Problem.LOG_GROUP_DELETED, hint.deleted_log_group))
    if hint.blocking_log_group is not None and hint.blocking_log_group in existing:
        findings.append(Finding(Problem.LOG_GROUP_EXISTS, hint.blocking_log_group))
    missing = hint.missing
    if missing is not None and missing.name in names and missing.name in existing:
        since = f"{missing.since:%Y-%m-%d %H:%M} UTC"
        detail = f"{missing.name}, missing at {since}: check its retention, KMS key and filters"
        findings.append(Finding(Problem.DESTINATION_RECREATED, detail))
    return findings
