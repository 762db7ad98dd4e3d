"""Checks of access log settings in UpdateStage and CreateStage of HTTP and WebSocket APIs.

Where nothing else is said, *Source:* recordings of AWS of 2026-09 in radkawar/stackd,
``testdata/aws/apigateway/{http_logs,http_log_settings,rest_websocket_logs}.json``: the texts, and the order of the
checks (members, ARN, format, then the requirements of the destination).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from moto.apigateway.models import apigateway_backends
from moto.logs.models import logs_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.services.apigatewayv2 import log_delivery
from sandbox.services.apigatewayv2.state import bad
from sandbox.services.logs import classes

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call

NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"
_NOT_A_DESTINATION = (
    "Invalid ARN specified in the request. "
    "The ARN must be a valid CloudWatch Logs log group or Kinesis Data Firehose delivery stream ARN."
)
_IN_FORMAT = "The following errors are found in Access Log Format: "
#: The longest format of an HTTP API, in bytes.
#: *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_LONGEST_FORMAT = 3072

#: Variables that an HTTP API's format may have after ``$context.``; a WebSocket API accepts any name and writes ``-``.
#: *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html ;
#: ``resourcePath`` is not on that page, but in the recording.
HTTP_VARIABLES = frozenset({
    "accountId", "apiId", "awsEndpointRequestId", "awsEndpointRequestId2", "customDomain.basePathMatched",
    "dataProcessed", "domainName", "domainPrefix", "error.message", "error.messageString", "error.responseType",
    "extendedRequestId", "httpMethod", "identity.accountId", "identity.caller", "identity.clientCert.clientCertPem",
    "identity.clientCert.issuerDN", "identity.clientCert.serialNumber", "identity.clientCert.subjectDN",
    "identity.clientCert.validity.notAfter", "identity.clientCert.validity.notBefore",
    "identity.cognitoAuthenticationProvider", "identity.cognitoAuthenticationType", "identity.cognitoIdentityId",
    "identity.cognitoIdentityPoolId", "identity.principalOrgId", "identity.sourceIp", "identity.user",
    "identity.userAgent", "identity.userArn", "integration.error", "integration.integrationStatus",
    "integration.latency", "integration.requestId", "integration.status", "integrationErrorMessage",
    "integrationLatency", "integrationStatus", "path", "protocol", "requestId", "requestTime", "requestTimeEpoch",
    "resourcePath", "responseLatency", "responseLength", "routeKey", "stage", "status",
})  # fmt: skip
# In the format of an HTTP API, a pipe right after a name counts as part of the name.
_VARIABLE = {
    "HTTP": re.compile(r"\$(?:\{context\.([^}]*)\}|context\.([A-Za-z0-9_.|-]+))"),
    "WEBSOCKET": re.compile(r"\$(?:\{context\.([^}]*)\}|context\.([A-Za-z0-9_.-]+))"),
}


def accept(
    account: Account, call: Call, protocol: str, settings: dict[str, str], before: dict[str, str]
) -> dict[str, str]:
    """Return the settings as API Gateway stores them. Raise AwsError if it refuses. ``before``: current settings."""
    destination, text = settings.get("DestinationArn"), settings.get("Format")
    if not destination or not text:
        raise bad("Access Log value missing. Expected destinationArn and format.")
    group = _group(destination, protocol)
    _check_format(text, protocol)
    if group is not None:
        classes.check_destination(account, call.region, group)
    if protocol == "HTTP":
        assert group is not None, "an HTTP API has no other destination"
        # Source: approov/quickstart-aws-api-gateway-v2, in 2021: given with ":*", answered without.
        destination = destination.removesuffix(":*")
        is_change = {"DestinationArn": destination, "Format": text} != before
        if is_change or account.behaviour.unchanged_update_runs_log_delivery_admission:
            log_delivery.enable(account, call, group)
    else:
        check_role(account, call.region)
        known = logs_backends[account.account_id][call.region].groups
        if group is not None and group not in known and account.behaviour.refuses_missing_websocket_log_groups:
            # Not recorded for these APIs. Source: radkawar/stackd, from the refusal for HTTP APIs.
            message = f"Cannot enable logging. LogDestination: {group} does not exist"
            raise AwsError("NotFoundException", message, 404)
    return {"DestinationArn": destination, "Format": text}


def check_role(account: Account, region: str) -> None:
    """Check the account's log role, with which WebSocket APIs log, as REST APIs do. HTTP APIs need no role."""
    if not apigateway_backends[account.account_id][region].account.cloudwatch_role_arn:
        raise bad(NO_ROLE)


def _group(arn: str, protocol: str) -> str | None:
    """Return the log group that the ARN names; None for a Firehose stream."""
    if not arn.startswith("arn:"):
        raise bad(f"Invalid ARN specified in the request. ARNs must start with 'arn:': {arn}")
    parsed = Arn.parse(arn)
    service, resource = parsed.service, parsed.resource
    if service == "firehose" and protocol == "WEBSOCKET":
        # Accepted as by REST APIs: inferred, because both log with the account's role.
        if not resource.startswith("deliverystream/amazon-apigateway-"):
            raise bad(_NOT_A_DESTINATION)
        return None
    # HTTP APIs have no Firehose destinations, although the refusal names them. Source:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-vs-rest.html
    if service != "logs" or not resource.startswith("log-group:"):
        raise bad(_NOT_A_DESTINATION)
    name = resource.removeprefix("log-group:")
    if protocol == "HTTP":
        name = name.removesuffix(":*")
    if not re.fullmatch(r"[A-Za-z0-9_\-/.]+", name):
        # Source: serverless/serverless issue 6304, of a WebSocket API.
        raise bad(
            f"Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': '{resource}'"
        )
    return name


def _check_format(text: str, protocol: str) -> None:
    if "\n" in text or "\r" in text:
        raise bad(f"{_IN_FORMAT}Access Log format must be single line: '{text}'")
    if protocol == "HTTP" and len(text.encode()) > _LONGEST_FORMAT:
        raise bad(f"{_IN_FORMAT}Access Log format must not exceed {_LONGEST_FORMAT} bytes")  # wording not recorded
    found = [(match[0], match[1] or match[2]) for match in _VARIABLE[protocol].finditer(text)]
    unknown = [whole for whole, name in found if name not in HTTP_VARIABLES and not name.startswith("authorizer.")]
    if protocol == "HTTP" and unknown:
        raise bad(f"The following context variables are not supported: [{', '.join(unknown)}]")
    if not any(name in ("requestId", "extendedRequestId") for _, name in found):
        raise bad(
            f"{_IN_FORMAT}Access Log format must include either $context.requestId or $context.extendedRequestId : "
            f"'{text}'"
        )
