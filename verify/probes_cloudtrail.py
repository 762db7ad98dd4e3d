"""The points that need CloudTrail's event history, which is up to fifteen minutes late."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from verify.points import NotTriedError, Point, UnclearError, Value
from verify.run import STAGE, Run

#: Seconds to wait for a second record of the same call after the first one.
_LATER = 180


def _minutes(run: Run) -> float:
    """Return how long to wait for the event history. Raise NotTriedError if that is not allowed."""
    minutes = run.options.minutes_for_cloudtrail
    if not minutes:
        raise NotTriedError("it waits for CloudTrail's event history, which --minutes-for-cloudtrail 20 allows")
    return minutes


def _records(run: Run, name: str, source: str, mark: str) -> Iterator[dict[str, Any]]:
    """Return the records of the calls of this name that contain the mark."""
    pages = (
        run.client("cloudtrail")
        .get_paginator("lookup_events")
        .paginate(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
            StartTime=datetime.now(UTC) - timedelta(minutes=_minutes(run) + 10),
        )
    )
    for page in pages:
        for event in page["Events"]:
            if event["EventSource"] == source and mark in event["CloudTrailEvent"]:
                yield json.loads(event["CloudTrailEvent"])


def _update_stage(run: Run) -> Value:
    minutes = _minutes(run)
    run.update_rest_stage(("replace", "/description", run.name))
    found: list[dict[str, Any]] = []

    def is_recorded() -> bool:
        found.extend(_records(run, "UpdateStage", "apigateway.amazonaws.com", run.rest_api))
        return bool(found)

    if not run.account.until(is_recorded, minutes * 60, 20):
        raise UnclearError(f"the record of the call did not arrive within {minutes:g} minutes")
    parameters = found[0].get("requestParameters") or {}
    return (parameters.get("restApiId"), parameters.get("stageName")) == (run.rest_api, STAGE)


def _tagging(run: Run) -> Value:
    minutes = _minutes(run)
    arn = f"arn:{run.partition}:apigateway:{run.account.region}::/restapis/{run.rest_api}"
    failed = run.client("resourcegroupstaggingapi").tag_resources(
        ResourceARNList=[arn], Tags={f"{run.name}-tagged": "yes"}
    )["FailedResourcesMap"]
    if failed:
        raise UnclearError(f"the API could not be tagged: {failed}")

    def is_recorded(name: str, source: str) -> bool:
        return any(_records(run, name, source, f"{run.name}-tagged"))

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
    Point(
        "update-stage-record",
        "The CloudTrail record of UpdateStage names a REST API and its stage in its parameters",
        None,
        True,
        {True: "yes", False: "no"},
        _update_stage,
    ),
)
