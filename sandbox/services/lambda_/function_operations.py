"""Operations of Lambda on functions, and functions as targets of EventBridge."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import lambda_backends

from sandbox.core.arn import Arn
from sandbox.core.call import Answer, AwsError
from sandbox.core.iam.policies import Decision, evaluate
from sandbox.core.registry import rule
from sandbox.services.eventbridge import event_bus
from sandbox.services.lambda_.functions import unqualified
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_SYNCHRONOUS_LIMIT, _ASYNCHRONOUS_LIMIT = 6 * 1024 * 1024, 1024 * 1024

_TAIL_BYTES = 4096
#: For all environment variables of a function together. *Source:* Lambda developer guide, "Lambda quotas".
_ENVIRONMENT_BYTES = 4096


@rule("lambda", "Invoke", blocking=True)
def invoke(account: Account, call: Call, _: Proceed) -> Answer:
    """Run the function and return its answer (RequestResponse), run it later (Event), or check the call (DryRun)."""
    runtime, params = account.service(LambdaRuntime), call.params
    kind = params.get("InvocationType", "RequestResponse")
    payload = params.get("Payload") or b"{}"
    payload = payload.read() if hasattr(payload, "read") else payload
    payload = payload.encode() if isinstance(payload, str) else payload
    function = runtime.function(call.region, params["FunctionName"], params.get("Qualifier"))
    limit = _ASYNCHRONOUS_LIMIT if kind == "Event" else _SYNCHRONOUS_LIMIT
    if len(payload) > limit:
        message = f"Request must be smaller than {limit} bytes for the {kind} operation"
        raise AwsError("RequestTooLargeException", message, 413)
    try:
        json.loads(payload)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise AwsError("InvalidRequestContentException", message, 400) from error
    headers = [("x-amzn-RequestId", call.request_id), ("Content-Type", "application/json")]
    if kind == "DryRun":
        return Answer(204, headers, b"")
    if kind == "Event":
        runtime.invoke_later(function, payload, request_id=call.request_id)
        return Answer(202, headers, b"")
    context = params.get("ClientContext")
    ended = runtime.invoke(
        function,
        payload,
        request_id=call.request_id,
        client_context=base64.b64decode(context).decode() if context else None,
    )
    headers.append(("X-Amz-Executed-Version", function.version))
    if ended.error:
        headers.append(("X-Amz-Function-Error", ended.error))
    if params.get("LogType") == "Tail":
        tail = "\n".join(line.rstrip("\n") for line in ended.lines).encode()[-_TAIL_BYTES:]
        headers.append(("X-Amz-Log-Result", base64.b64encode(tail + b"\n").decode()))
    return Answer(200, headers, ended.payload)


@rule("lambda", "CreateFunction", "UpdateFunctionConfiguration", "GetFunctionConfiguration", "GetFunction")
def configure(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create, configure or return the function as moto does, with LoggingConfig, which moto does not store."""
    runtime = account.service(LambdaRuntime)
    _check_environment(call.params.get("Environment", {}).get("Variables", {}))
    answer = proceed()
    configuration = answer.get("Configuration", answer)
    arn = unqualified(configuration["FunctionArn"])
    if call.operation == "CreateFunction":
        runtime.logging_configs.pop(arn, None)
    if "LoggingConfig" in call.params:
        runtime.logging_configs[arn] = call.params["LoggingConfig"]
    configuration["LoggingConfig"] = {
        "LogFormat": "Text",
        "LogGroup": f"/aws/lambda/{configuration['FunctionName']}",
        **runtime.logging_configs.get(arn, {}),
    }
    return answer


def _check_environment(variables: dict[str, str]) -> None:
    """Refuse more than 4 KB of variables, measured as JSON.

    *Source:* github-aws-runners/terraform-aws-github-runner, issue 3594, quotes the text, with the JSON that Lambda
    measured: without spaces, quotes in values escaped.
    """
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > _ENVIRONMENT_BYTES:
        text = "Lambda was unable to configure your environment variables because the environment variables you have"
        text += f" provided exceeded the 4KB limit. String measured: {measured}"
        raise AwsError("InvalidParameterValueException", text)


@rule("lambda", "DeleteFunction", blocking=True)
def delete_function(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Delete the function and its environments."""
    answer = proceed()
    name = Arn.parse(unqualified(call.params["FunctionName"])).name
    account.service(LambdaRuntime).retire(name, call.region)
    return answer


@event_bus.target("lambda")
def to_function(account: Account, delivery: event_bus.Delivery) -> None:
    """Run the function on the event later, if the function's policy lets the rule invoke it.

    *Source:* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-lambda-permissions
    """
    check_may_invoke(account, delivery.arn, "events.amazonaws.com", delivery.rule_arn)
    runtime = account.service(LambdaRuntime)
    runtime.invoke_later(runtime.function(Arn.parse(delivery.arn).region, delivery.arn), delivery.payload.encode())


def check_may_invoke(account: Account, function_arn: str, principal: str, source_arn: str) -> None:
    """Check that the function's policy lets the service invoke it for this source.

    Raise Undeliverable if it does not.
    """
    region, name = Arn.parse(function_arn).region, Arn.parse(unqualified(function_arn)).name
    try:
        found = lambda_backends[account.account_id][region].get_function(name)
    except LambdaClientError as error:
        raise event_bus.Undeliverable(f"there is no function {function_arn}") from error
    document = {"Statement": [{**statement, "Resource": "*"} for statement in found.policy.statements]}
    context = {"aws:SourceArn": source_arn, "aws:SourceAccount": account.account_id}
    decision = evaluate([document], "lambda:InvokeFunction", function_arn, context, {"Service": principal})
    if decision is not Decision.ALLOWED:
        raise event_bus.Undeliverable(f"the policy of {name} does not let {principal} invoke it for {source_arn}")
