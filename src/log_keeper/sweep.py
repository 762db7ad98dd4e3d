"""One region: every stage, judged from the lists alone. Reads only.

The lists of APIs come in pages of 500, and one call per API gives its stages; log groups are read by fifty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper import http_websocket, rest
from log_keeper.aws import Clients, error_code
from log_keeper.judgement import Judgement, judge, log_groups_of
from log_keeper.log_groups import read_log_groups
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, Protocol, Stage, StageRef

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient

#: The largest page of GetRestApis. *Source:* botocore's model. GetApis documents none, and is asked for the same.
_PAGE = 500
#: Stages whose log groups are looked for together: each has two, some three or four, and a call takes fifty names.
_TOGETHER = 25


@dataclass(frozen=True, slots=True)
class Api:
    """An API whose stages are to be judged."""

    api_id: str
    protocol: Protocol


class Pace:
    """Spreads API Gateway calls evenly: its control plane takes ten a second from the whole account.

    ``rate``: calls a second. ``clock``: seconds that never run back.
    """

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._interval = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def take(self, calls: int = 1) -> None:
        """The time for so many calls more has come; they, or others in their place, may be made."""
        wait = self._next - self._clock()
        if wait > 0:
            self._sleep(wait)
        self._next = max(self._next, self._clock()) + calls * self._interval


def list_apis(clients: Clients, region: str, pace: Pace) -> list[Api]:
    """Every API of the region. Raises what botocore raises, such as for a region that is closed."""
    apis = []
    pace.take()
    for page in (
        clients.apigateway(region).get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["id"], Protocol.REST) for api in page.get("items", [])]
        pace.take()
    for v2_page in (
        clients.apigatewayv2(region).get_paginator("get_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["ApiId"], Protocol(api["ProtocolType"])) for api in v2_page["Items"]]
        pace.take()
    return apis


def read_stages(clients: Clients, settings: Settings, region: str, api: Api) -> list[Stage]:
    """The stages of the API, from one call; none if it is gone."""
    try:
        if api.protocol is Protocol.REST:
            answer = clients.apigateway(region).get_stages(restApiId=api.api_id)
            return [
                rest.to_stage(_ref(settings, region, ApiVersion.V1, api, stage["stageName"]), stage)
                for stage in answer.get("item", [])
            ]
        pages = clients.apigatewayv2(region).get_paginator("get_stages").paginate(ApiId=api.api_id)
        return [
            http_websocket.to_stage(
                _ref(settings, region, ApiVersion.V2, api, v2_stage["StageName"]), api.protocol, v2_stage
            )
            for page in pages
            for v2_stage in page["Items"]
        ]
    except ClientError as error:
        if error_code(error) == "NotFoundException":
            return []
        raise


def _ref(settings: Settings, region: str, version: ApiVersion, api: Api, stage_name: str) -> StageRef:
    return StageRef(settings.account, region, version, api.api_id, stage_name)


def judge_all(
    clients: Clients, settings: Settings, region: str, apis: Iterable[Api], pace: Pace, now: Callable[[], datetime]
) -> Iterator[tuple[Api, list[Judgement]]]:
    """Each API with how its stages stand, in the order given; log groups are looked for in batches."""
    waiting: list[tuple[Api, list[Stage]]] = []
    count = 0
    for api in apis:
        pace.take()
        stages = read_stages(clients, settings, region, api)
        waiting.append((api, stages))
        count += len(stages)
        if count >= _TOGETHER:
            yield from _judge_together(clients, settings, region, waiting, now())
            waiting, count = [], 0
    yield from _judge_together(clients, settings, region, waiting, now())


def _judge_together(
    clients: Clients, settings: Settings, region: str, waiting: list[tuple[Api, list[Stage]]], now: datetime
) -> Iterator[tuple[Api, list[Judgement]]]:
    names = {group.name for _, stages in waiting for stage in stages for group in log_groups_of(stage, settings)}
    existing = read_log_groups(clients.logs(region), sorted(names))
    for api, stages in waiting:
        yield api, [judge(stage, settings, existing, now) for stage in stages]


def has_trail(client: CloudTrailClient) -> bool:
    """Whether a trail logs the region's management write events, without which EventBridge hears of no change.

    An organisation's trail shows here too, but its selectors may be closed to this account: it is then believed.
    """
    for trail in client.describe_trails(includeShadowTrails=True)["trailList"]:
        name = trail["TrailARN"]
        try:
            if not client.get_trail_status(Name=name)["IsLogging"]:
                continue
            selectors = client.get_event_selectors(TrailName=name)
        except ClientError as error:
            if error_code(error) in ("TrailNotFoundException", "AccessDeniedException"):
                if trail.get("IsOrganizationTrail"):
                    return True
                continue
            raise
        if any(
            selector.get("IncludeManagementEvents", True) and selector.get("ReadWriteType", "All") != "ReadOnly"
            for selector in selectors.get("EventSelectors", [])
        ):
            return True
        for advanced in selectors.get("AdvancedEventSelectors", []):
            wanted = {field["Field"]: field.get("Equals", []) for field in advanced["FieldSelectors"]}
            if "Management" in wanted.get("eventCategory", []) and "true" not in wanted.get("readOnly", []):
                return True
    return False
