"""What was found in words, the same for every way to show it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from log_keeper.account_role import Verdict
from log_keeper.judgement import Finding, Problem
from log_keeper.log_groups import LogGroup, LogGroupChange
from log_keeper.policy import Setting
from log_keeper.results import Outcome
from log_keeper.settings import Settings
from log_keeper.stages import Protocol, Stage, access_log_group, execution_log_group
from preview.outlook import Preview, RegionPreview, StagePreview, count

#: Overrides named one by one in a step; more are counted.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that would be done, and why, in words. ``log_group``: the name of the one that it is about."""

    what: str
    why: str
    log_group: str | None = None


def printable(text: str) -> str:
    """The text without what could move a cursor, turn the direction of writing or break a line."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def headline(preview: Preview) -> str:
    """What came of it, in one sentence."""
    counted = count(preview.stages)
    roles = [region.region for region in preview.regions if region.is_role_out_of_line]
    if counted.seen == 0:
        said = "There are no stages"
    elif counted.out_of_line == 0 and counted.non_compliant > 0:
        said = f"{counted.non_compliant} of {counted.seen} {_plural(counted.seen, 'stage')} cannot be made compliant"
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
    if role.verdict is Verdict.LIMITED:
        return f"limited: {role.limits}; it would be left"
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
    """Return a method's key of a REST API, such as ``~1pets~1{id}/GET`` or ``pets/{id}/GET``, as GET /pets/{id}.

    A route's key is returned as it is.
    """
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
    if change is LogGroupChange.MISSING:
        what = "access logs to a log group of Log Keeper's, if this one stays missing for MissingLogGroupMinutes"
        return Step(what, "the log group does not exist: no access log is kept", group.name)
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
