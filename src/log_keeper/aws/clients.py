"""Clients of AWS: one for each service and region of an account, created when it is first used."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import botocore.session
from botocore.config import Config

from log_keeper.aws.parallel import Parallel

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_apigatewayv2.client import ApiGatewayV2Client
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudtrail.client import CloudTrailClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_firehose.client import FirehoseClient
    from mypy_boto3_iam.client import IAMClient
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_organizations.client import OrganizationsClient
    from mypy_boto3_scheduler.client import EventBridgeSchedulerClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sts.client import STSClient

    from log_keeper.aws.pace import Pace

#: boto3 repeats throttled calls, dropped connections and 5xx itself; the number of tries in all.
_TRIES = 5
#: Seconds that one try can take, to connect and to be answered.
TRY_SECONDS = 12
_TOO_MANY_REQUESTS = 429
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": _TRIES},
    connect_timeout=2,
    read_timeout=TRY_SECONDS - 2,
    # The template sets the version. Programs on a command line have none.
    user_agent_extra="/".join(filter(None, ("log-keeper", os.environ.get("VERSION")))),
)
#: Calls a second of CloudWatch Logs: about subscription filters, of the 5 that it allows an account in a region, and to
#: create log groups, of 10. *Source:* AWS General Reference, "Amazon CloudWatch Logs endpoints and quotas".
FILTER_RATE, LOG_GROUP_RATE = 2, 9
LOGS_RATES = {
    "DescribeSubscriptionFilters": FILTER_RATE,
    "PutSubscriptionFilter": FILTER_RATE,
    "CreateLogGroup": LOG_GROUP_RATE,
    "PutRetentionPolicy": LOG_GROUP_RATE,
}
_CONFIG_WITHOUT_RETRIES = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


class Credentials(NamedTuple):
    """Credentials of a role in a member account."""

    access_key: str
    secret_key: str
    token: str


class Clients:
    """Creates each client when it is first asked for, so that a cold start creates only those that it needs.

    ``new_pace``: creates the pace of the calls to API Gateway in one region. Tries that boto3 repeats count too.
    ``session``: None for botocore's default session.
    ``before_each_try``: is called before each try of any call, and can raise an error to prevent the try.
    ``share``: of the calls of Logs that have a rate, the part that these clients make.
    ``threads``: for calls of Logs at the same time; see ``Parallel``.
    """

    def __init__(
        self,
        new_pace: Callable[[], Pace],
        session: boto3.Session | None = None,
        *,
        before_each_try: Callable[[], None] | None = None,
        share: float = 1,
        threads: int = 0,
    ) -> None:
        if session is not None:
            self._create, events = session.client, session.events
        else:
            # Not boto3's session, which is hardly more than this one, but imports S3's transfers: a tenth of the whole
            # cold start.
            bare: Any = botocore.session.get_session()
            self._create, events = bare.create_client, bare.get_component("event_emitter")
        self._clients: dict[tuple[str, str | None, bool], Any] = {}
        self._new_pace = new_pace
        self._share = share
        self._paces = defaultdict[str, "Pace"](new_pace)
        #: Those of member accounts, kept for as long as the environment: a forgotten one would begin with a new burst.
        self._member_paces: dict[str, defaultdict[str, Pace]] = {}
        #: The clients of the stack's own account; None if these are they.
        self._home: Clients | None = None
        self.parallel = Parallel(threads)
        if before_each_try is not None:
            events.register("request-created", lambda **_: before_each_try())

    @property
    def count(self) -> int:
        """Return how many clients were created."""
        return len(self._clients)

    def of_member(self, account_id: str, credentials: Credentials) -> Clients:
        """Return clients of a member account. The stack's own queues, bus and schedules stay those of this account.

        All clients of one member account share its pace, also those with later credentials.
        """
        member = object.__new__(Clients)
        member._create = partial(
            self._create,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
        )
        member._clients = {}
        member._new_pace = self._new_pace
        member._share = self._share
        member._paces = self._member_paces.setdefault(account_id, defaultdict(self._new_pace))
        member._member_paces = {}
        member._home = self
        member.parallel = self.parallel
        return member

    def pace(self, region: str) -> Pace:
        """Return the pace of the calls to API Gateway in the region."""
        return self._paces[region]

    def apigateway(self, region: str) -> APIGatewayClient:
        client: APIGatewayClient = self._client("apigateway", region)
        return client

    def apigatewayv2(self, region: str) -> ApiGatewayV2Client:
        client: ApiGatewayV2Client = self._client("apigatewayv2", region)
        return client

    def account_settings(self, region: str) -> APIGatewayClient:
        """Return a client for UpdateAccount. It does not repeat calls, because AWS allows one in 20 seconds."""
        client: APIGatewayClient = self._client("apigateway", region, retries=False)
        return client

    def logs(self, region: str) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self._client("logs", region)
        return client

    def logs_once(self, region: str) -> CloudWatchLogsClient:
        """Return a client that does not repeat calls: a log group with too many filters is no throttling."""
        client: CloudWatchLogsClient = self._client("logs", region, retries=False)
        return client

    def cloudtrail(self, region: str) -> CloudTrailClient:
        client: CloudTrailClient = self._client("cloudtrail", region)
        return client

    def cloudformation(self, region: str) -> CloudFormationClient:
        client: CloudFormationClient = self._client("cloudformation", region)
        return client

    def firehose(self, region: str) -> FirehoseClient:
        client: FirehoseClient = self._client("firehose", region)
        return client

    def events(self, region: str | None = None) -> EventBridgeClient:
        """Return a client of EventBridge. None: in the function's region, where Log Keeper publishes its events."""
        client: EventBridgeClient = self._client("events", region)
        return client

    def sqs(self, region: str | None = None) -> SQSClient:
        """Return a client of SQS. None: in the function's region, where the stack's queues are."""
        client: SQSClient = self._client("sqs", region)
        return client

    def scheduler(self) -> EventBridgeSchedulerClient:
        """Return a client in the function's region. The schedules of all regions are there, like StageQueue."""
        client: EventBridgeSchedulerClient = self._client("scheduler", None)
        return client

    def iam(self, region: str) -> IAMClient:
        """Return a client of IAM, which is global. The region decides the partition and so the endpoint."""
        client: IAMClient = self._client("iam", region)
        return client

    def ssm(self) -> Any:
        """Return a client in the function's region, where the owner's access log formats are. It has no type stubs."""
        return self._client("ssm", None)

    def sts(self, region: str) -> STSClient:
        client: STSClient = self._client("sts", region)
        return client

    def organizations(self, region: str) -> OrganizationsClient:
        """Return a client of Organizations, which is global. The region decides the partition and so the endpoint."""
        client: OrganizationsClient = self._client("organizations", region)
        return client

    def _client(self, service: str, region: str | None, *, retries: bool = True) -> Any:
        """Return the client of the service in the region. Calls to API Gateway wait for their turn in its pace."""
        if region is None and self._home is not None:
            return self._home._client(service, None, retries=retries)
        key = (service, region, retries)
        if key not in self._clients:
            config = _CONFIG if retries else _CONFIG_WITHOUT_RETRIES
            # The type stubs want the name of the service as a literal.
            client = self._create(service, region_name=region, config=config)  # type: ignore[call-overload]
            if region is not None and service in ("apigateway", "apigatewayv2"):
                pace = self.pace(region)
                # First of all, so that nothing is signed before a pause.
                client.meta.events.register_first("request-created", lambda **_: pace.take())
                if retries:
                    client.meta.events.register("needs-retry", partial(_slow_down, pace))
                    client.meta.events.register("needs-retry", _retry_throttle_without_a_code)
            if region is not None and service == "logs":
                for operation, rate in LOGS_RATES.items():
                    beside = self.pace(region).beside(operation, rate * self._share)
                    event = f"request-created.cloudwatch-logs.{operation}"
                    client.meta.events.register_first(event, lambda pace=beside, **_: pace.take_in_thread())
            self._clients[key] = client
        return self._clients[key]


def _slow_down(pace: Pace, response: Any, **_: Any) -> None:
    """Make the pace slower if the call was throttled. The answer leaves it to others whether to try again."""
    if response is not None and response[0].status_code == _TOO_MANY_REQUESTS:
        pace.throttled()


def _retry_throttle_without_a_code(response: Any, attempts: int, **_: Any) -> float | None:
    """Return the seconds to wait before another try; None to leave the decision to botocore.

    botocore recognizes throttled calls by their error code only, and some of API Gateway's answers have none.
    """
    if response is None or attempts >= _TRIES:
        return None
    http, parsed = response
    if http.status_code == _TOO_MANY_REQUESTS and not parsed.get("Error", {}).get("Code"):
        return float(2 ** (attempts - 1))
    return None
