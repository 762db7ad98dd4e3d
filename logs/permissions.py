"""The permissions that reading the logs needs. Pure. docs/logs.md has them as a policy, which a test compares."""

from __future__ import annotations

#: Why they are needed, and the actions. All of them only read.
READING = {
    "always": ("apigateway:GET", "logs:FilterLogEvents"),
    "for REST APIs": ("logs:DescribeDeliverySources",),
    "if the stage delivers its execution logs to other destinations": (
        "logs:DescribeDeliveries",
        "logs:GetDeliveryDestination",
        "firehose:DescribeDeliveryStream",
    ),
    "with --insights": ("logs:DescribeLogGroups", "logs:StartQuery", "logs:GetQueryResults"),
}
