"""Finds the API and the stage that the caller names, and the log groups to which the stage writes."""

from __future__ import annotations

from botocore.exceptions import ClientError

from log_keeper.aws import http_websocket, rest
from log_keeper.aws.clients import Clients
from log_keeper.aws.deliveries import DeliveryReader
from log_keeper.aws.errors import error_code, error_message
from log_keeper.policy.execution_logs import Delivery, log_group_of
from log_keeper.stages import Account, Api, Protocol, Stage, execution_log_group
from logs.model import Sources
from tools.aws_session import ToolError, one_line


def locate(clients: Clients, account: Account, region: str, api_name: str, stage_name: str | None) -> Sources:
    """Return the stage and its log groups.

    ``api_name``: the id or the name of the API. ``stage_name``: None for the only stage of the API.

    Raises ToolError if there is no such API or stage, or more than one; BotoCoreError and ClientError.
    """
    api = _find_api(clients, region, api_name)
    if api.protocol is Protocol.REST:
        stages = rest.list_stages(clients.apigateway(region), account.account_id, region, api.api_id)
    else:
        stages = http_websocket.list_stages(clients.apigatewayv2(region), account.account_id, region, api)
    return _sources(clients, account, one_line(api.name), _find_stage(stages, api, stage_name))


def _find_api(clients: Clients, region: str, wanted: str) -> Api:
    apis = rest.list_apis(clients.apigateway(region)) + http_websocket.list_apis(clients.apigatewayv2(region))
    by_id = [api for api in apis if api.api_id == wanted]
    found = by_id or [api for api in apis if api.name == wanted]
    if not found:
        names = ", ".join(sorted({f"{one_line(api.name)} ({api.api_id})" for api in apis})[:20])
        raise ToolError(f"there is no API {one_line(wanted)} in {region}; there are: {names or 'none'}.")
    if len(found) > 1:
        ids = ", ".join(f"{api.api_id} ({api.protocol})" for api in found)
        raise ToolError(f"several APIs in {region} have the name {one_line(wanted)}: use --api with an id: {ids}.")
    return found[0]


def _find_stage(stages: list[Stage], api: Api, wanted: str | None) -> Stage:
    found = [stage for stage in stages if wanted in (None, stage.ref.stage_name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(stage.ref.stage_name for stage in stages) or "none"
    if wanted is None and stages:
        raise ToolError(f"the API {api.api_id} has several stages: use --stage with one of {names}.")
    missing = "no stage" if wanted is None else f"no stage {one_line(wanted)}"
    raise ToolError(f"the API {api.api_id} has {missing}; its stages: {names}.")


def _sources(clients: Clients, account: Account, api_name: str, stage: Stage) -> Sources:
    elsewhere: list[str] = []
    arn = stage.access_log.destination_arn
    access = None
    if arn is not None:
        access = log_group_of(arn, partition=account.partition, account=account.account_id, region=stage.ref.region)
        if access is None:
            elsewhere.append(f"Access logs go to {one_line(arn)}, which this command does not read.")
    execution = [execution_log_group(stage.ref)] if stage.has_execution_logs else []
    if stage.protocol is Protocol.REST and (deliveries := _deliveries(clients, account, stage, elsewhere)):
        # While a stage has a delivery, API Gateway writes to no other log group; lines from before are still there.
        execution += [each.log_group for each in deliveries if each.log_group is not None]
        elsewhere += [
            f"Execution logs are delivered to {one_line(each.receiver)}, which this command does not read."
            for each in deliveries
            if each.log_group is None
        ]
    groups = [] if access is None else [access]
    return Sources(api_name, stage, _with_canary(groups, stage), _with_canary(execution, stage), tuple(elsewhere))


def _with_canary(names: list[str], stage: Stage) -> tuple[str, ...]:
    """Return the names of log groups, each once, with those of the stage's canary."""
    suffixes = ("", "/Canary") if stage.has_canary else ("",)
    return tuple(dict.fromkeys(f"{name}{suffix}" for name in names for suffix in suffixes))


def _deliveries(clients: Clients, account: Account, stage: Stage, elsewhere: list[str]) -> tuple[Delivery, ...]:
    """Return the deliveries of the stage's execution logs. Without permission to read them, say so and go on."""
    try:
        return DeliveryReader(clients, account, stage.ref.region).read().get(stage.ref, ())
    except ClientError as error:
        if error_code(error) not in ("AccessDenied", "AccessDeniedException"):
            raise
        elsewhere.append(
            "Whether execution logs are delivered to another place is not known: "
            f"{one_line(error_message(error)).rstrip('.')}."
        )
        return ()
