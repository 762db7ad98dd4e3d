"""What a line of an access log says."""

from __future__ import annotations

import json

from log_keeper.stages import Protocol

#: Fields of a REST API's access log. *Source:* API Gateway developer guide, "Variables for access logging".
#: Each is a string in the line, since API Gateway writes ``-`` for one that has no value.
_REST = {
    "requestId": "$context.requestId",
    # Given by API Gateway; a client can choose requestId.
    "extendedRequestId": "$context.extendedRequestId",
    "ip": "$context.identity.sourceIp",
    "caller": "$context.identity.caller",
    "user": "$context.identity.user",
    "userAgent": "$context.identity.userAgent",
    "requestTime": "$context.requestTime",
    "requestTimeEpoch": "$context.requestTimeEpoch",
    "httpMethod": "$context.httpMethod",
    "resourcePath": "$context.resourcePath",
    "path": "$context.path",
    "status": "$context.status",
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
    "integrationLatency": "$context.integrationLatency",
    "integrationStatus": "$context.integration.status",
    "integrationError": "$context.integration.error",
    "integrationRequestId": "$context.integration.requestId",
    "authorizerError": "$context.authorizer.error",
    "errorMessage": "$context.error.message",
    "errorResponseType": "$context.error.responseType",
    "wafStatus": "$context.wafResponseCode",
    "xrayTraceId": "$context.xrayTraceId",
    "domainName": "$context.domainName",
    "apiId": "$context.apiId",
    "stage": "$context.stage",
}

_FIELDS = {Protocol.REST: _REST}


def json_format(protocol: Protocol) -> str:
    """One line of JSON with the fields that debugging needs, right for the protocol."""
    return json.dumps(_FIELDS[protocol], separators=(",", ":"))
