"""Lines of logs of API Gateway as they were recorded, shortened, and log groups that have them.

*Source:* recordings of REST APIs of 2019-02, API-Gateway-Execution-Logs_uwe3g5jm54/Prod (timeout of a function, key
throttle), in the tests of a subscriber named ship-logs. Ids and addresses are those of the recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from sandbox.core.account import Account

TIMED_OUT = "286364ab-3a83-11e9-8dc8-db3cf4c83204"
THROTTLED = "4f3e3b0f-39db-11e9-9c2e-5bd7c2de5998"
_FUNCTION = "https://lambda.eu-west-2.amazonaws.com/2015-03-31/functions/arn:aws:lambda:eu-west-2:958845080241:function"
#: Milliseconds since the first line, and the text: at INFO with data trace.
TIMED_OUT_LINES = (
    (0, "Extended Request Id: Vwc2MGFUrPEFV_g="),
    (0, f"Verifying Usage Plan for request: {TIMED_OUT}. API Key:  API Stage: uwe3g5jm54/Prod"),
    (
        3,
        (
            "API Key  authorized because method 'GET /echo' does not require API Key. Request will not contribute to "
            "throttle or quota limits"
        ),
    ),
    (3, "Usage Plan check succeeded for API Key  and API Stage uwe3g5jm54/Prod"),
    (4, f"Starting execution for request: {TIMED_OUT}"),
    (4, "HTTP Method: GET, Resource Path: /echo"),
    (4, "Method request path: {}"),
    (4, "Method request query string: {}"),
    (4, "Method request headers: {Accept=application/json, X-Forwarded-For=62.254.81.74, 52.46.38.85}"),
    (4, "Method request body before transformations: "),
    (4, f"Endpoint request URI: {_FUNCTION}:log-test-1-EchoFunction-175HKORAF18IO/invocations"),
    (4, f"Sending request to {_FUNCTION}:log-test-1-EchoFunction-175HKORAF18IO/invocations"),
    (11033, "Received response. Integration latency: 11029 ms"),
    (
        11033,
        (
            "Lambda execution failed with status 200 due to customer function error: 2019-02-27T11:31:11.456Z "
            "71952965-d5cc-4974-ae08-6e2138b2275c Task timed out after 10.00 seconds. Lambda request id: "
            "71952965-d5cc-4974-ae08-6e2138b2275c"
        ),
    ),
    (11033, "Method completed with status: 502"),
    (11033, "AWS Integration Endpoint RequestId : 71952965-d5cc-4974-ae08-6e2138b2275c"),
    (11033, "X-ray Tracing ID : 1-5c7674f4-a3491d0a9c8012c191821b83"),
)
THROTTLED_LINES = (
    (0, "Extended Request Id: Vts2FFmArPEFh8g="),
    (0, f"Verifying Usage Plan for request: {THROTTLED}. API Key:  API Stage: uwe3g5jm54/Prod"),
    (
        1,
        (
            "Key throttle limit exceeded for RestApi uwe3g5jm54, Stage Prod, Resource k0w8mc, HttpMethod POST. "
            "Limit: 1.00 Burst: 1"
        ),
    ),
    (1, "Method completed with status: 429"),
)


def execution_stream(number: int) -> str:
    """Return the name of an execution log stream: the MD5 hash of a number below 300.

    *Source:* the names in four recordings are the hashes of 34, 60, 88 and 152.
    """
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


def put_lines(
    account: Account,
    group: str,
    lines: Iterable[tuple[datetime, str]],
    stream: str = "stream",
    region: str = "us-east-1",
) -> None:
    """Write lines with their times to a stream of the log group. Create what does not exist."""
    logs = account.client("logs", region)
    for create, names in (
        (logs.create_log_group, {"logGroupName": group}),
        (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
    ):
        try:
            create(**names)
        except logs.exceptions.ResourceAlreadyExistsException:
            continue
    events = [{"timestamp": int(time.timestamp() * 1000), "message": text} for time, text in lines]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
