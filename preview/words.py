"""Sentences about what a preview found, the same in every form in which it is shown. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from log_keeper.aws.account_role import RoleStatus
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroup, LogGroupStep
from log_keeper.policy.own_format import is_parameter
from log_keeper.policy.plan import Change, Setting
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Protocol, Stage, execution_log_group
from preview.model import Preview, RegionPreview, StagePreview, count

#: The parameters of the template with a format for one protocol.
OWN_FORMATS = {
    Protocol.REST: "RestAccessLogFormat",
    Protocol.HTTP: "HttpAccessLogFormat",
    Protocol.WEBSOCKET: "WebSocketAccessLogFormat",
}
#: How many methods or routes a step names; it gives the number of the others.
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One change that would be made, and its reason. ``why`` is empty for a remark that is no change.

    ``log_group``: the name of the log group that the step creates or changes; None if it is about none.
    """

    what: str
    why: str
    log_group: str | None = None


def printable(text: str) -> str:
    """Return the text with a replacement character for all that is not printable.

    So it cannot move a cursor, change the direction of writing or break a line.
    """
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def headline(preview: Preview) -> str:
    """Return the summary of the preview, one sentence."""
    counted = count(preview.stages)
    number = counted.evaluated
    of_all = f"of {number} {_plural(number, 'stage')}"
    regions = [region.region for region in preview.regions if region.needs_valid_role]
    if number == 0:
        said = "There are no stages"
    elif would_change := counted.by_outcome[Outcome.WOULD_BE_REMEDIATED]:
        said = f"{would_change} {of_all} {Outcome.WOULD_BE_REMEDIATED}"
    elif non_compliant := counted.by_outcome[Outcome.NON_COMPLIANT]:
        said = f"{non_compliant} {of_all} cannot be made compliant"
    else:
        said = f"No stage requires changes, {of_all}"
    if regions:
        said += f", and the account has no valid log role in {', '.join(regions)}"
    return f"{said}." if not preview.errors else f"{said}; not everything could be read."


def policy_parameters(policy: Policy) -> dict[str, str]:
    """Return the policy that the preview used, as parameters of the template."""
    return {
        "InfoTagKey": policy.info_tag_key,
        "AllowDataTrace": "Yes" if policy.allows_data_trace else "No",
        "AccessLogFormat": policy.access_log_format,
        **{name: policy.own_formats.get(protocol, "") for protocol, name in OWN_FORMATS.items()},
        "AccessLogGroupName": policy.access_log_names.pattern,
        "DetailedMetrics": "Yes" if policy.wants_detailed_metrics else "No",
        "ExemptTagKey": policy.exempt_tag_key or "",
        "OwnerTagKey": policy.owner_tag_key or "",
        "AccessLogRetentionDays": str(policy.access_log_retention),
        "ExecutionLogRetentionDays": str(policy.execution_log_retention),
        "ForwardAccessLogsTo": policy.forward_access_logs_to or "",
        "ForwardExecutionLogsTo": policy.forward_execution_logs_to or "",
        "ForwardRoleArn": policy.forward_role_arn or "",
    }


def steps(stage: StagePreview, policy: Policy) -> list[Step]:
    """Return the changes that the stage requires; for an exempt stage, those that it would require without its tag."""
    evaluation = stage.evaluation
    alike: dict[tuple[Setting, bool | str | None, bool | str, str], list[str | None]] = {}
    is_new_destination = False
    for change in evaluation.plan.changes:
        if change.setting is Setting.LOG_FORWARDING:
            continue
        alike.setdefault((change.setting, change.before, change.after, change.reason), []).append(change.override)
        is_new_destination |= change.setting is Setting.ACCESS_LOG_DESTINATION
    own_group = evaluation.own_access_log_group
    said = [
        _group_step(group, change, stage.stage)
        for group, change in evaluation.log_groups.items()
        # A group created for a new destination is in the step of the destination; one without retention is a finding.
        if change is not LogGroupStep.KEEP_UNEXPIRING and not (is_new_destination and group.name == own_group)
    ]
    for (setting, before, after, reason), overrides in alike.items():
        if setting is Setting.ACCESS_LOG_DESTINATION:
            is_new_group = LogGroupStep.CREATE in (
                change for group, change in evaluation.log_groups.items() if group.name == own_group
            )
            new = f"a new log group, retention {policy.access_log_retention} days"
            said.append(
                Step(f"set {setting} to {new if is_new_group else 'its log group, which exists'}", reason, own_group)
            )
        else:
            values = [_value(value, policy, stage) for value in (before, after)]
            verb = f"set {setting}" if before is None else f"change {setting} from {values[0]}"
            what = f"{verb} to {values[1]}{_of(overrides, stage.stage.protocol)}"
            said.append(Step(what, reason))
    return said + [_forwarding_step(change, stage.stage) for change in evaluation.plan.changes if change.log_group]


