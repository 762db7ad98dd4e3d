"""Claims about the parsers and the policy that must hold for any input. Each public function checks one claim.

It raises AssertionError if the claim does not hold; any other error is a crash of the program.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Any

from fuzz.answers import NOW
from fuzz.api_gateway import FRESH_METHOD, LEAVES, METHOD_KEY, RefusedError, patched, updated
from log_keeper.aws import http_websocket, rest
from log_keeper.aws.schedules import Schedules
from log_keeper.events.cloudtrail import cause_of, read_event
from log_keeper.events.hints import (
    ApiNamed,
    ApiStagesNamed,
    DeliveryNamed,
    Ignored,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
    UnreadableEventError,
)
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.events.read_stages import from_detail
from log_keeper.events.sweep_work import UnreadableWorkError, Work
from log_keeper.policy.evaluation import Facts, evaluate
from log_keeper.policy.log_groups import firehose_stream_of, log_groups_of
from log_keeper.policy.opt_in import read_opt_in
from log_keeper.policy.plan import Applied, plan
from log_keeper.policy.policy import Policy
from log_keeper.stages import ApiVersion, LoggingLevel, Protocol, Stage, StageRef
from testing.builders import ACCOUNT, DEPLOYMENT, OWN_ROLE_ARN, POLICY, REF, REGION, V2_REF

REGIONS = (REGION, "eu-west-1")

# Written independently of the program.
API_ID = re.compile(r"[a-z0-9]{1,64}\Z", re.ASCII)
STAGE_NAMES = {
    ApiVersion.V1: re.compile(r"[A-Za-z0-9_-]{1,128}\Z", re.ASCII),
    ApiVersion.V2: re.compile(r"(?:[A-Za-z0-9_-]{1,128}|\$default)\Z", re.ASCII),
}
LOG_GROUP = re.compile(r"(?!aws/)[.\-_/#A-Za-z0-9]{1,512}\Z", re.ASCII)
_STREAM = re.compile(r"amazon-apigateway-[A-Za-z0-9_.-]{1,46}\Z", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.: -]{1,128}\Z", re.ASCII)
_V2_MEMBERS = {"LoggingLevel", "DataTraceEnabled", "DetailedMetricsEnabled"}
_ACCESS_LOG_PATHS = {"/accessLogSettings/destinationArn", "/accessLogSettings/format"}


def is_managed(ref: StageRef) -> bool:
    """Return whether the stage has names that AWS gives, and is in the account and the managed regions."""
    return (
        ref.account == ACCOUNT
        and ref.region in REGIONS
        and API_ID.match(ref.api_id) is not None
        and STAGE_NAMES[ref.version].match(ref.stage_name) is not None
    )


def check_message(body: str) -> None:
    """Check that a message of StageQueue names managed stages, APIs, log roles or nothing, or is unreadable."""
    try:
        event: Any = json.loads(body)
    except (RecursionError, ValueError):
        return
    try:
        hint = read_event(event, account=ACCOUNT, regions=REGIONS, own_role_arn=OWN_ROLE_ARN)
    except UnreadableEventError as error:
        assert len(str(error)) < 500, "the error is one line of the log"
        return
    match hint:
        case StageNamed(ref):
            assert is_managed(ref)
            again = json.loads(json.dumps(stage_to_evaluate(ref)))
            assert read_event(again, account=ACCOUNT, regions=REGIONS, own_role_arn=OWN_ROLE_ARN) == StageNamed(ref)
        case StagesTagged(refs):
            assert len(refs) > 0
            assert all(map(is_managed, refs))
        case ApiStagesNamed(refs):
            assert len({(ref.version, ref.api_id) for ref in refs}) == 1
            assert all(map(is_managed, refs))
            found = from_detail(event["detail"], refs)
            assert found is None or [each.stage.ref for each in found.stages] == list(refs)
        case ApiNamed(region, api_id):
            assert region in REGIONS
            assert API_ID.match(api_id)
        case DeliveryNamed(region):
            assert region in REGIONS
        case LogRoleNamed(regions):
            assert set(regions) <= set(REGIONS)
        case Ignored(_, event_name):
            assert _WORD.match(event_name), "it reaches the log"
    hash(hint)
    cause = cause_of(event)
    cause.seconds_until(NOW)
    assert _WORD.match(cause.event_name), "it reaches the log and the bus"
    assert cause.event_id is None or _WORD.match(cause.event_id)


def check_work(body: str) -> None:
    """Check that a message of SweepQueue names APIs of a managed region, starts a sweep, or is unreadable."""
    try:
        work = Work.from_message(body, REGIONS, ACCOUNT)
    except UnreadableWorkError as error:
        assert len(str(error)) < 500
        return
    if isinstance(work, Work):
        assert work.region in REGIONS
        assert all(API_ID.match(api.api_id) for api in work.apis or ())
        assert Work.from_message(work.to_message(), REGIONS, ACCOUNT) == work


def check_tags(tags: Mapping[str, str]) -> None:
    """Check that tags are an opt-in or none; that its end can be scheduled, and that it ends then, not before."""
    opt_in = read_opt_in(tags, POLICY, NOW)
    assert opt_in.level in (LoggingLevel.ERROR, LoggingLevel.INFO)
    if opt_in.until is not None:
        assert opt_in.level is LoggingLevel.INFO
        assert opt_in.until > NOW
        Schedules(_NoSchedules(), DEPLOYMENT).set_end_of_opt_in(REF, opt_in.until)  # type: ignore[arg-type]
        assert read_opt_in(tags, POLICY, opt_in.until).level is LoggingLevel.ERROR
        assert read_opt_in(tags, POLICY, opt_in.until - timedelta(seconds=1, microseconds=-1)).until


class _NoSchedules:
    """A client of EventBridge Scheduler that accepts only a schedule at a whole second of UTC."""

    def get_schedule(self, **_: str) -> dict[str, str]:
        return {}

    def update_schedule(self, **schedule: Any) -> None:
        assert re.fullmatch(
            r"at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\)", schedule["ScheduleExpression"]
        )
        assert schedule["ScheduleExpressionTimezone"] == "UTC"


def check_rest_stage(before: dict[str, Any], policy: Policy) -> None:
    """Check that a REST stage is compliant after its patch is applied, and nothing else in it has changed."""
    kept = deepcopy(before)
    stage = rest.to_stage(REF, before)  # type: ignore[arg-type]
    planned = plan(stage, policy, NOW)
    _check_groups(stage, policy)
    operations = rest.patch_operations(planned)
    assert before == kept, "Log Keeper does not change the answer"
    methods = {"*/*", *before.get("methodSettings", {})}
    paths = _ACCESS_LOG_PATHS | {f"/{method}/{leaf}" for method in methods for leaf in LEAVES}
    assert {operation["path"] for operation in operations} <= paths, "each method has the key that GetStage shows"
    if not all(METHOD_KEY.fullmatch(method) for method in before.get("methodSettings", {})):
        return  # API Gateway never answers such a method
    _check_order(before, operations, policy)
    after = patched(before, operations)
    again = plan(rest.to_stage(REF, after), policy, NOW)  # type: ignore[arg-type]
    assert again.is_compliant, again.changes
    assert (again.opt_in, again.is_exempt) == (planned.opt_in, planned.is_exempt)
    assert _rest_of_rest(before, policy) == _rest_of_rest(after, policy)
    _check_destination(before, after, "accessLogSettings", "destinationArn")


def _check_order(before: dict[str, Any], operations: list[Any], policy: Policy) -> None:
    """Check that no operation sets a level while data tracing is on, unless tags allow it."""
    tags = before.get("tags", {})
    is_allowed = (
        policy.allows_data_trace
        and read_opt_in(tags, policy, NOW).level is LoggingLevel.INFO
        and tags.get("execution-logs-data-trace", "").strip().lower() == "true"
    )
    for number, operation in enumerate(operations):
        if operation["path"].endswith("/loglevel") and not is_allowed:
            meanwhile = patched(before, operations[: number + 1])["methodSettings"]
            changed = [
                each
                for method, each in meanwhile.items()
                if each != before.get("methodSettings", {}).get(method)
                and each.get("loggingLevel") in ("ERROR", "INFO")
            ]
            assert not any(each.get("dataTraceEnabled") for each in changed)


def _rest_of_rest(answer: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Return the settings of the stage that the policy does not manage."""
    others = {name: value for name, value in answer.items() if name not in ("accessLogSettings", "methodSettings")}
    # API Gateway creates the entry for all methods with the first setting.
    methods = {"*/*": FRESH_METHOD} | answer.get("methodSettings", {})
    ours = {"loggingLevel", "dataTraceEnabled"} | ({"metricsEnabled"} if policy.wants_detailed_metrics else set())
    others["methodSettings"] = {
        method: {name: value for name, value in each.items() if name not in ours} for method, each in methods.items()
    }
    return others


