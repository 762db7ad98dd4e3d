"""The costs of Log Keeper itself per month: a bill from counted calls, measured values and assumptions."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, exp
from pathlib import Path

from benchmarks.instant_aws import CASES, Aws
from benchmarks.prices import (
    ALARMS,
    COMPRESSED,
    DASHBOARDS,
    DAYS,
    DURATION,
    EVENTS,
    HOURS,
    INGESTION,
    INVOCATIONS,
    METRICS,
    REQUESTS,
    RULES,
    STORAGE,
    Price,
)
from benchmarks.results import load
from benchmarks.warm import handler
from testing.builders import DEPLOYMENT

ROOT = Path(__file__).parent.parent
TEMPLATE = (ROOT / "template.yaml").read_text()
OBSERVABILITY = (ROOT / "observability.yaml").read_text()

#: Numbers of stages, all of REST APIs.
SIZES = (10, 1_000, 13_200)
STAGES_OF_AN_API = 10
#: Changes of a stage per month that reach the queue, mostly deployments; and the number after which it is
#: non-compliant.
CHANGES, NON_COMPLIANT = 30, 3
SWEEPS = 30
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

#: Lines that Lambda writes about each invocation.
_PLATFORM_LINES = (
    f"START RequestId: {'0' * 36} Version: $LATEST\n",
    f"END RequestId: {'0' * 36}\n",
    f"REPORT RequestId: {'0' * 36}\tDuration: 1234.56 ms\tBilled Duration: 3235 ms\tMemory Size: 512 MB\t",
    "Max Memory Used: 123 MB\tInit Duration: 1234.56 ms\t\n",
)


MEMORY_MB = max(int(value) for value in re.findall(r"^ +MemorySize: (\d+)", TEMPLATE, re.MULTILINE))
#: Default of parameter FunctionLogRetentionDays.
OWN_LOG_DAYS = int(
    re.findall(r"^  FunctionLogRetentionDays:\s+\{?Type: Number,?\s+Default: (\d+)", TEMPLATE, re.MULTILINE)[0]
)


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


def seconds_of_a_sweep(stages: float, overhead: int) -> float:
    """Return the seconds of all invocations that sweep a region with so many stages.

    ``overhead``: API Gateway calls, besides one for each API.
    """
    apis = ceil(stages / STAGES_OF_AN_API)
    calls = apis + overhead + apis // 500
    lists_of_groups = ceil(stages / 25)
    return SECONDS_OF_A_START + max(calls / DEPLOYMENT.sweep_rate, (calls + lists_of_groups) * SECONDS_OF_A_CALL)


def bill(stages: int, measured: Measured, *, accounts: int = 1, regions: int = 1) -> list[Item]:
    """Return the bill of Log Keeper for one month, without AlarmEmail.

    ``accounts``, ``regions``: the stages are spread evenly over the regions of these accounts. With more than one
    account, a role is assumed for each change and each sweep, which is the most expensive case.
    """
    changes, non_compliant, parts = stages * CHANGES, stages * NON_COMPLIANT, accounts * regions
    compliant = changes - non_compliant
    # Each message has its own invocation, which is cold if the one before is long ago.
    cold = exp(-changes * KEPT_WARM / 60 / HOURS)
    role_check = 3 * SECONDS_OF_A_CALL  # GetAccount, GetRole, SimulatePrincipalPolicy
    seconds = (
        compliant * (measured.calls["compliant REST stage"] * SECONDS_OF_A_CALL + measured.cpu)
        + non_compliant * (measured.calls["new REST stage"] * SECONDS_OF_A_CALL + measured.cpu)
        + changes * (cold * SECONDS_OF_A_START + role_check)  # in fact only once in five minutes
        + changes * (SECONDS_OF_A_CALL if accounts > 1 else 0)  # in fact only once in 40 minutes
    )
    of_a_sweep = seconds_of_a_sweep(stages / parts, measured.sweep_overhead)
    metrics = (
        _share_of_hours(compliant)  # StagesCompliant
        + _share_of_hours(changes)  # Findings
        + 3 * _share_of_hours(non_compliant)  # StagesRemediated, SecondsToCompliance, StagesRemediated
        + (1 + 4 * regions) * SWEEPS / HOURS  # RegionsSwept, and the metrics of evaluated stages
    )
    queues = TEMPLATE.count("Type: SQS\n")
    log = (compliant * measured.bytes_compliant + non_compliant * measured.bytes_remediated) / 1e9
    return [
        Item(INVOCATIONS, changes + SWEEPS * (1 + parts * ceil(of_a_sweep / 840))),
        Item(DURATION, MEMORY_MB / 1024 * (seconds + SWEEPS * parts * of_a_sweep)),
        Item(REQUESTS, (changes + (1 + parts) * SWEEPS) * REQUESTS_OF_A_MESSAGE + queues * POLLERS * POLLS),
        Item(EVENTS, non_compliant),
        Item(METRICS, metrics),
        Item(ALARMS, OBSERVABILITY.count("Type: AWS::CloudWatch::Alarm\n")),
        Item(DASHBOARDS, OBSERVABILITY.count("Type: AWS::CloudWatch::Dashboard\n")),
        Item(RULES, OBSERVABILITY.count("Type: AWS::CloudWatch::InsightRule\n")),
        Item(INGESTION, log),
        Item(STORAGE, log * COMPRESSED * OWN_LOG_DAYS / DAYS),
    ]


def total(items: Iterable[Item], *, is_free: bool = False) -> float:
    """Return USD. ``is_free``: subtract the free tier."""
    return sum(item.usd - (item.price.free_of(item.quantity) if is_free else 0) for item in items)
