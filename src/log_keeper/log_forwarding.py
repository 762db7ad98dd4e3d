"""Sets the subscription filters that a stage requires, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from log_keeper.aws.errors import CALL_ERRORS, is_concurrent_change
from log_keeper.aws.subscription_filters import problem_of, put_filter
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding
from log_keeper.policy.plan import Setting
from log_keeper.remediation import Failure, Remediation

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient


def forward_logs(
    remediation: Remediation,
    client: CloudWatchLogsClient,
    filter_name: str,
    evaluation: Evaluation,
    *,
    is_last_try: bool,
) -> None:
    """Set each required subscription filter; leave out a log group that could not be created.

    What only a person can repair is a finding, and is not tried again before the next evaluation of the stage.

    Raises ClientError if somebody else changes the same log group at this moment, unless ``is_last_try``.
    """
    missing = remediation.missing_log_groups(evaluation)
    for change in evaluation.plan.changes:
        group = change.log_group
        if change.setting is not Setting.LOG_FORWARDING or group is None or group in missing:
            continue
        subscription = evaluation.subscriptions[group]
        try:
            put_filter(client, group, filter_name, subscription)
        except CALL_ERRORS as error:
            problem = problem_of(error)
            if problem is not None:
                detail = f"{group} to {subscription.in_words()}: {error}"
                remediation.refusals.append(Finding(problem, detail))
                remediation.left_out.append(change)
            elif is_concurrent_change(error) and not is_last_try:
                raise
            else:
                remediation.failures.append(Failure(f"the lines of log group {group} could not be forwarded", error))
        else:
            remediation.changes.append(change)
