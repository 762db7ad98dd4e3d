"""Contributor Insights: rules about log groups, and their top contributors.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/ContributorInsights-RuleSyntax.html ; the
wording of refusals is not recorded. Not implemented: the common log format, log groups by ARN.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_SCHEMA = {"Name": "CloudWatchLogRule", "Version": 1}
_MOST = 4  # keys, and filters
_LONGEST = 8192  # characters of a definition
_METRICS = ("UniqueContributors", "MaxContributorValue", "SampleCount", "Sum", "Minimum", "Maximum", "Average")


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


#: Operator of a filter -> function that returns whether the field (None if absent) matches the value.
_FILTERS: dict[str, Callable[[Any, Any], bool]] = {
    "In": lambda value, wanted: value is not None and str(value) in wanted,
    "NotIn": lambda value, wanted: value is not None and str(value) not in wanted,
    "StartsWith": lambda value, wanted: value is not None and str(value).startswith(tuple(wanted)),
    "GreaterThan": lambda value, wanted: (number := _number(value)) is not None and number > wanted,
    "LessThan": lambda value, wanted: (number := _number(value)) is not None and number < wanted,
    "EqualTo": lambda value, wanted: _number(value) == wanted,
    "NotEqualTo": lambda value, wanted: value is not None and _number(value) != wanted,
    "IsPresent": lambda value, wanted: (value is not None) is wanted,
}


def check(text: str) -> dict[str, Any]:
    """Return the definition. Raise AwsError if CloudWatch would refuse it."""
    try:
        definition: Any = json.loads(text)
    except ValueError as error:
        raise _invalid(f"The rule definition is not valid JSON: {error}") from None
    if len(text) > _LONGEST or not text.isascii():
        raise _invalid(f"The rule definition must have at most {_LONGEST} characters, all of them ASCII.")
    if not isinstance(definition, dict) or definition.get("Schema") != _SCHEMA:
        raise _invalid(f"Schema must be {json.dumps(_SCHEMA)}.")
    unknown = definition.keys() - {"Schema", "LogGroupNames", "LogFormat", "Fields", "Contribution", "AggregateOn"}
    if unknown:
        raise _invalid(f"Unknown fields {sorted(unknown)}.")
    groups = definition.get("LogGroupNames")
    if not groups or not all(isinstance(each, str) and "*" not in each[:-1] for each in groups):
        raise _invalid("LogGroupNames must be names of log groups, with * at their ends only.")
    if definition.get("LogFormat") != "JSON":
        raise _invalid("LogFormat must be JSON or CLF (the sandbox knows JSON).")
    if definition.get("AggregateOn") not in ("Count", "Sum"):
        raise _invalid("AggregateOn must be Count or Sum.")
    contribution = definition.get("Contribution")
    if not isinstance(contribution, dict) or contribution.keys() - {"Keys", "ValueOf", "Filters"}:
        raise _invalid("Contribution must have Keys, and may have ValueOf and Filters.")
    keys, filters = contribution.get("Keys"), contribution.get("Filters", [])
    if not isinstance(keys, list) or not 1 <= len(keys) <= _MOST:
        raise _invalid(f"Contribution must have one to {_MOST} Keys.")
    if (definition["AggregateOn"] == "Sum") != ("ValueOf" in contribution):
        raise _invalid("ValueOf goes with AggregateOn Sum, and with nothing else.")
    if len(filters) > _MOST:
        raise _invalid(f"Contribution may have at most {_MOST} Filters.")
    for each in filters:
        if "Match" not in each or len(each) != 2 or not each.keys() - {"Match"} <= _FILTERS.keys():
            raise _invalid(f"A filter has Match and one of {', '.join(_FILTERS)}: {json.dumps(each)}")
    for path in [
        *keys,
        *(each["Match"] for each in filters),
        *([contribution["ValueOf"]] if "ValueOf" in contribution else []),
    ]:
        if not re.fullmatch(r"\$(\.[\w@-]+|\['[^']+'\]|\[\d+\])+", path):
            raise _invalid(f"{path} is no JSON property: it must be like $.field or $.outer.inner.")
    return definition


def _field(event: Any, path: str) -> Any:
    for dotted, quoted, index in re.findall(r"\.([\w@-]+)|\['([^']+)'\]|\[(\d+)\]", path):
        if index:
            event = event[int(index)] if isinstance(event, list) and int(index) < len(event) else None
        else:
            event = event.get(dotted or quoted) if isinstance(event, dict) else None
    return event


def _contributions(
    account: Account, region: str, rule_: Any, start: datetime, end: datetime
) -> Iterator[tuple[datetime, tuple[str, ...], float]]:
    """Yield (time, keys, value) of each log event that the rule counts."""
    definition = json.loads(rule_.definition)
    contribution = definition["Contribution"]
    first = max(start, vars(rule_).get("enabled_at", start))
    earliest, latest = int(first.timestamp() * 1000), int(end.timestamp() * 1000)
    for group in list(logs_backends[account.account_id][region].groups.values()):
        if not any(
            group.name == each or (each.endswith("*") and group.name.startswith(each[:-1]))
            for each in definition["LogGroupNames"]
        ):
            continue
        for stream in list(group.streams.values()):
            for logged in list(stream.events):
                if not earliest <= logged.timestamp < latest or not logged.message.lstrip().startswith("{"):
                    continue
                try:
                    event = json.loads(logged.message)
                except ValueError:
                    continue  # CloudWatch ignores lines that are not JSON
                keys = [_field(event, path) for path in contribution["Keys"]]
                fits = all(
                    _FILTERS[operation](_field(event, each["Match"]), wanted)
                    for each in contribution.get("Filters", [])
                    for operation, wanted in each.items()
                    if operation != "Match"
                )
                value = _number(_field(event, contribution["ValueOf"])) if "ValueOf" in contribution else 1.0
                if fits and value is not None and None not in keys:
                    moment = datetime.fromtimestamp(logged.timestamp / 1000, UTC)
                    yield moment, tuple(each if isinstance(each, str) else json.dumps(each) for each in keys), value


def datapoint(account: Account, region: str, name: str, start: datetime, end: datetime) -> dict[str, float]:
    """Return the metrics of the rule from *start* to before *end*; empty without contributors."""
    found = cloudwatch_backends[account.account_id][region].insight_rules.get(name)
    if found is None or found.state != "ENABLED":
        return {}
    values: list[float] = []
    totals: defaultdict[tuple[str, ...], float] = defaultdict(float)
    for _, keys, value in _contributions(account, region, found, start, end):
        totals[keys] += value
        values.append(value)
    if not values:
        return {}
    return {
        "UniqueContributors": float(len(totals)),
        "MaxContributorValue": max(totals.values()),
        "SampleCount": float(len(values)),
        "Sum": sum(values),
        "Minimum": min(values),
        "Maximum": max(values),
        "Average": sum(values) / len(values),
    }


# --- the API -------------------------------------------------------------------------------------------------------


@rule("cloudwatch", "PutInsightRule")
def put_insight_rule(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the rule, which counts log events from now on.

    *Source:* .../ContributorInsights-CreateRule.html next to the page about the syntax.
    """
    check(call.params["RuleDefinition"])
    name = call.params["RuleName"]
    rules = cloudwatch_backends[account.account_id][call.region].insight_rules
    before = rules.get(name)
    proceed({"RuleState": "ENABLED", **call.params})
    rules[name].state = call.params.get("RuleState", "ENABLED")
    same = before is not None and before.definition == call.params["RuleDefinition"]
    vars(rules[name])["enabled_at"] = vars(before)["enabled_at"] if same else account.now()
    return {}


