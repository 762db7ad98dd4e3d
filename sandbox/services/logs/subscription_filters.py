"""Subscription filters of log groups: which ones CloudWatch Logs accepts, and the lines that they send.

*Source:* radkawar/stackd ``testdata/aws/logs/subscriptions.json``, ``kinesis-subscriptions.json`` and
``destination-principals.json``, ``docs/logs.md``, all of 2026-09: five filters for a log group, the tests of
destinations, the texts of refusals, the envelope of lines, and the ARN for which the caller needs the permission. The
refusal of a log group of another class, and of a destination in another region, are not recorded.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends
from moto.logs.utils import EventMessageFilter

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.iam import authorization, identity
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.core.iam.trust import trusts
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

log = logging.getLogger(__name__)

PRINCIPAL = "logs.amazonaws.com"
_MOST_FILTERS = 5
_LONGEST_PATTERN = 1024
_FILTERS = "filters_of_lines"  # moto would send lines itself, and run functions in Docker


@dataclass(frozen=True, slots=True)
class Sending:
    """What CloudWatch Logs sends to a destination. ``group_arn``: as in ``aws:SourceArn``, with ``:*``.

    ``data``: compressed; None if the destination is only tested.
    """

    arn: str
    role_arn: str | None
    group_arn: str
    data: bytes | None
    partition_key: str = ""


#: Sends lines to a destination; raises AwsError, as the test of the destination does.
type Deliver = Callable[["Account", Sending], None]
_DESTINATIONS: dict[str, Deliver] = {}


def destination(service: str) -> Callable[[Deliver], Deliver]:
    """Register what delivers to destinations of the service, as in their ARNs."""

    def register(deliver: Deliver) -> Deliver:
        _DESTINATIONS[service] = deliver
        return deliver

    return register


def of_group(group: Any) -> dict[str, dict[str, Any]]:
    """Return the subscription filters of moto's log group, by name."""
    filters: dict[str, dict[str, Any]] = vars(group).setdefault(_FILTERS, {})
    return filters


