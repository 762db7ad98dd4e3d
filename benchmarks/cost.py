"""Compute the costs per month from the counted calls and a table of prices, and write docs/cost.md.

First the costs of Log Keeper, for accounts of three sizes; then those of API Gateway's logs at ERROR, at INFO, and at
INFO with data trace (request and response bodies), which are the reason for the policy.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.cost_of_log_keeper import (
    CHANGES,
    KEPT_WARM,
    MEMORY_MB,
    NON_COMPLIANT,
    OUTPUT,
    OWN_LOG_DAYS,
    POLLERS,
    POLLS,
    SECONDS_OF_A_CALL,
    SECONDS_OF_A_START,
    SIZES,
    STAGES_OF_AN_API,
    Item,
    Measured,
    bill,
    total,
)
from benchmarks.cost_of_logs import (
    DATA_TRACE_LINES,
    INFO_LINES,
    LEVELS,
    RATES,
    REQUESTS_PER_ERROR,
    access_log_bytes,
    info_bytes,
    logs,
)
from benchmarks.cost_of_organization import SIZES as ORGANIZATIONS
from benchmarks.cost_of_organization import STAGES, of_hub, of_member
from benchmarks.prices import COMPRESSED, DATED, DURATION, EVENTS, FREE, INFREQUENT, INGESTION, KEYS, PRICES
from benchmarks.results import Plot, Result
from log_keeper.aws.clients import FILTER_RATE
from log_keeper.stages import Protocol
from testing.builders import POLICY

ROOT = Path(__file__).parent.parent
PAGE, README = ROOT / "docs" / "cost.md", ROOT / "README.md"


def _usd(value: float) -> str:
    return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _logs_of(rate: int, level: str) -> float:
    """Return USD per month, with the access logs."""
    return logs(rate, LEVELS[level]).usd


def _forwarding(log_groups: int) -> float:
    """Return USD per month for the time in which sweeps read the subscription filters of log groups, one a day."""
    return Item(DURATION, log_groups / FILTER_RATE * 30 * MEMORY_MB / 1024).usd


def page(bills: Mapping[int, Sequence[Item]], measured: Measured) -> str:
    """Return the text of docs/cost.md."""
    calls, info, lines = measured.calls, info_bytes(), len(INFO_LINES) + len(DATA_TRACE_LINES)
    [*adds] = [
        _usd(_logs_of(RATES[1], level) - _logs_of(RATES[1], "ERROR")) for level in ("INFO", "INFO with data trace")
    ]
    return f"""# What it costs

In USD a month, in us-east-1, at the prices known in {DATED}: check yours. Computed by `make bench`
([benchmarks/cost.py](../benchmarks/cost.py)) from counted calls and measured log lines.

## Log Keeper itself

{_table_of_bills(bills)}

`AlarmEmail` adds its key: {_usd(KEYS.usd)}. Each region in `Regions` adds an event for each of its changes
({_usd(EVENTS.usd)} per million), and metrics of its own. [Log forwarding](forwarding.md) reads each log group in
a sweep, {FILTER_RATE} a second: for 1,000 stages with two log groups each {_usd(_forwarding(2000))} more, for the
time of the Sweep function.
The destination costs more than that: Lambda, Kinesis and Firehose charge for these lines as for any other data.

Assumed:

- {CHANGES} changes a month to each stage, mostly deployments; after {NON_COMPLIANT} of them it is non-compliant. A
  sweep a day. REST APIs with {STAGES_OF_AN_API} stages each.
- Each change in an invocation of its own, which is the most expensive case. AWS takes {SECONDS_OF_A_CALL * 1000:.0f} ms
  to answer a call: a compliant stage takes {calls["compliant REST stage"]} calls, a new one {calls["new REST stage"]},
  the check of the log role 3. The function's own time is {measured.cpu * 1000:.0f} ms at {MEMORY_MB} MB. A new
  environment starts in {SECONDS_OF_A_START} s, which is paid for, and is kept for {KEPT_WARM} minutes.
- An idle queue is polled {POLLERS * POLLS:,.0f} times a month, by {POLLERS} pollers that wait for 20 s.
- Log Keeper's own log takes {measured.bytes_compliant:,} bytes for a compliant stage and
  {measured.bytes_remediated:,} for a new one, Lambda's own lines included; it is kept for {OWN_LOG_DAYS} days.
- A metric is paid for the hours in which it is written. A dashboard costs nothing while the account has three at most.

## An organization

