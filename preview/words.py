"""What Log Keeper would do in an account, judged by the code of the sweep with the caller's own credentials.

Nothing is changed and nothing is sent. What is gathered is plain values; all below ``gather`` is pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    UnknownRegionError,
)

from log_keeper.account_role import AccountRole, Verdict, look
from log_keeper.aws import Clients, error_code, error_message, is_closed
from log_keeper.enforcement import Outcome
from log_keeper.judgement import Finding, Judgement, Problem
from log_keeper.log_groups import LogGroup, LogGroupChange
from log_keeper.policy import Change, Setting
from log_keeper.settings import Settings
from log_keeper.stages import LoggingLevel, Protocol, Stage, access_log_group, execution_log_group
from log_keeper.sweep import Api, Pace, has_trail, judge_all, list_apis

if TYPE_CHECKING:
    import boto3

#: Told while a region is read: its name, and how many of its APIs are read of how many; None before they are listed.
type Tell = Callable[[str, int, int | None], None]

#: Overrides named one by one in a step; more are counted.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class StagePreview:
    """A stage, and what would become of it."""

    api_name: str
    judgement: Judgement

    @property
    def stage(self) -> Stage:
        return self.judgement.stage

    @property
    def outcome(self) -> Outcome:
        if self.judgement.plan.is_exempt:
            return Outcome.EXEMPT
        return Outcome.IN_LINE if self.judgement.is_in_line else Outcome.WOULD_CHANGE

    @property
    def is_at_info(self) -> bool:
        """Whether its execution logs are, or would be, at INFO: opted in by its tags."""
        return self.stage.has_execution_logs and self.judgement.plan.opt_in.level is LoggingLevel.INFO

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
        return (Finding(Problem.NO_TRAIL, self.region),) if self.has_trail is False else ()


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
        return not any(stage.outcome is Outcome.WOULD_CHANGE for stage in self.stages) and not any(
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
    """Stages by what would become of them; those at INFO are among the others."""

    seen: int
    in_line: int
    out_of_line: int
    exempt: int
    at_info: int


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would be done, and why, in words. ``log_group``: the name of the one that it is about."""

    what: str
    why: str
    log_group: str | None = None


# ---- gather


def tell_nobody(region: str, done: int, of: int | None) -> None:
    """For a reading that nobody watches."""


def identify(clients: Clients, regions: Iterable[str]) -> tuple[str, str]:
    """The caller's account and its partition, from the first region that answers. It takes no permission.

    *Source:* AWS STS API reference, GetCallerIdentity. Raises what the last region answered.
    """
    failure: BotoCoreError | ClientError | None = None
    for region in regions:
        try:
            answer = clients.sts(region).get_caller_identity()
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            failure = error
        except ClientError as error:
            if not is_closed(error):
                raise
            failure = error
        else:
            return answer["Account"], answer["Arn"].split(":")[1]
    raise failure or NoRegionError()


