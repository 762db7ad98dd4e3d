"""EventBridge: an event on a bus reaches the targets of the rules it matches."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends
from moto.logs.models import logs_backends
from moto.sqs.models import sqs_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Dropped, Need
from sandbox.core.iam import authorization
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.core.iam.trust import trusts
from sandbox.core.registry import rule
from sandbox.services.eventbridge import event_patterns, target_inputs
from sandbox.services.sqs.queues import queue_by_arn

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

log = logging.getLogger(__name__)

type Event = dict[str, Any]
#: Delivers a payload (JSON text) to a target of a rule; raises Undeliverable if AWS would drop it.
type Target = Callable[[Account, Delivery], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one target."""

    rule_arn: str
    #: The target as PutTargets was given it.
    target: dict[str, Any]
    #: What the target receives: the whole event, or what Input, InputPath or InputTransformer make of it.
    payload: str
    event: Event
    #: Into a dead letter queue: why the event is there. By name.
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return str(self.target["Arn"])


class Undeliverable(Exception):  # noqa: N818 -- it is the event that is undeliverable
    """The target does not take the event; it goes to the target's dead letter queue, or is lost."""


class InvalidInput(Undeliverable):
    """What an input transformer made of the event is not JSON.

    *Source:* radkawar/stackd ``testdata/aws/eventbridge/inputs.json`` of 2026-09
    """


#: Service of a target's ARN -> how it is reached.
TARGETS: dict[str, Target] = {}


def target(service: str) -> Callable[[Target], Target]:
    """The decorated function reaches targets whose ARN names ``service`` (``lambda``, ``sqs`` ...)."""

    def register(deliver: Target) -> Target:
        TARGETS[service] = deliver
        return deliver

    return register


def put(
    account: Account,
    region: str,
    event: Event,
    bus_name: str = "default",
    *,
    missed_by: Callable[[str], bool] = lambda _: False,
) -> None:
    """Send the event to the targets of every enabled rule of the bus that matches it.

    ``missed_by``: whether a rule of this name does not get it all the same.
    """
    bus = events_backends[account.account_id][region].event_buses.get(bus_name)
    if bus is None:
        return
    for matched in list(bus.rules.values()):
        # A rule with only a schedule has no pattern.
        pattern = matched.event_pattern.dump()
        is_enabled = matched.state.startswith("ENABLED") and not missed_by(matched.name)
        if is_enabled and pattern and event_patterns.compiled(pattern).matches(event):
            send(account, matched, event)


def send(account: Account, of_rule: Any, event: Event) -> None:
    """All targets of moto's rule have got the event, whatever its pattern; those it cannot be given to lost it."""
    for each in list(of_rule.targets):
        _deliver(account, Delivery(of_rule.arn, each, target_inputs.payload(each, event, of_rule.arn), event))


def matches(pattern: dict[str, Any], event: Event) -> bool:
    """Tell whether the event fits the pattern. Raise PatternError for one that EventBridge refuses."""
    return event_patterns.compiled(json.dumps(pattern)).matches(event)


def _deliver(account: Account, delivery: Delivery) -> None:
    reach = TARGETS.get(Arn.parse(delivery.arn).service, _to_nobody)
    try:
        if not target_inputs.is_valid(delivery.payload):
            raise InvalidInput("Invalid input for target.")
        reach(account, delivery)
    except Undeliverable as undelivered:
        log.warning("EventBridge drops an event of %s for %s: %s", delivery.rule_arn, delivery.arn, undelivered)
        account.dropped_events.append(Dropped(delivery.rule_arn, delivery.arn, str(undelivered), delivery.event))
        dead_letters = delivery.target.get("DeadLetterConfig", {}).get("Arn")
        if dead_letters and dead_letters != delivery.arn:
            # AWS's other attributes describe retries, which the sandbox does not make.
            # Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
            why = {
                "RULE_ARN": delivery.rule_arn,
                "TARGET_ARN": delivery.arn,
                "ERROR_CODE": _error_code(undelivered),
                "ERROR_MESSAGE": str(undelivered),
            }
            text = delivery.payload if isinstance(undelivered, InvalidInput) else json.dumps(delivery.event)
            try:
                _to_queue(account, Delivery(delivery.rule_arn, {"Arn": dead_letters}, text, delivery.event, why))
            except Undeliverable as lost:
                log.warning("The dead letter queue %s does not take it either: %s", dead_letters, lost)


