"""The result of the work on one stage: its outcome, and what log lines, events and the preview say about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding
from log_keeper.policy.log_groups import LogGroup, LogGroupStep
from log_keeper.policy.plan import Change
from log_keeper.stages import Protocol, Stage, StageRef


class Outcome(StrEnum):
    """How the work on a stage ended."""

    COMPLIANT = "compliant"
    REMEDIATED = "remediated"
    #: Some required changes were made. The others could not be made, and the message is tried again; or all were made
    #: and log lines are lost all the same: see the findings.
    PARTLY_REMEDIATED = "partly remediated"
    #: The stage does not follow the policy, and nothing can be changed at this moment: see the findings.
    NON_COMPLIANT = "non-compliant"
    #: Audit mode: the changes are planned, and not made.
    WOULD_BE_REMEDIATED = "would be remediated"
    #: The stage has the tag of parameter ExemptTagKey: the changes are planned, and not made.
    EXEMPT = "exempt"
    #: API Gateway refuses to change the stage: see the finding.
    REFUSED = "refused"
    #: The stage or its API does not exist any more.
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about the changes that a stage requires.

    ``changes``, ``log_groups`` (by name): what was changed. ``errors``: why other changes could not be made.
    ``is_complete``: no change was left out because other settings of the stage do not allow it.
    ``is_refused``: API Gateway refuses to change the stage.
    """

    changes: tuple[Change, ...] = ()
    log_groups: Mapping[str, LogGroupStep] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    errors: tuple[Exception, ...] = ()
    is_complete: bool = True
    is_refused: bool = False

    @property
    def has_changed(self) -> bool:
        """Return whether something was changed."""
        return bool(self.changes or self.log_groups)


def outcome_of(evaluation: Evaluation, done: Done | None = None) -> Outcome:
    """Return the outcome of a stage. ``done``: None if it was evaluated only, in Audit mode or because it is exempt."""
    if done is None:
        if evaluation.plan.is_exempt:
            return Outcome.EXEMPT
        if evaluation.requires_changes:
            return Outcome.WOULD_BE_REMEDIATED
        return Outcome.COMPLIANT if evaluation.is_compliant else Outcome.NON_COMPLIANT
    if done.is_refused:
        return Outcome.REFUSED
    is_owners_turn = evaluation.is_silenced or evaluation.missing_destination is not None
    if done.errors or not done.is_complete or is_owners_turn:
        return _unfinished(done)
    return Outcome.REMEDIATED if done.has_changed else Outcome.COMPLIANT


def _unfinished(done: Done) -> Outcome:
    return Outcome.PARTLY_REMEDIATED if done.has_changed else Outcome.NON_COMPLIANT


@dataclass(frozen=True, slots=True)
class Result:
    """The result of the work on one stage. Make one by ``evaluated``, ``remediated``, ``interrupted`` or ``deleted``.

    ``changes``, ``log_groups`` (by name): made or only planned, as the outcome says.
    ``owner``: as the policy finds it. ``info_until``: when the stage's opt-in to INFO ends.
    ``exemption``: until when and why the stage is not changed; None if it is not exempt.
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
    exemption: Mapping[str, str | None] | None = None

    @classmethod
    def evaluated(
        cls, evaluation: Evaluation, findings: tuple[Finding, ...] | None = None, errors: tuple[Exception, ...] = ()
    ) -> Result:
        """Return the result of a stage that was evaluated only. ``findings``: None for those of the evaluation."""
        stage = evaluation.stage
        return cls(
            stage.ref,
            outcome_of(evaluation),
            stage.protocol,
            evaluation.owner,
            evaluation.plan.changes,
            _by_name(evaluation.log_groups),
            evaluation.findings if findings is None else findings,
            evaluation.plan.opt_in.until,
            errors,
            evaluation.plan.exemption.to_dict(),
        )

    @classmethod
    def remediated(cls, evaluation: Evaluation, done: Done, findings: tuple[Finding, ...]) -> Result:
        """Return the result of a stage whose required changes were tried. ``findings``: those of the evaluation."""
        stage, required = evaluation.stage, evaluation.required_log_groups
        left = {group: step for group, step in evaluation.log_groups.items() if group not in required}
        return cls(
            stage.ref,
            outcome_of(evaluation, done),
            stage.protocol,
            evaluation.owner,
            done.changes,
            _by_name(left) | dict(done.log_groups),
            findings + done.findings,
            evaluation.plan.opt_in.until,
            done.errors,
        )

    @classmethod
    def interrupted(cls, ref: StageRef, stage: Stage | None, owner: str | None, done: Done) -> Result:
        """Return the result of a stage when an error ended the work on it. ``stage``: as it was read last."""
        return cls._without_evaluation(ref, _unfinished(done), stage, owner, done)

    @classmethod
    def deleted(
        cls, ref: StageRef, stage: Stage | None = None, owner: str | None = None, done: Done | None = None
    ) -> Result:
        """Return the result of a stage that does not exist. ``stage``: as it was read before, if it was."""
        changed = Done() if done is None else Done(done.changes, done.log_groups)
        return cls._without_evaluation(ref, Outcome.DELETED, stage, owner, changed)

    @classmethod
    def _without_evaluation(
        cls, ref: StageRef, outcome: Outcome, stage: Stage | None, owner: str | None, done: Done
    ) -> Result:
        protocol = None if stage is None else stage.protocol
        groups = dict(done.log_groups)
        return cls(ref, outcome, protocol, owner, done.changes, groups, done.findings, errors=done.errors)

    @property
    def has_changed(self) -> bool:
        """Return whether something was changed, and not only planned."""
        if self._is_planned:
            return False
        made = (LogGroupStep.CREATE, LogGroupStep.SET_RETENTION)
        return bool(self.changes) or any(step in made for step in self.log_groups.values())

    @property
    def _is_planned(self) -> bool:
        return self.outcome in (Outcome.WOULD_BE_REMEDIATED, Outcome.EXEMPT)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as log lines, events and the preview show it; each takes the members that it needs."""
        return {
            "outcome": self.outcome,
            "stage": {
                "region": self.ref.region,
                "protocol": self.protocol,
                "apiId": self.ref.api_id,
                "stageName": self.ref.stage_name,
                "owner": self.owner,
            },
            "changes": [change.to_dict() for change in self.changes],
            "logGroups": {name: step.planned if self._is_planned else step for name, step in self.log_groups.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "infoUntil": None if self.info_until is None else self.info_until.isoformat(),
            "exemption": self.exemption,
        }


def _by_name(log_groups: Mapping[LogGroup, LogGroupStep]) -> dict[str, LogGroupStep]:
    return {group.name: step for group, step in log_groups.items()}
