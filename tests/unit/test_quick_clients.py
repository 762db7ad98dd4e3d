"""The tests' sessions and clients share what does not change: a handler of one is no handler of another."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ParamValidationError


@pytest.fixture
def session() -> boto3.Session:
    return boto3.Session("access-key", "secret", region_name="eu-west-1")


def answers(emitting: boto3.Session) -> list[str]:
    """Return what the handlers of an event of this test return, for the session and for two new clients of it."""
    emitters = [emitting.events, emitting.client("sqs").meta.events, emitting.client("sqs").meta.events]
    return [response for emitter in emitters for _, response in emitter.emit("needed-in-a-test.sqs.ListQueues")]


def test_handler_of_a_client_is_its_own(session: boto3.Session) -> None:
    client = session.client("sqs")
    client.meta.events.register("needed-in-a-test.sqs.*", lambda **_: "called")
    assert [response for _, response in client.meta.events.emit("needed-in-a-test.sqs.ListQueues")] == ["called"]
    assert answers(session) == []


def test_handler_of_a_session_is_one_of_its_later_clients(session: boto3.Session) -> None:
    earlier = session.client("sqs").meta.events

    def handler(**_: object) -> str:
        return "called"

    session.events.register("needed-in-a-test", handler)
    assert answers(session) == ["called"] * 3
    assert earlier.emit("needed-in-a-test.sqs.ListQueues") == []
    assert answers(boto3.Session("access-key", "secret", region_name="eu-west-1")) == []
    client = session.client("sqs").meta.events
    client.unregister("needed-in-a-test", handler)
    assert client.emit("needed-in-a-test.sqs.ListQueues") == []
    assert answers(session) == ["called"] * 3


def test_every_session_has_the_handlers_of_botocore(session: boto3.Session) -> None:
    """For example the one that refuses a bucket's name with a space."""
    clients = [session.client("s3"), boto3.Session("access-key", "secret", region_name="eu-west-1").client("s3")]
    for client in clients:
        with pytest.raises(ParamValidationError, match="Invalid bucket name"):
            client.list_objects_v2(Bucket="a bucket")