def points(stage: StagePreview, policy: Policy) -> list[Step]:
    """Return all that is shown about the stage: its steps, then its opt-in and findings, as steps with an empty why.

    An exempt stage begins with a step about its exemption.
    """
    said = steps(stage, policy)
    if stage.outcome is Outcome.EXEMPT:
        would = "; without this tag, Log Keeper would:" if said else ""
        said.insert(0, Step(f"exempt{_exemption(stage)}, because it has the tag {policy.exempt_tag_key}{would}", ""))
    if stage.is_opted_in:
        until = stage.evaluation.plan.opt_in.until
        end = "" if until is None else f" until {until:%Y-%m-%d %H:%M %Z}"
        said.append(Step(f"opted in to INFO by its tag {policy.info_tag_key}{end}", ""))
    return said + [Step(finding_in_words(finding), "") for finding in stage.findings]


def _exemption(stage: StagePreview) -> str:
    """Return until when the stage is exempt, and the reason that its tag gives."""
    exemption = stage.evaluation.plan.exemption
    until = "" if exemption.until is None else f" until {exemption.until:%Y-%m-%d %H:%M %Z}"
    return until + ("" if exemption.reason is None else f" ({printable(exemption.reason)})")


def finding_in_words(finding: Finding) -> str:
    """Return the problem, and in brackets what has it."""
    return f"{finding.problem} ({printable(finding.detail)})"


def role_in_words(region: RegionPreview) -> str:
    """Return the status of the region's log role, and what Log Keeper would do about it."""
    role = region.role
    if role is None:
        return "could not be read"
    if role.status is RoleStatus.VALID:
        return f"valid: {role.role_arn}"
    if role.status is RoleStatus.LIMITED:
        return f"limited: {role.limits}; Log Keeper would not replace it"
    fault = "none" if role.role_arn is None else f"{role.role_arn} {role.fault}"
    return f"{fault}: a valid one would be set" if region.needs_role else f"{fault}; no API here needs one"


def trail_in_words(region: RegionPreview) -> str:
    """Return whether CloudTrail reports changes in the region, and what follows if it does not."""
    match region.has_trail:
        case None:
            return "could not be read"
        case True:
            return "yes"
        case False:
            return f"none: {Problem.NO_TRAIL.partition(': ')[2]}"


def method_in_words(override: str, protocol: Protocol) -> str:
    """Return ``GET /pets/{id}`` for the key of a REST API's method, ``~1pets~1{id}/GET`` or ``pets/{id}/GET``.

    Return the key of a route as it is.
    """
    if protocol is not Protocol.REST:
        return printable(override)
    path, _, method = override.rpartition("/")
    return printable(f"{method} /{path.replace('~1', '/').removeprefix('/')}")


def _forwarding_step(change: Change, stage: Stage) -> Step:
    name = str(change.log_group)
    return Step(f"forward the lines of the {_noun(name, stage)} to {printable(str(change.after))}", change.reason, name)


def _noun(name: str, stage: Stage, *, is_owners: bool = False) -> str:
    """Return which of the log groups of a stage it is, in words."""
    noun = "execution log group" if name.startswith(execution_log_group(stage.ref)) else "access log group"
    if is_owners:
        noun = "log group that the owner chose"
    return f"{noun} of the canary" if name.endswith("/Canary") else noun


def _group_step(group: LogGroup, change: LogGroupStep, stage: Stage) -> Step:
    is_execution = group.name.startswith(execution_log_group(stage.ref))
    noun = _noun(group.name, stage, is_owners=group.is_owners)
    if change is LogGroupStep.AWAIT_OWNER:
        what = "change access log destination to a new log group, if this one is missing for MissingLogGroupMinutes"
        return Step(what, "the log group does not exist: access logs are lost", group.name)
    if change is LogGroupStep.SET_RETENTION:
        return Step(f"set retention of the {noun} to {group.retention} days", "it never expires", group.name)
    reason = (
        "otherwise API Gateway creates it, without retention"
        if is_execution
        else "access logs go to it, and it does not exist; API Gateway reports no error"
    )
    return Step(f"create the {noun}, retention {group.retention} days", reason, group.name)


def _value(value: bool | str | None, policy: Policy, stage: StagePreview) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    own = policy.own_formats.get(stage.stage.protocol)
    if own is not None and value == own:
        return f"the format in SSM parameter {own}" if is_parameter(own) else "your format"
    if value == policy.access_log_formats[stage.stage.protocol]:
        return f"Log Keeper's {policy.access_log_format}"
    value = printable(value)
    return f"{value[:57]}..." if len(value) > 60 else value


def _of(overrides: list[str | None], protocol: Protocol) -> str:
    """Return which methods or routes have the setting; empty if only the stage has it.

    ``overrides``: keys of methods or routes; None for the stage's own setting.
    """
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
