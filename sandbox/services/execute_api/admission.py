"""Whether a REST API admits a request: Lambda authorizers and IAM authorization, with their variables and log lines.

*Source* of an authorizer's lines: recordings with data trace of 2017-06 (API stage oo8kadh853/Test, in the tests of a
parser of such logs) and of the console's test (2019-09), and one without, of a refused token (2026-01). Which lines of
an admitted request need data trace is not recorded: here those with contents do. *Source* of the answers: AWS re:Post,
"How do I troubleshoot HTTP 403 Forbidden errors when I use a Lambda authorizer with an API Gateway REST API?"; of a
policy that cannot be read: ExpanseLLC/lambda_authorizer, issue 1; of the variables of IAM: radkawar/stackd,
testdata/aws/apigateway/rest_websocket_logs.json (2026-09).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.core import wire
from sandbox.core.call import AwsError
from sandbox.core.iam import authorization, identity
from sandbox.core.iam.policies import Decision, evaluate
from sandbox.services.eventbridge.event_bus import Undeliverable
from sandbox.services.execute_api.exchanges import Incoming, Outcome, in_braces
from sandbox.services.lambda_.function_operations import check_may_invoke
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime

if TYPE_CHECKING:
    from sandbox.core.account import Account

_FUNCTION = re.compile(r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[^/]+")
_NOT_AUTHORIZED = "User is not authorized to access this resource"


@dataclass(slots=True)
class Admission:
    """How the authorization of a request ended.

    ``values``: variables that it gives to the access log. ``lines``: of the execution log at INFO, each with whether
    only data trace writes it. ``refusal``: the answer of a request that is refused; None if it is admitted.
    """

    values: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, bool]] = field(default_factory=list)
    refusal: Outcome | None = None

    def refuse(self, status: int, error: str | None, message: str | None, response_type: str) -> Admission:
        """Make this the refusal of a request, and return it. ``error``: the line of the failure; None if unrecorded."""
        self.refusal = Outcome(0).fail(status, error or "", message or "", response_type)
        self.refusal.error, self.refusal.integration_error = error, None
        self.refusal.message, self.refusal.body = message, json.dumps({"message": message}).encode()
        return self


@dataclass(frozen=True, slots=True)
class Asked:
    """The request and the method that it fits. ``path``: of the resource."""

    account: Account
    region: str
    api: Any
    stage: str
    path: str
    incoming: Incoming

    @property
    def arn(self) -> str:
        """Return the ARN of the request, as policies name it."""
        return f"{self.arn_of_api}/{self.stage}/{self.incoming.method}/{self.incoming.path.lstrip('/')}"

    @property
    def arn_of_api(self) -> str:
        return f"arn:aws:execute-api:{self.region}:{self.account.account_id}:{self.api.id}"


def admit(asked: Asked, method: Any) -> Admission:
    """Return whether the request may call the method. Other types of authorization admit everyone."""
    if method.authorization_type == "AWS_IAM":
        return _by_signature(asked)
    authorizer = asked.api.authorizers.get(method.authorizer_id) if method.authorization_type == "CUSTOM" else None
    return Admission() if authorizer is None else _by_authorizer(asked, authorizer)


# ---- IAM


def _by_signature(asked: Asked) -> Admission:
    """Admit the request of a known access key whose policies allow it. The signature itself is not checked."""
    admission = Admission()
    signed = wire.credential({"HTTP_AUTHORIZATION": asked.incoming.headers.get("Authorization", "")})
    if signed is None:
        return admission.refuse(403, None, "Missing Authentication Token", "MISSING_AUTHENTICATION_TOKEN")
    key = signed[0]
    try:
        caller = identity.caller_of_key(asked.account, key)
    except AwsError as unknown:
        return admission.refuse(403, None, unknown.message, "INVALID_SIGNATURE")
    principal = str(caller.user_identity["principalId"])
    admission.values = {"identity.caller": principal, "identity.user": principal, "identity.userArn": caller.arn}
    admission.values |= {"identity.accountId": caller.account, "identity.accessKey": key}
    policies = authorization.policies_of(asked.account, caller)
    decision = Decision.ALLOWED if caller.is_trusted else policies.decide("execute-api:Invoke", asked.arn, {})
    if decision is not Decision.ALLOWED:
        message = f"User: {caller.arn} is not authorized to perform: execute-api:Invoke on resource: {asked.arn}"
        admission.refuse(403, None, message, "ACCESS_DENIED")
    return admission


# ---- Lambda authorizers


def _by_authorizer(asked: Asked, authorizer: Any) -> Admission:
    request_id = asked.incoming.request_id
    admission = Admission(lines=[(f"Starting authorizer: {authorizer.id} for request: {request_id}", False)])
    sources = _sources(authorizer, asked.incoming)
    if not all(sources.values()):
        return _unauthorized(admission, request_id)
    policy = _ask(asked, authorizer, sources, admission)
    if policy is None:
        return admission
    principal = str(policy.get("principalId", ""))
    context = {f"authorizer.{name}": _text(value) for name, value in (policy.get("context") or {}).items()}
    admission.values |= context | {"authorizer.principalId": principal}
    admission.lines.append((f"Using valid authorizer policy for principal: {_masked(principal)}", False))
    admission.lines.append(("Successfully completed authorizer execution", False))
    decision = evaluate([policy["policyDocument"]], "execute-api:Invoke", asked.arn, {})
    if decision is not Decision.ALLOWED:
        explicit = " with an explicit deny" if decision is Decision.EXPLICIT_DENY else ""
        admission.refuse(403, None, f"{_NOT_AUTHORIZED}{explicit}", "ACCESS_DENIED")
    return admission


def _unauthorized(admission: Admission, request_id: str) -> Admission:
    return admission.refuse(401, f"Unauthorized request: {request_id}", "Unauthorized", "UNAUTHORIZED")


def _sources(authorizer: Any, incoming: Incoming) -> dict[str, str]:
    """Return the values by which the authorizer knows the client: headers and parameters of the query string."""
    found = {}
    for source in filter(None, re.split(r"\s*,\s*", authorizer.identity_source or "")):
        _, _, place, name = source.split(".", 3)
        values = incoming.headers if place == "header" else incoming.parameters
        found[source] = next((value for key, value in values.items() if key.lower() == name.lower()), "")
    return found


def _ask(asked: Asked, authorizer: Any, sources: dict[str, str], admission: Admission) -> dict[str, Any] | None:
    """Invoke the authorizer. Return its policy; None if it gave none, and then the admission is a refusal."""
    match = _FUNCTION.search(authorizer.authorizer_uri or "")
    arn = "" if match is None else match[0]
    event, uri = _event(asked, authorizer, sources), f"https://lambda.{asked.region}.amazonaws.com/2015-03-31/functions"
    is_token = authorizer.type == "TOKEN"
    shown = _masked(next(iter(sources.values()), "")) if is_token else in_braces(_all_masked(sources))
    texts = (
        f"Incoming identity: {shown}",
        f"Endpoint request URI: {uri}/{arn}/invocations",
        f"Endpoint request body after transformations: {json.dumps(event, separators=(',', ':'))}",
        f"Sending request to {uri}/{arn}/invocations",
    )
    admission.lines += [(text, True) for text in texts]
    configuration = "Execution failed due to configuration error: "
    try:
        source = f"{asked.arn_of_api}/authorizers/{authorizer.id}"
        if not authorizer.authorizer_credentials:
            check_may_invoke(asked.account, arn, "apigateway.amazonaws.com", source)
        runtime = asked.account.service(LambdaRuntime)
        ended = runtime.invoke(runtime.function(asked.region, arn), json.dumps(event).encode())
    except (Undeliverable, AwsError):
        error = f"{configuration}Invalid permissions on Lambda function"
        admission.refuse(500, error, None, "AUTHORIZER_CONFIGURATION_ERROR")
        return None
    answer = json.loads(ended.payload)
    if isinstance(answer, dict) and answer.get("errorMessage") == "Unauthorized":
        _unauthorized(admission, asked.incoming.request_id)
        return None
    admission.lines.append((f"Authorizer result body before parsing: {ended.payload.decode()}", True))
    if not isinstance(answer, dict) or not isinstance(answer.get("policyDocument"), dict):
        admission.refuse(500, f"{configuration}Could not parse policy", None, "AUTHORIZER_CONFIGURATION_ERROR")
        return None
    return answer


def _event(asked: Asked, authorizer: Any, sources: dict[str, str]) -> dict[str, Any]:
    if authorizer.type == "TOKEN":
        return {"type": "TOKEN", "authorizationToken": next(iter(sources.values())), "methodArn": asked.arn}
    return {
        "type": "REQUEST",
        "methodArn": asked.arn,
        "resource": asked.path,
        "path": asked.incoming.path,
        "httpMethod": asked.incoming.method,
        "headers": dict(asked.incoming.headers),
        "queryStringParameters": asked.incoming.parameters,
        "requestContext": {"requestId": asked.incoming.request_id, "resourcePath": asked.path, "stage": asked.stage},
    }


def _all_masked(values: dict[str, str]) -> dict[str, str]:
    return {name: _masked(value) for name, value in values.items()}


def _masked(value: str) -> str:
    """Return the value with asterisks: of a short one the first half is hidden, of a long one all but six letters.

    *Source:* the recordings, and localstack/localstack, issue 10636 (``**er``, ``***ow``).
    """
    kept = min(6, len(value) // 2)
    return "*" * (len(value) - kept) + value[len(value) - kept :]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
