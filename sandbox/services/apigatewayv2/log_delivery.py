"""Log delivery, with which HTTP APIs write access logs to a log group.

The caller needs permissions in CloudWatch Logs, the group must exist, and a resource policy must allow
``delivery.logs.amazonaws.com`` to write to it. AWS adds the policy if it is missing.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError, Need
from sandbox.core.iam import authorization
from sandbox.core.iam.policies import Decision, Document, evaluate, load
from sandbox.services.logs import resource_policies as policies

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call

#: Permissions of the caller to switch on or change an HTTP API's access log, in the order of the checks here.
#: *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html . Recorded is only a
#: refusal without the first; that AWS checks each of the others for the caller is inferred from that page.
ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:DeleteLogDelivery",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
#: Permissions to switch it off. Inferred from the same page; nothing is recorded.
ACTIONS_TO_END = ("logs:DeleteLogDelivery",)
#: Resources of the permissions that are not checked for all resources.
_RESOURCES = {"logs:DescribeLogGroups": "arn:aws:logs:{region}:{account}:log-group::log-stream:"}

#: The account's policy to which AWS adds log groups.
ACCOUNT_POLICY = "AWSLogDeliveryWrite20150319"
_PRINCIPAL = {"Service": "delivery.logs.amazonaws.com"}
_VENDED = "/aws/vendedlogs/"
_VALIDATION_STREAM = "log_stream_created_by_aws_to_validate_log_delivery_subscriptions"


def enable(account: Account, call: Call, group_name: str) -> None:
    """Allow log delivery to write an HTTP API's access logs to the group. Raise AwsError if AWS would refuse."""
    authorise(account, call, ACTIONS)
    group = logs_backends[account.account_id][call.region].groups.get(group_name)
    if group is None:
        if account.behaviour.accepts_missing_http_log_groups:
            return
        # Source: radkawar/stackd testdata/aws/apigateway/http_logs.json, of 2026-09.
        message = (
            f"Cannot enable logging. LogDestination: {group_name} does not exist (Service: AWSIngestionHub; Status "
            f"Code: 400; Error Code: LogDestinationNotFoundException; Request ID: {uuid.uuid4()}; Proxy: null)"
        )
        raise AwsError("NotFoundException", message, 404)
    if not _is_allowed(account, call.region, group):
        if account.behaviour.log_delivery_policy == "group":
            _allow_in_group(account, call.region, group)
        else:
            _allow_in_account(account, call.region, group_name)
    if _VALIDATION_STREAM not in group.streams:
        group.create_log_stream(_VALIDATION_STREAM)


def authorise(account: Account, call: Call, actions: tuple[str, ...]) -> None:
    """Check the caller's permissions in CloudWatch Logs. Without them API Gateway answers a bad request.

    *Source:* radkawar/stackd ``testdata/aws/apigateway/http_logs.json``; the text for a permission that nothing allows
    (and nothing denies) follows IAM's texts elsewhere.
    """
    wanted = [Need(action, _RESOURCES.get(action, "*").format(region=call.region, account=account.account_id))
              for action in actions]  # fmt: skip
    call.further_needs += wanted
    if call.caller.is_trusted:
        return
    held = authorization.policies_of(account, call.caller)
    context = authorization.request_context(account, call)
    for need in wanted:
        if held.decide(need.action, need.resource, context) is Decision.ALLOWED:
            continue
        why = held.refusal(need.action, need.resource, context)
        raise _refused(f"Insufficient permissions to enable logging. User: {call.caller.arn} is not authorized to "
                       f"perform: {need.action} {why}")  # fmt: skip


def reaches(account: Account, region: str, group_name: str) -> bool:
    """Return whether access logs of an HTTP API reach the log group: it exists, and log delivery may write to it."""
    group = logs_backends[account.account_id][region].groups.get(group_name)
    return group is not None and _is_allowed(account, region, group)


