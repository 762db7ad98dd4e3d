"""The sandbox's pollers: functions get messages in batches, and messages that failed are received again."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.lambda_.event_sources import EventSources
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from sandbox.simulation import caller_of_new_role
from testing.clients import client, refusal
from testing.functions import package
from testing.iam import allow, role

POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
ACCOUNT = "arn:aws:sqs:us-east-1:123456789012"
#: A function that answers as each message says: "bad" fails alone, "all" fails the batch, "wait" takes half a second.
CODE = """
import json, time
def handler(event, context):
    print("BATCH " + json.dumps(event))
    bodies = [record["body"] for record in event["Records"]]
    if "wait" in bodies:
        time.sleep(0.5)
    if "all" in bodies:
        raise ValueError("all")
    failures = [{"itemIdentifier": r["messageId"]} for r in event["Records"] if r["body"] == "bad"]
    return {"batchItemFailures": failures}
"""


def queue(sandbox: Sandbox, name: str = "inbox", **attributes: str) -> str:
    url: str = client(sandbox, "sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def function(sandbox: Sandbox, code: str = CODE, *actions: str, timeout: int = 3) -> None:
    client(sandbox, "lambda").create_function(
        FunctionName="taker",
        Role=role(sandbox, "taker-role", policy=allow(*(actions or POLL))),
        Runtime="python3.13",
        Handler="main.handler",
        Code={"ZipFile": package(code)},
        Timeout=timeout,
    )


def mapping(sandbox: Sandbox, **more: Any) -> str:
    """Create a mapping from ``inbox`` to ``taker`` and return its id."""
    more.setdefault("FunctionResponseTypes", ["ReportBatchItemFailures"])
    made = client(sandbox, "lambda").create_event_source_mapping(
        EventSourceArn=f"{ACCOUNT}:inbox", FunctionName="taker", **more
    )
    return str(made["UUID"])


def send(sandbox: Sandbox, url: str, *bodies: str) -> None:
    entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
    assert not client(sandbox, "sqs").send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def batches(sandbox: Sandbox) -> list[list[dict[str, Any]]]:
    """Return the records of each batch that ended, in order."""
    printed = [
        line for ended in sandbox.service(LambdaRuntime).invoked for line in ended.lines if line.startswith("BATCH")
    ]
    return [json.loads(line.removeprefix("BATCH "))["Records"] for line in printed]


def bodies(sandbox: Sandbox) -> list[list[str]]:
    return [sorted(record["body"] for record in records) for records in batches(sandbox)]


def waiting(sandbox: Sandbox, url: str) -> int:
    """Return the number of messages in the queue, in process or not."""
    answer = client(sandbox, "sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    states = ("", "NotVisible", "Delayed")
    return sum(int(answer[f"ApproximateNumberOfMessages{state}"]) for state in states)


def idle(sandbox: Sandbox) -> None:
    sandbox.wait_until(sandbox.service(EventSources).is_idle)


def test_message_reaches_the_function_as_aws_sends_it_and_is_deleted(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox)

    sent = client(sandbox, "sqs").send_message(
        QueueUrl=url,
        MessageBody="hello",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}},
    )
    idle(sandbox)

    [[record]] = batches(sandbox)
    assert record["messageId"] == sent["MessageId"]
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert (record["body"], record["eventSource"], record["awsRegion"]) == ("hello", "aws:sqs", "us-east-1")
    assert record["eventSourceARN"] == f"{ACCOUNT}:inbox"
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "greeting",
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": "String",
    }
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= record["attributes"].keys()
    assert waiting(sandbox, url) == 0


def test_message_has_the_unique_id_of_the_role_that_sent_it(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox)
    caller = caller_of_new_role(sandbox, "Sender")
    entries = [{"Id": name, "MessageBody": name} for name in ("second", "third")]
    sandbox.client("sqs", caller=caller).send_message(QueueUrl=url, MessageBody="first")
    sandbox.client("sqs", caller=caller).send_message_batch(QueueUrl=url, Entries=entries)
    send(sandbox, url, "of the administrator")
    idle(sandbox)

    role_id = sandbox.client("iam").get_role(RoleName="Sender")["Role"]["RoleId"]
    senders = {each["body"]: each["attributes"]["SenderId"] for batch in batches(sandbox) for each in batch}
    of_role = {senders.pop(body).partition(":")[0] for body in ("first", "second", "third")}
    assert of_role == {role_id}
    assert not senders["of the administrator"].startswith(role_id)


def test_warm_function_gets_a_message_at_once(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox)
    send(sandbox, url, "first")
    idle(sandbox)

    started = time.monotonic()
    send(sandbox, url, "second")
    sandbox.wait_until(lambda: len(batches(sandbox)) == 2)

    assert time.monotonic() - started < 1  # without a long poll it would take longer


def test_delayed_message_is_received_after_its_delay(sandbox: Sandbox) -> None:
    url = queue(sandbox, DelaySeconds="1")
    function(sandbox)
    mapping(sandbox)

    started = time.monotonic()
    send(sandbox, url, "late")
    idle(sandbox)

    assert bodies(sandbox) == [["late"]]
    assert time.monotonic() - started >= 1


def test_only_the_reported_message_is_retried_until_it_is_a_dead_letter(sandbox: Sandbox) -> None:
    dead = queue(sandbox, "dead")
    redrive = json.dumps({"deadLetterTargetArn": f"{ACCOUNT}:dead", "maxReceiveCount": 2})
    url = queue(sandbox, VisibilityTimeout="1", RedrivePolicy=redrive)
    function(sandbox, timeout=1)
    send(sandbox, url, "a", "b", "bad", "c")
    mapping(sandbox)

    sandbox.wait_until(lambda: waiting(sandbox, dead) == 1)

    assert bodies(sandbox) == [["a", "b", "bad", "c"], ["bad"]]
    assert batches(sandbox)[1][0]["attributes"]["ApproximateReceiveCount"] == "2"
    assert waiting(sandbox, url) == 0


def test_whole_batch_is_retried_after_an_error(sandbox: Sandbox) -> None:
    url = queue(sandbox, VisibilityTimeout="1")
    function(sandbox, timeout=1)
    send(sandbox, url, "a", "all")
    mapping(sandbox)

    sandbox.wait_until(lambda: len(bodies(sandbox)) >= 2)

    assert bodies(sandbox)[:2] == [["a", "all"], ["a", "all"]]
    assert waiting(sandbox, url) == 2


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (None, 0),
        ({}, 0),
        ({"batchItemFailures": None}, 0),
        ({"batchItemFailures": []}, 0),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 2),
        ({"batchItemFailures": [{"itemidentifier": "x"}]}, 2),
        ({"batchItemFailures": [{"itemIdentifier": "of no message"}]}, 2),
    ],
)
def test_invalid_answer_fails_the_whole_batch_or_nothing(sandbox: Sandbox, answer: Any, left: int) -> None:
    url = queue(sandbox, VisibilityTimeout="30")
    function(sandbox, f"def handler(event, context):\n    return {answer!r}\n")
    send(sandbox, url, "a", "b")
    mapping(sandbox)

    sandbox.wait_until(lambda: sandbox.service(LambdaRuntime).invoked and _running(sandbox) == 0)

    assert waiting(sandbox, url) == left


def _running(sandbox: Sandbox) -> int:
    sources, mappings = sandbox.service(EventSources), client(sandbox, "lambda").list_event_source_mappings()
    pollers = [sources.poller(each["UUID"]) for each in mappings["EventSourceMappings"]]
    return sum(poller.running for poller in pollers if poller)


def test_answer_does_not_matter_without_item_reports(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox, FunctionResponseTypes=[])

    send(sandbox, url, "bad", "a")
    idle(sandbox)

    assert waiting(sandbox, url) == 0


def test_batches_are_no_larger_than_asked(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    send(sandbox, url, *"abcde")
    mapping(sandbox, BatchSize=2)

    idle(sandbox)

    assert sorted(len(batch) for batch in bodies(sandbox)) == [1, 2, 2]


def test_batching_window_collects_single_messages(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox, BatchSize=20, MaximumBatchingWindowInSeconds=1)

    for body in "abc":
        send(sandbox, url, body)
    idle(sandbox)

    assert bodies(sandbox) == [["a", "b", "c"]]


def test_no_more_batches_run_at_once_than_the_mapping_allows(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox, BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})

    send(sandbox, url, *["wait"] * 6)
    seen = set()

    def done() -> bool:
        seen.add(_running(sandbox))
        return sandbox.service(EventSources).is_idle()

    sandbox.wait_until(done)
    assert max(seen) == 2
    assert len(batches(sandbox)) == 6


def test_disabled_mapping_waits_and_a_deleted_one_stops(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    uuid = mapping(sandbox, Enabled=False)
    functions = client(sandbox, "lambda")
    send(sandbox, url, "a")
    poller = sandbox.service(EventSources).poller(uuid)
    assert poller is not None
    assert waiting(sandbox, url) == 1

    functions.update_event_source_mapping(UUID=uuid, Enabled=True)
    idle(sandbox)
    assert bodies(sandbox) == [["a"]]

    functions.delete_event_source_mapping(UUID=uuid)
    poller.join()
    send(sandbox, url, "b")
    assert waiting(sandbox, url) == 1
    assert functions.list_event_source_mappings()["EventSourceMappings"] == []


def test_message_that_is_released_is_received_at_once(sandbox: Sandbox) -> None:
    url = queue(sandbox, VisibilityTimeout="600")
    function(sandbox)
    sqs = client(sandbox, "sqs")
    send(sandbox, url, "a")
    taken = sqs.receive_message(QueueUrl=url)["Messages"][0]
    mapping(sandbox)

    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"], VisibilityTimeout=0)
    idle(sandbox)

    assert batches(sandbox)[0][0]["attributes"]["ApproximateReceiveCount"] == "2"


@pytest.mark.parametrize(
    ("actions", "timeout", "more", "says"),
    [
        (POLL, 31, {}, "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"),
        (
            POLL[1:],
            3,
            {},
            "The provided execution role does not have permissions to call ReceiveMessage on SQS",
        ),
        (
            POLL,
            3,
            {"BatchSize": 11},
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
        ),
    ],
)
def test_mapping_that_cannot_work_is_refused(
    sandbox: Sandbox, actions: tuple[str, ...], timeout: int, more: dict[str, Any], says: str
) -> None:
    queue(sandbox)
    function(sandbox, CODE, *actions, timeout=timeout)

    assert refusal(lambda: mapping(sandbox, **more)) == ("InvalidParameterValueException", says)


def test_second_mapping_of_the_same_pair_is_refused(sandbox: Sandbox) -> None:
    queue(sandbox)
    function(sandbox)
    uuid = mapping(sandbox)

    code, message = refusal(lambda: mapping(sandbox))

    assert code == "ResourceConflictException"
    assert uuid in message


def test_poller_stops_while_the_role_has_no_permission(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    uuid = mapping(sandbox)
    iam = client(sandbox, "iam")
    iam.delete_role_policy(RoleName="taker-role", PolicyName="inline")
    poller = sandbox.service(EventSources).poller(uuid)
    assert poller is not None

    send(sandbox, url, "a")
    sandbox.wait_until(lambda: poller.problem)
    assert "is not authorized to perform: sqs:ReceiveMessage" in str(poller.problem)
    assert waiting(sandbox, url) == 1

    iam.put_role_policy(RoleName="taker-role", PolicyName="inline", PolicyDocument=allow(*POLL))
    idle(sandbox)
    assert bodies(sandbox) == [["a"]]


def test_idle_poller_makes_no_calls(sandbox: Sandbox) -> None:
    url = queue(sandbox)
    function(sandbox)
    mapping(sandbox)
    send(sandbox, url, "a")
    idle(sandbox)

    received = [call for call in sandbox.calls if call.call.operation == "ReceiveMessage"]

    assert len(received) == 1
