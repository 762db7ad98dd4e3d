"""Clients of AWS, one per service and region, and what the errors of AWS mean."""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Concatenate

import botocore.session
from botocore.config import Config

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
    from mypy_boto3_scheduler.client import EventBridgeSchedulerClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sts.client import STSClient

    from log_keeper.aws.pace import Pace


#: boto3 repeats throttled calls, dropped connections and 5xx by itself, this many tries in all.
_TRIES = 5
#: Seconds that one try may take, to connect and to be answered.
TRY_SECONDS = 12
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": _TRIES},
    connect_timeout=2,
    read_timeout=TRY_SECONDS - 2,
    # The template sets the version. Programs on a command line have none.
    user_agent_extra="/".join(filter(None, ("log-keeper", os.environ.get("VERSION")))),
)
_CONFIG_WITHOUT_RETRIES = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


def _kept[**Names, Client](
    make: Callable[Concatenate[Clients, Names], Client],
) -> Callable[Concatenate[Clients, Names], Client]:
    """The client that is made at the first call is given at each other."""

    @functools.wraps(make)
    def kept(clients: Clients, /, *names: Names.args, **more: Names.kwargs) -> Client:
        key = (make.__name__, *names, *more.items())
        if key not in clients.made:
            clients.made[key] = make(clients, *names, **more)
        client: Client = clients.made[key]
        return client

    return kept


class Clients:
    """Makes each client when it is first asked for: one that an event does not need costs its cold start nothing.

    ``pace``: makes that of the calls to API Gateway in one region, the tries that boto3 repeats included.
    ``before_each_try``: is called before each try of any call, and may raise to prevent it.
    """

    def __init__(
        self,
        pace: Callable[[], Pace],
        session: boto3.Session | None = None,
        *,
        before_each_try: Callable[[], None] | None = None,
    ) -> None:
        if session is not None:
            self._new_client, events = session.client, session.events
        else:
            # Not boto3's, which is little but this, and takes S3's transfers along: a tenth of the whole cold start.
            bare: Any = botocore.session.get_session()
            self._new_client, events = bare.create_client, bare.get_component("event_emitter")
        #: By the name of the method and its region.
        self.made: dict[tuple[object, ...], Any] = {}
        self._paces = defaultdict[str, "Pace"](pace)
        if before_each_try is not None:
            events.register("request-created", lambda **_: before_each_try())

    def pace(self, region: str) -> Pace:
        """Of the calls to API Gateway in the region."""
        return self._paces[region]

    @_kept
    def apigateway(self, region: str) -> APIGatewayClient:
        return self._paced(_retrying(self._new_client("apigateway", region_name=region, config=_CONFIG)), region)

    @_kept
    def apigatewayv2(self, region: str) -> ApiGatewayV2Client:
        return self._paced(_retrying(self._new_client("apigatewayv2", region_name=region, config=_CONFIG)), region)

    @_kept
    def account_settings(self, region: str) -> APIGatewayClient:
        """For UpdateAccount, whose one call in 20 s is not to be spent on blind repeats."""
        client = self._new_client("apigateway", region_name=region, config=_CONFIG_WITHOUT_RETRIES)
        return self._paced(client, region)

    @_kept
    def logs(self, region: str) -> CloudWatchLogsClient:
        return self._new_client("logs", region_name=region, config=_CONFIG)

    @_kept
    def cloudtrail(self, region: str) -> CloudTrailClient:
        return self._new_client("cloudtrail", region_name=region, config=_CONFIG)

    @_kept
    def cloudformation(self, region: str) -> CloudFormationClient:
        return self._new_client("cloudformation", region_name=region, config=_CONFIG)

    @_kept
    def firehose(self, region: str) -> FirehoseClient:
        return self._new_client("firehose", region_name=region, config=_CONFIG)

    @_kept
    def events(self, region: str | None = None) -> EventBridgeClient:
        """None: in the region of the function, whose default bus is the home of our own events."""
        return self._new_client("events", region_name=region, config=_CONFIG)

    @_kept
    def sqs(self) -> SQSClient:
        """In the region of the function, where the queues are."""
        return self._new_client("sqs", config=_CONFIG)

    @_kept
    def regional_sqs(self, region: str) -> SQSClient:
        """In a further region, where the queue of undelivered events is."""
        return self._new_client("sqs", region_name=region, config=_CONFIG)

    @_kept
    def scheduler(self) -> EventBridgeSchedulerClient:
        """In the region of the function: schedules of all regions are there, with the queue."""
        return self._new_client("scheduler", config=_CONFIG)

    @_kept
    def iam(self, region: str) -> IAMClient:
        """IAM is global, but its endpoint is found by the partition that a region belongs to."""
        return self._new_client("iam", region_name=region, config=_CONFIG)

    @_kept
    def sts(self, region: str) -> STSClient:
        return self._new_client("sts", region_name=region, config=_CONFIG)

    def _paced[Client: (APIGatewayClient, ApiGatewayV2Client)](self, client: Client, region: str) -> Client:
        pace = self.pace(region)
        # First, so that nothing is signed before a pause.
        client.meta.events.register_first("request-created", lambda **_: pace.take())
        return client


def _retrying[Client: (APIGatewayClient, ApiGatewayV2Client)](client: Client) -> Client:
    # The stubs have every hook return nothing; this one's answer is what it is for.
    client.meta.events.register("needs-retry", _retry_throttle_without_a_code)  # type: ignore[arg-type]
    return client


def _retry_throttle_without_a_code(response: Any, attempts: int, **_: Any) -> float | None:
    """Seconds to wait before another try, None for no opinion: botocore itself knows throttles by their code only."""
    if response is None or attempts >= _TRIES:
        return None
    http, parsed = response
    if http.status_code == 429 and not parsed.get("Error", {}).get("Code"):
        return float(2 ** (attempts - 1))
    return None
