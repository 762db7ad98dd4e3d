"""Compute the costs per month from the counted calls and a table of prices, and write docs/cost.md.

First the costs of Log Keeper, for accounts of three sizes; then those of API Gateway's logs at ERROR, at INFO, and at
INFO with data trace (request and response bodies), which are the reason for the policy.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp
from pathlib import Path

from benchmarks.results import Plot, Result, load
from benchmarks.warm import CASES, Aws, handler
from log_keeper.stages import Protocol
from testing.builders import FORMATS, SETTINGS

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "cost.md", ROOT / "README.md"
TEMPLATE = (ROOT / "template.yaml").read_text()

# ---- prices

DATED = "November 2026"


@dataclass(frozen=True, slots=True)
class Price:
    """A price: ``usd`` for ``per`` units. ``free``: units that each account has free in each month, without end."""

    what: str
    usd: float
    per: float
    unit: str
    free: float
    source: str

    def of(self, quantity: float) -> float:
        return self.usd * quantity / self.per

    def free_of(self, quantity: float) -> float:
        """Return the USD that the free tier saves, if nothing else in the account uses it."""
        return self.of(min(quantity, self.free))


_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
#: Prices of us-east-1.
INVOCATIONS = Price("Lambda, invocations", 0.20, 1e6, "1,000,000", 1e6, _LAMBDA)
DURATION = Price("Lambda, duration on arm64, start included", 0.0000133334, 1, "GB-second", 400_000, _LAMBDA)
REQUESTS = Price("SQS, requests", 0.40, 1e6, "1,000,000", 1e6, "https://aws.amazon.com/sqs/pricing/")
EVENTS = Price("EventBridge, own events", 1.00, 1e6, "1,000,000", 0, "https://aws.amazon.com/eventbridge/pricing/")
METRICS = Price("CloudWatch, custom metrics, by the hour", 0.30, 1, "metric and month", 10, _CLOUDWATCH)
ALARMS = Price("CloudWatch, alarms", 0.10, 1, "alarm and month", 10, _CLOUDWATCH)
DASHBOARDS = Price("CloudWatch, dashboards", 3.00, 1, "dashboard and month", 3, _CLOUDWATCH)
RULES = Price("CloudWatch, Contributor Insights rules", 0.50, 1, "rule and month", 1, _CLOUDWATCH)
INGESTION = Price("CloudWatch Logs, ingestion", 0.50, 1, "GB", 5, _CLOUDWATCH)
STORAGE = Price("CloudWatch Logs, storage", 0.03, 1, "GB and month, compressed", 5, _CLOUDWATCH)
KEYS = Price("KMS, keys; for AlarmEmail", 1.00, 1, "key and month", 0, "https://aws.amazon.com/kms/pricing/")
PRICES = (*(INVOCATIONS, DURATION, REQUESTS, EVENTS, METRICS, ALARMS, DASHBOARDS, RULES, INGESTION, STORAGE, KEYS),)
FREE = (
    ("EventBridge: events of AWS, and rules", "https://aws.amazon.com/eventbridge/pricing/"),
    ("CloudTrail: the first trail's management events", "https://aws.amazon.com/cloudtrail/pricing/"),
    ("Metrics of Lambda and SQS", _CLOUDWATCH),
    ("SNS: the first 1,000 mails", "https://aws.amazon.com/sns/pricing/"),
)
#: Vended logs cost the same up to 10 TB a month, and less above it: (upper limit in GB, USD per GB).
VENDED = ((10_000, 0.50), (30_000, 0.25), (50_000, 0.10), (float("inf"), 0.05))

# ---- assumptions

#: Numbers of stages, all of REST APIs.
SIZES = (10, 1_000, 13_200)
STAGES_OF_AN_API = 10
#: Changes of a stage per month that reach the queue, mostly deployments; and the number after which it is
#: non-compliant.
CHANGES, NON_COMPLIANT = 30, 3
SWEEPS = 30
HOURS = 730
DAYS = HOURS / 24
#: Seconds until AWS answers a call, and seconds from a start until the first message is read: rounded up.
SECONDS_OF_A_CALL, SECONDS_OF_A_START = 0.1, 3
#: Minutes for which Lambda keeps an environment after its last invocation: not documented, an observation of users.
KEPT_WARM = 10
#: Part of a vCPU for each MB of memory. *Source:* Lambda developer guide, "Configure Lambda function memory".
VCPU_OF_A_MB = 1 / 1769
#: Number of pollers of an idle queue, and number of polls of each, which take 20 s. *Source:* Lambda developer guide,
#: "Using Lambda with Amazon SQS"; it does not say that MaximumConcurrency reduces them.
POLLERS, POLLS = 5, HOURS * 3600 / 20
#: EventBridge sends a message; Lambda receives and deletes it.
REQUESTS_OF_A_MESSAGE = 3
#: Bytes that are stored for each ingested byte. *Source:* the pricing page's own examples.
COMPRESSED = 0.15

#: Lines that Lambda writes about each invocation.
_PLATFORM_LINES = (
    f"START RequestId: {'0' * 36} Version: $LATEST\n",
    f"END RequestId: {'0' * 36}\n",
    f"REPORT RequestId: {'0' * 36}\tDuration: 1234.56 ms\tBilled Duration: 3235 ms\tMemory Size: 512 MB\t",
    "Max Memory Used: 123 MB\tInit Duration: 1234.56 ms\t\n",
)


MEMORY_MB = max(int(value) for value in re.findall(r"^ +MemorySize: (\d+)", TEMPLATE, re.MULTILINE))
#: Default of parameter FunctionLogRetentionDays.
_OWN_LOG_DAYS = int(
    re.findall(r"^  FunctionLogRetentionDays:\n    Type: Number\n    Default: (\d+)", TEMPLATE, re.MULTILINE)[0]
)


# ---- Log Keeper itself


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the bill."""

    price: Price
    quantity: float

    @property
    def usd(self) -> float:
        return self.price.of(self.quantity)


