"""The log of a function: its streams, the lines that Lambda adds, and the metrics in the lines."""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from sandbox.core.iam import identity
from sandbox.services.lambda_.execution_environment import (
    Invocation,
    Outcome,
)
from sandbox.services.lambda_.functions import Function

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.core.account import Account


def closing_lines(invocation: Invocation, function: Function, outcome: Outcome, memory_mb: int) -> list[str]:
    """Return the lines that Lambda adds to the log at the end of an invocation.

    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    """
    request_id, lines = invocation.request_id, []
    if outcome.kind == "timeout":
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        lines.append(f"{now} {request_id} Task timed out after {function.timeout:.2f} seconds\n")
    elif outcome.kind == "exit":
        lines.append(json.loads(outcome.payload).get("errorMessage", ""))
    lines.append(f"END RequestId: {request_id}")
    milliseconds = outcome.duration * 1000
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
        f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {function.memory_mb} MB\t"
        f"Max Memory Used: {memory_mb} MB"
    )
    if outcome.init_duration is not None:
        report += f"\tInit Duration: {outcome.init_duration * 1000:.2f} ms"
    return [*lines, report]


log = logging.getLogger(__name__)


class LogStream:
    """The log stream of one environment in the function's log group. Lambda writes it with the function's role.

    If the role may not write a line, the line is lost without an error, as on AWS.
    *Source:* https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-prereqs.html
    """

    def __init__(self, account: Account, function: Function, name: str, client: Any) -> None:
        self._account = account
        self._function = function
        self._name = name
        self._client = client
        self._lock = threading.Lock()
        self._lines: list[tuple[int, str]] = []
        self._made = False

    def write(self, lines: list[str]) -> None:
        """Add lines to the current invocation, or to the next one if none runs."""
        now = int(self._account.now().timestamp() * 1000)
        with self._lock:
            self._lines += [(now, line) for line in lines if line]

    def begin(self, line: str) -> None:
        """Add the first line of an invocation, after the lines that the environment wrote during its start."""
        self.write([line])

    def end(self, lines: list[str]) -> list[str]:
        """Write all lines of the invocation to the log, and return them."""
        self.write(lines)
        with self._lock:
            written, self._lines = self._lines, []
        events = [{"timestamp": time_ms, "message": line} for time_ms, line in written]
        try:
            self._make()
            self._client.put_log_events(
                logGroupName=self._function.log_group, logStreamName=self._name, logEvents=events
            )
        except ClientError as error:
            log.info("The log of %s is lost: %s", self._function.name, error)
        else:
            publish_metrics(self._account, self._function.region, [line for _, line in written])
        return [line for _, line in written]

    def _make(self) -> None:
        if self._made:
            return
        group = self._function.log_group
        try:
            self._client.create_log_stream(logGroupName=group, logStreamName=self._name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            self._client.create_log_group(logGroupName=group)
            self._client.create_log_stream(logGroupName=group, logStreamName=self._name)
        self._made = True


def publish_metrics(account: Account, region: str, lines: Iterable[str]) -> None:
    """Put into CloudWatch the metrics that log lines contain in the embedded metric format.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    service = identity.service(account, "logs.amazonaws.com")
    for line in lines:
        if '"_aws"' not in line:
            continue
        try:
            document = json.loads(line)
            directives = document["_aws"]["CloudWatchMetrics"]
        except (ValueError, KeyError, TypeError):
            continue  # CloudWatch Logs stores such a line, and finds no metric in it
        moment = datetime.fromtimestamp(document["_aws"].get("Timestamp", time.time() * 1000) / 1000, UTC)
        for directive in directives:
            data = [
                _datum(document, metric, dimensions, moment)
                for metric in directive["Metrics"]
                for dimensions in directive.get("Dimensions") or [[]]
                if metric["Name"] in document
            ]
            if data:
                cloudwatch = account.client("cloudwatch", region, caller=service)
                cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=data)


def _datum(document: dict[str, Any], metric: dict[str, Any], dimensions: list[str], moment: datetime) -> dict[str, Any]:
    values = document[metric["Name"]]
    return {
        "MetricName": metric["Name"],
        "Dimensions": [{"Name": name, "Value": str(document[name])} for name in dimensions if name in document],
        "Timestamp": moment,
        "Values": [float(value) for value in (values if isinstance(values, list) else [values])],
        "Unit": metric.get("Unit", "None"),
    }
