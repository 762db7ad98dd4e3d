"""Evaluates CloudWatch alarms at each full minute of the account's clock; changes of state are sent to topics.

moto stores alarms and does not evaluate them. At each full minute the queues publish their metrics, and every alarm is
evaluated over its periods until then. If the clock is moved far, at most 25 hours are evaluated minute by minute.

An alarm with an evaluation range longer than a day is evaluated once an hour, with the metrics of the full hour; a new
one is also evaluated at once.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html and the pages next
to it, alarm-evaluation and alarm-warm-up. Not implemented: high-resolution alarms, anomaly detection, actions other
than topics; where AWS uses samples older than the evaluation range in place of missing ones, these count as missing
here.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.core.clock import MovableClock
from sandbox.core.registry import SERVICES
from sandbox.services.cloudwatch import contributor_insights, metric_math, metrics
from sandbox.services.cloudwatch.alarm_requests import COMPARISONS, alarms_named, names_in, periods_of, rule_holds
from sandbox.services.cloudwatch.alarm_states import change, time_of
from sandbox.services.cloudwatch.metric_math import ExpressionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.core.account import Account
    from sandbox.services.cloudwatch.metric_math import Series
    from sandbox.services.cloudwatch.metrics import Metrics

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)
#: Highest number of minutes that are evaluated one by one when the clock is moved.
_FOLLOWED = 25 * 60
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class Alarms:
    """Evaluates every alarm of every region."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._ending = threading.Event()
        self._evaluating = threading.Lock()
        self._seen = _minute(account.now())
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._ending.clear()
        self._seen = _minute(self.account.now())
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.watch(self.follow)
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        if isinstance(self.account.clock, MovableClock):
            self.account.clock.unwatch(self.follow)
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            now = self.account.now()
            self._ending.wait((_minute(now) + _MINUTE - now).total_seconds() + 0.01)
            if not self._ending.is_set():
                self.follow()

    def follow(self) -> None:
        """Evaluate all alarms at each full minute since the last evaluation."""
        with self._evaluating:
            now = _minute(self.account.now())
            minutes = min(int((now - self._seen) / _MINUTE), _FOLLOWED)
            self._seen = now
            self._evaluate([now - _MINUTE * back for back in reversed(range(minutes))])

    def evaluate(self) -> None:
        """Evaluate all alarms as at the end of the current minute, with the metrics until now."""
        with self._evaluating:
            self._evaluate([_minute(self.account.now()) + _MINUTE])

    def _evaluate(self, moments: list[datetime]) -> None:
        with self.account.lock:
            for region, backend in list(cloudwatch_backends[self.account.account_id].items()):
                if not backend.alarms or not moments:
                    continue
                for moment in moments:
                    metrics.put_queues(self.account, region, moment - _MINUTE)
                samples = metrics.Metrics(self.account, region)
                for moment in moments:
                    _Evaluation(self.account, region, samples, moment).run()