def check_v2_stage(before: dict[str, Any], protocol: Protocol, policy: Policy, *, keeps: bool) -> None:
    """Check that an HTTP or WebSocket stage is compliant after Log Keeper's calls, and nothing else in it has changed.

    ``keeps``: whether API Gateway keeps the members of a route's settings that a request does not have. If so, Log
    Keeper makes at most one call, and sends only members that the policy manages.
    """
    kept = deepcopy(before)
    stage = http_websocket.to_stage(V2_REF, protocol, before)  # type: ignore[arg-type]
    planned = plan(stage, policy, NOW)
    _check_groups(stage, policy)
    client = _V2Client(before, protocol, keeps)
    reading = http_websocket.V2Reading(stage, before.get("RouteSettings", {}))
    applied = http_websocket.apply(client, reading, planned)  # type: ignore[arg-type]
    assert before == kept, "an answer is read, not written"
    assert applied == Applied(planned.changes)
    if keeps:
        assert client.calls == bool(planned.changes)
        assert client.members <= _V2_MEMBERS
    again = plan(http_websocket.to_stage(V2_REF, protocol, client.answer), policy, NOW)  # type: ignore[arg-type]
    assert again.is_compliant, again.changes
    assert _rest_of_v2(before, policy) == _rest_of_v2(client.answer, policy)
    _check_destination(before, client.answer, "AccessLogSettings", "DestinationArn")