@rule("cloudwatch", "GetInsightRuleReport")
def get_insight_rule_report(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the top contributors, and the metrics of the rule for each period."""
    params = call.params
    found = cloudwatch_backends[account.account_id][call.region].insight_rules.get(params["RuleName"])
    if found is None:
        raise AwsError("ResourceNotFoundException", f"The rule {params['RuleName']} does not exist.", 404)
    start, end, period = params["StartTime"], params["EndTime"], timedelta(seconds=int(params["Period"]))
    start, end = (each if each.tzinfo else each.replace(tzinfo=UTC) for each in (start, end))
    if period % timedelta(minutes=1) or not start < end:
        raise _invalid("Period must be a multiple of 60, and StartTime before EndTime.")
    points: defaultdict[tuple[str, ...], defaultdict[datetime, float]] = defaultdict(lambda: defaultdict(float))
    greatest: defaultdict[tuple[str, ...], float] = defaultdict(float)
    total = 0.0
    for moment, keys, value in _contributions(account, call.region, found, start, end):
        points[keys][start + (moment - start) // period * period] += value
        greatest[keys] = max(greatest[keys], value)
        total += value
    by = greatest if params.get("OrderBy") == "Maximum" else {keys: sum(each.values()) for keys, each in points.items()}
    order = sorted(points, key=lambda keys: (-by[keys], keys))[: int(params.get("MaxContributorCount", 10))]
    definition = json.loads(found.definition)
    answer: dict[str, Any] = {
        "KeyLabels": definition["Contribution"]["Keys"],
        "AggregationStatistic": {"Count": "SampleCount"}.get(definition["AggregateOn"], "Sum"),
        "AggregateValue": total,
        "ApproximateUniqueCount": len(points),
        "Contributors": [
            {
                "Keys": list(keys),
                "ApproximateAggregateValue": sum(points[keys].values()),
                "Datapoints": [
                    {"Timestamp": moment, "ApproximateValue": value} for moment, value in sorted(points[keys].items())
                ],
            }
            for keys in order
        ],
    }
    wanted = params.get("Metrics") or []
    unknown = set(wanted) - set(_METRICS)
    if unknown:
        raise _invalid(f"Unknown metrics {sorted(unknown)}.")
    if wanted:
        datapoints = []
        while start < end:
            numbers = datapoint(account, call.region, params["RuleName"], start, min(start + period, end))
            datapoints.append({"Timestamp": start, **{name: numbers[name] for name in wanted if name in numbers}})
            start += period
        answer["MetricDatapoints"] = datapoints
    return answer