@rule("logs", "PutSubscriptionFilter")
def _put(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create the filter, or replace the one of the same name, which keeps its creation time. Test the destination."""
    params, group = call.params, _group(account, call)
    log_class = str(vars(group).get("log_group_class", "STANDARD"))
    if log_class != "STANDARD":
        message = (
            f"The log group {group.name} is of log-group-class {log_class}. PutSubscriptionFilter is not supported"
        )
        raise AwsError("InvalidOperationException", f"{message} for this log class.")
    if len(params["filterPattern"]) > _LONGEST_PATTERN:
        raise _invalid(f"The filter pattern has more than {_LONGEST_PATTERN} characters.")
    deliver = _checked(params["destinationArn"], params.get("roleArn"), call.region, account)
    deliver(account, Sending(params["destinationArn"], params.get("roleArn"), _arn(account, call.region, group), None))
    filters, name = of_group(group), params["filterName"]
    if name not in filters and len(filters) >= _MOST_FILTERS:
        raise AwsError("LimitExceededException", "Resource limit exceeded.")
    now = int(account.now().timestamp() * 1000)
    kept = ("logGroupName", "filterName", "filterPattern", "destinationArn", "roleArn", "distribution")
    filters[name] = {
        "distribution": "ByLogStream",
        "applyOnTransformedLogs": False,
        **{key: params[key] for key in kept if key in params},
        "creationTime": filters.get(name, {}).get("creationTime", now),
    }
    return {}


@rule("logs", "DescribeSubscriptionFilters")
def _describe(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the filters of the log group, sorted by name. One without a role has no ``roleArn``."""
    filters, prefix = of_group(_group(account, call)), call.params.get("filterNamePrefix", "")
    return {"subscriptionFilters": [filters[name] for name in sorted(filters) if name.startswith(prefix)]}


@rule("logs", "DeleteSubscriptionFilter")
def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    if of_group(_group(account, call)).pop(call.params["filterName"], None) is None:
        raise AwsError("ResourceNotFoundException", "The specified subscription filter does not exist.")
    return {}


def send_lines(account: Account, region: str, group: Any, stream: str, events: Sequence[Any]) -> None:
    """Send those of moto's log events that a filter's pattern selects to the filter's destination.

    CloudWatch Logs drops lines that a destination refuses.
    """
    for each in of_group(group).values():
        pattern = EventMessageFilter(each["filterPattern"])
        lines = [
            {"id": event.event_id, "timestamp": event.timestamp, "message": event.message}
            for event in events
            if not each["filterPattern"] or pattern.matches(event.message)
        ]
        if not lines:
            continue
        envelope = {
            "messageType": "DATA_MESSAGE",
            "owner": account.account_id,
            "logGroup": group.name,
            "logStream": stream,
            "subscriptionFilters": [each["filterName"]],
            "logEvents": lines,
        }
        data = gzip.compress(json.dumps(envelope).encode())
        key = hashlib.md5(f"{account.account_id}:{group.name}:{stream}".encode(), usedforsecurity=False).hexdigest()
        arn, role = each["destinationArn"], each.get("roleArn")
        try:
            _DESTINATIONS[Arn.parse(arn).service](account, Sending(arn, role, _arn(account, region, group), data, key))
        except AwsError as error:
            log.warning("%d lines of %s are dropped: %s", len(lines), group.name, error)


def _checked(arn: str, role_arn: str | None, region: str, account: Account) -> Deliver:
    """Return what delivers to the destination. Raise AwsError if CloudWatch Logs refuses the ARN, or the role."""
    parsed = Arn.parse(arn)
    deliver = _DESTINATIONS.get(parsed.service)
    if deliver is None:
        raise _invalid(f"PutSubscriptionFilter operation cannot work with destinationArn for vendor {parsed.service}")
    if parsed.service == "lambda" and role_arn:
        raise _invalid("destinationArn for vendor lambda cannot be used with roleArn")
    if parsed.service in ("firehose", "kinesis") and not role_arn:
        raise _invalid(f"destinationArn for vendor {parsed.service} cannot be used without roleArn")
    is_elsewhere = parsed.service != "logs" and parsed.account != account.account_id
    if parsed.region != region or is_elsewhere:
        raise _invalid("Could not deliver test message to specified destination. Check if the destination is valid.")
    return deliver


@destination("kinesis")
def _to_stream(account: Account, sending: Sending) -> None:
    name, control = Arn.parse(sending.arn).name, gzip.compress(json.dumps(_CONTROL).encode())
    _as_role(
        account,
        sending,
        "Kinesis",
        "kinesis",
        "put_record",
        {"StreamARN": sending.arn, "Data": sending.data or control, "PartitionKey": sending.partition_key or name},
    )


@destination("firehose")
def _to_firehose(account: Account, sending: Sending) -> None:
    name, control = Arn.parse(sending.arn).name, gzip.compress(json.dumps(_CONTROL).encode())
    record = {"Data": sending.data or control}
    _as_role(account, sending, "Firehose", "firehose", "put_record", {"DeliveryStreamName": name, "Record": record})


@destination("logs")
def _to_destination(account: Account, sending: Sending) -> None:
    """Send to the stream behind a destination of CloudWatch Logs, which may be another account's.

    *Source* of the refusals by its policy: aws/aws-cli issue 4422; cloud-custodian pull request 8246. Switch
    ``missing_log_destination`` has the codes for one that does not exist.
    """
    arn = Arn.parse(sending.arn)
    owner = account.accounts.get(arn.account)
    backend = None if owner is None else logs_backends[arn.account][arn.region]
    found = None if backend is None else backend.destinations.get(sending.arn)
    if owner is None or found is None:
        raise AwsError(account.behaviour.missing_log_destination, "The specified destination does not exist.")
    _check_policy(account, sending, found.access_policy)
    if sending.data is not None:
        target = Sending(found.target_arn, found.role_arn, sending.group_arn, sending.data, sending.partition_key)
        _DESTINATIONS[Arn.parse(found.target_arn).service](owner, target)


def _check_policy(account: Account, sending: Sending, policy: str | None) -> None:
    document = load(policy) if policy else {"Statement": []}
    if "aws:PrincipalOrgID" in (policy or "") and sending.role_arn is None:
        raise _invalid(
            "Role ARN is required when creating subscription filter against destination with Organization access policy"
        )
    context = {"aws:PrincipalOrgID": account.organization_id} if account.organization_id else {}
    decision = evaluate([document], "logs:PutSubscriptionFilter", sending.arn, context, {"AWS": account.account_id})
    is_own = Arn.parse(sending.arn).account == account.account_id and decision is not Decision.EXPLICIT_DENY
    if decision is not Decision.ALLOWED and not is_own:
        message = f"User with accountId: {account.account_id} is not authorized to perform: logs:PutSubscriptionFilter"
        raise AwsError("AccessDeniedException", f"{message} on resource: {sending.arn}")


_CONTROL = {
    "messageType": "CONTROL_MESSAGE",
    "owner": "CloudwatchLogs",
    "logGroup": "",
    "logStream": "",
    "subscriptionFilters": [],
    "logEvents": [],
}


def _as_role(
    account: Account, sending: Sending, kind: str, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """Write to a stream with the role of the filter. Raise AwsError if the role or the stream does not allow it."""
    refusal = f"Could not deliver test message to specified {kind} stream."
    role = authorization.role_by_arn(account, sending.role_arn or "")
    context: dict[str, str | list[str]] = {
        "aws:SourceArn": sending.group_arn,
        "aws:SourceAccount": account.account_id,
    }
    if role is None or not account.is_propagated(role.name) or not trusts(role, PRINCIPAL, context):
        raise _invalid(f"{refusal} Check if the given {kind} stream is in ACTIVE state.")
    region = Arn.parse(sending.arn).region
    session = identity.new_session(account, role.arn, "CloudWatchLogs", region)
    client = account.client(service, region, caller=identity.assumed_role(account, session), invoked_by=PRINCIPAL)
    try:
        getattr(client, operation)(**parameters)
    except client.exceptions.ClientError as error:
        said = error.response["Error"]
        is_denied = said["Code"] == "AccessDeniedException"
        why = said["Message"] if is_denied else f"Check if the given {kind} stream is in ACTIVE state."
        raise _invalid(f"{refusal} {why}") from error


def for_function(data: bytes) -> bytes:
    """Return the event with which a function receives the data."""
    return json.dumps({"awslogs": {"data": base64.b64encode(data).decode()}}).encode()


def _group(account: Account, call: Call) -> Any:
    group = logs_backends[account.account_id][call.region].groups.get(call.params["logGroupName"])
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def _arn(account: Account, region: str, group: Any) -> str:
    return f"arn:aws:logs:{region}:{account.account_id}:log-group:{group.name}:*"


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
