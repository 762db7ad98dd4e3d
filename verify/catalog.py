"""All points, in the order in which they are tried."""

from __future__ import annotations

from verify import (
    probes_account,
    probes_cloudtrail,
    probes_logs,
    probes_other,
    probes_requests,
    probes_rest,
    probes_stack,
    probes_v2,
)
from verify.points import Point

POINTS: tuple[Point, ...] = (
    *probes_logs.POINTS,
    *probes_v2.POINTS,
    *probes_rest.POINTS,
    *probes_requests.POINTS,
    *probes_other.POINTS,
    *probes_cloudtrail.POINTS,
    *probes_stack.POINTS,
    *probes_account.POINTS,
)