def _error_code(undelivered: Undeliverable) -> str:
    if isinstance(undelivered, InvalidInput):
        return "INVALID_JSON"
    return "NO_RESOURCE" if "there is no" in str(undelivered) else "NO_PERMISSIONS"


def queue_of(account: Account, arn: str) -> Any:
    """moto's queue behind the ARN; Undeliverable if there is none."""
    queue = queue_by_arn(account, arn)
    if queue is None:
        raise Undeliverable(f"there is no queue {arn}")
    return queue


def _to_nobody(_: Account, delivery: Delivery) -> None:
    raise Undeliverable(f"the sandbox reaches no targets like {delivery.arn}")


@target("sqs")
def _to_queue(account: Account, delivery: Delivery) -> None:
    """The queue's policy must let EventBridge send: a missing statement loses events without any error.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
    """
    queue = queue_of(account, delivery.arn)
    context = {
        "aws:SourceArn": delivery.rule_arn,
        "aws:SourceAccount": account.account_id,
        "aws:SecureTransport": "true",
    }
    documents = [load(queue.policy)] if queue.policy else []
    principal = {"Service": "events.amazonaws.com"}
    if evaluate(documents, "sqs:SendMessage", delivery.arn, context, principal) is not Decision.ALLOWED:
        raise Undeliverable("the queue's policy does not allow events.amazonaws.com to send for this rule")
    sqs_backends[account.account_id][queue.region].send_message(
        queue_name=queue.name,
        message_body=delivery.payload,
        message_attributes={
            name: {"DataType": "String", "StringValue": value} for name, value in delivery.attributes.items()
        },
        group_id=delivery.target.get("SqsParameters", {}).get("MessageGroupId"),
    )


@target("events")
def _to_bus(account: Account, delivery: Delivery) -> None:
    """Put the event on a bus, also of another region or account, with the target's role, which PutTargets requires.

    The policy of a bus in another account must let the role in. An event of another account is not sent on to a third.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-region.html and eb-cross-account.html
    """
    region, name = Arn.parse(delivery.arn).region, Arn.parse(delivery.arn).name
    if is_out_of_reach(delivery.arn, Arn.parse(delivery.rule_arn).region):
        raise Undeliverable(f"the bus {delivery.arn} is in another region, which this partition's rules do not reach")
    owner = account.accounts.get(Arn.parse(delivery.arn).account)
    bus = None if owner is None else events_backends[owner.account_id][region].event_buses.get(name)
    if owner is None or bus is None:
        raise Undeliverable(f"there is no bus {delivery.arn}")
    role_arn = delivery.target["RoleArn"]
    if owner is not account and delivery.event["account"] != account.account_id:
        raise Undeliverable("an event of another account is not sent on to a third one")
    _check_role(account, delivery, role_arn, region)
    if owner is not account and not _lets_in(account, bus, role_arn):
        raise Undeliverable(f"the policy of {bus.arn} does not let {role_arn} in")
    put(owner, region, json.loads(delivery.payload), name)