@dataclass(frozen=True, slots=True)
class Measured:
    """Measured values.

    ``bytes_compliant``, ``bytes_remediated``: size of the log of a cold invocation. ``cpu``: seconds for an event at
    MEMORY_MB. ``calls``: numbers by case. ``sweep_overhead``: API Gateway calls of a sweep, besides one for each API.
    """

    bytes_compliant: int
    bytes_remediated: int
    cpu: float
    calls: Mapping[str, int]
    sweep_overhead: int

    @classmethod
    def read(cls) -> Measured:
        """Return the values from the results of other benchmarks, and from a cold invocation for each size of a log."""
        calls = {str(row[0]): sum(int(count) for count in (row[1], *row[3:])) for row in load("calls").rows}
        [(apis, of_api_gateway)] = [
            (int(match[1]), int(row[1]))
            for row in load("calls").rows
            if (match := re.fullmatch(r"sweep of (\d+) APIs .* 0% non-compliant", str(row[0])))
        ]
        events_a_second = int(load("warm").rows[0][2])
        return cls(
            bytes_compliant=_bytes_logged("compliant REST stage"),
            bytes_remediated=_bytes_logged("new REST stage"),
            # In steps of 20 ms, because this machine is not one of AWS.
            cpu=ceil(50 / events_a_second / (MEMORY_MB * VCPU_OF_A_MB)) / 50,
            calls=calls,
            sweep_overhead=of_api_gateway - apis,
        )


def _bytes_logged(case: str) -> int:
    """Return the number of bytes that a cold invocation with one message logs."""
    [found] = [each for each in CASES if each.name == case]
    OUTPUT.seek(0)
    OUTPUT.truncate()
    aws = Aws(found)
    handler(aws, aws.session(), messages=1)()
    return len(OUTPUT.getvalue().encode()) + sum(map(len, _PLATFORM_LINES))


#: Replaces standard output from the beginning, because the Logger keeps the stream.
OUTPUT = io.StringIO()


def _share_of_hours(times: float) -> float:
    """Return the share of the hours of a month with at least one of ``times`` random occurrences."""
    return 1 - exp(-times / HOURS)


