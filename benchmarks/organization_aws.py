"""An AWS in memory: an organization whose accounts answer at once, in simulated time, and count their calls.

The access key that AssumeRole returns contains the id of the member account. All stages of a region have the same
settings until UpdateStage, so that the memory does not depend on the number of accounts.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from benchmarks.instant_aws import IAM_ANSWERS, LOG_ROLE, Case, Raw
from log_keeper.policy.log_delivery import with_delivery
from log_keeper.stages import ApiVersion, Protocol, StageRef, access_log_group
from testing.builders import ACCOUNT, REGION

#: The most stack instances, and the most accounts of Organizations, in one answer.
#: *Source:* CloudFormation and Organizations API references.
_INSTANCES, _ACCOUNTS = 100, 20
_API_GATEWAY = "api-gateway", "apigatewayv2"


class Made(NamedTuple):
    """A call: in which account and region, and of which operation."""

    account: str
    region: str
    service: str
    operation: str

    @property
    def name(self) -> str:
        """Return the operation with its service: both versions of API Gateway have operations of the same name."""
        return f"{self.service}:{self.operation}"

    @property
    def is_of_api_gateway(self) -> bool:
        return self.service in _API_GATEWAY


class Size(NamedTuple):
    """The size of an organization: member accounts, managed regions, and the APIs of each account and region.

    ``stages``: of each API.
    """

    accounts: int
    regions: tuple[str, ...]
    rest_apis: int
    http_apis: int
    stages: int

    @property
    def account_ids(self) -> list[str]:
        return [str(210_000_000_000 + number) for number in range(self.accounts)]

    @property
    def apis(self) -> int:
        """Return the number of APIs of one account and region."""
        return self.rest_apis + self.http_apis


@dataclass(slots=True)
class OrganizationAws:
    """Answers the calls of sessions.

    ``now``: returns the simulated time. ``wait``: lets the time of a call pass. ``are_compliant``: the stages that no
    call has changed. ``send``: puts a message on a queue: its name, the request, which SendMessage or SendMessageBatch
    has for one message.
    """

    size: Size
    now: Callable[[], datetime]
    wait: Callable[[], None]
    are_compliant: bool
    send: Callable[[str, dict[str, Any]], None]
    calls: Counter[Made] = field(default_factory=Counter)
    #: When calls to API Gateway were made, by account and region, in seconds since 1970.
    times: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    #: When UpdateStage was called for each stage: by account, region, API and name.
    updated: dict[tuple[str, str, str, str], float] = field(default_factory=dict)
    _log_groups: set[tuple[str, str, str]] = field(default_factory=set)

    def session(self) -> boto3.Session:
        """Return a session of the hub."""
        inner = botocore.session.Session()
        inner.set_credentials(f"AKIA{ACCOUNT}", "secret")
        inner.register("before-send", cast(Any, self._send))
        return boto3.Session(botocore_session=inner, region_name=REGION)

    def _send(self, request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        service, operation = event_name.split(".")[1:]
        # Credential=AKIA123456789012/20261123/us-east-1/sqs/aws4_request
        authorization = request.headers["Authorization"]
        text = authorization.decode() if isinstance(authorization, bytes) else authorization
        credential = text.partition("Credential=")[2].split("/")
        key, region = credential[0], credential[2]
        made = Made(key[4:], region, service, operation)
        self.wait()
        self.calls[made] += 1
        if made.is_of_api_gateway:
            self.times[made.account, region].append(self.now().timestamp())
        body = cast("str | bytes", request.body or b"")
        answer = self._answer(made, urlsplit(request.url).path, body if isinstance(body, str) else body.decode())
        headers = HTTPHeaders.from_pairs([("x-amzn-requestid", "00000000-0000-4000-8000-000000000000")])
        return AWSResponse(request.url, 200, headers, Raw(answer.encode()))

    def _answer(self, made: Made, path: str, body: str) -> str:
        if made.is_of_api_gateway:
            return self._of_api_gateway(made, [unquote(part) for part in path.split("/")])
        if made.service in ("sts", "cloudformation"):
            return self._of_query({name: values[0] for name, values in parse_qs(body).items()}, made.operation)
        if made.service == "iam":
            return IAM_ANSWERS[made.operation].replace(ACCOUNT, made.account)
        request = json.loads(body or "{}")
        if made.service == "cloudwatch-logs":
            return json.dumps(self._of_logs(made, request))
        return json.dumps(self._of_others(made, request))

    def _of_api_gateway(self, made: Made, path: list[str]) -> str:
        is_rest = made.service == "api-gateway"
        match made.operation:
            case "GetRestApis":
                answer: Any = {"item": [{"id": api_id, "name": "shop"} for api_id in self._api_ids(Protocol.REST)]}
            case "GetApis":
                listed = [{"apiId": api_id, "protocolType": "HTTP"} for api_id in self._api_ids(Protocol.HTTP)]
                answer = {"items": [each | {"name": "web"} for each in listed]}
            case "GetApi":
                answer = {"protocolType": "HTTP"}
            case "GetAccount":
                answer = {"cloudwatchRoleArn": LOG_ROLE.replace(ACCOUNT, made.account)}
            case "GetStages":
                names = [f"s{number}" for number in range(self.size.stages)]
                answer = {"item" if is_rest else "items": [self._stage(made, path[-2], name) for name in names]}
            case "GetStage":
                answer = self._stage(made, path[-3], path[-1])
            case "UpdateStage":
                key = made.account, made.region, path[-3], path[-1]
                self.updated.setdefault(key, self.now().timestamp())
                answer = {}
            case _:
                raise NotImplementedError(made.operation)
        return json.dumps(answer)

    def _api_ids(self, protocol: Protocol) -> list[str]:
        count = self.size.rest_apis if protocol is Protocol.REST else self.size.http_apis
        return [f"{protocol.value.lower()}{number:06}" for number in range(count)]

    def _stage(self, made: Made, api_id: str, name: str) -> dict[str, Any]:
        is_compliant = self.are_compliant or (made.account, made.region, api_id, name) in self.updated
        is_rest = made.service == "api-gateway"
        ref = StageRef(made.account, made.region, ApiVersion.V1 if is_rest else ApiVersion.V2, api_id, name)
        answer = Case("", Protocol.REST if is_rest else Protocol.HTTP, is_compliant).stage(ref)
        if not is_compliant:
            answer.pop("accessLogSettings", None)
        in_hub, here = f":logs:{REGION}:{ACCOUNT}:", f":logs:{made.region}:{made.account}:"
        stage: dict[str, Any] = json.loads(json.dumps(answer).replace(in_hub, here))
        return stage

    def _of_logs(self, made: Made, request: dict[str, Any]) -> dict[str, Any]:
        match made.operation:
            case "DescribeLogGroups":
                facts = {"creationTime": 1_795_000_000_000, "retentionInDays": 30, "storedBytes": 0}
                names = [
                    name
                    for name in request["logGroupIdentifiers"]
                    if self.are_compliant or (made.account, made.region, name) in self._log_groups
                ]
                return {"logGroups": [{"logGroupName": name} | facts for name in names]}
            case "CreateLogGroup":
                self._log_groups.add((made.account, made.region, request["logGroupName"]))
                return {}
            case "PutRetentionPolicy" | "PutResourcePolicy":
                return {}
            case "DescribeResourcePolicies":
                arns = [request["resourceArn"]] if "resourceArn" in request else list(self._http_log_groups(made))
                arns = [] if request["policyScope"] == "ACCOUNT" else arns
                policies = [{"policyDocument": with_delivery(None, arn), "resourceArn": arn} for arn in arns]
                return {"resourcePolicies": [each | {"revisionId": "1"} for each in policies]}
            case "DescribeDeliverySources":
                return {"deliverySources": []}
        raise NotImplementedError(made.operation)

    def _http_log_groups(self, made: Made) -> Iterator[str]:
        for api_id in self._api_ids(Protocol.HTTP):
            for number in range(self.size.stages):
                ref = StageRef(made.account, made.region, ApiVersion.V2, api_id, f"s{number}")
                yield f"arn:aws:logs:{made.region}:{made.account}:log-group:{access_log_group(ref)}"

    def _of_others(self, made: Made, request: dict[str, Any]) -> dict[str, Any]:
        match made.operation:
            case "SendMessage":
                self.send(request["QueueUrl"].rpartition("/")[2], request)
                return {"MessageId": "00000000-0000-4000-8000-000000000000"}
            case "SendMessageBatch":
                for entry in request["Entries"]:
                    self.send(request["QueueUrl"].rpartition("/")[2], entry)
                return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}
            case "GetQueueAttributes":
                return {"Attributes": {"ApproximateNumberOfMessages": "0"}}
            case "PutEvents":
                return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in request["Entries"]]}
            case "DescribeRule":
                return {"Name": request["Name"], "State": "ENABLED"}
            case "DescribeTrails":
                arn = f"arn:aws:cloudtrail:{REGION}:999999999999:trail/organization"
                return {"trailList": [{"Name": "organization", "TrailARN": arn, "IsOrganizationTrail": True}]}
            case "GetTrailStatus":
                return {"IsLogging": True}
            case "GetEventSelectors":
                return {"EventSelectors": [{"ReadWriteType": "All", "IncludeManagementEvents": True}]}
            case "DescribeAccount":
                account_id = request["AccountId"]
                paths = [f"o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/{account_id}/"]
                return {"Account": {"Id": account_id, "Name": f"team-{account_id[-3:]}", "Paths": paths}}
            case "ListAccountsForParent":
                first = int(request.get("NextToken", "0"))
                some = self.size.account_ids[first : first + _ACCOUNTS]
                more = {"NextToken": str(first + _ACCOUNTS)} if first + _ACCOUNTS < self.size.accounts else {}
                arn = "arn:aws:organizations::999999999999:account/o-a1b2c3d4e5/"
                accounts = [{"Id": each, "Arn": arn + each, "Name": each, "State": "ACTIVE"} for each in some]
                return {"Accounts": accounts} | more
            case "ListOrganizationalUnitsForParent":
                return {"OrganizationalUnits": []}
        raise NotImplementedError(made.operation)

    def _of_query(self, request: dict[str, str], operation: str) -> str:
        match operation:
            case "AssumeRole":
                ends = self.now() + timedelta(hours=1)
                content = (
                    f"<Credentials><AccessKeyId>ASIA{request['RoleArn'].split(':')[4]}</AccessKeyId><SecretAccessKey>"
                    "secret</SecretAccessKey><SessionToken>token</SessionToken>"
                    f"<Expiration>{ends:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
                )
            case "ListStackInstances":
                content = self._instances(request)
            case _:
                raise NotImplementedError(operation)
        return f"<{operation}Response><{operation}Result>{content}</{operation}Result></{operation}Response>"

    def _instances(self, request: dict[str, str]) -> str:
        """Return a page of a stack set's instances. The one that remediates has them in the hub's region only."""
        regions = self.size.regions if request["StackSetName"].endswith("-members") else self.size.regions[:1]
        accounts = self.size.account_ids
        if (wanted := request.get("StackInstanceAccount")) is not None:
            accounts = [wanted] if wanted in accounts else []
        first, total = int(request.get("NextToken", "0")), len(accounts) * len(regions)
        members = "".join(
            f"<member><Account>{accounts[number // len(regions)]}</Account><Region>{regions[number % len(regions)]}"
            "</Region><Status>CURRENT</Status><StackInstanceStatus><DetailedStatus>SUCCEEDED</DetailedStatus>"
            "</StackInstanceStatus></member>"
            for number in range(first, min(first + _INSTANCES, total))
        )
        token = f"<NextToken>{first + _INSTANCES}</NextToken>" if first + _INSTANCES < total else ""
        return f"<Summaries>{members}</Summaries>{token}"