class _Evaluation:
    """The evaluation of all alarms of one region at one time."""

    def __init__(
        self, account: Account, region: str, samples: Metrics, moment: datetime, end: datetime | None = None
    ) -> None:
        """Store the data of the evaluation. ``end``: end of the newest period; None for ``moment``."""
        self._account, self._region, self._samples, self._moment = account, region, samples, moment
        self._end = end or moment
        self._backend = cloudwatch_backends[account.account_id][region]

    def run(self) -> None:
        """Set the state of every alarm by its metrics; composite alarms come after the alarms in their rules."""
        alarms = list(self._backend.alarms.values())
        for alarm in alarms:
            if alarm.rule is None:
                self._evaluate_if_due(alarm)
        for alarm in alarms:
            if alarm.rule is not None:
                holds = rule_holds(alarm.rule, {each.name: each.state_value for each in alarms})
                arns = ", ".join(sorted(alarms_named(alarm.rule)))
                change(
                    self._account, self._region, alarm, "ALARM" if holds else "OK", f"{alarm.rule} of {arns}", {},
                    self._moment,
                )  # fmt: skip

    def _evaluate_if_due(self, alarm: Any) -> None:
        """Evaluate the alarm, unless its range is longer than a day and it was evaluated in this hour."""
        if not _spans_days(vars(alarm)["params"]):
            self._set_state(alarm)
            return
        hour = self._moment.replace(minute=0)
        if vars(alarm).get("evaluated_at") != hour:
            vars(alarm)["evaluated_at"] = hour
            _Evaluation(self._account, self._region, self._samples, self._moment, hour)._set_state(alarm)

    def _set_state(self, alarm: Any) -> None:
        params: dict[str, Any] = vars(alarm)["params"]
        try:
            period, values = self._values(params)
        except ExpressionError as error:
            log.warning("The alarm %s cannot be evaluated: %s", alarm.name, error)
            return
        if _is_warming_up(alarm, values, self._moment):
            return
        state, reason = _state(params, values, alarm.state_value)
        newest = [each for each in reversed(values) if each is not None]
        data = {
            "version": "1.0",
            "queryDate": time_of(self._moment),
            "startDate": time_of(self._end - timedelta(seconds=period * len(values))),
            "period": period,
            "recentDatapoints": newest,
            "threshold": params["Threshold"],
        }
        change(self._account, self._region, alarm, state, reason, data, self._moment)

    def _values(self, params: dict[str, Any]) -> tuple[int, Series]:
        """Return the length of a period in seconds, and the value of each period, oldest first."""
        count = int(params["EvaluationPeriods"])
        if "Metrics" not in params:
            period = int(params["Period"])
            statistic = params.get("ExtendedStatistic") or params["Statistic"]
            return period, self._series(params, statistic, period, count, params.get("Unit"))
        queries = {each["Id"]: each for each in params["Metrics"]}
        period = max(periods_of(params), default=60)
        found: dict[str, Series] = {}
        for name, query in queries.items():
            if "MetricStat" in query:
                of = query["MetricStat"]
                found[name] = self._series(of["Metric"], of["Stat"], period, count, of.get("Unit"))
        left = {name: query for name, query in queries.items() if "Expression" in query}
        while left:
            ready = [name for name, query in left.items() if not names_in(query) & left.keys() - {name}]
            if not ready:
                raise ExpressionError("Expressions refer to each other in a circle.")
            for name in ready:
                found[name] = self._expression(left.pop(name)["Expression"], found, period, count)
        (watched,) = [name for name, query in queries.items() if query.get("ReturnData", True)]
        return period, found[watched]

    def _windows(self, period: int, count: int) -> Iterator[tuple[datetime, datetime]]:
        length = timedelta(seconds=period)
        for back in reversed(range(count)):
            yield self._end - length * (back + 1), self._end - length * back

    def _series(self, metric: dict[str, Any], statistic: str, period: int, count: int, unit: str | None) -> Series:
        key = metrics.key(metric)
        return [
            self._samples.statistic(key, statistic, start, end, unit) for start, end in self._windows(period, count)
        ]

    def _expression(self, expression: str, found: dict[str, Series], period: int, count: int) -> Series:
        if expression.lstrip().upper().startswith("SELECT"):
            return self._selected(expression, period, count)

        def insight(name: str, metric: str) -> Series:
            return [
                contributor_insights.datapoint(self._account, self._region, name, start, end).get(metric)
                for start, end in self._windows(period, count)
            ]

        return metric_math.evaluate(expression, found, insight, count)

    def _selected(self, query: str, period: int, count: int) -> Series:
        statistic, metric, namespace, dimensions, wanted = metric_math.selected(query)
        keys = [
            key
            for key in self._samples.keys()  # noqa: SIM118 - no mapping
            if key[:2] == (namespace, metric)
            and (dimensions is None or {name for name, _ in key[2]} == dimensions)
            and wanted.items() <= dict(key[2]).items()
        ]
        series: Series = []
        for start, end in self._windows(period, count):
            known = [each for key in keys if (each := self._samples.statistic(key, statistic, start, end)) is not None]
            reduce = {"Maximum": max, "Minimum": min}.get(statistic, sum)
            series.append(float(reduce(known)) if known else None)
        return series


def _spans_days(params: dict[str, Any]) -> bool:
    """Return whether the alarm's evaluation range is longer than a day."""
    return max(periods_of(params), default=60) * int(params["EvaluationPeriods"]) > 86400


def _is_warming_up(alarm: Any, values: Series, moment: datetime) -> bool:
    """Return whether the alarm is in its warm-up period and its metric has no data: it keeps INSUFFICIENT_DATA.

    The period begins with the creation of the alarm. What AWS does when an alarm gets a warm-up period later is not
    recorded, except that a period that has ended does not begin again.
    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_WarmUpConfiguration.html
    """
    warm_up = vars(alarm)["params"].get("WarmUpConfiguration")
    if warm_up is None or moment >= vars(alarm)["created_at"] + _MINUTE * warm_up["WarmUpPeriodDurationInMinutes"]:
        return False
    return bool(warm_up.get("OnlyStartEvaluatingAfterWarmUpPeriodEnds")) or None in values


def _state(params: dict[str, Any], values: Series, before: str) -> tuple[str, str]:
    """Return the state for these values, and its reason.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    treatment = params.get("TreatMissingData", "missing")
    comparison, threshold = params["ComparisonOperator"], float(params["Threshold"])
    needed = int(params.get("DatapointsToAlarm") or params["EvaluationPeriods"])
    known = [each for each in values if each is not None]
    breaching = sum(COMPARISONS[comparison](each, threshold) for each in known)
    missing = len(values) - len(known)
    if treatment == "breaching":
        breaching += missing
    found = f"{len(known)} datapoint{'s' if len(known) != 1 else ''} {known}"
    if not known and treatment == "ignore":
        return before, ""
    if not known and treatment == "missing":
        return "INSUFFICIENT_DATA", f"Insufficient Data: {len(values)} datapoints were unknown."
    if not known:
        found = (
            f"no datapoints were received for {len(values)} periods and {missing} missing datapoints were treated as"
        )
        found += " [Breaching]" if treatment == "breaching" else " [NonBreaching]"
    if breaching >= needed:
        return "ALARM", f"Threshold Crossed: {found} was {_WORDS[comparison]} the threshold ({threshold})."
    return "OK", f"Threshold Crossed: {found} was not {_WORDS[comparison]} the threshold ({threshold})."


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


SERVICES.append(Alarms)
