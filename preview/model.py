"""What a preview found: stages, regions and their numbers, as plain values. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from log_keeper.aws.account_role import AccountRole, RoleStatus
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome, outcome_of
from log_keeper.stages import Account, Protocol, Stage
from preview.outcomes import APPEARANCES


@dataclass(frozen=True, slots=True)
class StagePreview:
    """A stage, and what Log Keeper would do to it. ``api_name`` can be empty."""

    api_name: str
    evaluation: Evaluation

    @property
    def stage(self) -> Stage:
        return self.evaluation.stage

    @property
    def name(self) -> str:
        return f"{self.api_name or self.stage.ref.api_id}/{self.stage.ref.stage_name}"

    @property
    def outcome(self) -> Outcome:
        """Return the outcome that the stage would have in Audit mode."""
        return outcome_of(self.evaluation)

    @property
    def is_opted_in(self) -> bool:
        """Return whether tags of the stage ask for execution logs at INFO, now."""
        return self.evaluation.is_opted_in

    @property
    def findings(self) -> tuple[Finding, ...]:
        findings = self.evaluation.findings
        if self.stage.is_managed and self.evaluation.plan.changes:
            detail = "or accepts them, as it has done before: Log Keeper tries it"
            findings += (Finding(Problem.MANAGED_STAGE, detail),)
        return findings


@dataclass(frozen=True, slots=True)
class RegionPreview:
    """What was read of a region.

    ``role``: the account's CloudWatch log role in the region; None if it could not be read.
    ``needs_role``: whether the region has a REST or WebSocket API, whose logs that role writes.
    ``has_trail``: whether a CloudTrail trail logs management write events; None if that could not be read.
    ``errors``: what could not be read, one sentence each, with what to do.
    """

    region: str
    stages: tuple[StagePreview, ...] = ()
    role: AccountRole | None = None
    needs_role: bool = False
    has_trail: bool | None = None
    errors: tuple[str, ...] = ()

    @property
    def is_unread(self) -> bool:
        """Return whether nothing of the region could be read."""
        return bool(self.errors) and not self.stages and self.role is None and self.has_trail is None

    @property
    def needs_valid_role(self) -> bool:
        """Return whether the region needs a log role, and its log role is not valid."""
        return self.needs_role and self.role is not None and self.role.status is RoleStatus.INVALID

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return the findings about the region; those about a stage are the stage's."""
        findings = [Finding(Problem.NO_TRAIL, self.region)] if self.has_trail is False else []
        role = self.role
        if role is not None and role.log_role is not None and role.log_role.is_denied_by_organization:
            findings.append(Finding(Problem.DENIED_BY_ORGANIZATION, f"{self.region}: {role.role_arn}"))
        return tuple(findings)


@dataclass(frozen=True, slots=True)
class Preview:
    """What was read of an account.

    ``regions_not_enabled``: regions that were left out, because the account has not enabled them; empty unless the
    user asked for all regions.
    """

    account: Account
    policy: Policy
    generated_at: datetime
    regions: tuple[RegionPreview, ...]
    regions_not_enabled: tuple[str, ...] = ()

    @property
    def stages(self) -> list[StagePreview]:
        return [stage for region in self.regions for stage in region.stages]

    @property
    def errors(self) -> list[str]:
        return [error for region in self.regions for error in region.errors]

    @property
    def is_compliant(self) -> bool:
        """Return whether each stage that was read is compliant or exempt, and each log role that is needed is valid."""
        good = (Outcome.COMPLIANT, Outcome.EXEMPT)
        return all(stage.outcome in good for stage in self.stages) and not any(
            region.needs_valid_role for region in self.regions
        )

    @property
    def findings(self) -> list[tuple[RegionPreview, StagePreview | None, Finding]]:
        """Return each finding with its region and its stage; the stage is None for a finding about the region."""
        return [
            (region, stage, finding)
            for region in self.regions
            for stage, findings in [(None, region.findings), *((each, each.findings) for each in region.stages)]
            for finding in findings
        ]


@dataclass(frozen=True, slots=True)
class Count:
    """Numbers of stages.

    ``by_outcome``: a number for each outcome of ``APPEARANCES``, in that order. ``opted_in``: stages whose execution
    logs are at INFO; each is counted by its outcome, too.
    """

    by_outcome: Mapping[Outcome, int]
    opted_in: int

    @classmethod
    def none(cls) -> Count:
        """Return the numbers of no stages."""
        return cls(dict.fromkeys(APPEARANCES, 0), 0)

    def __add__(self, other: Count) -> Count:
        """Return the numbers of the stages of both."""
        outcomes = {outcome: number + other.by_outcome[outcome] for outcome, number in self.by_outcome.items()}
        return Count(outcomes, self.opted_in + other.opted_in)

    @property
    def evaluated(self) -> int:
        return sum(self.by_outcome.values())

    @property
    def in_words(self) -> dict[str, int]:
        """Return each number by the heading of its column, in the order of the columns."""
        outcomes = {str(outcome): number for outcome, number in self.by_outcome.items()}
        return {"stages": self.evaluated} | outcomes | {"opted in to INFO": self.opted_in}


def count(stages: Iterable[StagePreview]) -> Count:
    """Return the numbers of the stages."""
    stages = list(stages)
    outcomes = Counter(stage.outcome for stage in stages)
    return Count({outcome: outcomes[outcome] for outcome in APPEARANCES}, sum(stage.is_opted_in for stage in stages))


def count_by_protocol(stages: Iterable[StagePreview]) -> dict[Protocol, Count]:
    """Return the numbers of the stages by protocol, with zeros for a protocol that has no stages."""
    stages = list(stages)
    return {protocol: count(each for each in stages if each.stage.protocol is protocol) for protocol in Protocol}
