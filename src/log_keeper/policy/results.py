"""What came of one stage, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding
from log_keeper.policy.log_groups import LogGroup, LogGroupStep
from log_keeper.policy.plan import Change
from log_keeper.stages import Protocol, StageRef


class Outcome(StrEnum):
    """What came of looking at a stage."""

    COMPLIANT = "compliant"
    REMEDIATED = "remediated"
    #: Some of its required changes were made, the others could not be, and the message is tried again; or all were
    #: made, and its lines are lost all the same: see the findings.
    PARTLY_REMEDIATED = "partly remediated"
    #: It does not follow the policy, and nothing can be done about it at this moment: see the findings.
    NON_COMPLIANT = "non-compliant"
    #: In audit mode: its changes are planned and not made.
    WOULD_BE_REMEDIATED = "would be remediated"
    #: It has the tag of parameter ExemptTagKey: its changes are planned and not made.
    EXEMPT = "exempt"
    #: API Gateway does not let it be changed: see the finding.
    REFUSED = "refused"
    #: The stage or its API was deleted meanwhile: there is nothing left to do.
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one stage.

    ``changes``: made, or only planned, as the outcome says; so for ``log_groups``, by name.
    ``owner``: the CloudFormation stack that made the stage. ``info_until``: when its opt-in to INFO ends.
    ``errors``: why required changes could not be made; the caller raises them, so that the message is tried again.
    """

    ref: StageRef
    outcome: Outcome
    protocol: Protocol | None = None
    owner: str | None = None
    changes: tuple[Change, ...] = ()
    log_groups: dict[str, LogGroupStep] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    info_until: datetime | None = None
    errors: tuple[Exception, ...] = ()


def required(evaluation: Evaluation) -> Result:
    """Return the stage's result before anything was changed: what it requires, and what was found."""
    stage = evaluation.stage
    outcome = Outcome.COMPLIANT if evaluation.is_compliant else Outcome.NON_COMPLIANT
    if evaluation.requires_changes:
        outcome = Outcome.WOULD_BE_REMEDIATED
    return Result(
        stage.ref,
        outcome,
        stage.protocol,
        stage.owner,
        evaluation.plan.changes,
        by_name(evaluation.log_groups),
        evaluation.findings,
        evaluation.plan.opt_in.until,
    )


def by_name(log_groups: Mapping[LogGroup, LogGroupStep]) -> dict[str, LogGroupStep]:
    return {group.name: change for group, change in log_groups.items()}
