"""One region: every stage, judged from the lists alone. Changes nothing; what is out of line goes on StageQueue.

The lists of APIs come in pages of 500, and one call per API gives its stages; log groups are read by fifty.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper import http_websocket, rest
from log_keeper.account_role import AccountRole, Verdict, look
from log_keeper.aws import Clients, error_code, error_message, is_disabled, is_transient
from log_keeper.cloudtrail import LOG_GROUP_POLICY_EVENTS, log_role_to_look_at, stage_to_look_at
from log_keeper.facts import FactReader
from log_keeper.forwarding import check_forwarding, is_forwarded
from log_keeper.judgement import Finding, Judgement, Problem, judge
from log_keeper.pace import ENVIRONMENTS
from log_keeper.role_reading import LogRole
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, LoggingLevel, Protocol, Stage, StageRef, check_name

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

#: The largest page of GetRestApis. *Source:* botocore's model. GetApis documents none, and is asked for the same.
_PAGE = 500
#: Stages whose log groups are looked for together: each has two, some three or four, and a call takes fifty names.
_TOGETHER = 25


@dataclass(frozen=True, slots=True)
class Api:
    """An API whose stages are to be judged. ``name``: what its owner calls it, where that is known."""

    api_id: str
    protocol: Protocol
    name: str = field(default="", compare=False)


#: Why an API could not be read; ValueError: it says what no API is known to say.
API_ERRORS = BotoCoreError, ClientError, ValueError


def list_apis(clients: Clients, region: str) -> list[Api]:
    """Every API of the region. Raises what botocore raises, such as for a region that is closed."""
    apis = []
    for page in (
        clients.apigateway(region).get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["id"], Protocol.REST, api.get("name", "")) for api in page.get("items", [])]
    for v2_page in (
        clients.apigatewayv2(region).get_paginator("get_apis").paginate(PaginationConfig={"PageSize": _PAGE})
    ):
        apis += [Api(api["ApiId"], Protocol(api["ProtocolType"]), api["Name"]) for api in v2_page["Items"]]
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
    clients: Clients,
    settings: Settings,
    region: str,
    apis: Iterable[Api],
    now: Callable[[], datetime],
    log_role: LogRole | None = None,
) -> Iterator[tuple[Api, list[Judgement] | Exception]]:
    """Each API with how its stages stand, or why that cannot be said; log groups are looked for in batches.

    ``log_role``: the region's CloudWatch log role; None: the stages are evaluated as if it were valid.
    """
    reader = FactReader(clients, settings, region, log_role)
    waiting: list[tuple[Api, list[Stage]]] = []
    count = 0
    for api in apis:
        try:
            stages = read_stages(clients, settings, region, api)
        except API_ERRORS as error:
            yield api, error
            continue
        waiting.append((api, stages))
        count += len(stages)
        if count >= _TOGETHER:
            yield from _judge_together(reader, settings, waiting, now())
            waiting, count = [], 0
    yield from _judge_together(reader, settings, waiting, now())


def _judge_together(
    reader: FactReader, settings: Settings, waiting: list[tuple[Api, list[Stage]]], now: datetime
) -> Iterator[tuple[Api, list[Judgement] | Exception]]:
    try:
        facts = reader.read([stage for _, stages in waiting for stage in stages])
    except API_ERRORS as error:
        if len(waiting) == 1 or is_transient(error):
            yield from ((api, error) for api, _ in waiting)
            return
        # What is refused may concern one API alone, which must not hide the others.
        for one in waiting:
            yield from _judge_together(reader, settings, [one], now)
        return
    for api, stages in waiting:
        yield api, [judge(stage, settings, facts, now) for stage in stages]


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
            # Of an organisation's trail its members see the name only (turbot/steampipe-plugin-aws, issue 577).
            if error_code(error) in (
                "CloudTrailARNInvalidException",
                "TrailNotFoundException",
                "AccessDeniedException",
            ):
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


class UnreadableWorkError(ValueError):
    """Not what is put on SweepQueue. It belongs in the dead-letter queue, where somebody can look at it."""


@dataclass(frozen=True, slots=True)
class Work:
    """A region to sweep.

    ``apis``: those that are left of it, None before they are listed. ``protocol``: of the APIs that are evaluated; None
    for a whole sweep, of all APIs and of what is the region's.
    """

    region: str
    apis: tuple[Api, ...] | None = None
    protocol: Protocol | None = None

    def to_message(self) -> str:
        """The work as a message of SweepQueue. The largest region, 1,920 APIs, takes 50 KB of the 1 MB there are."""
        left = None if self.apis is None else [[api.api_id, api.protocol] for api in self.apis]
        message = {"region": self.region, "apis": left, "protocol": self.protocol}
        return json.dumps(message, separators=(",", ":"))

    @classmethod
    def from_message(cls, body: str, regions: tuple[str, ...]) -> Work | None:
        """Return the work that a message names; None for any other event: a new sweep, of all regions.

        A change to the account's policy for log delivery is an event about all HTTP APIs of its region.
        Raises UnreadableWorkError for what is neither.
        """
        try:
            message = json.loads(body)
        except (RecursionError, ValueError) as error:
            raise UnreadableWorkError(f"not JSON: {error}") from error
        match message:
            case {"detail": {"eventName": str() as name}, "region": region} if name in LOG_GROUP_POLICY_EVENTS:
                return cls(_managed(region, regions), protocol=Protocol.HTTP)
            case {"detail": _}:
                return None
            case {"region": region, "apis": None | list() as left}:
                # A message of the version before has no protocol.
                protocol = Protocol.HTTP if message.get("protocol") == Protocol.HTTP else None
                return cls(_managed(region, regions), None if left is None else tuple(map(_api, left)), protocol)
        raise UnreadableWorkError("neither an event nor a region to sweep")


def _managed(region: object, regions: tuple[str, ...]) -> str:
    if not isinstance(region, str) or region not in regions:
        raise UnreadableWorkError("a region that is not looked after")
    return region


def _api(message: object) -> Api:
    match message:
        case [api_id, str() as protocol] if protocol in Protocol:
            try:
                return Api(check_name("api_id", api_id), Protocol(protocol))
            except ValueError as error:
                raise UnreadableWorkError(str(error)) from error
    raise UnreadableWorkError("an API to sweep has an id and a kind")


@dataclass(slots=True)
class Count:
    """How many stages were seen, and of those, how many are in line, and opted in to INFO."""

    seen: int = 0
    in_line: int = 0
    opted_in: int = 0

    def add(self, judgement: Judgement) -> None:
        self.seen += 1
        self.in_line += judgement.is_in_line
        self.opted_in += judgement.plan.opt_in.level is LoggingLevel.INFO


@dataclass(slots=True)
class Swept:
    """What a sweep of a region, or of a part of it, found: of the stages a count only, however many they are.

    ``has_events``: changes of the region reach Log Keeper as they happen. ``left``: what there was no time for, and
    what could not be read. ``errors``: why nothing can be said of the rest, for which the whole work is to be done
    again. ``is_whole``: it is a part of a sweep of all APIs.
    """

    region: str
    counts: dict[Protocol, Count] = field(default_factory=lambda: defaultdict(Count))
    findings: list[Finding] = field(default_factory=list)
    role: AccountRole | None = None
    has_events: bool = True
    left: Work | None = None
    errors: list[Exception] = field(default_factory=list)
    is_whole: bool = True


#: What putting a stage in line takes of API Gateway: a read and a write; and, for an HTTP or WebSocket API, in each
#: environment of Enforce that deals with one of its stages, the kind of the API.
_CALLS_OF_A_REPAIR = 2
_LONGEST_DELAY = 900  # Source: Amazon SQS quotas
_MESSAGES = 10  # that a call takes. Source: the same


def sweep(
    clients: Clients,
    settings: Settings,
    work: Work,
    now: Callable[[], datetime],
    has_time: Callable[[], bool],
    tell: Callable[[Judgement], None],
) -> Swept:
    """Every stage of the work is judged, and each that is out of line is on StageQueue; in audit mode, judged only.

    The account's log role, the trail and the forwarding rules of the region are looked at too, once. ``has_time``:
    whether another API may be begun; what is left then is in the answer. ``tell``: hears of each judgement. The calls
    that the repairs will take count in the pace: their messages are delayed along it. What fails does not stop the
    rest.
    """
    swept = Swept(work.region, is_whole=work.protocol is None)
    apis = work.apis
    if apis is None:
        try:
            apis = tuple(api for api in list_apis(clients, work.region) if work.protocol in (None, api.protocol))
        except ClientError as error:
            # A region that denies us, or does not answer, may do so for the moment only: that is tried again, and at
            # last in the dead-letter queue.
            if not is_disabled(error):
                raise
            swept.findings.append(Finding(Problem.REGION_CLOSED, f"{work.region}: {error_message(error)}"))
            return swept
        if swept.is_whole:
            _look_around(clients, settings, swept)
    role = _read_role(clients, settings, swept, apis)
    log_role = None if role is None else role.log_role
    if role is not None and work.apis is None:
        _report_role(clients, settings, swept, role)
    begun: list[Api] = []

    def while_there_is_time() -> Iterator[Api]:
        for api in apis:
            if not has_time():
                return
            begun.append(api)
            yield api

    unread: dict[Api, Exception] = {}
    repairs = _Repairs(clients, settings, work.region)
    for api, judgements in judge_all(clients, settings, work.region, while_there_is_time(), now, log_role):
        if isinstance(judgements, Exception):
            unread[api] = judgements
            continue
        for judgement in judgements:
            swept.counts[api.protocol].add(judgement)
            tell(judgement)
        repairs.ask(api, judgements)
    repairs.send()
    left = apis[len(begun) :]
    if unread and len(unread) == len(begun):
        swept.errors += unread.values()  # else the same would be left for ever
    elif left or unread:
        swept.left = Work(work.region, (*left, *unread), work.protocol)
    return swept


def _look_around(clients: Clients, settings: Settings, swept: Swept) -> None:
    """Check the region's trail, and what forwards the events of a further region."""
    swept.has_events = is_forwarded(settings, swept.region)
    if swept.has_events:
        try:
            if not has_trail(clients.cloudtrail(swept.region)):
                swept.findings.append(Finding(Problem.NO_TRAIL, swept.region))
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)
        try:
            if swept.region != settings.regions[0]:
                swept.findings += check_forwarding(clients, settings, swept.region)
        except (BotoCoreError, ClientError) as error:
            swept.errors.append(error)