def enabled_regions(
    clients: Clients, session: boto3.Session, partition: str, tell: Tell
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The regions that take the caller's credentials, and those that do not, since the account has not enabled them.

    By GetCallerIdentity in each region with API Gateway that botocore knows: unlike account:ListRegions and
    ec2:DescribeRegions it takes no permission.
    """
    enabled, left_out = [], []
    for region in session.get_available_regions("apigateway", partition):
        tell(region, 0, None)
        try:
            clients.sts(region).get_caller_identity()
        except ClientError as error:
            # Any other failure is told by the reading of the region.
            if is_closed(error):
                left_out.append(region)
                continue
        except (EndpointConnectionError, ConnectTimeoutError):
            pass
        enabled.append(region)
    return tuple(enabled), tuple(left_out)


def gather(
    clients: Clients, settings: Settings, pace: Pace, now: Callable[[], datetime], tell: Tell
) -> tuple[RegionPreview, ...]:
    """Each region of the settings as it is now. What cannot be read of one is in its ``errors``; the rest goes on."""
    return tuple(_read_region(clients, settings, region, pace, now, tell) for region in settings.regions)


def _read_region(
    clients: Clients, settings: Settings, region: str, pace: Pace, now: Callable[[], datetime], tell: Tell
) -> RegionPreview:
    tell(region, 0, None)
    try:
        apis = list_apis(clients, region, pace)
    except (BotoCoreError, ClientError) as error:
        return RegionPreview(region, errors=(f"{region} could not be read: {explain(error)}",))

    def counted() -> Iterator[Api]:
        for number, api in enumerate(apis):
            tell(region, number, len(apis))
            yield api
        tell(region, len(apis), len(apis))

    errors: list[str] = []
    stages: list[StagePreview] = []
    try:
        for api, judgements in judge_all(clients, settings, region, counted(), pace, now):
            stages += [StagePreview(printable(api.name), judgement) for judgement in judgements]
    except (BotoCoreError, ClientError) as error:
        errors.append(f"{region}: not all stages could be read: {explain(error)}")

    def attempt[Found](what: str, read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except (BotoCoreError, ClientError) as error:
            errors.append(f"{region}: {what} could not be read: {explain(error)}")
            return None

    role = attempt("the account's log role", lambda: look(clients, settings, region))
    trail = attempt("its trails", lambda: has_trail(clients.cloudtrail(region)))
    needs_role = any(api.protocol is not Protocol.HTTP for api in apis)
    return RegionPreview(region, tuple(sorted(stages, key=_rank)), role, needs_role, trail, tuple(errors))


def _rank(stage: StagePreview) -> tuple[bool, bool, str, str, str]:
    """What would change comes first, and what is exempt before what is in line."""
    ref, outcome = stage.stage.ref, stage.outcome
    is_last = outcome is Outcome.IN_LINE
    return (is_last, outcome is not Outcome.WOULD_CHANGE, stage.api_name.lower(), ref.api_id, ref.stage_name)


# ---- decide and say. All pure.


def explain(error: BotoCoreError | ClientError) -> str:
    """The error and what to do about it, in one line."""
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return "no complete AWS credentials were found: log in (aws sso login, aws configure) or name a --profile."
        case ProfileNotFound():
            return f"{error}: name one that `aws configure list-profiles` shows."
        case NoRegionError():
            return "no region is set: name one with --region, or choose --all-regions."
        case UnknownRegionError():
            return f"{error} Name a region such as eu-west-1."
        case EndpointConnectionError() | ConnectTimeoutError():
            return f"{_line(error)} Look at the region's name, and at your connection and proxy."
        case ClientError() if error_code(error) in ("AccessDenied", "AccessDeniedException"):
            return f"it is denied to these credentials: allow it, or leave this out. {_line(error_message(error))}"
        case ClientError() if is_closed(error):
            return (
                "the region is not enabled for the account, or these credentials are not valid there: enable it, leave "
                f"it out, or log in again. {_line(error_message(error))}"
            )
        case ClientError() if "Expired" in error_code(error):
            return "the credentials have expired: log in again (aws sso login)."
        case _:
            return f"{_line(error)} Log in again if it is about credentials; otherwise try again."


def _line(text: object) -> str:
    """As one sentence of one line."""
    return printable(" ".join(str(text).split())).rstrip(".") + "."


def printable(text: str) -> str:
    """The text without what could move a cursor, turn the direction of writing or break a line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def count(stages: Iterable[StagePreview]) -> Count:
    stages = list(stages)
    outcomes = Counter(stage.outcome for stage in stages)
    return Count(
        seen=len(stages),
        in_line=outcomes[Outcome.IN_LINE],
        out_of_line=outcomes[Outcome.WOULD_CHANGE],
        exempt=outcomes[Outcome.EXEMPT],
        at_info=sum(stage.is_at_info for stage in stages),
    )


def count_by_protocol(stages: Iterable[StagePreview]) -> dict[Protocol, Count]:
    """A count for each protocol, also of those of which there is none."""
    stages = list(stages)
    return {protocol: count(each for each in stages if each.stage.protocol is protocol) for protocol in Protocol}


def headline(preview: Preview) -> str:
    """What came of it, in one sentence."""
    counted = count(preview.stages)
    roles = [region.region for region in preview.regions if region.is_role_out_of_line]
    if counted.seen == 0:
        said = "There are no stages"
    elif counted.out_of_line == 0:
        said = f"No stage is out of line, of {counted.seen}"
    else:
        said = f"{counted.out_of_line} of {counted.seen} {_plural(counted.seen, 'stage')} would change"
    if roles:
        said += f", and the account has no live log role in {', '.join(roles)}"
    return f"{said}." if not preview.errors else f"{said}; not everything could be read."


def policy_parameters(settings: Settings) -> dict[str, str]:
    """The policy that was used, as parameters of the template."""
    return {
        "InfoTagKey": settings.info_tag_key,
        "AllowBodies": "true" if settings.allows_bodies else "false",
        "AccessLogFormat": settings.access_log_format,
        "DetailedMetrics": "On" if settings.wants_metrics else "Leave",
        "ExemptTagKey": settings.exempt_tag_key or "",
        "AccessLogRetentionDays": str(settings.access_log_retention),
        "ExecutionLogRetentionDays": str(settings.execution_log_retention),
    }


def steps(stage: StagePreview, settings: Settings) -> list[Step]:
    """What would be done to the stage; of an exempt one, what would be if it were not."""
    judgement = stage.judgement
    alike: dict[tuple[Setting, str | None, str, str], list[str | None]] = {}
    is_new_destination = False
    for change in judgement.plan.changes:
        alike.setdefault((change.setting, change.before, change.after, change.reason), []).append(change.override)
        is_new_destination |= change.setting is Setting.ACCESS_LOG_DESTINATION
    own_group = access_log_group(stage.stage.ref)
    said = [
        _group_step(group, change, stage.stage)
        for group, change in judgement.log_groups.items()
        # A group that is made for a new destination is told with that; one without retention is a finding.
        if change is not LogGroupChange.LEFT_WITHOUT_RETENTION and not (is_new_destination and group.name == own_group)
    ]
    for (setting, before, after, reason), overrides in alike.items():
        if setting is Setting.ACCESS_LOG_DESTINATION:
            days = f"kept {settings.access_log_retention} days"
            is_made = LogGroupChange.MADE in (
                change for group, change in judgement.log_groups.items() if group.name == own_group
            )
            what = f"{setting} from none to a log group of its own, {f'made, {days}' if is_made else 'which exists'}"
            said.append(Step(what, reason, own_group))
        else:
            values = [_value(value, settings, stage) for value in (before, after)]
            what = f"{setting} from {values[0]} to {values[1]}{_of(overrides, stage.stage.protocol)}"
            said.append(Step(what, reason))
    return said


def points(stage: StagePreview, settings: Settings) -> list[Step]:
    """All that is to be said of the stage: its steps, and without a why its exemption, its opt-in and its findings."""
    said = steps(stage, settings)
    if stage.outcome is Outcome.EXEMPT:
        would = "; without it:" if said else ""
        said.insert(0, Step(f"left alone, since it has the tag {settings.exempt_tag_key}{would}", ""))
    if stage.is_at_info:
        until = stage.judgement.plan.opt_in.until
        end = "" if until is None else f" until {until:%Y-%m-%d %H:%M %Z}"
        said.append(Step(f"opted in to INFO by its tag {settings.info_tag_key}{end}", ""))
    return said + [Step(finding_in_words(finding), "") for finding in stage.findings]


def finding_in_words(finding: Finding) -> str:
    return f"{finding.problem} ({printable(finding.detail)})"


def role_in_words(region: RegionPreview) -> str:
    role = region.role
    if role is None:
        return "could not be read"
    if role.verdict is Verdict.LIVE:
        return f"live: {role.role_arn}"
    fault = "none" if role.role_arn is None else f"{role.role_arn} {role.fault}"
    return f"{fault}: a live one would be set" if region.needs_role else f"{fault}; no API here needs one"


def trail_in_words(region: RegionPreview) -> str:
    match region.has_trail:
        case None:
            return "could not be read"
        case True:
            return "yes"
        case False:
            return f"none: {Problem.NO_TRAIL.partition(': ')[2]}"


def method_in_words(override: str, protocol: Protocol) -> str:
    """A method's key of a REST API, such as ``pets~1{id}/GET``, as GET /pets/{id}; a route's key as it is."""
    if protocol is not Protocol.REST:
        return printable(override)
    path, _, method = override.rpartition("/")
    return printable(f"{method} /{path.replace('~1', '/').removeprefix('/')}")


def _group_step(group: LogGroup, change: LogGroupChange, stage: Stage) -> Step:
    is_execution = group.name.startswith(execution_log_group(stage.ref))
    kind = "execution log group" if is_execution else "access log group"
    if group.is_owners:
        kind = "log group that its owner chose"
    if group.name.endswith("/Canary"):
        kind += " of the canary"
    if change is LogGroupChange.RETENTION_SET:
        return Step(f"{kind} kept {group.retention} days", "it is kept for ever", group.name)
    reason = (
        "API Gateway would make it itself, to be kept for ever"
        if is_execution
        else "access logs go there, and it does not exist: API Gateway is silent about that"
    )
    return Step(f"{kind} made, kept {group.retention} days", reason, group.name)


def _value(value: str | None, settings: Settings, stage: StagePreview) -> str:
    if value is None:
        return "none"
    if value == settings.policy.access_log_formats[stage.stage.protocol]:
        return f"Log Keeper's {settings.access_log_format}"
    value = printable(value)
    return f"{value[:57]}..." if len(value) > 60 else value


def _of(overrides: list[str | None], protocol: Protocol) -> str:
    """Whose settings they are: nothing for those of the stage alone."""
    named = [method_in_words(override, protocol) for override in overrides if override is not None]
    if not named:
        return ""
    shown = ", ".join(named[:_NAMED])
    if len(named) > _NAMED:
        shown += f" and {len(named) - _NAMED} more"
    word = _plural(len(named), "method" if protocol is Protocol.REST else "route")
    return f", of the stage and of the {word} {shown}" if None in overrides else f", of the {word} {shown}"


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"


def change_fields(change: Change) -> dict[str, str | None]:
    """As the function's log and events have it."""
    return {
        "setting": change.setting,
        "override": change.override,
        "from": change.before,
        "to": change.after,
        "reason": change.reason,
    }
