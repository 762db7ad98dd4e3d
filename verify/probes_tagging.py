"""The point that needs CloudTrail's event history, which is up to fifteen minutes late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from verify.points import NotTriedError, Point, UnclearError, Value
from verify.run import Run

#: Seconds to wait for a second record of the same call after the first one.
_LATER = 180


def _tagging(run: Run) -> Value:
    minutes = run.options.minutes_for_cloudtrail
    if not minutes:
        raise NotTriedError("it waits for CloudTrail's event history, which --minutes-for-cloudtrail 20 allows")
    arn = f"arn:{run.partition}:apigateway:{run.account.region}::/restapis/{run.rest_api}"
    failed = run.client("resourcegroupstaggingapi").tag_resources(
        ResourceARNList=[arn], Tags={f"{run.name}-tagged": "yes"}
    )["FailedResourcesMap"]
    if failed:
        raise UnclearError(f"the API could not be tagged: {failed}")

    def is_recorded(name: str, source: str) -> bool:
        pages = (
            run.client("cloudtrail")
            .get_paginator("lookup_events")
            .paginate(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
                StartTime=datetime.now(UTC) - timedelta(minutes=minutes + 10),
            )
        )
        return any(
            f"{run.name}-tagged" in event["CloudTrailEvent"] and event["EventSource"] == source
            for page in pages
            for event in page["Events"]
        )

    # First the documented record: it shows that the event history is up to date.
    if not run.account.until(lambda: is_recorded("TagResources", "tagging.amazonaws.com"), minutes * 60, 20):
        raise UnclearError(f"the record of the call itself did not arrive within {minutes:g} minutes")
    return run.account.until(lambda: is_recorded("TagResource", "apigateway.amazonaws.com"), _LATER, 20)


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
