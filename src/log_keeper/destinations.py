"""An access log destination that its owner chose and that does not exist: when to wait for it, and when to replace it.

A deployment may delete such a log group and create it again under the same name, and fails if somebody else was faster.
So Log Keeper never creates it. When it has been missing for longer than a deployment takes, the stage gets the log
group that Log Keeper creates for it, under a name that no template owns.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from log_keeper.aws.clients import Clients
from log_keeper.aws.schedules import Schedules
from log_keeper.aws.stacks import is_stack_changing
from log_keeper.aws.streams import has_stream
from log_keeper.events.hints import MissingLogGroup
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import firehose_stream_of
from log_keeper.settings import Deployment
from log_keeper.stages import Stage

#: The time before the next check if the stage's stack is changing.
_CHECK_AGAIN = timedelta(minutes=15)


def is_lost(
    clients: Clients, deployment: Deployment, evaluation: Evaluation, missing: MissingLogGroup | None, now: datetime
) -> bool:
    """Return whether to replace the missing destination now; if not, schedule the next check.

    ``evaluation``: of a stage with a missing destination. ``missing``: what the message says about it, or None.

    Raises ClientError.
    """
    stage, name = evaluation.stage, evaluation.missing_destination
    if name is None:
        return False
    schedules = Schedules(clients.scheduler(), deployment)
    patience = timedelta(minutes=deployment.missing_log_group_minutes)
    if missing is None or missing.name != name or now - missing.since < patience:
        # In whole seconds, like schedules: a check that comes a fraction of a second early would be one too many.
        first = MissingLogGroup(name, now.replace(microsecond=0))
        schedules.set_check(stage.ref, first, first.since + patience, now)
        return False
    stack_id = stage.tags.get("aws:cloudformation:stack-id")
    if is_stack_changing(partial(clients.cloudformation, stage.ref.region), stack_id):
        again = missing._replace(attempt=missing.attempt + 1)
        schedules.set_check(stage.ref, again, now + _CHECK_AGAIN, now)
        return False
    return True


def without_destination(stage: Stage) -> Stage:
    """Return the stage with its destination marked as lost, so that the policy replaces it."""
    return replace(stage, access_log=stage.access_log._replace(is_lost=True))


def missing_stream(clients: Clients, stage: Stage) -> tuple[Finding, ...]:
    """Return the finding that the Firehose stream of the access logs does not exist, or nothing.

    Only its owner can create it again. A stream that Log Keeper is not allowed to read counts as existing.

    Raises ClientError.
    """
    stream = firehose_stream_of(stage)
    if stream is None or has_stream(clients.firehose(stage.ref.region), stream):
        return ()
    return (Finding(Problem.FIREHOSE_MISSING, stream),)