def _check_role(account: Account, delivery: Delivery, role_arn: str, region: str) -> None:
    """Refuse a target whose role EventBridge may not assume, or with which it may not put events on the bus.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    role = authorization.role_by_arn(account, role_arn)
    context = {"aws:SourceAccount": account.account_id, "aws:SourceArn": delivery.rule_arn}
    if role is None or not trusts(role, "events.amazonaws.com", context):
        raise Undeliverable(f"EventBridge may not assume {role_arn}")
    needs = [authorization.of_owner(account, Need("events:PutEvents", delivery.arn))]
    if authorization.missing_permission(
        account, role, needs, service="events.amazonaws.com", operation="events:PutEvents", region=region
    ):
        raise Undeliverable(f"{role_arn} may not put events on {delivery.arn}")


def _lets_in(account: Account, bus: Any, principal_arn: str) -> bool:
    """Return whether the policy of a bus in another account lets this principal of the account put events on it."""
    context = {"aws:PrincipalArn": principal_arn, "aws:PrincipalAccount": account.account_id}
    if account.organization_id:
        context["aws:PrincipalOrgID"] = account.organization_id
    documents = [load(bus.policy)] if bus.policy else []
    return evaluate(documents, "events:PutEvents", bus.arn, context, {"AWS": principal_arn}) is Decision.ALLOWED


def is_out_of_reach(bus_arn: str, region: str) -> bool:
    """Return whether no rule of the region reaches the bus: in China and GovCloud, one of another region.

    *Source:* AWS Compute Blog, "Expanding cross-Region event routing with Amazon EventBridge": "between any AWS
    Regions, except AWS GovCloud (US) and China"
    """
    arn = Arn.parse(bus_arn)
    return arn.service == "events" and arn.region != region and region.startswith(("cn-", "us-gov-"))


@target("logs")
def _to_log_group(account: Account, delivery: Delivery) -> None:
    arn = Arn.parse(delivery.arn)
    region, name = arn.region, arn.log_group
    backend = logs_backends[account.account_id][region]
    if name not in backend.groups:
        raise Undeliverable(f"there is no log group {name}")
    stream = str(uuid.uuid4())
    backend.create_log_stream(name, stream)
    milliseconds = int(account.now().timestamp() * 1000)
    backend.groups[name].put_log_events(stream, [{"timestamp": milliseconds, "message": delivery.payload}])


#: Refused from here on. *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
_TOO_LARGE = 1 << 20


@rule("events", "PutEvents")
def _put_events(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Put customers' events on their buses. More than 10 entries, or too large ones, are refused as a whole.

    Everything else is refused entry by entry; a source that begins with ``aws.`` is AWS's own. An event for a bus that
    does not exist is taken, and lost.

    *Source:* localstack ``test_events.snapshot.json``; radkawar/stackd ``testdata/aws/eventbridge/control_plane.json``
    """
    entries = call.params["Entries"]
    if sum(_size(entry) for entry in entries) >= _TOO_LARGE:
        raise AwsError("ValidationException", "Total size of the entries in the request is over the limit.")
    answers: list[dict[str, Any]] = []
    accepted: list[tuple[Event, Account, str]] = []
    for entry in entries:
        refused = _refusal(entry)
        if refused:
            answers.append(refused)
            continue
        event: Event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": account.account_id,
            "time": (entry.get("Time") or account.now()).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": call.region,
            "resources": entry.get("Resources", []),
            "detail": json.loads(entry["Detail"]),
        }
        bus = str(entry.get("EventBusName", "default"))
        accepted.append((event, _owner(account, call, bus), bus.rsplit("/", 1)[-1]))
        answers.append({"EventId": event["id"]})
    for event, owner, name in accepted:
        put(owner, call.region, event, name)
    return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}


def _owner(account: Account, call: Call, bus: str) -> Account:
    """Return the account of a bus, which is given by name or ARN. Refuse one that does not let the caller in.

    *Source:* EventBridge user guide, "Permissions for Amazon EventBridge event buses"; the text is IAM's.
    """
    if not bus.startswith("arn:") or Arn.parse(bus).account == account.account_id:
        return account
    owner, caller, name = account.accounts.get(Arn.parse(bus).account), call.caller, Arn.parse(bus).name
    found = None if owner is None else events_backends[owner.account_id][call.region].event_buses.get(name)
    if owner is None or found is None or not _lets_in(account, found, caller.role_arn or caller.arn):
        message = (
            f"User: {caller.arn} is not authorized to perform: events:PutEvents on resource: {bus} because no "
            "resource-based policy allows the events:PutEvents action"
        )
        raise AwsError("AccessDeniedException", message)
    return owner


def _size(entry: dict[str, Any]) -> int:
    """Return the bytes that count: neither the bus nor the trace header do.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size
    """
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
    size = sum(len(text.encode()) for text in (*texts, *entry.get("Resources", [])))
    return size + 14 if entry.get("Time") else size


def _refusal(entry: dict[str, Any]) -> dict[str, str] | None:
    for parameter in ("Source", "DetailType", "Detail"):
        if not entry.get(parameter):
            message = f"Parameter {parameter} is not valid. Reason: {parameter} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    if entry["Source"].startswith("aws."):
        return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": "Not authorized for the source."}
    try:
        is_object = isinstance(json.loads(entry["Detail"]), dict)
    except json.JSONDecodeError:
        is_object = False
    return None if is_object else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
