"""Custom resources, which a function or a subscriber of a topic creates, updates and deletes.

*Source:* https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html and the pages
next to it. Users' reports quote the reasons for an answer that is missing, failed or has no such attribute.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.core.arn import Arn
from sandbox.core.resource_types import (
    CUSTOM,
    Context,
    HandlerError,
    Made,
    Properties,
    RefusedError,
    ResourceType,
    changed_properties,
    resource_type,
    text,
)
from sandbox.services.cloudformation import custom_resources

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_SECONDS = 3600
_NO_ANSWER = (
    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId "
    "[{}]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that "
    "CloudFormation can attach the updated version."
)


@resource_type
class CustomResource(ResourceType):
    """The type of all resources whose type name begins with ``Custom::``.

    The request is sent as an asynchronous invocation, so a function that fails runs up to three times. CloudFormation
    waits for an answer until ``ServiceTimeout``, by default an hour.
    """

    name = CUSTOM

    def create(self, context: Context, properties: Properties) -> Made:
        generated = context.generated_name()
        try:
            return _ask(context, "Create", properties)
        except _NoAnswerError as error:
            # A rollback sends Delete for a resource that may exist. No recording shows for certain with which id.
            context.created(error.physical_id or generated)
            raise

    def replaces(self, old: Properties, new: Properties) -> bool:
        """Return False: the physical id in the answer to an update shows whether there is a new resource."""
        return False

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Made:
        if "ServiceToken" in changed_properties(old, new):
            raise RefusedError("Modifying service token is not allowed.")
        return _ask(context, "Update", new, physical_id, old)

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        try:
            _ask(context, "Delete", properties, physical_id)
        except ClientError as error:  # unlike for other types, it is a failure here that the function was deleted
            raise HandlerError(str(error)) from error

    def missing_attribute(self, kind: str, attribute: str, stack_id: str, logical_id: str) -> str:
        return (
            f"CustomResource attribute error: Vendor response doesn't contain {attribute} attribute in object "
            f"{stack_id}|{logical_id} in S3 bucket {custom_resources.bucket(stack_id.split(':')[3])}"
        )


class _NoAnswerError(HandlerError):
    """The request failed, or was not answered; the resource may exist."""

    def __init__(self, reason: str, physical_id: str | None = None) -> None:
        super().__init__(reason)
        self.physical_id = physical_id


def _ask(
    context: Context,
    request: str,
    properties: Properties,
    physical_id: str | None = None,
    old: Properties | None = None,
) -> Made:
    token = properties.get("ServiceToken")
    if not token:
        raise RefusedError("Property ServiceToken cannot be empty.")
    seconds = _timeout(properties)
    request_id, url = context.responses.expect(context.region, context.stack_id, context.logical_id)
    event: dict[str, Any] = {
        "RequestType": request,
        "ServiceToken": token,
        "ResponseURL": url,
        "StackId": context.stack_id,
        "RequestId": request_id,
        "LogicalResourceId": context.logical_id,
        "ResourceType": context.resource_type,
        "ResourceProperties": _as_sent(properties),
    }
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    if old is not None:
        event["OldResourceProperties"] = _as_sent(old)
    _send(context, str(token), event)
    answer = context.responses.wait(request_id, seconds)
    if answer is None:
        raise _NoAnswerError(_NO_ANSWER.format(request_id), physical_id)
    about = custom_resources.key(context.stack_id, context.logical_id, request_id)
    given, fault = custom_resources.parsed(answer, about, context.region)
    if fault is not None:
        raise _NoAnswerError(fault, given.get("PhysicalResourceId"))
    answered_id = str(given["PhysicalResourceId"])
    if given["Status"] != "SUCCESS":
        reason = given.get("Reason") or "See the details in CloudWatch Log Stream"
        raise _NoAnswerError(
            f"Received response status [{given['Status']}] from custom resource. Message returned: {reason} "
            f"(RequestId: {request_id})",
            answered_id,
        )
    data = given.get("Data") or {}
    return Made(answered_id, _attributes(data))


def _send(context: Context, token: str, event: Mapping[str, Any]) -> None:
    message = json.dumps(event)
    if Arn.parse(token).service == "sns":
        subject = "AWS CloudFormation custom resource request"
        context.client("sns").publish(TopicArn=token, Subject=subject, Message=message)
    else:
        context.client("lambda").invoke(FunctionName=token, InvocationType="Event", Payload=message.encode())


def _timeout(properties: Properties) -> int:
    try:
        seconds = int(properties.get("ServiceTimeout", _DEFAULT_SECONDS))
    except ValueError:
        seconds = 0
    if not 1 <= seconds <= _DEFAULT_SECONDS:
        raise RefusedError("ServiceTimeout must be an integer from 1 to 3600.")
    return seconds


def _as_sent(value: Any) -> Any:
    """Return a property as requests contain it: numbers and booleans are text."""
    if isinstance(value, dict):
        return {key: _as_sent(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_sent(each) for each in value]
    return text(value)


def _attributes(data: Mapping[str, Any], prefix: str = "") -> Properties:
    """Return the attributes for ``Fn::GetAtt``. The name of a nested member is its path, with dots."""
    found: Properties = {}
    for name, value in data.items():
        found[f"{prefix}{name}"] = value
        if isinstance(value, dict):
            found |= _attributes(value, f"{prefix}{name}.")
    return found