One stack governs all accounts of an [organization](organization.md). It is paid for in the hub account; a member
account pays for the events that its rules send to the hub ({_usd(EVENTS.usd)} per million). Its roles, rules and empty
queue, and the stack sets, cost nothing.

{_table_of_organizations(measured)}

Assumed besides: {STAGES} stages in each managed region of each account; a sweep of each region of each account a day,
in an invocation of its own; a role is assumed for each change.

## The logs of API Gateway

These are the larger costs. Access logs of all stages, and execution logs at one level for all of them:

{_table_of_levels()}

At {RATES[1]} requests a second, INFO for all stages costs {adds[0]} USD a month more than ERROR, and
{adds[1]} with data trace (request and response bodies).
That is the reason for the policy: access logs of everything, execution logs at ERROR, and INFO only for the stages and
the time that need it.

- Access log: {access_log_bytes(Protocol.REST):,} bytes a request to a REST API, {access_log_bytes(Protocol.HTTP):,} to
  an HTTP API, in `AccessLogFormat` JSON with realistic values.
- ERROR: no line for a request that succeeds; one in {REQUESTS_PER_ERROR} fails, with one line.
- INFO: {len(INFO_LINES)} lines, {info:,} bytes a request; with data trace {lines} lines,
  {LEVELS["INFO with data trace"]:,.0f} bytes: those of a GET that a Lambda function answers with 2 KB, recorded on AWS
  in 2026-09 (radkawar/stackd, testdata/aws/apigateway/rest_websocket_logs.json). Authorizers add lines. A line is cut
  after 1 KB ([API Gateway developer guide][execution]).
- Kept: access logs {POLICY.access_log_retention} days, execution logs {POLICY.execution_log_retention}, compressed
  to {COMPRESSED:.0%}. The sums are those after a year, when lines expire as fast as they come.
- HTTP APIs have no execution logs.

[AWS lists][vended] access logs of API Gateway as *vended logs*. Up to 10 TB a month these cost what other logs cost,
0.50 USD per GB; the next 20 TB 0.25, the next 20 TB 0.10, the rest 0.05. Execution logs are computed at 0.50
throughout.

## The class Infrequent Access

Ingestion of the same logs a month, if all log groups have the class Standard, and if all have the class Infrequent
Access (`AccessLogClass`, `ExecutionLogClass`). Storage costs the same.

{_table_of_classes()}

[The pricing page][cloudwatch] has {_usd(INFREQUENT.usd)} USD for each GB in us-east-1, against {_usd(INGESTION.usd)}.
[The class of new log groups](log-groups.md#the-class-of-new-log-groups) says what the class cannot do.

[cloudwatch]: https://aws.amazon.com/cloudwatch/pricing/
[execution]: https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-execution-logging.html
[vended]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-and-resource-policy.html

## Prices

{_table_of_prices()}

## Not known, not included

- Whether access logs of REST APIs, which API Gateway writes with the account's role, are billed as vended logs like
  those of HTTP APIs, and whether the log group's name matters. It makes no difference below 10 TB a month.
- The tiers of vended logs above 10 TB a month in the class Infrequent Access: it is computed at one price.
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


def _table_of_organizations(measured: Measured) -> str:
    rows = [
        ["stages", *(f"{size.stages:,}" for size in ORGANIZATIONS)],
        ["the hub account", *(f"**{_usd(of_hub(size, measured))}**" for size in ORGANIZATIONS)],
        ["each member account", *(f"{of_member(size):.4f}" for size in ORGANIZATIONS)],
        [
            "in all, for each account",
            *(_usd(of_hub(size, measured) / size.accounts + of_member(size)) for size in ORGANIZATIONS),
        ],
    ]
    return _table(["", *map(str, ORGANIZATIONS)], rows)


def _table_of_levels() -> str:
    rows = [
        [f"{rate:,} a second", f"{logs(rate, 0).access:,.0f}", *(_usd(_logs_of(rate, level)) for level in LEVELS)]
        for rate in RATES
    ]
    return _table(["requests", "access logs, GB", *(f"USD at {level}" for level in LEVELS)], rows)


def _table_of_classes() -> str:
    rows = []
    for rate in RATES:
        for level in ("ERROR", "INFO"):
            these = logs(rate, LEVELS[level])
            standard, infrequent = these.ingestion, these.infrequent_access
            rows.append([f"{rate:,} a second, {level}", *map(_usd, (standard, infrequent, standard - infrequent))])
    return _table(["requests, level", "Standard, USD", "Infrequent Access, USD", "less, USD"], rows)


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