def bill(stages: int, measured: Measured) -> list[Item]:
    """Return the bill of Log Keeper for one month, without AlarmEmail."""
    changes, non_compliant = stages * CHANGES, stages * NON_COMPLIANT
    compliant = changes - non_compliant
    # Each message has its own invocation, which is cold if the one before is long ago.
    cold = exp(-changes * KEPT_WARM / 60 / HOURS)
    role_check = 3 * SECONDS_OF_A_CALL  # GetAccount, GetRole, SimulatePrincipalPolicy
    seconds = (
        compliant * (measured.calls["compliant REST stage"] * SECONDS_OF_A_CALL + measured.cpu)
        + non_compliant * (measured.calls["new REST stage"] * SECONDS_OF_A_CALL + measured.cpu)
        + changes * (cold * SECONDS_OF_A_START + role_check)  # in fact only once in five minutes
    )
    apis = ceil(stages / STAGES_OF_AN_API)
    calls_of_a_sweep = apis + measured.sweep_overhead + apis // 500
    lists_of_groups = ceil(stages / 25)
    of_a_sweep = SECONDS_OF_A_START + max(
        calls_of_a_sweep / SETTINGS.sweep_rate, (calls_of_a_sweep + lists_of_groups) * SECONDS_OF_A_CALL
    )
    metrics = (
        _share_of_hours(compliant)  # StagesCompliant
        + _share_of_hours(changes)  # Findings
        + 3 * _share_of_hours(non_compliant)  # StagesRemediated, SecondsToCompliance, StagesRemediated
        + 5 * SWEEPS / HOURS  # RegionsSwept, and the metrics of evaluated stages
    )
    queues = TEMPLATE.count("Type: SQS\n")
    log = (compliant * measured.bytes_compliant + non_compliant * measured.bytes_remediated) / 1e9
    return [
        Item(INVOCATIONS, changes + SWEEPS * (1 + ceil(of_a_sweep / 840))),
        Item(DURATION, MEMORY_MB / 1024 * (seconds + SWEEPS * of_a_sweep)),
        Item(REQUESTS, (changes + 2 * SWEEPS) * REQUESTS_OF_A_MESSAGE + queues * POLLERS * POLLS),
        Item(EVENTS, non_compliant),
        Item(METRICS, metrics),
        Item(ALARMS, TEMPLATE.count("Type: AWS::CloudWatch::Alarm\n")),
        Item(DASHBOARDS, TEMPLATE.count("Type: AWS::CloudWatch::Dashboard\n")),
        Item(RULES, TEMPLATE.count("Type: AWS::CloudWatch::InsightRule\n")),
        Item(INGESTION, log),
        Item(STORAGE, log * COMPRESSED * _OWN_LOG_DAYS / DAYS),
    ]


# ---- the logs of API Gateway

RATES = (10, 100, 1_000)
#: Number of requests of which one fails, with one line at ERROR.
_OF_WHICH_ONE_FAILS = 100

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
    "xrayTraceId": "1-6ab63cdc-23269b8807297558714a9c07",
}

