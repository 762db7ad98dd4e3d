"""Measure a warm Enforce function with an AWS that answers at once: events per second, and which part takes the time.

The baseline is the same boto3 calls with the same answers, and nothing else. Runs of both alternate. The time is CPU
time, because nothing waits.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from unittest import mock
from urllib.parse import quote

import boto3
import botocore.session
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.config import Config

from benchmarks.results import Plot, Result, Samples, ratios
from fuzz.api_gateway import FRESH_METHOD
from log_keeper.policy.log_delivery import with_delivery
from log_keeper.stages import ApiVersion, Protocol, StageRef, access_log_group
from testing.builders import ACCOUNT, FORMATS, REGION, SETTINGS, sample
from testing.deliveries import Context

#: The part of the time that is not Log Keeper's.
BOTO = "botocore"
ROUNDS, BATCHES = (5, 10) if os.environ.get("BENCH_QUICK") else (21, 20)
#: Messages in a batch, as in the template.
BATCH = 10
#: With this rate nothing waits.
_SETTINGS = replace(SETTINGS, sweep_rate=10**9)
_NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
_CREATED = _NOW.timestamp() - 3600
_LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Logs"
_TRUST = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
_IAM_ANSWERS = {
    "GetRole": (
        "<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>Logs</RoleName><RoleId>AROAEXAMPLE0000000001"
        f"</RoleId><Arn>{_LOG_ROLE}</Arn><CreateDate>2026-11-02T10:15:04Z</CreateDate><AssumeRolePolicyDocument>"
        f"{quote(json.dumps({'Version': '2012-10-17', 'Statement': [_TRUST]}))}</AssumeRolePolicyDocument>"
        "</Role></GetRoleResult></GetRoleResponse>"
    ),
    "SimulatePrincipalPolicy": (
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>"
        + "".join(
            f"<member><EvalActionName>logs:{action}</EvalActionName><EvalResourceName>*</EvalResourceName>"
            "<EvalDecision>allowed</EvalDecision></member>"
            for action in ("CreateLogGroup", "CreateLogStream", "PutLogEvents")
        )
        + "</EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """The stages that the events are about."""

    name: str
    protocol: Protocol = Protocol.REST
    is_compliant: bool = True
    overrides: int = 0

    def ref(self, number: int) -> StageRef:
        is_rest = self.protocol is Protocol.REST
        version = ApiVersion.V1 if is_rest else ApiVersion.V2
        return StageRef(ACCOUNT, REGION, version, f"shop{number:06}", "prod" if is_rest else "$default")

    def message(self, number: int) -> dict[str, Any]:
        """Return a message of StageQueue with a record of UpdateStage."""
        is_rest, ref = self.protocol is Protocol.REST, self.ref(number)
        event = sample("update-stage-logging-off" if is_rest else "update-stage-v2")
        api_id, stage = ("restApiId", "stageName") if is_rest else ("apiId", "stageName")
        event["detail"]["requestParameters"] |= {api_id: ref.api_id, stage: ref.stage_name}
        return {
            "messageId": f"00000000-0000-4000-8000-{number:012}",
            "receiptHandle": "AQEB" + "x" * 300,
            "body": json.dumps(event),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": f"{int(_NOW.timestamp() * 1000)}"},
            "messageAttributes": {},
            "md5OfBody": "0" * 32,
            "eventSource": "aws:sqs",
            "eventSourceARN": _SETTINGS.stage_queue_arn,
            "awsRegion": REGION,
        }

    def stage(self, ref: StageRef) -> dict[str, Any]:
        """Return the answer of GetStage."""
        destination = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{access_log_group(ref)}"
        line = FORMATS[self.protocol]
        if self.protocol is not Protocol.REST:
            return {
                "apiId": ref.api_id,
                "stageName": ref.stage_name,
                "createdDate": "2026-11-02T10:15:04Z",
                "lastUpdatedDate": "2026-11-02T10:15:04Z",
                "autoDeploy": True,
                "defaultRouteSettings": {"detailedMetricsEnabled": False},
                "routeSettings": {},
                "stageVariables": {"table": "orders"},
                "tags": {"team": "shop"},
                "accessLogSettings": {"destinationArn": destination, "format": line},
            }
        method = FRESH_METHOD | ({"loggingLevel": "ERROR"} if self.is_compliant else {})
        return {
            "deploymentId": "d1e2p3",
            "stageName": ref.stage_name,
            "cacheClusterEnabled": False,
            "cacheClusterStatus": "NOT_AVAILABLE",
            "methodSettings": dict.fromkeys(["*/*", *(f"~1m{n}/GET" for n in range(self.overrides))], method),
            "variables": {"table": "orders"},
            "tracingEnabled": False,
            "tags": {"team": "shop"},
            "createdDate": _CREATED,
            "lastUpdatedDate": _CREATED,
        } | ({"accessLogSettings": {"destinationArn": destination, "format": line}} if self.is_compliant else {})


CASES = (
    Case("compliant REST stage"),
    Case("compliant REST stage, 40 methods overridden", overrides=40),
    Case("compliant HTTP stage", protocol=Protocol.HTTP),
    Case("new REST stage", is_compliant=False),
    Case("new REST stage, 40 methods overridden", is_compliant=False, overrides=40),
)


class _Raw(io.BytesIO):
    """A body of an answer, for botocore."""

    def stream(self, **_: Any) -> Any:
        yield self.read()


@dataclass(slots=True)
class Aws:
    """Answers at once with saved answers: each case runs once before it is measured."""

    case: Case
    _bodies: dict[tuple[str, str, bytes], bytes] = field(default_factory=dict)

    def session(self) -> boto3.Session:
        inner = botocore.session.Session()
        inner.set_credentials("AKIAEXAMPLE000000001", "secret")
        inner.register("before-send", cast(Any, self._send))
        return boto3.Session(botocore_session=inner, region_name=REGION)

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        operation = event_name.rpartition(".")[2]
        key = operation, request.url, request.body if isinstance(request.body, bytes) else b""
        if key not in self._bodies:
            self._bodies[key] = self._body(*key)
        headers = HTTPHeaders.from_pairs([("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")])
        return AWSResponse(request.url, 200, headers, _Raw(self._bodies[key]))

    def _body(self, operation: str, url: str, request: bytes) -> bytes:
        match operation:
            case "GetStage":
                api_id = url.split("/")[-3]
                [number] = [n for n in range(BATCH) if self.case.ref(n).api_id == api_id]
                answer = self.case.stage(self.case.ref(number))
            case "DescribeLogGroups":
                names = json.loads(request)["logGroupIdentifiers"] if self.case.is_compliant else []
                facts = {"creationTime": int(_CREATED * 1000), "retentionInDays": 30, "storedBytes": 0}
                answer = {"logGroups": [{"logGroupName": name} | facts for name in names]}
            case "DescribeResourcePolicies":
                arn = json.loads(request)["resourceArn"]
                policy = {"policyDocument": with_delivery(None, arn), "resourceArn": arn, "revisionId": "1"}
                answer = {"resourcePolicies": [policy | {"policyScope": "RESOURCE"}]}
            case "GetApi":
                answer = {"protocolType": self.case.protocol}
            case "GetAccount":
                answer = {"cloudwatchRoleArn": _LOG_ROLE}
            case "PutEvents":
                answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "00000000-0000-4000-8000-000000000000"}]}
            case "DescribeDeliverySources":
                answer = {"deliverySources": []}
            case "UpdateStage" | "CreateLogGroup" | "PutRetentionPolicy":
                answer = {}
            case _:
                return _IAM_ANSWERS[operation].encode()
        return json.dumps(answer).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """One call of boto3."""

    service: str
    method: str
    parameters: dict[str, Any]


def handler(aws: Aws, session: boto3.Session, messages: int = BATCH) -> Callable[[], None]:
    """Return a function that passes one batch to the handler. Its first call is cold, and reads the log role."""
    from handlers import enforce  # only after standard output is redirected: its Logger keeps the stream

    door = enforce.Door(_SETTINGS, session, clock=lambda: _NOW)
    open_door = enforce.logger.inject_lambda_context(door.open)
    event = {"Records": [aws.case.message(number) for number in range(messages)]}

    def happen() -> None:
        answer = open_door(event, cast(Any, Context()))
        assert answer == {"batchItemFailures": []}, answer

    return happen


def _calls(aws: Aws) -> list[Call]:
    """Return the calls for one batch."""
    made: list[Call] = []

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        made.append(Call(model.service_model.service_name, xform_name(model.name), dict(params)))

    session = aws.session()
    session.events.register("provide-client-params", record)
    happen = handler(aws, session)
    happen()
    made.clear()
    happen()
    return made


def _baseline(aws: Aws, calls: list[Call]) -> Callable[[], None]:
    """Return a function that makes only the calls."""
    session = aws.session()
    clients = {
        service: session.client(cast(Any, service), config=Config(retries={"mode": "standard"}))
        for service in {call.service for call in calls}
    }
    bound = [(getattr(clients[call.service], call.method), call.parameters) for call in calls]

    def happen() -> None:
        for method, parameters in bound:
            method(**parameters)

    happen()
    return happen


@dataclass(slots=True)
class Stopwatch:
    """Seconds by part, without those of the parts within it."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _within: list[float] = field(default_factory=list)

    @contextlib.contextmanager
    def on(self, owner: object, name: str, part: str) -> Iterator[None]:
        """Count the time of each call of the function ``name`` of ``owner`` for the part."""
        function = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            self._within.append(0.0)
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                passed = time.perf_counter() - began
                self.seconds[part] += passed - self._within.pop()
                if self._within:
                    self._within[-1] += passed

        with mock.patch.object(owner, name, timed):
            yield