def _is_allowed(account: Account, region: str, group: Any) -> bool:
    """Return whether policies of the account or of the group allow log delivery to write to the group."""
    documents = [load(text) for text in policies.documents(account, region, group)]
    context = {
        "aws:SourceAccount": account.account_id,
        "aws:SourceArn": f"arn:aws:logs:{region}:{account.account_id}:log-group:{group.name}",
    }
    stream = f"{_group_arn(account, region, group.name)}:log-stream:{_VALIDATION_STREAM}"
    return all(
        evaluate(documents, action, stream, context, _PRINCIPAL) is Decision.ALLOWED
        for action in ("logs:CreateLogStream", "logs:PutLogEvents")
    )


def _allow_in_group(account: Account, region: str, group: Any) -> None:
    """Allow log delivery in the group's own policy, and change no policy of the account.

    *Source:* radkawar/stackd ``testdata/aws/apigateway/http_logs.json``, of 2026-09, in us-east-1.
    """
    own = policies.of_group(group)
    document = load(own.document) if own else _empty()
    document = _with(document, _statement(account, region, group.name, "AWSLogDeliveryWrite1"))
    text = _text(document)
    if len(text) > account.behaviour.resource_policy_limit:
        raise _too_long(account)
    policies.put_for_group(account, group, text)


def _allow_in_account(account: Account, region: str, group_name: str) -> None:
    """Add an entry for the group to the account's policy; if it is nearly full, one for all of /aws/vendedlogs/.

    Entries are never removed. *Source:* the behaviour of AWS until at least 2025: anomalyco/sst issues 125 and 6231
    (the texts, the limits), https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html ; the shape of the
    statements: the policy in radkawar/stackd ``testdata/aws/apigateway/http_log_settings.json``. At
    which length AWS considers it nearly full is unknown: here, when no space is left for the entry of /aws/vendedlogs/.
    """
    known = policies.of_account(account, region)
    own = known.get(ACCOUNT_POLICY)
    document = load(own.document) if own else _empty()
    count = len(document.get("Statement", []))
    sid = f"AWSLogDeliveryWrite{count}" if count else "AWSLogDeliveryWrite"
    wanted = _with(document, _statement(account, region, group_name, sid))
    vended = _statement(account, region, f"{_VENDED}*", sid)
    if len(_text(_with(wanted, vended))) > account.behaviour.resource_policy_limit:
        if len(_text(document)) > account.behaviour.resource_policy_limit or not count:
            raise _too_long(account)
        if not _covers_vended(document):
            wanted = _with(document, vended)
            if len(_text(wanted)) > account.behaviour.resource_policy_limit:
                raise _too_long(account)
            policies.put_for_account(account, region, ACCOUNT_POLICY, _text(wanted))
        if not group_name.startswith(_VENDED):
            raise _refused("Insufficient permissions to enable logging")
        return
    if own is None and len(known) >= policies.MOST_IN_ACCOUNT:
        # That AWS answers this in a region that has the maximum of policies is inferred.
        raise _refused("Insufficient permissions to enable logging. Resource limit exceeded.")
    policies.put_for_account(account, region, ACCOUNT_POLICY, _text(wanted))


def _covers_vended(document: Document) -> bool:
    return any(f"{_VENDED}*" in json.dumps(statement.get("Resource")) for statement in document.get("Statement", []))


def _statement(account: Account, region: str, group_name: str, sid: str) -> Document:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": dict(_PRINCIPAL),
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{_group_arn(account, region, group_name)}:log-stream:*",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": account.account_id},
            "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{region}:{account.account_id}:*"},
        },
    }


def _with(document: Document, statement: Document) -> Document:
    present = document.get("Statement", [])
    return {**document, "Statement": [*(present if isinstance(present, list) else [present]), statement]}


def _group_arn(account: Account, region: str, name: str) -> str:
    return f"arn:aws:logs:{region}:{account.account_id}:log-group:{name}"


def _empty() -> Document:
    return {"Version": "2012-10-17", "Statement": []}


def _text(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"))


def _too_long(account: Account) -> AwsError:
    """Return the error for a policy that is too long.

    *Source:* anomalyco/sst issue 6231, with 51200 of 2025-11; 5120 before.
    """
    return _refused(
        "Cannot enable logging. Policy document length breaking Cloudwatch Logs Constraints, either < 1 or > "
        f"{account.behaviour.resource_policy_limit}"
    )


def _refused(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
