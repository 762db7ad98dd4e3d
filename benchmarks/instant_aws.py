"""An AWS that answers at once, for the stages of one case, and the messages about them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from fuzz.api_gateway import FRESH_METHOD
from log_keeper.policy.log_delivery import with_delivery
from log_keeper.stages import ApiVersion, Protocol, StageRef, access_log_group
from testing.builders import ACCOUNT, DEPLOYMENT, FORMATS, REGION, sample, settings_with

#: Messages in a batch, as in the template.
BATCH = 10
#: With this rate nothing waits.
SETTINGS_WITHOUT_LIMIT = settings_with(sweep_rate=10**9)
NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
_CREATED = NOW.timestamp() - 3600
LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Logs"
_TRUST = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
IAM_ANSWERS = {
    "GetRole": (
        "<GetRoleResponse><GetRoleResult><Role><Path>/</Path><RoleName>Logs</RoleName><RoleId>AROAEXAMPLE0000000001"
        f"</RoleId><Arn>{LOG_ROLE}</Arn><CreateDate>2026-11-02T10:15:04Z</CreateDate><AssumeRolePolicyDocument>"
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
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": f"{int(NOW.timestamp() * 1000)}"},
            "messageAttributes": {},
            "md5OfBody": "0" * 32,
            "eventSource": "aws:sqs",
            "eventSourceARN": DEPLOYMENT.queues.stage_queue_arn,
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


class Raw(io.BytesIO):
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
        return AWSResponse(request.url, 200, headers, Raw(self._bodies[key]))

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
                answer = {"cloudwatchRoleArn": LOG_ROLE}
            case "PutEvents":
                answer = {"FailedEntryCount": 0, "Entries": [{"EventId": "00000000-0000-4000-8000-000000000000"}]}
            case "DescribeDeliverySources":
                answer = {"deliverySources": []}
            case "UpdateStage" | "CreateLogGroup" | "PutRetentionPolicy":
                answer = {}
            case _:
                return IAM_ANSWERS[operation].encode()
        return json.dumps(answer).encode()
