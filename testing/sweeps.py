"""Start a sweep of the deployed stack, and read its log."""

from __future__ import annotations

import json

from testing.stacks import Deployed


def sweep(stack: Deployed) -> None:
    """Start a sweep as the schedule does, and wait until it has ended."""
    sqs, url = stack.sandbox.client("sqs"), stack.outputs["SweepQueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

    def is_over() -> bool:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(attributes[name] == "0" for name in names)

    stack.sandbox.wait_until(is_over)
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"detail-type": "Scheduled Event", "detail": {}}))
    stack.sandbox.wait_until(is_over)


def sweep_log(stack: Deployed) -> list[str]:
    """Return the lines of the Sweep function's log."""
    pages = stack.sandbox.client("logs").get_paginator("filter_log_events")
    return [
        event["message"]
        for page in pages.paginate(logGroupName=stack.outputs["SweepLogGroup"])
        for event in page["events"]
    ]
