"""The quotas of API calls: token buckets of the account. They are off until ``sandbox.quotas.are_on`` is set.

*Source:* "Amazon API Gateway quotas" (docs.aws.amazon.com/apigateway/latest/developerguide/limits.html): 10 calls a
second with a burst of 40 for the whole control plane, and fewer for some calls; "Amazon CloudWatch Logs endpoints and
quotas" (docs.aws.amazon.com/general/latest/gr/cwl_region.html). No recording shows whether V1 and V2 share the 10
(switch ``api_versions_share_quota``), which throttled calls have no error code (``throttles_without_code``), and
whether a throttled call counts (``throttled_calls_use_quota``).
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.core.faults import FaultType, refusal

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.behaviour import Behaviour
    from sandbox.core.call import Answer, Call

#: Calls per second, and burst, of all calls that share a bucket.
CONTROL_PLANE = 10.0, 40
_OWN = {
    ("apigateway", "UpdateAccount"): (1 / 20, 1),
    ("apigateway", "CreateDeployment"): (1 / 5, 1),
    ("apigateway", "CreateRestApi"): (1 / 3, 1),
    ("apigateway", "DeleteRestApi"): (1 / 30, 1),
    ("logs", "CreateLogGroup"): (10.0, 10),
    ("logs", "DescribeLogGroups"): (10.0, 10),
    ("logs", "PutRetentionPolicy"): (10.0, 10),
    # Source: AWS General Reference, "Amazon CloudWatch Logs endpoints and quotas"; bursts are not documented.
    ("logs", "DescribeSubscriptionFilters"): (5.0, 5),
    ("logs", "PutSubscriptionFilter"): (5.0, 5),
}


@dataclass(slots=True)
class _Bucket:
    """A token bucket, which had ``tokens`` tokens at the time ``filled``."""

    rate: float
    burst: int
    tokens: float
    filled: datetime

    def fill(self, now: datetime) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.filled).total_seconds() * self.rate)
        self.filled = now

    @property
    def has_token(self) -> bool:
        return self.tokens >= 1 - 1e-9


class Quotas:
    """The buckets of one account. Each region has its own."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.are_on = False
        #: ARN of the caller -> number of calls that were accepted, and that were throttled.
        self.taken: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self._clock = clock
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}
        self._lock = threading.Lock()
        self._turns = itertools.cycle((FaultType.THROTTLED, FaultType.THROTTLED_WITHOUT_CODE))

    def interpose(self, account: Account, call: Call, answer: Callable[[], Answer]) -> Answer:
        """Return the account's answer, or raise the error for too many calls. Calls that AWS itself makes count too."""
        if self.are_on and (buckets := self._buckets_of(call, account.behaviour)):
            if not self._take(buckets, account.behaviour):
                self.throttled[call.caller.arn] += 1
                of_api_gateway = call.service in ("apigateway", "apigatewayv2")
                raise refusal(self._kind(account.behaviour) if of_api_gateway else FaultType.THROTTLED, call)
            self.taken[call.caller.arn] += 1
        return answer()

    def _kind(self, behaviour: Behaviour) -> FaultType:
        match behaviour.throttles_without_code:
            case "every other":
                return next(self._turns)
            case "all":
                return FaultType.THROTTLED_WITHOUT_CODE
            case "none":
                return FaultType.THROTTLED

    def _buckets_of(self, call: Call, behaviour: Behaviour) -> list[_Bucket]:
        wanted = []
        if call.service in ("apigateway", "apigatewayv2"):
            service = "apigateway" if behaviour.api_versions_share_quota else call.service
            wanted.append(((service, "*", call.region), CONTROL_PLANE))
        if (own := _OWN.get((call.service, call.operation))) is not None:
            wanted.append(((call.service, call.operation, call.region), own))
        if not wanted:
            return []
        now = self._clock()
        with self._lock:
            return [self._buckets.setdefault(key, _Bucket(rate, burst, burst, now)) for key, (rate, burst) in wanted]

    def _take(self, buckets: list[_Bucket], behaviour: Behaviour) -> bool:
        """Take a token from each bucket. If one is empty, take none, unless throttled calls count."""
        now = self._clock()
        with self._lock:
            for bucket in buckets:
                bucket.fill(now)
            if not all(bucket.has_token for bucket in buckets):
                if behaviour.throttled_calls_use_quota:
                    for bucket in buckets:
                        bucket.tokens = max(0.0, bucket.tokens - 1)
                return False
            for bucket in buckets:
                bucket.tokens -= 1
            return True
