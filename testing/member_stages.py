"""Stages of all protocols in the accounts of an organization: create them, and read whether they are compliant."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from sandbox.core.account import Account
from testing.accounts import make_rest_api

#: The regions that are managed: the hub's own, and one further region.
HOME, FURTHER = REGIONS = ("us-east-1", "eu-west-1")
_STAGE_NAMES = ("prod", "beta", "test", "demo")


class StageKey(NamedTuple):
    """A stage of an account."""

    account_id: str
    region: str
    protocol: str
    api_id: str
    stage_name: str


@dataclass(frozen=True, slots=True)
class Stages:
    """How many stages of each protocol a region of an account has."""

    rest: int
    http: int
    websocket: int

    @property
    def count(self) -> int:
        """Return the number of stages in one region of one account."""
        return self.rest + self.http + self.websocket


def create_stages(account: Account, region: str, wanted: Stages) -> set[StageKey]:
    """Create one API of each protocol with these stages, none of which logs. Return them."""
    rest, v2 = account.client("apigateway", region), account.client("apigatewayv2", region)
    created: set[StageKey] = set()
    if wanted.rest:
        api_id = make_rest_api(account, region)
        for name in _STAGE_NAMES[: wanted.rest]:
            rest.create_deployment(restApiId=api_id, stageName=name)
            created.add(StageKey(account.account_id, region, "REST", api_id, name))
    if wanted.http:
        api_id = v2.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
        for name in ("$default", *_STAGE_NAMES)[: wanted.http]:
            v2.create_stage(ApiId=api_id, StageName=name, AutoDeploy=True)
            created.add(StageKey(account.account_id, region, "HTTP", api_id, name))
    if wanted.websocket:
        selection = "$request.body.action"
        api_id = v2.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression=selection)["ApiId"]
        v2.create_route(ApiId=api_id, RouteKey="send")
        for name in _STAGE_NAMES[: wanted.websocket]:
            v2.create_stage(ApiId=api_id, StageName=name)
            created.add(StageKey(account.account_id, region, "WEBSOCKET", api_id, name))
    return created


def compliant_stages(accounts: Collection[Account]) -> set[StageKey]:
    """Return the stages of the accounts that have the logs of the default policy, read from API Gateway."""
    return {key for account in accounts for region in REGIONS for key, ok in _stages(account, region).items() if ok}


def _stages(account: Account, region: str) -> dict[StageKey, bool]:
    """Return all stages of a region, and whether each is compliant. Execution logs need the region's log role."""
    rest, v2 = account.client("apigateway", region), account.client("apigatewayv2", region)
    has_role = bool(rest.get_account().get("cloudwatchRoleArn"))
    found: dict[StageKey, bool] = {}
    for api in rest.get_rest_apis()["items"]:
        for stage in rest.get_stages(restApiId=api["id"])["item"]:
            key = StageKey(account.account_id, region, "REST", api["id"], stage["stageName"])
            found[key] = has_role and _is_compliant_rest(stage)
    for api in v2.get_apis()["Items"]:
        for stage in v2.get_stages(ApiId=api["ApiId"])["Items"]:
            key = StageKey(account.account_id, region, api["ProtocolType"], api["ApiId"], stage["StageName"])
            has_levels = api["ProtocolType"] == "WEBSOCKET"
            found[key] = _is_compliant_v2(stage, has_levels=has_levels) and (has_role or not has_levels)
    return found


def _is_compliant_rest(stage: dict[str, Any]) -> bool:
    settings = stage.get("methodSettings", {})
    return (
        "destinationArn" in stage.get("accessLogSettings", {})
        and settings.get("*/*", {}).get("loggingLevel") == "ERROR"
        and not any(each["dataTraceEnabled"] for each in settings.values())
    )


def _is_compliant_v2(stage: dict[str, Any], *, has_levels: bool) -> bool:
    settings = stage.get("DefaultRouteSettings", {})
    has_level = settings.get("LoggingLevel") == "ERROR" and not settings.get("DataTraceEnabled")
    return "DestinationArn" in stage.get("AccessLogSettings", {}) and (has_level or not has_levels)
