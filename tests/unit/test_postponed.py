"""Messages that are put back on StageQueue."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.aws.postponed import Postponed, put_back, refusals_of, turn_of
from testing.builders import DEPLOYMENT, REGION

URL = DEPLOYMENT.queues.stage_queue_url
NOW = 1_000_000.0


def entries(*delays: int, turns: tuple[float, ...], body: str = "{}") -> list[dict[str, Any]]:
    return [
        {
            "Id": str(number),
            "MessageBody": body,
            "DelaySeconds": delay,
            "MessageAttributes": {"turn": {"DataType": "Number", "StringValue": f"{turn:.3f}"}},
        }
        for number, (delay, turn) in enumerate(zip(delays, turns, strict=True))
    ]


def stubbed() -> tuple[Clients, Stubber]:
    clients = Clients(lambda: Pace(10), boto3.Session("id", "key", region_name=REGION))
    return clients, Stubber(clients.sqs())


def test_messages_are_delivered_at_their_turn_or_after_the_longest_delay() -> None:
    clients, stubber = stubbed()
    turns = (NOW + 2.25, NOW + 5_000, NOW - 1)
    wanted = {"QueueUrl": URL, "Entries": entries(3, 900, 0, turns=turns)}
    stubber.add_response("send_message_batch", {"Successful": [], "Failed": []}, wanted)
    with stubber:
        messages = [Postponed(str(number), "{}", turn, has_turn=True) for number, turn in enumerate(turns)]
        assert list(put_back(clients, URL, messages, NOW)) == []
    stubber.assert_no_pending_responses()


def test_message_that_sqs_refuses_fails_alone() -> None:
    clients, stubber = stubbed()
    failed = [{"Id": "1", "SenderFault": False, "Code": "InternalError", "Message": "try again"}]
    stubber.add_response("send_message_batch", {"Successful": [], "Failed": failed})
    with stubber:
        messages = [Postponed(name, "{}", NOW, has_turn=True) for name in ("first", "second")]
        [(message_id, error)] = put_back(clients, URL, messages, NOW)
    assert message_id == "second"
    assert "try again" in str(error)


def test_all_messages_of_a_call_that_fails_are_delivered_again_and_the_others_are_put_back() -> None:
    clients, stubber = stubbed()
    stubber.add_client_error("send_message_batch", "AccessDenied", http_status_code=403)
    stubber.add_response("send_message_batch", {"Successful": [], "Failed": []})
    large = "x" * 200_000
    with stubber:
        messages = [Postponed(name, large, NOW, has_turn=True) for name in ("first", "second")]
        assert [name for name, _ in put_back(clients, URL, messages, NOW)] == ["first"]


def test_turn_is_read_as_lambda_passes_it_on() -> None:
    attribute = {"stringValue": "1000.250", "dataType": "Number"}
    assert turn_of({"messageAttributes": {"turn": attribute}}) == 1000.25
    assert turn_of({"messageAttributes": {}}) is None
    assert turn_of({"messageAttributes": {"turn": {"stringValue": "soon", "dataType": "String"}}}) is None


def test_message_for_which_a_role_was_refused_has_no_turn_and_counts_the_refusals() -> None:
    clients, stubber = stubbed()
    attributes = {"refusals": {"DataType": "Number", "StringValue": "2"}}
    entry = {"Id": "0", "MessageBody": "{}", "DelaySeconds": 60, "MessageAttributes": attributes}
    stubber.add_response("send_message_batch", {"Successful": [], "Failed": []}, {"QueueUrl": URL, "Entries": [entry]})
    with stubber:
        assert list(put_back(clients, URL, [Postponed("1", "{}", NOW + 60, has_turn=False, refusals=2)], NOW)) == []
    received = {"messageAttributes": {"refusals": {"stringValue": "2", "dataType": "Number"}}}
    assert (refusals_of(received), turn_of(received)) == (2, None)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "two", ""])
def test_attribute_of_another_sender_counts_for_nothing(value: str) -> None:
    attribute = {"stringValue": value, "dataType": "Number"}
    received = {"messageAttributes": {"refusals": attribute, "turn": attribute}}
    assert (refusals_of(received), turn_of(received)) == (0, None)