def _read_role(clients: Clients, settings: Settings, swept: Swept, apis: Iterable[Api]) -> AccountRole | None:
    """Return the region's log role; None if no API of these writes with it, or if it could not be read."""
    if all(api.protocol is Protocol.HTTP for api in apis):
        return None
    try:
        return look(clients, settings, swept.region)
    except (BotoCoreError, ClientError) as error:
        swept.errors.append(error)
        return None


def _report_role(clients: Clients, settings: Settings, swept: Swept, role: AccountRole) -> None:
    """An invalid role is put on StageQueue, once in a sweep."""
    swept.role = role
    if role.log_role is not None and role.log_role.is_denied_by_organization:
        swept.findings.append(Finding(Problem.DENIED_BY_ORGANIZATION, f"{swept.region}: {role.role_arn}"))
    if role.verdict is Verdict.DEAD and not settings.is_audit:
        _send(clients, settings, [log_role_to_look_at(settings.account, swept.region)], [0])


@dataclass(slots=True)
class _Repairs:
    """The stages out of line that wait to be put on StageQueue, ten in a call."""

    clients: Clients
    settings: Settings
    region: str
    waiting: list[StageRef] = field(default_factory=list)
    #: Calls that their repairs take besides, for the kinds of their APIs.
    kinds: int = 0

    def ask(self, api: Api, judgements: Iterable[Judgement]) -> None:
        """The stages of the API that require changes are, or soon will be, on StageQueue."""
        refs = [found.stage.ref for found in judgements if found.requires_changes and not found.plan.is_exempt]
        if self.settings.is_audit:
            return
        self.waiting += refs
        self.kinds += 0 if api.protocol is Protocol.REST else min(ENVIRONMENTS, len(refs))
        if len(self.waiting) >= _MESSAGES:
            self.send()

    def send(self) -> None:
        """Nobody waits any more, and the time that the repairs take has passed."""
        if not self.waiting:
            return
        pace = self.clients.pace(self.region)
        seconds = [pace.seconds(number * _CALLS_OF_A_REPAIR) for number in range(len(self.waiting))]
        _send(self.clients, self.settings, [stage_to_look_at(ref) for ref in self.waiting], seconds)
        pace.take(len(self.waiting) * _CALLS_OF_A_REPAIR + self.kinds)
        self.waiting, self.kinds = [], 0


def _send(clients: Clients, settings: Settings, events: Sequence[dict[str, object]], delays: Sequence[float]) -> None:
    """Each event is on StageQueue, to be seen after its delay in seconds. Raises QueueError where SQS took not all."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": str(number), "MessageBody": json.dumps(event), "DelaySeconds": min(int(delay), _LONGEST_DELAY)}
        for number, (event, delay) in enumerate(zip(events, delays, strict=True))
    ]
    for some in batched(entries, _MESSAGES, strict=False):
        answer = clients.sqs().send_message_batch(QueueUrl=settings.stage_queue_url, Entries=list(some))
        if failed := answer.get("Failed"):
            raise QueueError(f"SQS did not take {len(failed)} messages for StageQueue: {failed[0]}")


class QueueError(Exception):
    """SQS took only some messages of a batch; the sweep is begun again."""