class _V2Client:
    """A client that answers UpdateStage as API Gateway does. ``members``: names of the settings in the requests."""

    def __init__(self, answer: dict[str, Any], protocol: Protocol, keeps: bool) -> None:
        self.answer, self.calls, self.members = answer, 0, set[str]()
        self._protocol, self._keeps = protocol, keeps

    def update_stage(self, **request: Any) -> dict[str, Any]:
        self.calls += 1
        assert (request["ApiId"], request["StageName"]) == (V2_REF.api_id, V2_REF.stage_name)
        for sent in (request.get("DefaultRouteSettings", {}), *request.get("RouteSettings", {}).values()):
            self.members |= sent.keys()
        try:
            self.answer = updated(self.answer, request, self._protocol, keeps=self._keeps)
        except RefusedError as error:
            raise AssertionError(f"API Gateway refuses it: {error}") from error
        return deepcopy(self.answer)


def _rest_of_v2(answer: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Return the settings of the stage that the policy does not manage; empty ones for those that are absent."""
    of_routes = {"LoggingLevel", "DataTraceEnabled"}
    of_stage = of_routes | ({"DetailedMetricsEnabled"} if policy.wants_detailed_metrics else set())

    def others(whole: Mapping[str, Any], ours: set[str]) -> dict[str, Any]:
        return {name: value for name, value in whole.items() if name not in ours}

    return {name: value for name, value in answer.items() if name != "AccessLogSettings"} | {
        "DefaultRouteSettings": others(answer.get("DefaultRouteSettings", {}), of_stage),
        "RouteSettings": {route: others(whole, of_routes) for route, whole in answer.get("RouteSettings", {}).items()},
    }


def _check_destination(before: Mapping[str, Any], after: Mapping[str, Any], member: str, leaf: str) -> None:
    """Check that an existing destination has not changed."""
    there = before.get(member, {}).get(leaf)
    assert not there or after[member][leaf] == there


def _check_groups(stage: Stage, policy: Policy) -> None:
    """Check that the log groups and the stream of the stage have names that AWS allows."""
    names = [group.name for group in log_groups_of(stage, policy)]
    assert len(names) == len(set(names))
    assert all(LOG_GROUP.match(name) for name in names)
    stream = firehose_stream_of(stage)
    assert stream is None or _STREAM.match(stream)
    evaluate(stage, policy, Facts(), NOW)
