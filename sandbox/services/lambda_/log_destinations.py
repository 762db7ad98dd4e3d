"""Functions as destinations of subscription filters of CloudWatch Logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.services.eventbridge import event_bus
from sandbox.services.lambda_.function_operations import check_may_invoke
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from sandbox.services.logs import subscription_filters

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.services.logs.subscription_filters import Sending


@subscription_filters.destination("lambda")
def to_function(account: Account, sending: Sending) -> None:
    """Run the function later on the lines. A test of the destination only checks that its policy allows the call.

    *Source:* radkawar/stackd ``testdata/aws/logs/subscriptions.json``: a missing function and a policy that does not
    allow the source account or the ARN of the log group with ``:*`` have the same refusal; the global principal is
    accepted.
    """
    try:
        check_may_invoke(account, sending.arn, subscription_filters.PRINCIPAL, sending.group_arn)
    except event_bus.Undeliverable as error:
        hint = "Make sure you have given CloudWatch Logs permission to execute your function."
        raise AwsError("InvalidParameterException", f"Could not execute the lambda function. {hint}") from error
    if sending.data is not None:
        runtime = account.service(LambdaRuntime)
        function = runtime.function(Arn.parse(sending.arn).region, sending.arn)
        runtime.invoke_later(function, subscription_filters.for_function(sending.data))
