"""Says in plain words why a request failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from logs.model import Kind, Request

_PERMISSION = (
    "API Gateway is not allowed to invoke the Lambda function: add a permission for apigateway.amazonaws.com to the "
    "function's policy (lambda add-permission), with the ARN of this API as source."
)
_FUNCTION_ERROR = (
    r"(?:due to customer function error|Lambda Customer Function Error|returned the following error): ?"
    r"(?P<error>.+?)(?:\. Lambda request id: .*|\. Check your Lambda function code.*)?$"
)
#: Texts of execution logs and of ``$context.error.message`` and ``$context.integration.error``, and what they mean.
#: *Source* of the texts: see ``execution_lines``; AWS re:Post, "How do I resolve malformed 502 errors", "How do I
#: resolve Invalid permissions on Lambda function errors"; AWSSupport-TroubleshootAPIGatewayHttpErrors (AWS Systems
#: Manager runbook reference).
_TEXTS = (
    (
        r"Malformed Lambda proxy response",
        "The answer of the Lambda function has not the form of a proxy integration: statusCode, headers, body as text.",
    ),
    (r"Invalid permissions on Lambda function", _PERMISSION),
    (
        r"Task timed out after (?P<seconds>[\d.]+) seconds",
        "The Lambda function ended at its own timeout of {seconds} seconds.",
    ),
    (
        _FUNCTION_ERROR,
        "The Lambda function raised an error: {error}.",
    ),
    (
        r"(?:Endpoint request timed out|Execution failed due to a timeout error)",
        "The integration did not answer within its timeout.",
    ),
    (
        r"Invalid endpoint address",
        "The address of the integration cannot be used: its name does not resolve, or nothing answers there.",
    ),
    (
        r"[Nn]etwork error communicating with endpoint",
        "The connection to the integration failed.",
    ),
    (
        r"statusCode should be an integer which defined in request template",
        'The request template of the mock integration names no status: it must give {{"statusCode": 200}}, or another.',
    ),
    (
        r"Key throttle limit exceeded .*Limit: (?P<limit>[\d.]+) Burst: (?P<burst>\d+)",
        "The request was throttled: the limit is {limit} requests per second, with a burst of {burst}.",
    ),
)
#: *Source:* API Gateway developer guide, "Gateway response types for API Gateway".
_RESPONSE_TYPES = {
    "ACCESS_DENIED": "The caller is not authorized: IAM, an authorizer, or the API's resource policy denied access.",
    "API_CONFIGURATION_ERROR": "The API is configured wrongly: an integration cannot be used as it is.",
    "AUTHORIZER_CONFIGURATION_ERROR": "API Gateway could not connect to the authorizer.",
    "AUTHORIZER_FAILURE": "The authorizer failed, or answered in a form that API Gateway cannot use.",
    "BAD_REQUEST_BODY": "The body of the request does not fit the model that the request validator checks.",
    "BAD_REQUEST_PARAMETERS": "A parameter that the request validator requires is missing or wrong.",
    "EXPIRED_TOKEN": "The AWS token of the caller has expired.",
    "INTEGRATION_FAILURE": "The integration failed.",
    "INTEGRATION_TIMEOUT": "The integration did not answer within its timeout.",
    "INVALID_API_KEY": "The method requires an API key, and the request has none that is valid.",
    "INVALID_SIGNATURE": "The AWS signature of the request is wrong.",
    "MISSING_AUTHENTICATION_TOKEN": (
        "The API has no such method and path; or the method requires a signature and the request has none."
    ),
    "QUOTA_EXCEEDED": "The quota of the caller's usage plan is used up.",
    "REQUEST_TOO_LARGE": "The request is larger than API Gateway accepts.",
    "RESOURCE_NOT_FOUND": "The API has no such resource.",
    "THROTTLED": "The request was throttled: a limit of the account, the stage, the method or the usage plan.",
    "UNAUTHORIZED": "The authorizer did not accept the credentials of the request.",
    "UNSUPPORTED_MEDIA_TYPE": "The content type of the request is not supported.",
    "WAF_FILTERED": "AWS WAF blocked the request.",
}


def errors_of(request: Request) -> tuple[str, ...]:
    """Return why the request failed, the most exact sentence first; none if it did not fail."""
    if not request.is_failed:
        return ()
    return tuple(dict.fromkeys(_sentences(request)))


def _sentences(request: Request) -> Iterator[str]:
    texts = [step.text for step in request.steps if step.kind is Kind.ERROR]
    own = request.value("integration.error", "integrationErrorMessage")
    texts += [] if own is None else [own]
    known = [sentence for text in texts if (sentence := _explained(text)) is not None]
    if known:
        yield from known
        return
    if (response_type := request.value("error.responseType")) in _RESPONSE_TYPES:
        yield _RESPONSE_TYPES[response_type]
    if texts:
        yield from (f"API Gateway says: {_short(text)}" for text in texts)
    elif (message := request.value("error.message")) is not None and response_type not in _RESPONSE_TYPES:
        yield f"API Gateway answered: {_short(message)}"
    elif response_type not in _RESPONSE_TYPES:
        yield _by_status(request)


def _explained(text: str) -> str | None:
    for pattern, sentence in _TEXTS:
        if match := re.search(pattern, text, re.DOTALL):
            return sentence.format_map({name: _short(value or "") for name, value in match.groupdict().items()})
    return None


def _by_status(request: Request) -> str:
    status = request.status if (request.status or 0) >= 400 else request.integration_status
    if request.integration_status is not None and request.integration_status >= 400:
        return f"The integration itself answered {request.integration_status}."
    side = "The client's request was refused" if (status or 500) < 500 else "The API or its integration failed"
    return f"{side} with {status}; the logs do not say why."


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:297]}..."
