"""Metric filters, which belong to a log group and are deleted with it.

*Source:* localstack/localstack ``test_logs_metric_filters.snapshot.json`` of 2026-02; that a missing
group is also refused for metric filters, and that filters are deleted with their group, is inferred from the service
model (ResourceNotFoundException).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


def of_group(account: Account, region: str, group_name: str) -> list[dict[str, Any]]:
    """Return the group's metric filters, as moto stores them."""
    kept: list[dict[str, Any]] = logs_backends[account.account_id][region].filters.metric_filters
    return [each for each in kept if each["logGroupName"] == group_name]


def delete_of_group(account: Account, region: str, group_name: str) -> None:
    """Delete the group's metric filters."""
    kept: list[dict[str, Any]] = logs_backends[account.account_id][region].filters.metric_filters
    kept[:] = [each for each in kept if each["logGroupName"] != group_name]


@rule("logs", "PutMetricFilter")
def _put(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Create the filter, or replace the one of the same name.

    *Source:* botocore's documentation ("Creates or updates"); of the refusal: localstack
    ``test_logs_metric_filters.snapshot.json`` of 2026-02.
    """
    _check_group(account, call)
    transformations = call.params["metricTransformations"]
    if len(transformations) > 1:
        raise AwsError(
            "InvalidParameterException",
            f"1 validation error detected: Value '{transformations}' at 'metricTransformations' failed to satisfy "
            "constraint: Member must have length less than or equal to 1",
        )
    proceed()
    kept: list[dict[str, Any]] = logs_backends[account.account_id][call.region].filters.metric_filters
    name, group_name = call.params["filterName"], call.params["logGroupName"]
    *earlier, made = [each for each in kept if (each["filterName"], each["logGroupName"]) == (name, group_name)]
    kept[:] = [each for each in kept if all(each is not other for other in earlier)]
    made["applyOnTransformedLogs"] = call.params.get("applyOnTransformedLogs", False)
    made["creationTime"] = int(account.now().timestamp() * 1000)
    return {}


@rule("logs", "DescribeMetricFilters")
def _describe(account: Account, call: Call, _: Proceed) -> None:
    if call.params.get("logGroupName"):
        _check_group(account, call)


def _check_group(account: Account, call: Call) -> None:
    if call.params["logGroupName"] not in logs_backends[account.account_id][call.region].groups:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
