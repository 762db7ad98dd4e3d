"""Reads the stages that names, ARNs and tag calls in an event are about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from log_keeper.events.hints import UnreadableEventError
from log_keeper.stages import ApiVersion, StageRef

_STAGE_ARN = re.compile(r"arn:[a-z-]+:apigateway:([a-z0-9-]+)::/(restapis|apis)/([^/]+)/stages/([^/]+)")
#: The log type of a delivery source of execution logs.
EXECUTION_LOGS = "EXECUTION_LOGS"
#: A stage in the ARN of a delivery source. The form with the account's id is documented; API Gateway's own ARNs have no
#: account id, and whether CloudWatch Logs accepts that form too is not known.
_SOURCE_ARN = re.compile(r"arn:[a-z-]+:apigateway:([a-z0-9-]+):([0-9]{12})?:/restapis/([^/]+)/stages/([^/]+)")


def stage_or_error(account: str, region: str, version: object, api_id: object, stage_name: object) -> StageRef:
    """Return the stage of these names. Raises UnreadableEventError for names that API Gateway cannot have given."""
    try:
        return StageRef(account, region, ApiVersion(version), api_id, stage_name)  # type: ignore[arg-type] # it checks
    except ValueError as error:
        raise UnreadableEventError(str(error)[:200]) from error


def decoded(name: object) -> object:
    """Return a name that was part of a path, where it is percent-encoded (``%24default``)."""
    return unquote(name) if isinstance(name, str) else name


def stage_of_arn(arn: object) -> tuple[str, ApiVersion, str, str] | None:
    """Return region, version, API and stage of a stage's ARN, which can be percent-encoded; None for another text."""
    match = _STAGE_ARN.fullmatch(unquote(arn)) if isinstance(arn, str) else None
    if match is None:
        return None
    region, collection, api_id, stage_name = match.groups()
    return region, ApiVersion.V1 if collection == "restapis" else ApiVersion.V2, api_id, stage_name


def tagged_stages(detail: Mapping[Any, Any], account: str, region: str) -> Iterator[StageRef]:
    """Yield the stages whose tags a call of the Resource Groups Tagging API changed. ``detail``: CloudTrail's record.

    The call accepts any text as an ARN, and its answer names those that it could not change. Those are left out, and
    so are ARNs of other resources and of other regions.
    *Source:* the record in AWS's user guide of Tag Editor, "Logging Tag Editor API calls with CloudTrail".
    """
    parameters, answer = detail.get("requestParameters"), detail.get("responseElements")
    arns = parameters.get("resourceARNList") if isinstance(parameters, Mapping) else None
    failed = answer.get("failedResourcesMap") if isinstance(answer, Mapping) else None
    unchanged = failed.keys() if isinstance(failed, Mapping) else ()
    for arn in arns if isinstance(arns, list) else ():
        named = stage_of_arn(arn)
        if named is None or named[0] != region or arn in unchanged:
            continue
        try:
            yield StageRef(account, *named)
        except ValueError:  # a name that API Gateway cannot have given
            continue


def stage_of_source(resource_arn: object, log_type: object, *, account: str, region: str) -> StageRef | None:
    """Return the REST stage whose execution logs a delivery source is for; None for any other source.

    ``resource_arn``, ``log_type``: of the source, with whatever values a record has.
    """
    match = _SOURCE_ARN.fullmatch(resource_arn) if isinstance(resource_arn, str) else None
    if log_type != EXECUTION_LOGS or match is None:
        return None
    if match[1] != region or match[2] not in (account, None):
        return None
    try:
        return StageRef(account, region, ApiVersion.V1, match[3], match[4])
    except ValueError:
        return None
