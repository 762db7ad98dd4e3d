"""Says what the logs of a stage cannot show, and how to change that. Pure.

*Source* for what ERROR leaves out: API Gateway developer guide, "Set up CloudWatch logging for REST APIs"; that an
integration's own 4xx or 5xx has no lines: radkawar/stackd, internal/services/apigatewayexec/http_logging.go, written
after recordings of 2026-09.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator
from typing import NamedTuple

from log_keeper.stages import ApiVersion, LoggingLevel, Protocol, Stage
from logs.model import Sources

#: Seconds in which lines of a request may not have arrived yet. AWS gives no number: "You may experience delays".
#: *Source:* CloudWatch Logs user guide, on log events; for the sandbox and the tests any number is right.
LATE_SECONDS = 60


#: The price of Logs Insights for each GB that a query scans. *Source:* CloudWatch pricing, us-east-1, November 2026.
INSIGHTS_USD = 0.005


class Span(NamedTuple):
    """The time that is searched, in milliseconds since 1970. ``now``: when the search begins."""

    since: int
    until: int
    now: int


def unreadable(region: str, log_group: str, why: str, span: Span) -> str:
    """Return what to do about a log group of a class that FilterLogEvents does not read.

    *Source:* aws/karpenter-provider-aws, pull request 9567, which reads such log groups with Logs Insights.
    """
    query = "fields @timestamp, @message | sort @timestamp asc | limit 10000"
    return (
        f"The log group {log_group} was not read: {why.rstrip('.')}. Logs Insights reads it, for {INSIGHTS_USD} USD "
        "for each GB of the log group in the time that is searched (us-east-1; check the price of your region): use "
        "--insights, or "
        f"aws logs start-query --region {region} --log-group-name {shlex.quote(log_group)} "
        f"--start-time {span.since // 1000} --end-time {-(-span.until // 1000)} --query-string {shlex.quote(query)}, "
        f"then aws logs get-query-results --region {region} --query-id with the id that it answers."
    )


def explanations(
    sources: Sources, missing: Collection[str], *, is_recent: bool, info_tag_key: str = "execution-logs"
) -> tuple[str, ...]:
    """Return what cannot be shown and why, one sentence or two each.

    ``missing``: the log groups that do not exist. ``is_recent``: the time searched ends less than a minute ago.
    """
    return tuple(_explanations(sources, missing, is_recent=is_recent, info_tag_key=info_tag_key))


def _explanations(sources: Sources, missing: Collection[str], *, is_recent: bool, info_tag_key: str) -> Iterator[str]:
    stage = sources.stage
    if stage.access_log.destination_arn is None:
        yield "The stage has no access logs: they are off."
    elif stage.access_log.format is None:
        yield "The stage has a destination for access logs and no format: API Gateway writes none."
    yield from sources.elsewhere
    for name in missing:
        # API Gateway creates an execution log group at the first line.
        if name not in sources.execution or stage.settings.level is not LoggingLevel.OFF:
            yield f"The log group {name} does not exist: nothing was written to it, or it was deleted."
    yield from _execution_logs(stage, info_tag_key)
    if is_recent:
        yield (
            "Lines arrive some seconds after their request. If one is missing, repeat the command in a minute, or use "
            "--follow."
        )


def _execution_logs(stage: Stage, info_tag_key: str) -> Iterator[str]:
    if stage.protocol is Protocol.HTTP:
        yield "HTTP APIs have no execution logs: the access log line is all that API Gateway writes about a request."
        return
    noun = "methods" if stage.protocol is Protocol.REST else "routes"
    levels = {stage.settings.level, *(settings.level for settings in stage.overrides.values())}
    if levels == {LoggingLevel.OFF}:
        yield f"Execution logs of the stage are OFF: no request has a timeline. {_opt_in(stage, info_tag_key)}"
        return
    if LoggingLevel.ERROR in levels:
        some = f"some {noun} are" if len(levels) > 1 else "the stage is"
        yield (
            "At level ERROR, execution logs have lines of failed requests only; an integration that itself answers 4xx "
            f"or 5xx is no failure. Here {some} at ERROR. {_opt_in(stage, info_tag_key)}"
        )
    if len(levels) > 1 and LoggingLevel.OFF in levels:
        yield f"Some {noun} have execution logs OFF: their requests have no timeline."
    traced = [stage.settings, *stage.overrides.values()]
    if LoggingLevel.INFO in levels and not all(each.data_trace for each in traced if each.level is LoggingLevel.INFO):
        yield (
            "Request and response bodies, headers and the integration's address are in the lines only with data trace, "
            "which is off: it writes personal data and secrets of clients to the log."
        )


def _opt_in(stage: Stage, info_tag_key: str) -> str:
    return (
        "For lines of every request, tag the stage; Log Keeper, where it manages the account and the stage is not "
        "exempt, then sets INFO: "
        f"{tag_command(stage, info_tag_key)}"
    )


def tag_command(stage: Stage, info_tag_key: str = "execution-logs") -> str:
    """Return the command that opts the stage in to execution logs at INFO."""
    ref = stage.ref
    collection = "restapis" if ref.version is ApiVersion.V1 else "apis"
    partition = _partition(stage)
    arn = f"arn:{partition}:apigateway:{ref.region}::/{collection}/{ref.api_id}/stages/{ref.stage_name}"
    return (
        f"aws {ref.version} tag-resource --region {ref.region} --resource-arn {shlex.quote(arn)} "
        f"--tags {shlex.quote(f'{info_tag_key}=INFO')}"
    )


def _partition(stage: Stage) -> str:
    """Return the partition of the stage's region. *Source:* the names of the regions of China and GovCloud."""
    region = stage.ref.region
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
