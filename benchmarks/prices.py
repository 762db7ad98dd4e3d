"""The prices of AWS that the costs are computed with."""

from __future__ import annotations

from dataclasses import dataclass

DATED = "November 2026"


@dataclass(frozen=True, slots=True)
class Price:
    """A price: ``usd`` for ``per`` units. ``free``: units that each account has free in each month, without end."""

    what: str
    usd: float
    per: float
    unit: str
    free: float
    source: str

    def of(self, quantity: float) -> float:
        return self.usd * quantity / self.per

    def free_of(self, quantity: float) -> float:
        """Return the USD that the free tier saves, if nothing else in the account uses it."""
        return self.of(min(quantity, self.free))


_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
#: Prices of us-east-1.
INVOCATIONS = Price("Lambda, invocations", 0.20, 1e6, "1,000,000", 1e6, _LAMBDA)
DURATION = Price("Lambda, duration on arm64, start included", 0.0000133334, 1, "GB-second", 400_000, _LAMBDA)
REQUESTS = Price("SQS, requests", 0.40, 1e6, "1,000,000", 1e6, "https://aws.amazon.com/sqs/pricing/")
EVENTS = Price("EventBridge, own events", 1.00, 1e6, "1,000,000", 0, "https://aws.amazon.com/eventbridge/pricing/")
METRICS = Price("CloudWatch, custom metrics, by the hour", 0.30, 1, "metric and month", 10, _CLOUDWATCH)
ALARMS = Price("CloudWatch, alarms", 0.10, 1, "alarm and month", 10, _CLOUDWATCH)
DASHBOARDS = Price("CloudWatch, dashboards", 3.00, 1, "dashboard and month", 3, _CLOUDWATCH)
RULES = Price("CloudWatch, Contributor Insights rules", 0.50, 1, "rule and month", 1, _CLOUDWATCH)
INGESTION = Price("CloudWatch Logs, ingestion", 0.50, 1, "GB", 5, _CLOUDWATCH)
INFREQUENT = Price("CloudWatch Logs, ingestion, Infrequent Access", 0.25, 1, "GB", 0, _CLOUDWATCH)
STORAGE = Price("CloudWatch Logs, storage", 0.03, 1, "GB and month, compressed", 5, _CLOUDWATCH)
KEYS = Price("KMS, keys; for AlarmEmail", 1.00, 1, "key and month", 0, "https://aws.amazon.com/kms/pricing/")
PRICES = (
    *(
        INVOCATIONS,
        DURATION,
        REQUESTS,
        EVENTS,
        METRICS,
        ALARMS,
        DASHBOARDS,
        RULES,
        INGESTION,
        INFREQUENT,
        STORAGE,
        KEYS,
    ),
)
FREE = (
    ("EventBridge: events of AWS, and rules", "https://aws.amazon.com/eventbridge/pricing/"),
    ("CloudTrail: the first trail's management events", "https://aws.amazon.com/cloudtrail/pricing/"),
    ("Metrics of Lambda and SQS", _CLOUDWATCH),
    ("SNS: the first 1,000 mails", "https://aws.amazon.com/sns/pricing/"),
)
#: Vended logs cost the same up to 10 TB a month, and less above it: (upper limit in GB, USD per GB).
VENDED = ((10_000, 0.50), (30_000, 0.25), (50_000, 0.10), (float("inf"), 0.05))

#: Hours and days of a month.
HOURS = 730
DAYS = HOURS / 24
#: Bytes that are stored for each ingested byte. *Source:* the pricing page's own examples.
COMPRESSED = 0.15
