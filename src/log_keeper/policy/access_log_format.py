"""Log Keeper's access log formats for each protocol, safe against texts that clients send. Pure.

API Gateway is known to escape quotes and backslashes in JSON; for other notations this module assumes no escaping. So
each format has the values that API Gateway writes itself at places where a hostile text cannot change them.
docs/access-logs.md says what that guarantees. *Source* of the escaping: DataBiosphere/azul, issue 4348 (2024-07-10).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from log_keeper.stages import Protocol


class FormatName(StrEnum):
    """The formats to choose from."""

    JSON = "JSON"
    CLF = "CLF"
    XML = "XML"
    CSV = "CSV"
    DATADOG = "DATADOG"


#: Names and variables of fields that API Gateway writes itself: identifiers, numbers, times, names that AWS checked.
#: They contain no quote, no ``<``, no ``&`` and no line break; a session name in ``caller`` can contain a comma.
#: A variable without a value is written as ``-``. *Source:* API Gateway developer guide, "Variables for access logging
#: for API Gateway", "Customize HTTP API access logs", "Configure logging for WebSocket APIs in API Gateway".
_GIVEN_EVERYWHERE = {
    # Assigned by API Gateway; a client of a REST API can choose requestId.
    "extendedRequestId": "$context.extendedRequestId",
    "ip": "$context.identity.sourceIp",
    "caller": "$context.identity.caller",
    "user": "$context.identity.user",
    "requestTime": "$context.requestTime",
    "requestTimeEpoch": "$context.requestTimeEpoch",
    "status": "$context.status",
    "integrationLatency": "$context.integrationLatency",
    "errorResponseType": "$context.error.responseType",
    "domainName": "$context.domainName",
    "apiId": "$context.apiId",
    "stage": "$context.stage",
}
_GIVEN_OF_HTTP_REQUESTS = {
    "protocol": "$context.protocol",
    "responseLength": "$context.responseLength",
    "responseLatency": "$context.responseLatency",
}
_GIVEN = {
    Protocol.REST: _GIVEN_EVERYWHERE
    | _GIVEN_OF_HTTP_REQUESTS
    | {
        "resourcePath": "$context.resourcePath",
        "integrationStatus": "$context.integration.status",
        "wafStatus": "$context.wafResponseCode",
        # REST APIs only. Source: API Gateway developer guide, "Choose a security policy for your REST API".
        "tlsVersion": "$context.tlsVersion",
        "cipherSuite": "$context.cipherSuite",
    },
    Protocol.HTTP: _GIVEN_EVERYWHERE | _GIVEN_OF_HTTP_REQUESTS | {"integrationStatus": "$context.integrationStatus"},
    Protocol.WEBSOCKET: _GIVEN_EVERYWHERE
    | {
        "eventType": "$context.eventType",
        "connectionId": "$context.connectionId",
        "connectedAt": "$context.connectedAt",
        "messageId": "$context.messageId",
        "integrationStatus": "$context.integrationStatus",
    },
}
#: Fields whose values are texts of other parties: first of the API's owner, then of its backend, then of the client,
#: who is trusted least. Without ``$context.error.messageString``: it has its own quotes, except when it has no value.
#: ``principalId`` is what a Lambda authorizer returns. ``userArn`` can contain any printable character, quotes too,
#: since the owner of the calling account chooses the path of an IAM user. *Source:* botocore, iam, pathType; for
#: ``principalId`` of HTTP APIs, an earlier text of "Customize HTTP API access logs" (2021): the text of 2026 lists it
#: no more, but still any property of an authorizer.
_TEXT = {
    Protocol.REST: {
        "integrationRequestId": "$context.integration.requestId",
        "integrationError": "$context.integration.error",
        "authorizerError": "$context.authorizer.error",
        "principalId": "$context.authorizer.principalId",
        "userArn": "$context.identity.userArn",
        "errorMessage": "$context.error.message",
        "httpMethod": "$context.httpMethod",
        "xrayTraceId": "$context.xrayTraceId",
        "requestId": "$context.requestId",
        "path": "$context.path",
        "userAgent": "$context.identity.userAgent",
    },
    Protocol.HTTP: {
        "routeKey": "$context.routeKey",
        "integrationError": "$context.integrationErrorMessage",
        "authorizerError": "$context.authorizer.error",
        "principalId": "$context.authorizer.principalId",
        "userArn": "$context.identity.userArn",
        "errorMessage": "$context.error.message",
        "httpMethod": "$context.httpMethod",
        "requestId": "$context.requestId",
        "path": "$context.path",
        "userAgent": "$context.identity.userAgent",
    },
    Protocol.WEBSOCKET: {
        "routeKey": "$context.routeKey",
        "integrationError": "$context.integrationErrorMessage",
        "authorizerError": "$context.authorizer.error",
        "principalId": "$context.authorizer.principalId",
        "userArn": "$context.identity.userArn",
        "errorMessage": "$context.error.message",
        "requestId": "$context.requestId",
        "userAgent": "$context.identity.userAgent",
    },
}
#: Fields that a format leaves out. HTTP APIs decode the path, so it can contain a line break and any quote, which only
#: JSON escapes; REST APIs leave it as the client sent it. *Source:* middleapi/standard-server, pull request 93
#: (captures).
_LEFT_OUT = {
    (FormatName.CSV, Protocol.HTTP): {"path"},
    # In apigatewayv2 a format has at most 1,024 characters, and extendedRequestId is the same as requestId.
    # *Source:* botocore, apigatewayv2, StringWithLengthBetween1And1024; "Customize HTTP API access logs".
    (FormatName.XML, Protocol.HTTP): {"path", "requestId", "principalId", "userArn"},
    (FormatName.XML, Protocol.WEBSOCKET): {"requestId", "userArn"},
}
#: The text between the quotes of the common log format. The only text of the client in it is the method.
_REQUEST_LINES = {
    Protocol.REST: "$context.httpMethod $context.resourcePath $context.protocol",
    Protocol.HTTP: "$context.httpMethod $context.routeKey $context.protocol",
    Protocol.WEBSOCKET: "$context.eventType $context.routeKey $context.connectionId",
}
#: The last column of a CSV line. A quoted constant closes a quote that the column before it has left open, so that no
#: client can make the next line part of its own; and it shows that a line is complete.
END_OF_CSV_LINE = "end"


#: Members of the JSON that Datadog documents, for the fields that a protocol has. Datadog documents REST APIs alone;
#: other protocols have ``routeKey`` in place of ``resourcePath``. ``extendedRequestId`` is Log Keeper's addition.
#: *Source:* docs.datadoghq.com/integrations/amazon-api-gateway, "Log collection" (copies of 2022 to 2026).
_OF_DATADOG = (
    *("httpMethod", "routeKey", "requestId"),  # texts first: of two members with one name most readers take the last
    *("extendedRequestId", "ip", "caller", "user", "requestTime", "status", "apiId", "stage"),
    *("protocol", "responseLength", "resourcePath", "eventType", "connectionId"),
)
#: Numbers, without quotes as Datadog documents them. HTTP APIs write ``requestTimeEpoch`` in seconds, which Datadog
#: would take for milliseconds of 1970, so they have the time as text. *Source* of the seconds: radkawar/stackd,
#: internal/services/apigatewayexec/http_logging.go.
_NUMBERS_OF_DATADOG = {
    Protocol.REST: ("requestTime", "status", "responseLength"),
    Protocol.HTTP: ("status", "responseLength"),
    Protocol.WEBSOCKET: ("requestTime", "status"),
}


@cache
def access_log_formats(name: FormatName) -> Mapping[Protocol, str]:
    """Return the format for each protocol: one line, with the id that API Gateway gave the request."""
    return MappingProxyType({protocol: _format(name, protocol) for protocol in Protocol})


def given_fields(protocol: Protocol) -> dict[str, str]:
    """Return the fields that API Gateway writes itself and a hostile text cannot change. Name -> variable."""
    return dict(_GIVEN[protocol])


def text_fields(name: FormatName, protocol: Protocol) -> dict[str, str]:
    """Return the fields of the format with texts of other parties, the least trusted last. Name -> variable.

    For the common log format and for Datadog's the answer means nothing: others prescribe their content.
    """
    left_out = _LEFT_OUT.get((name, protocol), set())
    return {field: variable for field, variable in _TEXT[protocol].items() if field not in left_out}


def _format(name: FormatName, protocol: Protocol) -> str:
    given, text = given_fields(protocol), text_fields(name, protocol)
    match name:
        case FormatName.JSON:
            # Of two members with one name most readers take the last, so API Gateway's own fields are at the end.
            return json.dumps(text | given, separators=(",", ":"))
        case FormatName.XML:
            # Attributes of the first tag are read before any text; texts are inside CDATA.
            attributes = "".join(f' {field}="{variable}"' for field, variable in given.items())
            elements = "".join(f"<{field}><![CDATA[{variable}]]></{field}>" for field, variable in text.items())
            return f"<request{attributes}>{elements}</request>"
        case FormatName.CSV:
            # A quote inside a text can only shift the columns after it.
            return ",".join(f'"{column}"' for column in (*given.values(), *text.values(), END_OF_CSV_LINE))
        case FormatName.CLF:
            who = "$context.identity.sourceIp $context.identity.caller $context.identity.user"
            length = "-" if protocol is Protocol.WEBSOCKET else "$context.responseLength"
            ids = "$context.extendedRequestId $context.requestId"
            return f'{who} [$context.requestTime] "{_REQUEST_LINES[protocol]}" $context.status {length} {ids}'
        case FormatName.DATADOG:
            return _datadog(protocol, text | given)


def _datadog(protocol: Protocol, fields: Mapping[str, str]) -> str:
    numbers = _NUMBERS_OF_DATADOG[protocol]
    if "requestTime" in numbers:
        fields = {**fields, "requestTime": fields["requestTimeEpoch"]}
    members = [(field, fields[field]) for field in _OF_DATADOG if field in fields]
    texts = (f'"{field}":{variable if field in numbers else json.dumps(variable)}' for field, variable in members)
    return "{" + ",".join(texts) + "}"
