"""The point that takes CloudTrail's event history, which is up to a quarter of an hour late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verify.bench import Bench
from verify.points import NotTriedError, Point, UnclearError, Value

#: Seconds that a second record of the same call may come later than the first.
_LATER = 180


def _tagging(bench: Bench) -> Value:
    minutes = bench.options.minutes_for_cloudtrail
    if not minutes:
        raise NotTriedError("it waits for CloudTrail's event history: --minutes-for-cloudtrail 20 does")
    arn = f"arn:{bench.partition}:apigateway:{bench.account.region}::/restapis/{bench.rest_api}"
    failed = bench.client("resourcegroupstaggingapi").tag_resources(
        ResourceARNList=[arn], Tags={f"{bench.name}-tagged": "yes"}
    )["FailedResourcesMap"]
    if failed:
        raise UnclearError(f"the API could not be tagged: {failed}")

    def is_recorded(name: str, source: str) -> bool:
        pages = (
            bench.client("cloudtrail")
            .get_paginator("lookup_events")
            .paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
                StartTime=datetime.now(UTC) - timedelta(minutes=minutes + 10),
            )
        )
        return any(
            f"{bench.name}-tagged" in event["CloudTrailEvent"] and event["EventSource"] == source
            for page in pages
            for event in page["Events"]
        )

    # The documented record first: it shows that the history has come so far.
    if not bench.account.until(lambda: is_recorded("TagResources", "tagging.amazonaws.com"), minutes * 60, 20):
        raise UnclearError(f"the record of the call itself did not come within {minutes:g} minutes")
    return bench.account.until(lambda: is_recorded("TagResource", "apigateway.amazonaws.com"), _LATER, 20)


POINTS = (
    Point(
        "tagging-api-records",
        "A call of the Resource Groups Tagging API also leaves a record of API Gateway's TagResource",
        "tagging_api_shows_service_calls",
        False,
        {True: "yes", False: "no"},
        _tagging,
    ),
)