#: Lines that API Gateway wrote at INFO about one request to a REST API, recorded in 2026-09; each line begins with the
#: request's id in brackets. *Source:* radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json; of 2018, and
#: without the first and the last: tmobile/jazz, core/jazz_cloud-logs-streamer/test/test.js.
_INFO = (
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
_DATA_TRACE = {
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
    return sum(len(f"({_VALUES['requestId']}) {line.format_map(_VALUES)}".encode()) for line in _INFO)


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
    def storage(self) -> float:
        """Return USD per month, from the time when the first logs expire."""
        days = self.access * SETTINGS.access_log_retention + self.execution * SETTINGS.execution_log_retention
        return STORAGE.of(COMPRESSED * days / DAYS)

    @property
    def usd(self) -> float:
        return self.ingestion + self.storage


def logs(requests_per_second: int, bytes_of_execution: float) -> Logs:
    """Return the logs of a month. ``bytes_of_execution``: execution log of one request."""
    requests = requests_per_second * HOURS * 3600
    return Logs(requests * access_log_bytes() / 1e9, requests * bytes_of_execution / 1e9)


LEVELS = {
    "ERROR": _ERROR / _OF_WHICH_ONE_FAILS,
    "INFO": info_bytes(),
    "INFO with data trace": info_bytes() + sum(_DATA_TRACE.values()),
}


# ---- the page


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _logs_of(rate: int, level: str) -> float:
    """Return USD per month, with the access logs."""
    return logs(rate, LEVELS[level]).usd


def page(bills: Mapping[int, Sequence[Item]], measured: Measured) -> str:
    """Return the text of docs/cost.md."""
    calls, info = measured.calls, info_bytes()
    [*adds] = [
        _usd(_logs_of(RATES[1], level) - _logs_of(RATES[1], "ERROR")) for level in ("INFO", "INFO with data trace")
    ]
    return f"""# What it costs

In USD a month, in us-east-1, at the prices known in {DATED}: check yours. Computed by `make bench`
([benchmarks/cost.py](../benchmarks/cost.py)) from counted calls and measured log lines.

## Log Keeper itself

{_table_of_bills(bills)}

`AlarmEmail` adds its key: {_usd(KEYS.usd)}. Each region in `Regions` adds an event for each of its changes
({_usd(EVENTS.usd)} per million), and metrics of its own.

Assumed:

- {CHANGES} changes a month to each stage, mostly deployments; after {NON_COMPLIANT} of them it is non-compliant. A
  sweep a day. REST APIs with {STAGES_OF_AN_API} stages each.
- Each change in an invocation of its own, which is the most expensive case. AWS takes {SECONDS_OF_A_CALL * 1000:.0f} ms
  to answer a call: a compliant stage takes {calls["compliant REST stage"]} calls, a new one {calls["new REST stage"]},
  the check of the log role 3. The function's own time is {measured.cpu * 1000:.0f} ms at {MEMORY_MB} MB. A new
  environment starts in {SECONDS_OF_A_START} s, which is paid for, and is kept for {KEPT_WARM} minutes.
- An idle queue is polled {POLLERS * POLLS:,.0f} times a month, by {POLLERS} pollers that wait for 20 s.
- Log Keeper's own log takes {measured.bytes_compliant:,} bytes for a compliant stage and
  {measured.bytes_remediated:,} for a new one, Lambda's own lines included; it is kept for {_OWN_LOG_DAYS} days.
- A metric is paid for the hours in which it is written. A dashboard costs nothing while the account has three at most.

## The logs of API Gateway

These are the larger costs. Access logs of all stages, and execution logs at one level for all of them:

{_table_of_levels()}

At {RATES[1]} requests a second, INFO for all stages costs {adds[0]} USD a month more than ERROR, and
{adds[1]} with data trace (request and response bodies).
That is the reason for the policy: access logs of everything, execution logs at ERROR, and INFO only for the stages and
the time that need it.

- Access log: {access_log_bytes(Protocol.REST):,} bytes a request to a REST API, {access_log_bytes(Protocol.HTTP):,} to
  an HTTP API, in `AccessLogFormat` JSON with realistic values.
- ERROR: no line for a request that succeeds; one in {_OF_WHICH_ONE_FAILS} fails, with one line.
- INFO: {len(_INFO)} lines, {info:,} bytes a request; with data trace {len(_INFO) + len(_DATA_TRACE)} lines,
  {LEVELS["INFO with data trace"]:,.0f} bytes: those of a GET that a Lambda function answers with 2 KB, recorded on AWS
  in 2026-09 (radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json). Authorizers add lines. A line is cut
  after 1 KB ([API Gateway developer guide][execution]).
- Kept: access logs {SETTINGS.access_log_retention} days, execution logs {SETTINGS.execution_log_retention}, compressed
  to {COMPRESSED:.0%}. The sums are those after a year, when lines expire as fast as they come.
- HTTP APIs have no execution logs.

[AWS lists][vended] access logs of API Gateway as *vended logs*. Up to 10 TB a month these cost what other logs cost,
0.50 USD per GB; the next 20 TB 0.25, the next 20 TB 0.10, the rest 0.05. Execution logs are computed at 0.50
throughout.

[execution]: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-execution-logging.html
[vended]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html

## Prices

{_table_of_prices()}

## Not known, not included

- Whether access logs of REST APIs, which API Gateway writes with the account's role, are billed as vended logs like
  those of HTTP APIs, and whether the log group's name matters. It makes no difference below 10 TB a month.
- Whether `MaximumConcurrency` makes Lambda's pollers fewer, and whether the alarm on the Contributor Insights rule
  costs more than another.
- What other services charge for each change: AWS Config, further trails.
- Queries of Logs Insights, 0.005 USD for each GB that they read.
"""


def _table_of_bills(bills: Mapping[int, Sequence[Item]]) -> str:
    prices = [item.price for item in next(iter(bills.values()))]
    rows = [[price.what, *(_usd(each[number].usd) for each in bills.values())] for number, price in enumerate(prices)]
    rows.append(["**in all**", *(f"**{_usd(total(each))}**" for each in bills.values())])
    rows.append(["less the free tier", *(_usd(total(each, is_free=True)) for each in bills.values())])
    return _table(["", *(f"{stages:,} stages" for stages in bills)], rows)


def _table_of_levels() -> str:
    rows = [
        [f"{rate:,} a second", f"{logs(rate, 0).access:,.0f}", *(_usd(_logs_of(rate, level)) for level in LEVELS)]
        for rate in RATES
    ]
    return _table(["requests", "access logs, GB", *(f"USD at {level}" for level in LEVELS)], rows)


def _table_of_prices() -> str:
    rows = [
        [
            price.what,
            f"{price.usd:.10f}" if price.usd < 0.01 else _usd(price.usd),
            price.unit,
            f"{price.free:,.0f}" if price.free else "",
            f"[page]({price.source})",
        ]
        for price in PRICES
    ]
    rows += [[what, _usd(0), "", "", f"[page]({source})"] for what, source in FREE]
    return _table(["", "USD", "for each", "free a month", "source"], rows)


def total(items: Iterable[Item], *, is_free: bool = False) -> float:
    """Return USD. ``is_free``: subtract the free tier."""
    return sum(item.usd - (item.price.free_of(item.quantity) if is_free else 0) for item in items)


def check_readme(bills: Mapping[int, Sequence[Item]]) -> None:
    """Compare the figures with the README's section about cost; end the program with an error if one is missing."""
    section = README.read_text().partition("\n## What it costs\n")[2].partition("\n## ")[0]
    figures = [_usd(total(each)) for each in bills.values()] + [_usd(_logs_of(RATES[1], level)) for level in LEVELS]
    if missing := [figure for figure in figures if figure not in section]:
        sys.exit(f"README.md has other costs than docs/cost.md: {', '.join(missing)} are missing in What it costs.")


def main() -> None:
    with contextlib.redirect_stdout(OUTPUT):
        measured = Measured.read()
    bills = {stages: bill(stages, measured) for stages in SIZES}
    PAGE.write_text(page(bills, measured))
    Result(
        name="cost",
        title="Cost",
        columns=[
            "requests per second",
            "access logs, GB per month",
            *(f"at {level}, USD per month" for level in LEVELS),
        ],
        rows=[
            [
                rate,
                logs(rate, 0).access,
                *(_usd(_logs_of(rate, level)) for level in LEVELS),
            ]
            for rate in RATES
        ],
        notes=[
            f"Computed with prices of {DATED} in us-east-1, which [docs/cost.md](../docs/cost.md) lists.",
            (
                f"Bytes per request: access log {access_log_bytes():,}, execution log at INFO {info_bytes():,}, with "
                f"data trace {LEVELS['INFO with data trace']:,.0f}; at ERROR none, unless the request fails."
            ),
            "Log Keeper itself: "
            + ", ".join(
                f"{_usd(total(each))} USD per month for {stages:,} stages ({_usd(total(each, is_free=True))} with the "
                "free tier)"
                for stages, each in bills.items()
            )
            + ".",
        ],
        plot=Plot(
            "bars",
            [f"{rate:,} requests per second" for rate in RATES],
            {level: [_logs_of(rate, level) for rate in RATES] for level in LEVELS},
            "USD per month",
            log=True,
        ),
    ).save()
    check_readme(bills)


if __name__ == "__main__":
    main()
