"""What would become of the stages of an account, as plain values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from log_keeper.account_role import AccountRole, Verdict
from log_keeper.judgement import Finding, Judgement, Problem
from log_keeper.results import Outcome
from log_keeper.settings import Settings
from log_keeper.stages import LoggingLevel, Protocol, Stage


@dataclass(frozen=True, slots=True)
class StagePreview:
    """A stage, and what would become of it."""

    api_name: str
    judgement: Judgement

    @property
    def stage(self) -> Stage:
        return self.judgement.stage

    @property
    def name(self) -> str:
        return f"{self.api_name or self.stage.ref.api_id}/{self.stage.ref.stage_name}"

    @property
    def outcome(self) -> Outcome:
        if self.judgement.plan.is_exempt:
            return Outcome.EXEMPT
        if self.judgement.requires_changes:
            return Outcome.WOULD_CHANGE
        return Outcome.IN_LINE if self.judgement.is_in_line else Outcome.NON_COMPLIANT

    @property
    def is_at_info(self) -> bool:
        """Whether its execution logs are, or would be, at INFO: opted in by its tags."""
        return self.judgement.plan.opt_in.level is LoggingLevel.INFO

    @property
    def findings(self) -> tuple[Finding, ...]:
        findings = self.judgement.findings
        if self.stage.is_managed and self.judgement.plan.changes:
            findings += (Finding(Problem.MANAGED_STAGE, "perhaps: it has taken access logs before, and is tried"),)
        return findings


@dataclass(frozen=True, slots=True)
class RegionPreview:
    """What was read of a region.

    ``role``: the account's log role there; ``has_trail``: whether changes are heard of; None: could not be read.
    ``needs_role``: whether it has an API whose logs that role writes. ``errors``: what could not be read, a sentence
    each, with what to do.
    """

    region: str
    stages: tuple[StagePreview, ...] = ()
    role: AccountRole | None = None
    needs_role: bool = False
    has_trail: bool | None = None
    errors: tuple[str, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether nothing of it could be read."""
        return bool(self.errors) and not self.stages and self.role is None and self.has_trail is None

    @property
    def is_role_out_of_line(self) -> bool:
        return self.needs_role and self.role is not None and self.role.verdict is Verdict.DEAD

    @property
    def findings(self) -> tuple[Finding, ...]:
        findings = [Finding(Problem.NO_TRAIL, self.region)] if self.has_trail is False else []
        role = self.role
        if role is not None and role.log_role is not None and role.log_role.is_denied_by_organization:
            findings.append(Finding(Problem.DENIED_BY_ORGANIZATION, f"{self.region}: {role.role_arn}"))
        return tuple(findings)


@dataclass(frozen=True, slots=True)
class Preview:
    """What was found. ``left_out``: regions that are not enabled for the account, where all were asked for."""

    settings: Settings
    generated_at: datetime
    regions: tuple[RegionPreview, ...]
    left_out: tuple[str, ...] = ()

    @property
    def stages(self) -> list[StagePreview]:
        return [stage for region in self.regions for stage in region.stages]

    @property
    def errors(self) -> list[str]:
        return [error for region in self.regions for error in region.errors]

    @property
    def is_in_line(self) -> bool:
        """Whether all that could be read is: every stage that is not exempt, and every log role that is needed."""
        bad = (Outcome.WOULD_CHANGE, Outcome.NON_COMPLIANT)
        return not any(stage.outcome in bad for stage in self.stages) and not any(
            region.is_role_out_of_line for region in self.regions
        )

    @property
    def findings(self) -> list[tuple[RegionPreview, StagePreview | None, Finding]]:
        """What is for somebody to look at, with where it is; no stage: of the region."""
        return [
            (region, stage, finding)
            for region in self.regions
            for stage, findings in [(None, region.findings), *((each, each.findings) for each in region.stages)]
            for finding in findings
        ]


@dataclass(frozen=True, slots=True)
class Count:
    """Stages by what would become of them; those at INFO are among the others.

    ``non_compliant``: those of which nothing can be changed, and whose lines are lost.
    """

    seen: int
    in_line: int
    out_of_line: int
    non_compliant: int
    exempt: int
    at_info: int

    @property
    def by_outcome(self) -> dict[Outcome, int]:
        """A number for each outcome that a stage of a preview can have."""
        return {
            Outcome.IN_LINE: self.in_line,
            Outcome.WOULD_CHANGE: self.out_of_line,
            Outcome.NON_COMPLIANT: self.non_compliant,
            Outcome.EXEMPT: self.exempt,
        }

    @property
    def in_words(self) -> dict[str, int]:
        """Each number with its name, in the order that is shown."""
        outcomes = {str(outcome): number for outcome, number in self.by_outcome.items()}
        return {"stages": self.seen} | outcomes | {"opted in to INFO": self.at_info}


def count(stages: Iterable[StagePreview]) -> Count:
    stages = list(stages)
    outcomes = Counter(stage.outcome for stage in stages)
    return Count(
        seen=len(stages),
        in_line=outcomes[Outcome.IN_LINE],
        out_of_line=outcomes[Outcome.WOULD_CHANGE],
        non_compliant=outcomes[Outcome.NON_COMPLIANT],
        exempt=outcomes[Outcome.EXEMPT],
        at_info=sum(stage.is_at_info for stage in stages),
    )


def count_by_protocol(stages: Iterable[StagePreview]) -> dict[Protocol, Count]:
    """A count for each protocol, also of those of which there is none."""
    stages = list(stages)
    return {protocol: count(each for each in stages if each.stage.protocol is protocol) for protocol in Protocol}
