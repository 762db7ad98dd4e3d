"""Faults that a test configures, and the quotas of calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox.assembly import Sandbox
from sandbox.core.clients import KilledError
from sandbox.core.clock import MovableClock
from sandbox.core.faults import Fault, FaultType
from testing.accounts import give_log_role, make_rest_api, make_rest_stage, set_log_role
from testing.clients import refusal

READ = {"service": "apigateway", "operation": "GetAccount", "of": lambda _: True}


class StandingClock(MovableClock):
    """A clock that only tests move."""

    def __init__(self) -> None:
        super().__init__()
        self._start = super().now()

    def now(self) -> Any:
        return self._start + self._offset


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def limited(clock: StandingClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock, iam_propagation_seconds=0) as sandbox:
        sandbox.quotas.are_on = True
        yield sandbox


def over_http(sandbox: Sandbox, service: str = "apigateway", timeout: float = 60) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload] # the stubs know the services only as literals
        region_name="us-east-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=sandbox.access_key,
        aws_secret_access_key=sandbox.secret_key,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=timeout),
    )


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultType.THROTTLED, 429, "TooManyRequestsException"),
        (FaultType.THROTTLED_WITHOUT_CODE, 429, "429"),  # botocore uses the status if there is no code
        (FaultType.INTERNAL_ERROR, 500, "InternalFailure"),
        (FaultType.UNAVAILABLE, 503, "ServiceUnavailableException"),
        (FaultType.CONFLICT, 409, "ConflictException"),
        (FaultType.ACCESS_DENIED, 403, "AccessDeniedException"),
    ],
)
def test_fault_has_the_message_of_the_service(sandbox: Sandbox, kind: FaultType, status: int, code: str) -> None:
    sandbox.faults.add(Fault(kind, **READ))
    with pytest.raises(ClientError) as caught:
        over_http(sandbox).get_account()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert caught.value.response["Error"].get("Code", "429") == code
    assert sandbox.calls[-1].status == status


def test_fault_is_raised_as_often_as_configured(sandbox: Sandbox) -> None:
    client = over_http(sandbox)
    sandbox.faults.add(Fault(FaultType.CONFLICT, **READ, times=2, skip=1))
    client.get_account()
    for _ in range(2):
        refusal(client.get_account)
    client.get_account()
    sandbox.faults.add(Fault(FaultType.CONFLICT, **READ, times=None))
    for _ in range(3):
        refusal(client.get_account)
    sandbox.faults.lift()
    client.get_account()
    assert len(sandbox.faults.met) == 5


def test_administrator_gets_no_fault_unless_it_is_configured(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(FaultType.CONFLICT, "apigateway", "GetAccount"))
    over_http(sandbox).get_account()


@pytest.mark.parametrize(("kind", "is_done"), [(FaultType.DROPPED, False), (FaultType.DROPPED_AFTER, True)])
def test_connection_can_be_dropped(sandbox: Sandbox, kind: FaultType, is_done: bool) -> None:
    sandbox.faults.add(Fault(kind, "logs", "CreateLogGroup", of=lambda _: True))
    began = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        over_http(sandbox, "logs").create_log_group(logGroupName="a")
    assert time.monotonic() - began < 30  # at once, not after the reader's timeout
    found = over_http(sandbox, "logs").describe_log_groups()["logGroups"]
    assert bool(found) is is_done


@pytest.mark.parametrize(("kind", "is_done"), [(FaultType.TIMEOUT, False), (FaultType.TIMEOUT_AFTER, True)])
def test_answer_can_be_withheld_until_the_callers_timeout(sandbox: Sandbox, kind: FaultType, is_done: bool) -> None:
    sandbox.faults.add(Fault(kind, "logs", "CreateLogGroup", of=lambda _: True))
    with pytest.raises(ReadTimeoutError):
        over_http(sandbox, "logs", timeout=0.2).create_log_group(logGroupName="a")
    found = over_http(sandbox, "logs").describe_log_groups()["logGroups"]
    assert bool(found) is is_done


def test_caller_in_this_process_is_ended_by_an_error_that_nothing_catches(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault(FaultType.KILLED_AFTER, "logs", "CreateLogGroup", of=lambda _: True))
    client = sandbox.session().client("logs")
    with pytest.raises(KilledError):
        client.create_log_group(logGroupName="a")
    assert client.describe_log_groups()["logGroups"][0]["logGroupName"] == "a"


def test_control_plane_accepts_ten_calls_a_second_after_forty(limited: Sandbox, clock: StandingClock) -> None:
    client, v2 = over_http(limited), over_http(limited, "apigatewayv2")

    def taken(calls: int) -> int:
        count = 0
        for number in range(calls):
            try:
                v2.get_apis() if number % 2 else client.get_rest_apis()
                count += 1
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 429:
                    raise
        return count

    assert taken(50) == 40
    clock.advance(timedelta(seconds=1))
    assert taken(20) == 10
    clock.advance(timedelta(minutes=1))
    assert taken(50) == 40
    # Another region has its own quota.
    limited.client("apigateway", "eu-west-1").get_rest_apis()


def test_every_other_throttle_has_no_code(limited: Sandbox) -> None:
    client = limited.client("apigateway")
    for _ in range(40):
        client.get_rest_apis()
    codes = []
    for _ in range(4):
        with pytest.raises(ClientError) as caught:
            client.get_rest_apis()
        codes.append(caught.value.response["Error"].get("Code") == "TooManyRequestsException")
    assert codes == [True, False, True, False]


@pytest.mark.parametrize(("which", "has_code"), [("all", False), ("none", True)])
def test_throttles_without_code_may_be_all_or_none(limited: Sandbox, which: str, *, has_code: bool) -> None:
    limited.turn(throttles_without_code=which)
    client = limited.client("apigateway")
    for _ in range(40):
        client.get_rest_apis()
    for _ in range(2):
        with pytest.raises(ClientError) as caught:
            client.get_rest_apis()
        assert (caught.value.response["Error"].get("Code") == "TooManyRequestsException") is has_code


@pytest.mark.parametrize("shared", [True, False])
def test_versions_of_api_gateway_may_share_a_quota(limited: Sandbox, *, shared: bool) -> None:
    limited.turn(api_versions_share_quota=shared)
    for _ in range(40):
        limited.client("apigateway").get_rest_apis()
    code = refusal(lambda: limited.client("apigateway").get_rest_apis())[0]
    assert code
    if shared:
        refusal(lambda: limited.client("apigatewayv2").get_apis())
    else:
        limited.client("apigatewayv2").get_apis()


@pytest.mark.parametrize("counts", [True, False])
def test_throttled_calls_may_use_the_quota(limited: Sandbox, clock: StandingClock, *, counts: bool) -> None:
    limited.turn(throttled_calls_use_quota=counts)
    client = limited.client("logs")
    for number in range(10):
        client.create_log_group(logGroupName=str(number))
    clock.advance(timedelta(seconds=0.05))
    refusal(lambda: client.create_log_group(logGroupName="x"))
    clock.advance(timedelta(seconds=0.05))
    if counts:
        refusal(lambda: client.create_log_group(logGroupName="x"))
    else:
        client.create_log_group(logGroupName="x")


def test_update_account_is_accepted_once_in_twenty_seconds(limited: Sandbox, clock: StandingClock) -> None:
    arn = give_log_role(limited)
    assert refusal(lambda: set_log_role(limited, arn))[0] in ("TooManyRequestsException", "429", "")
    clock.advance(timedelta(seconds=19))
    refusal(lambda: set_log_role(limited, arn))
    clock.advance(timedelta(seconds=1))
    set_log_role(limited, arn)


def test_deployment_is_accepted_once_in_five_seconds(limited: Sandbox, clock: StandingClock) -> None:
    make_rest_stage(limited)
    clock.advance(timedelta(seconds=3))
    api_id = make_rest_api(limited)
    deploy = limited.client("apigateway").create_deployment
    refusal(lambda: deploy(restApiId=api_id, stageName="prod"))
    clock.advance(timedelta(seconds=2))
    deploy(restApiId=api_id, stageName="prod")


def test_ten_log_groups_are_created_a_second(limited: Sandbox, clock: StandingClock) -> None:
    client = limited.client("logs")
    for number in range(10):
        client.create_log_group(logGroupName=str(number))
    assert refusal(lambda: client.create_log_group(logGroupName="x"))[0] == "ThrottlingException"
    clock.advance(timedelta(seconds=1))
    client.create_log_group(logGroupName="x")


def test_queues_use_the_accounts_clock(limited: Sandbox, clock: StandingClock) -> None:
    sqs = limited.client("sqs")
    url = sqs.create_queue(QueueName="q", Attributes={"DelaySeconds": "10", "VisibilityTimeout": "60"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="m")

    def received() -> bool:
        return "Messages" in sqs.receive_message(QueueUrl=url)

    assert not received()
    clock.advance(timedelta(seconds=11))
    assert received()
    assert not received()
    clock.advance(timedelta(seconds=61))
    assert received()
