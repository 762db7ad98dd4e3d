"""The costs of the logs of API Gateway per month, by requests and level."""

from __future__ import annotations

import re
from dataclasses import dataclass

from benchmarks.prices import COMPRESSED, DAYS, HOURS, INFREQUENT, INGESTION, STORAGE, VENDED
from log_keeper.stages import Protocol
from testing.builders import FORMATS, POLICY

RATES = (10, 100, 1_000)
#: Number of requests of which one fails, with one line at ERROR.
REQUESTS_PER_ERROR = 100

#: Values of a request that succeeds.
_VALUES = {
    "requestId": "c9f6a383-f162-4b5f-b524-cfce0ad80812",
    "extendedRequestId": "EP5yhEjCIAMEEcg=",
    "identity.sourceIp": "203.0.113.124",
    "identity.caller": "-",
    "identity.user": "-",
    "identity.userAgent": (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
        "Safari/537.36"
    ),
    "requestTime": "23/Nov/2026:09:00:00 +0000",
    "requestTimeEpoch": "1795424400000",
    "status": "200",
    "integrationLatency": "46",
    "authorizer.error": "-",
    "error.message": "-",
    "error.responseType": "-",
    "domainName": "api.shop.example.com",
    "apiId": "a1b2c3d4e5",
    "stage": "prod",
    "httpMethod": "GET",
    "path": "/prod/customers/4711/orders",
    "protocol": "HTTP/1.1",
    "responseLength": "2134",
    "responseLatency": "52",
    "resourcePath": "/customers/{customer}/orders",
    "integration.status": "200",
    "integration.error": "-",
    "integration.requestId": "61ed2826-b9cd-4a75-a5d6-eed85f48dca5",
    "wafResponseCode": "WAF_ALLOW",
    "routeKey": "GET /customers/{customer}/orders",
    "integrationStatus": "200",
    "integrationErrorMessage": "-",
    "tlsVersion": "TLSv1.3",
    "cipherSuite": "TLS_AES_128_GCM_SHA256",
    "authorizer.principalId": "-",
    "identity.userArn": "-",
    "xrayTraceId": "1-6ab63cdc-23269b8807297558714a9c07",
}

#: Lines that API Gateway wrote at INFO about one request to a REST API, recorded in 2026-09; each line begins with the
#: request's id in brackets. *Source:* radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json; of 2018, and
#: without the first and the last: tmobile/jazz, core/jazz_cloud-logs-streamer/test/test.js.
INFO_LINES = (
    "Extended Request Id: {extendedRequestId}",
    "Verifying Usage Plan for request: {requestId}. API Key:  API Stage: {apiId}/{stage}",
    (
        "API Key  authorized because method '{httpMethod} {resourcePath}' does not require API Key. Request will not "
        "contribute to throttle or quota limits"
    ),
    "Usage Plan check succeeded for API Key  and API Stage {apiId}/{stage}",
    "Starting execution for request: {requestId}",
    "HTTP Method: {httpMethod}, Resource Path: {resourcePath}",
    "Successfully completed execution",
    "Method completed with status: {status}",
    "AWS Integration Endpoint RequestId : {requestId}",
)
#: The lines that data traces add, in bytes, as the same recording has them: a GET without a body that is answered with
#: 2 KB by a Lambda function. A line is cut after 1,024 bytes, with a mark of 12. *Source* of that: API Gateway
#: developer guide, "Execution logging for REST APIs".
_CUT = 1_036
DATA_TRACE_LINES = {
    "Method request path": 62,
    "Method request query string": 70,
    "Method request headers": 347,
    "Method request body before transformations": 83,
    "Endpoint request URI": 208,
    "Endpoint request headers": _CUT,
    "Endpoint request body after transformations": _CUT,
    "Sending request to": 205,
    "Received response": 97,
    "Endpoint response headers": 411,
    "Endpoint response body before transformations": _CUT,
    "Method response body after transformations": _CUT,
    "Method response headers": 208,
}
#: Bytes of the line at ERROR about a function that failed; from the same recording.
_ERROR = 189


def access_log_bytes(protocol: Protocol = Protocol.REST) -> int:
    """Return the bytes of one line in Log Keeper's format."""
    return len(re.sub(r"\$context\.([A-Za-z.]+)", lambda match: _VALUES[match[1]], FORMATS[protocol]).encode())


def info_bytes() -> int:
    """Return the bytes of the lines at INFO of one request, without data trace."""
    return sum(len(f"({_VALUES['requestId']}) {line.format_map(_VALUES)}".encode()) for line in INFO_LINES)


@dataclass(frozen=True, slots=True)
class Logs:
    """The logs of a month, in GB."""

    access: float
    execution: float

    @property
    def ingestion(self) -> float:
        """Return USD. Access logs are vended logs; execution logs are not, so their price has no tiers."""
        usd, below = 0.0, 0.0
        for limit, price in VENDED:
            usd += max(0.0, min(self.access, limit) - below) * price
            below = limit
        return usd + INGESTION.of(self.execution)

    @property
    def infrequent_access(self) -> float:
        """Return USD of the ingestion if all log groups have the class Infrequent Access, without tiers."""
        return INFREQUENT.of(self.access + self.execution)

    @property
    def storage(self) -> float:
        """Return USD per month, from the time when the first logs expire."""
        days = self.access * POLICY.access_log_retention + self.execution * POLICY.execution_log_retention
        return STORAGE.of(COMPRESSED * days / DAYS)

    @property
    def usd(self) -> float:
        return self.ingestion + self.storage


def logs(requests_per_second: int, bytes_of_execution: float) -> Logs:
    """Return the logs of a month. ``bytes_of_execution``: execution log of one request."""
    requests = requests_per_second * HOURS * 3600
    return Logs(requests * access_log_bytes() / 1e9, requests * bytes_of_execution / 1e9)


LEVELS = {
    "ERROR": _ERROR / REQUESTS_PER_ERROR,
    "INFO": info_bytes(),
    "INFO with data trace": info_bytes() + sum(DATA_TRACE_LINES.values()),
}