def _parts(aws: Aws) -> dict[str, Samples]:
    """Return the percentage of the time of a batch for each part.

    Parts are measured in the running handler, because a part alone is faster.
    """
    from handlers import enforce
    from log_keeper import enforcement, facts
    from log_keeper.aws import event_bus as change_events
    from log_keeper.aws import http_websocket, rest
    from log_keeper.reporting import Reporter

    watched: dict[str, list[tuple[object, str]]] = {
        BOTO: [(BaseClient, "_make_api_call")],
        "messages read": [(enforce, "_json"), (enforce, "read_event"), (enforce, "cause_of")],
        "stages evaluated": [
            *[(each, "to_stage") for each in (rest, http_websocket)],
            (facts, "log_groups_of"),
            (enforcement, "evaluate"),
        ],
        "log lines and metrics": [(Reporter, "stage"), (Reporter, "flush")],
        "change events": [(change_events, "put_events")],
    }
    happen, watch, found = handler(aws, aws.session()), Stopwatch(), defaultdict[str, Samples](Samples)
    happen()
    with contextlib.ExitStack() as stack:
        for part, functions in watched.items():
            for owner, name in functions:
                stack.enter_context(watch.on(owner, name, part))
        for _ in range(ROUNDS):
            watch.seconds.clear()
            began = time.perf_counter()
            for _ in range(BATCHES):
                happen()
            whole = time.perf_counter() - began
            watch.seconds["batch and the rest"] = whole - sum(watch.seconds.values())
            for part, seconds in watch.seconds.items():
                found[part].values.append(100 * seconds / whole)
    return found


