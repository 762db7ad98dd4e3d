"""CloudWatch metrics: those that AWS services publish, and statistics of metrics over time."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import MetricAggregatedDatum, cloudwatch_backends
from moto.sqs.models import sqs_backends

from sandbox.core.call import AwsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.core.account import Account

type Key = tuple[str, str, frozenset[tuple[str, str]]]


def put(
    account: Account,
    region: str,
    namespace: str,
    values: Mapping[str, tuple[float, str]],
    dimensions: Mapping[str, str],
    moment: datetime | None = None,
) -> None:
    """Add one sample to each metric (name -> value, unit), now or at the *moment*."""
    data = [
        {
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": each} for key, each in dimensions.items()],
            "Timestamp": moment or account.now(),
            "Value": value,
            "Unit": unit,
        }
        for name, (value, unit) in values.items()
    ]
    with account.lock:
        cloudwatch_backends[account.account_id][region].put_metric_data(namespace, data)


def put_queues(account: Account, region: str, moment: datetime) -> None:
    """Publish the depth and age of every queue of the region, as SQS does once a minute.

    *Source:*
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    (not implemented: a queue that was not used for six hours publishes nothing).
    """
    now = account.now()
    for queue in list(sqs_backends[account.account_id][region].queues.values()):
        messages = list(queue._messages)
        delayed = sum(message.delayed for message in messages)
        visible = sum(message.visible and not message.delayed for message in messages)
        ages = [(now - vars(message)["sent_at"]).total_seconds() for message in messages if "sent_at" in vars(message)]
        values = {
            "ApproximateNumberOfMessagesVisible": (float(visible), "Count"),
            "ApproximateNumberOfMessagesNotVisible": (float(len(messages) - visible - delayed), "Count"),
            "ApproximateNumberOfMessagesDelayed": (float(delayed), "Count"),
            "ApproximateAgeOfOldestMessage": (max(0.0, *ages, 0.0), "Seconds"),
        }
        put(account, region, "AWS/SQS", values, {"QueueName": queue.name}, moment)


@dataclass(frozen=True, slots=True)
class _Sample:
    time: float
    count: float
    total: float
    lowest: float
    highest: float
    unit: str | None


class Metrics:
    """The current samples of the metrics of one region."""

    def __init__(self, account: Account, region: str) -> None:
        found: defaultdict[Key, list[_Sample]] = defaultdict(list)
        for datum in cloudwatch_backends[account.account_id][region].metric_data:
            dimensions = frozenset((str(each.name), str(each.value)) for each in datum.dimensions)
            time = datum.timestamp if datum.timestamp.tzinfo else datum.timestamp.replace(tzinfo=UTC)
            if isinstance(datum, MetricAggregatedDatum):
                numbers = (float(datum.sample_count), float(datum.sum), float(datum.min), float(datum.max))
            else:
                value = float(datum.value)  # type: ignore[attr-defined] # moto's base class leaves it out
                numbers = (1.0, value, value, value)
            sample = _Sample(time.timestamp(), *numbers, datum.unit)
            found[datum.namespace, datum.name, dimensions].append(sample)
        self._samples = {key: sorted(samples, key=lambda each: each.time) for key, samples in found.items()}
        self._times = {key: [each.time for each in samples] for key, samples in self._samples.items()}

    def keys(self) -> Iterable[Key]:
        """Return the keys of all metrics that have samples."""
        return self._samples.keys()

    def statistic(self, key: Key, name: str, start: datetime, end: datetime, unit: str | None = None) -> float | None:
        """Return the statistic of the metric from *start* to before *end*; None without samples."""
        times = self._times.get(key)
        if not times:
            return None
        chosen = self._samples[key][bisect_left(times, start.timestamp()) : bisect_left(times, end.timestamp())]
        chosen = [each for each in chosen if unit is None or each.unit == unit]
        return _statistic(name, chosen) if chosen else None


def key(metric: Mapping[str, Any]) -> Key:
    """Return the identity of a metric: its namespace, name and dimensions."""
    dimensions = frozenset((each["Name"], str(each["Value"])) for each in metric.get("Dimensions") or [])
    return str(metric.get("Namespace")), str(metric["MetricName"]), dimensions


def _statistic(name: str, samples: list[_Sample]) -> float:
    count = sum(each.count for each in samples)
    total = sum(each.total for each in samples)
    match name:
        case "Sum":
            return total
        case "SampleCount":
            return count
        case "Average":
            return total / count
        case "Minimum":
            return min(each.lowest for each in samples)
        case "Maximum":
            return max(each.highest for each in samples)
    if name.startswith("p"):
        values = sorted(each.total / each.count for each in samples)
        rank = math.ceil(float(name[1:]) / 100 * len(values))
        return values[max(0, min(rank, len(values)) - 1)]
    raise AwsError("NotImplemented", f"The sandbox knows no statistic {name}", 501)
