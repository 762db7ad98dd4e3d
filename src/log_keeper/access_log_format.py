"""What a line of an access log says, in four formats, for each protocol. Pure."""

from __future__ import annotations

import json
from enum import StrEnum

from log_keeper.stages import Protocol


class FormatName(StrEnum):
    """The formats to choose from."""

    JSON = "JSON"
    CLF = "CLF"
    XML = "XML"
    CSV = "CSV"


#: The variables of a line, by field. API Gateway writes ``-`` for one without a value.
#: *Source:* API Gateway developer guide, "Variables for access logging for API Gateway", "Customize HTTP API access
#: logs", "Configure logging for WebSocket APIs in API Gateway".
_EVERYWHERE = {
    "requestId": "$context.requestId",
    # Given by API Gateway; a client can choose requestId.
    "extendedRequestId": "$context.extendedRequestId",
    "ip": "$context.identity.sourceIp",
    "caller": "$context.identity.caller",
    "user": "$context.identity.user",
    "userAgent": "$context.identity.userAgent",
    "requestTime": "$context.requestTime",
    "requestTimeEpoch": "$context.requestTimeEpoch",
    "status": "$context.status",
    "integrationLatency": "$context.integrationLatency",
    "authorizerError": "$context.authorizer.error",
    "errorMessage": "$context.error.message",
    "errorResponseType": "$context.error.responseType",
    "domainName": "$context.domainName",
    "apiId": "$context.apiId",
    "stage": "$context.stage",
}
_OF_HTTP_REQUESTS = {
    "httpMethod": "$context.httpMethod",
    "path": "$context.path",
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
}
_FIELDS = {
    Protocol.REST: _EVERYWHERE
    | _OF_HTTP_REQUESTS
    | {
        "resourcePath": "$context.resourcePath",
        "integrationStatus": "$context.integration.status",
        "integrationError": "$context.integration.error",
        "integrationRequestId": "$context.integration.requestId",
        "wafStatus": "$context.wafResponseCode",
        "xrayTraceId": "$context.xrayTraceId",
    },
    Protocol.HTTP: _EVERYWHERE
    | _OF_HTTP_REQUESTS
    | {
        "routeKey": "$context.routeKey",
        "integrationStatus": "$context.integrationStatus",
        "integrationError": "$context.integrationErrorMessage",
    },
    Protocol.WEBSOCKET: _EVERYWHERE
    | {
        "eventType": "$context.eventType",
        "routeKey": "$context.routeKey",
        "connectionId": "$context.connectionId",
        "connectedAt": "$context.connectedAt",
        "messageId": "$context.messageId",
        "integrationStatus": "$context.integrationStatus",
        "integrationError": "$context.integrationErrorMessage",
    },
}
#: What stands between the quotes of the common log format.
_REQUEST_LINES = {
    Protocol.REST: "$context.httpMethod $context.resourcePath $context.protocol",
    Protocol.HTTP: "$context.httpMethod $context.routeKey $context.protocol",
    Protocol.WEBSOCKET: "$context.eventType $context.routeKey $context.connectionId",
}


def access_log_formats(name: FormatName) -> dict[Protocol, str]:
    """The format for each protocol: a single line, with both request ids."""
    return {protocol: _format(name, protocol) for protocol in Protocol}


def _format(name: FormatName, protocol: Protocol) -> str:
    fields = _FIELDS[protocol]
    match name:
        case FormatName.JSON:
            return json.dumps(fields, separators=(",", ":"))
        case FormatName.XML:
            inner = "".join(f"<{field}>{value}</{field}>" for field, value in fields.items() if field != "requestId")
            return f'<request id="$context.requestId">{inner}</request>'
        case FormatName.CSV:
            return ",".join(fields.values())
        case FormatName.CLF:
            who = "$context.identity.sourceIp $context.identity.caller $context.identity.user"
            length = "" if protocol is Protocol.WEBSOCKET else " $context.responseLength"
            request = _REQUEST_LINES[protocol]
            ids = "$context.requestId $context.extendedRequestId"
            return f'{who} [$context.requestTime] "{request}" $context.status{length} {ids}'