def _seconds(happen: Callable[[], object]) -> float:
    """Return the seconds of CPU time for one event."""
    began = time.process_time()
    for _ in range(BATCHES):
        happen()
    return (time.process_time() - began) / BATCHES / BATCH


@dataclass(frozen=True, slots=True)
class Measured:
    """Measurements of one case.

    ``calls``: number for one event. ``ours``, ``baseline``: seconds of CPU time for one event. ``parts``: percent of
    the time.
    """

    calls: int
    ours: Samples
    baseline: Samples
    parts: dict[str, Samples]

    @property
    def share(self) -> Samples:
        """Return the percentage of the time that is not botocore's."""
        return Samples([100 - percent for percent in self.parts[BOTO].values])


def measure(case: Case) -> Measured:
    aws = Aws(case)
    calls = _calls(aws)
    whole, baseline, ours, theirs = handler(aws, aws.session()), _baseline(aws, calls), Samples(), Samples()
    whole()
    for _ in range(ROUNDS):
        ours.values.append(_seconds(whole))
        theirs.values.append(_seconds(baseline))
    return Measured(len(calls) // BATCH, ours, theirs, _parts(aws))


def main() -> None:
    found = {case.name: measure(case) for case in CASES}
    split = {name: ", ".join(f"{part} {each}" for part, each in sorted(found[name].parts.items())) for name in found}
    Result(
        name="warm",
        title="Warm",
        columns=[
            "events about",
            "calls per event",
            "events per second",
            "ratio to the calls alone",
            "Log Keeper's share, %",
        ],
        rows=[
            [
                name,
                each.calls,
                round(1 / each.ours.median),
                str(ratios(each.ours, each.baseline)),
                str(each.share),
            ]
            for name, each in found.items()
        ],
        notes=[
            (
                f"{ROUNDS} rounds of {BATCHES} batches of {BATCH} messages, alternating with only the same boto3 "
                "calls; all calls are answered at once. CPU time of one thread, no rate limit, standard output is "
                "dropped."
            ),
            (
                "Log Keeper's share: the part of the time outside botocore, in the same invocation. Only the calls are "
                "faster than the same calls within other code, so the ratio is higher than this share suggests."
            ),
            "The log role is known, as it is for five minutes after it was read.",
            *(f"{name}, % of the time: {split[name]}." for name in (CASES[0].name, CASES[-1].name)),
            "In AWS, add the time until AWS answers: some tens of milliseconds for each call.",
        ],
        plot=Plot(
            "bars",
            [name.replace(", ", ",\n") for name in found],
            {
                "the handler": [1000 * each.ours.median for each in found.values()],
                "only its boto3 calls": [1000 * each.baseline.median for each in found.values()],
            },
            "ms of CPU time per event",
        ),
    ).save()


if __name__ == "__main__":
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        main()
