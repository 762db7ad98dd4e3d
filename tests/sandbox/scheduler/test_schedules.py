"""The sandbox's EventBridge Scheduler: schedules are due on a clock that the test moves, and reach their targets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.services.eventbridge.schedule_expressions import At, Cron, Rate, parse
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from testing.clients import client, refusal
from testing.functions import LOGS, function, invoke, messages
from testing.iam import allow, role, trust

ACCOUNT = Sandbox.account_id
NOON = datetime(2027, 3, 1, 12, tzinfo=UTC)
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:work"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
ROLE_REFUSED = "The execution role you provide must allow AWS EventBridge Scheduler to assume the role."


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def sandbox(clock: MovableClock) -> Iterator[Sandbox]:
    """At noon, an account with two queues and a role that may send to them."""
    clock.set(NOON)
    with Sandbox(iam_propagation_seconds=0, clock=clock) as sandbox:
        for name in ("work", "dead"):
            client(sandbox, "sqs").create_queue(QueueName=name)
        role(sandbox, "scheduler", "scheduler.amazonaws.com", allow("sqs:SendMessage"))
        yield sandbox


def request(expression: str = "at(2027-03-01T13:00:00)", **more: Any) -> dict[str, Any]:
    target = {"Arn": QUEUE, "RoleArn": ROLE, "Input": "back to ERROR", **more.pop("Target", {})}
    return {
        "Name": "until",
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": target,
        **more,
    }


def schedule(sandbox: Sandbox, expression: str = "at(2027-03-01T13:00:00)", **more: Any) -> str:
    arn: str = client(sandbox, "scheduler").create_schedule(**request(expression, **more))["ScheduleArn"]
    return arn


def received(sandbox: Sandbox, queue: str = "work") -> list[dict[str, Any]]:
    """All messages of the queue, which are gone then."""
    sqs, found = client(sandbox, "sqs"), []
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    while batch := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
    ).get("Messages"):
        found += batch
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def bodies(sandbox: Sandbox) -> list[str]:
    return [message["Body"] for message in received(sandbox)]


def names(sandbox: Sandbox) -> list[str]:
    return [each["Name"] for each in client(sandbox, "scheduler").list_schedules()["Schedules"]]


# ---- when


def test_a_one_time_schedule_is_invoked_at_its_time_and_deletes_itself(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, ActionAfterCompletion="DELETE")
    clock.advance(timedelta(minutes=59))
    assert (bodies(sandbox), names(sandbox)) == ([], ["until"])

    clock.advance(timedelta(minutes=1))

    assert (bodies(sandbox), names(sandbox)) == (["back to ERROR"], [])


def test_a_one_time_schedule_stays_unless_it_is_to_be_deleted_and_is_invoked_once(
    sandbox: Sandbox, clock: MovableClock
) -> None:
    schedule(sandbox)
    clock.advance(timedelta(days=1))
    clock.advance(timedelta(days=1))
    assert (bodies(sandbox), names(sandbox)) == (["back to ERROR"], ["until"])


def test_an_unmoved_clock_comes_to_the_time_by_itself(sandbox: Sandbox, clock: MovableClock) -> None:
    clock.set(NOON.replace(hour=12, minute=59, second=59))
    schedule(sandbox)
    assert sandbox.wait_until(lambda: bodies(sandbox), timeout=5) == ["back to ERROR"]


def test_the_machines_own_clock_does_too() -> None:
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        client(sandbox, "sqs").create_queue(QueueName="work")
        role(sandbox, "scheduler", "scheduler.amazonaws.com", allow("sqs:SendMessage"))
        soon = datetime.now(UTC) + timedelta(seconds=1)
        schedule(sandbox, f"at({soon:%Y-%m-%dT%H:%M:%S})")
        assert sandbox.wait_until(lambda: bodies(sandbox), timeout=5) == ["back to ERROR"]


def test_a_time_gone_by_is_invoked_at_once_or_refused(sandbox: Sandbox) -> None:
    schedule(sandbox, "at(2027-03-01T11:00:00)", ActionAfterCompletion="DELETE")
    assert sandbox.wait_until(lambda: bodies(sandbox), timeout=5) == ["back to ERROR"]
    sandbox.wait_until(lambda: not names(sandbox), timeout=5)

    sandbox.turn(refuses_past_schedules=True)
    assert refusal(lambda: schedule(sandbox, "at(2027-03-01T11:00:00)"))[0] == "ValidationException"


def test_a_time_is_local_to_its_time_zone(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, "at(2027-03-01T13:30:00)", ScheduleExpressionTimezone="Europe/Berlin")
    clock.set(NOON + timedelta(minutes=29))
    assert bodies(sandbox) == []
    clock.set(NOON + timedelta(minutes=30))
    assert bodies(sandbox) == ["back to ERROR"]


def test_a_rate_begins_at_once_and_all_that_came_due_is_in_order(sandbox: Sandbox, clock: MovableClock) -> None:
    told = {"Target": {"Input": "<aws.scheduler.scheduled-time>"}}
    schedule(sandbox, "rate(1 hour)", EndDate=NOON + timedelta(hours=4), **told)
    schedule(sandbox, "at(2027-03-01T13:30:00)", **told | {"Name": "between"})
    assert len(sandbox.wait_until(lambda: bodies(sandbox), timeout=5)) == 1

    clock.advance(timedelta(days=1))

    assert [body[11:13] for body in bodies(sandbox)] == ["13", "13", "14", "15"]


def test_a_universal_target_calls_sqs_with_the_schedules_input(sandbox: Sandbox, clock: MovableClock) -> None:
    """So the message can have a delay. A rate without a start is due at once."""
    url = client(sandbox, "sqs").get_queue_url(QueueName="work")["QueueUrl"]
    message = {"QueueUrl": url, "MessageBody": "later", "DelaySeconds": 900}
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage",
        "RoleArn": ROLE,
        "Input": json.dumps(message),
    }
    schedule(sandbox, "rate(30 days)", Target=target)
    clock.advance(timedelta())
    clock.advance(timedelta(minutes=14))
    assert bodies(sandbox) == []
    clock.advance(timedelta(minutes=1))
    assert bodies(sandbox) == ["later"]


def test_a_disabled_schedule_waits_until_it_is_enabled(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox, State="DISABLED")
    clock.advance(timedelta(hours=2))
    assert bodies(sandbox) == []
    client(sandbox, "scheduler").update_schedule(**request())
    assert sandbox.wait_until(lambda: bodies(sandbox), timeout=5) == ["back to ERROR"]


def test_a_deleted_schedule_is_not_invoked_nor_one_moved_away(sandbox: Sandbox, clock: MovableClock) -> None:
    schedule(sandbox)
    schedule(sandbox, Name="later")
    client(sandbox, "scheduler").delete_schedule(Name="until")
    client(sandbox, "scheduler").update_schedule(**request("at(2027-03-02T13:00:00)", Name="later"))
    clock.advance(timedelta(hours=2))
    assert bodies(sandbox) == []
    clock.advance(timedelta(days=1))
    assert bodies(sandbox) == ["back to ERROR"]


def test_expressions() -> None:
    assert parse("rate(5 minutes)") == Rate(timedelta(minutes=5))
    assert parse("at(2027-03-01T13:00:00)") == At(NOON + timedelta(hours=1))
    workdays = parse("cron(0/30 9-10 ? * MON-FRI *)")
    assert isinstance(workdays, Cron)
    assert workdays.first(NOON - timedelta(hours=2, minutes=10)) == NOON.replace(hour=10)
    friday = datetime(2027, 3, 5, 10, 30, tzinfo=UTC)
    assert workdays.following(friday) == datetime(2027, 3, 8, 9, tzinfo=UTC)
    assert parse("cron(0 0 1 1 ? 2020)").following(NOON) is None
    for wrong in ("rate(0 days)", "rate(5 weeks)", "at(2027-03-01)", "at(2027-13-01T00:00:00)", "cron(0 9 * * *)",
                  "cron(0 9 * * * *)", "cron(61 9 * * ? *)", "at(2027-03-01T13:00:00Z)", "soon"):  # fmt: skip
        with pytest.raises(ValueError):
            parse(wrong)


# ---- what AWS refuses, keeps and forgets


def test_what_is_not_sent_goes_back_to_its_default(sandbox: Sandbox) -> None:
    scheduler = client(sandbox, "scheduler")
    schedule(
        sandbox, Description="why", State="DISABLED", ActionAfterCompletion="DELETE",
        ScheduleExpressionTimezone="Europe/Berlin",
        Target={"RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60}},
    )  # fmt: skip
    kept = scheduler.get_schedule(Name="until")
    assert (kept["Description"], kept["State"], kept["ActionAfterCompletion"]) == ("why", "DISABLED", "DELETE")
    assert abs(kept["CreationDate"] - NOON) < timedelta(minutes=1)

    scheduler.update_schedule(**request("at(2027-03-01T14:00:00)"))

    now = scheduler.get_schedule(Name="until")
    assert "Description" not in now
    assert (now["State"], now["ActionAfterCompletion"], now["ScheduleExpressionTimezone"]) == ("ENABLED", "NONE", "UTC")
    assert now["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}
    assert now["ScheduleExpression"] == "at(2027-03-01T14:00:00)"


def test_names_groups_and_expressions_are_checked(sandbox: Sandbox) -> None:
    scheduler = client(sandbox, "scheduler")
    schedule(sandbox)
    assert refusal(lambda: schedule(sandbox)) == ("ConflictException", "Schedule until already exists.")
    missing = ("ResourceNotFoundException", "Schedule gone does not exist.")
    assert refusal(lambda: scheduler.get_schedule(Name="gone")) == missing
    assert refusal(lambda: scheduler.delete_schedule(Name="gone")) == missing
    assert refusal(lambda: scheduler.update_schedule(**request(Name="gone"))) == missing
    assert refusal(lambda: schedule(sandbox, GroupName="none")) == (
        "ResourceNotFoundException",
        "Schedule group none does not exist.",
    )
    for name in ("n" * 65, "with space"):
        assert refusal(lambda: schedule(sandbox, Name=name))[0] == "ValidationException"  # noqa: B023
    wrong = "at(2027-03-01T13:00:00.123)"
    assert refusal(lambda: schedule(sandbox, wrong, Name="b")) == (
        "ValidationException",
        f"Invalid Schedule Expression {wrong}.",
    )
    schedule(sandbox, "cron(0 9 LW * ? *)", Name="monthly")
    refused = ("ValidationException", "Provided Arn is not in correct format.")
    assert refusal(lambda: schedule(sandbox, Name="b", Target={"Arn": "nonsense"})) == refused
    topic = {"Target": {"Arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:topic"}}
    assert refusal(lambda: schedule(sandbox, Name="b", **topic))[0] == "NotImplemented"


def test_a_group_holds_its_schedules(sandbox: Sandbox, clock: MovableClock) -> None:
    scheduler = client(sandbox, "scheduler")
    arn = scheduler.create_schedule_group(Name="stages", Tags=[{"Key": "a", "Value": "b"}])["ScheduleGroupArn"]
    assert refusal(lambda: scheduler.create_schedule_group(Name="stages"))[0] == "ConflictException"
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert schedule(sandbox, GroupName="stages").endswith(":schedule/stages/until")
    schedule(sandbox)  # the same name in the default group
    assert [each["Name"] for each in scheduler.list_schedules(GroupName="stages")["Schedules"]] == ["until"]

    scheduler.delete_schedule_group(Name="stages")

    assert refusal(lambda: scheduler.delete_schedule_group(Name="stages"))[0] == "ResourceNotFoundException"
    clock.advance(timedelta(hours=2))
    assert bodies(sandbox) == ["back to ERROR"]


# ---- roles


def test_the_role_must_exist_and_trust_the_scheduler(sandbox: Sandbox) -> None:
    other = role(sandbox, "other", "events.amazonaws.com", allow("sqs:SendMessage"))
    for arn in (other, f"arn:aws:iam::{ACCOUNT}:role/none"):
        refused = refusal(lambda: schedule(sandbox, Target={"RoleArn": arn}))  # noqa: B023
        assert refused == ("ValidationException", ROLE_REFUSED)


def test_a_trust_is_compared_with_the_schedules_group(sandbox: Sandbox) -> None:
    def only(source: str) -> str:
        document = json.loads(trust("scheduler.amazonaws.com"))
        document["Statement"][0]["Condition"] = {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:{source}"},
        }
        return json.dumps(document)

    iam = client(sandbox, "iam")
    iam.update_assume_role_policy(RoleName="scheduler", PolicyDocument=only("schedule/default/*"))
    assert refusal(lambda: schedule(sandbox)) == ("ValidationException", ROLE_REFUSED)
    iam.update_assume_role_policy(RoleName="scheduler", PolicyDocument=only("schedule-group/default"))
    schedule(sandbox)


def test_the_caller_must_be_let_and_may_pass_the_role_to_the_scheduler_only(sandbox: Sandbox) -> None:
    create = allow("scheduler:CreateSchedule", resource=f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/default/until")
    caller = role(sandbox, "caller", policy=create)

    def call(**more: Any) -> None:
        keys = sandbox.caller_of_role(caller, "test")
        client(sandbox, "scheduler", credentials=keys).create_schedule(**request(**more))

    code, message = refusal(call)
    assert code == "AccessDeniedException"
    assert f"iam:PassRole on resource: {ROLE}" in message
    assert "scheduler:CreateSchedule on resource" in refusal(lambda: call(Name="other"))[1]
    for service, is_let in (("events", False), ("scheduler", True)):
        condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
        client(sandbox, "iam").put_role_policy(
            RoleName="caller",
            PolicyName="pass",
            PolicyDocument=allow("iam:PassRole", resource=ROLE, Condition=condition),
        )
        if is_let:
            call()
        else:
            assert refusal(call)[0] == "AccessDeniedException"


def test_what_fails_is_tried_again_and_then_a_dead_letter(sandbox: Sandbox, clock: MovableClock) -> None:
    allowed = allow("sqs:SendMessage", resource=f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead")
    client(sandbox, "iam").put_role_policy(RoleName="scheduler", PolicyName="inline", PolicyDocument=allowed)
    arn = schedule(
        sandbox,
        ActionAfterCompletion="DELETE",
        Target={
            "Input": "try <aws.scheduler.attempt-number>",
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": f"arn:aws:sqs:us-east-1:{ACCOUNT}:dead"},
        },
    )
    clock.advance(timedelta(hours=1))
    assert (received(sandbox, "dead"), names(sandbox)) == ([], ["until"])

    clock.advance(timedelta(hours=1))

    assert (bodies(sandbox), names(sandbox)) == ([], [])
    [letter] = received(sandbox, "dead")
    told = {name: each["StringValue"] for name, each in letter["MessageAttributes"].items()}
    assert letter["Body"] == "try 3"
    assert told["ERROR_CODE"] == "AccessDenied"
    assert f"sqs:SendMessage on resource: {QUEUE}" in told["ERROR_MESSAGE"]
    assert (told["EXHAUSTED_RETRY_CONDITION"], told["RETRY_ATTEMPTS"]) == ("MaximumRetryAttempts", "2")
    assert (told["SCHEDULE_ARN"], told["TARGET_ARN"]) == (arn, QUEUE)
    assert told["SCHEDULED_TIME"] == "2027-03-01T13:00:00Z"


def test_a_retry_that_succeeds_is_the_last(sandbox: Sandbox, clock: MovableClock) -> None:
    iam = client(sandbox, "iam")
    iam.delete_role_policy(RoleName="scheduler", PolicyName="inline")
    schedule(sandbox)
    clock.advance(timedelta(hours=1))
    assert bodies(sandbox) == []
    iam.put_role_policy(RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("sqs:SendMessage"))
    clock.advance(timedelta(hours=2))
    assert bodies(sandbox) == ["back to ERROR"]


# ---- other targets, rules and stacks

CLOCKS = """
import datetime, time
from datetime import date, datetime as moment, timezone
import boto3

AT_INIT, STARTED = time.time(), time.monotonic()

def handler(event, context):
    boto3.client("sts").get_caller_identity()
    now = moment.now(timezone.utc)
    return {
        "event": event,
        "init": moment.fromtimestamp(AT_INIT, timezone.utc).isoformat(),
        "now": [
            now.isoformat(),
            moment.utcnow().replace(tzinfo=timezone.utc).isoformat(),
            moment.fromtimestamp(time.time_ns() / 1e9, timezone.utc).isoformat(),
            moment(*time.gmtime()[:6], tzinfo=timezone.utc).isoformat(),
        ],
        "today": date.today().isoformat(),
        "passed": time.monotonic() - STARTED,
        "left": context.get_remaining_time_in_millis(),
        "sound": isinstance(now, datetime.datetime) and isinstance(datetime.datetime.max, moment)
            and isinstance(now + datetime.timedelta(1), moment) and not isinstance(date.today(), moment),
        "name": f"{moment.__module__}.{moment.__qualname__}",
    }
"""


def test_a_function_sees_the_moved_clock(sandbox: Sandbox, clock: MovableClock) -> None:
    function(sandbox, CLOCKS.replace("import boto3", "import boto3, warnings; warnings.simplefilter('ignore')"))
    for day in (1, 31):
        moved = NOON.replace(day=day)
        clock.set(moved)
        given, answer = invoke(sandbox)
        assert "FunctionError" not in answer, given
        for now in given["now"]:
            assert timedelta(seconds=-1) < datetime.fromisoformat(now) - moved < timedelta(minutes=1)
        assert datetime.fromisoformat(given["init"]) - NOON < timedelta(minutes=1)
        assert given["today"] == moved.date().isoformat()
        # The environment of the first invocation is the second's too.
        passed = timedelta(seconds=given["passed"])
        assert abs(passed - (moved - NOON.replace(day=1))) < timedelta(minutes=1)
        assert 0 < given["left"] <= 3000
        assert given["sound"]
        assert given["name"] == "datetime.datetime"
    assert any("REPORT" in line for line in messages(sandbox))


def test_a_function_is_run_asynchronously_with_the_schedules_input(sandbox: Sandbox, clock: MovableClock) -> None:
    arn = function(sandbox, "def handler(event, context):\n    return event", policy=LOGS)
    target = {"Arn": arn, "Input": json.dumps({"stage": "prod", "due": "<aws.scheduler.scheduled-time>"})}
    client(sandbox, "iam").put_role_policy(
        RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("lambda:InvokeFunction", resource=arn)
    )
    schedule(sandbox, Target=target)
    no_input = request(Name="plain")
    no_input["Target"] = {"Arn": arn, "RoleArn": ROLE}
    plain = client(sandbox, "scheduler").create_schedule(**no_input)["ScheduleArn"]

    clock.advance(timedelta(hours=1))

    invoked = sandbox.service(LambdaRuntime).invoked
    sandbox.wait_until(lambda: len(invoked) == 2)
    events = sorted((json.loads(each.payload) for each in invoked), key=len)
    assert events[0] == {"stage": "prod", "due": "2027-03-01T13:00:00Z"}
    assert (events[1]["source"], events[1]["resources"]) == ("aws.scheduler", [plain])


def test_a_schedule_puts_an_event_on_a_bus(sandbox: Sandbox, clock: MovableClock) -> None:
    bus = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"
    _rule_to_queue(sandbox, EventPattern='{"source": ["keeper"]}')
    client(sandbox, "iam").put_role_policy(
        RoleName="scheduler", PolicyName="inline", PolicyDocument=allow("events:PutEvents", resource=bus)
    )
    parameters = {"DetailType": "Due", "Source": "keeper"}
    schedule(sandbox, Target={"Arn": bus, "Input": '{"a": 1}', "EventBridgeParameters": parameters})
    clock.advance(timedelta(hours=1))
    [event] = [json.loads(body) for body in bodies(sandbox)]
    assert (event["detail-type"], event["detail"]) == ("Due", {"a": 1})


def _rule_to_queue(sandbox: Sandbox, **given: str) -> str:
    events, sqs = client(sandbox, "events"), client(sandbox, "sqs")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": QUEUE,
    }  # fmt: skip
    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [statement]})})
    arn: str = events.put_rule(Name="rule", **given)["RuleArn"]
    events.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": QUEUE}])
    return arn


def test_a_rule_with_a_schedule_is_due_on_the_same_clock(sandbox: Sandbox, clock: MovableClock) -> None:
    arn = _rule_to_queue(sandbox, ScheduleExpression="rate(1 day)")
    clock.advance(timedelta(hours=23))
    assert bodies(sandbox) == []

    clock.advance(timedelta(days=1))

    [event] = [json.loads(body) for body in bodies(sandbox)]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert (event["resources"], event["time"][:10]) == ([arn], "2027-03-02")
    client(sandbox, "events").disable_rule(Name="rule")
    clock.advance(timedelta(days=2))
    assert bodies(sandbox) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda sandbox, name: client(sandbox, "events").put_rule(Name=name, ScheduleExpression="rate(1 day)"),
        lambda sandbox, name: client(sandbox, "scheduler").create_schedule_group(Name=name),
    ],
    ids=["rule", "group"],
)
def test_a_name_has_64_characters_at_most(sandbox: Sandbox, make: Callable[[Sandbox, str], object]) -> None:
    make(sandbox, "x" * 64)
    code, message = refusal(lambda: make(sandbox, "x" * 65))
    assert (code, "less than or equal to 64" in message) == ("ValidationException", True)


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Sweep:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      InlineCode: "def handler(event, context): return event"
      Events:
        Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day), Input: '"v2"'}}
        Hourly: {Type: Schedule, Properties: {Schedule: rate(1 hour), Input: '"v1"'}}
  Group: {Type: AWS::Scheduler::ScheduleGroup}
Outputs:
  Group: {Value: !GetAtt Group.Arn}
  Daily: {Value: !GetAtt SweepDaily.Arn}
"""


def test_stacks_have_schedules_and_groups(sandbox: Sandbox, clock: MovableClock) -> None:
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.create_stack(
        StackName="sweeper", TemplateBody=TEMPLATE, Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    )

    def stack() -> dict[str, Any]:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName="sweeper")["Stacks"][0]
        return found

    sandbox.wait_until(lambda: not stack()["StackStatus"].endswith("IN_PROGRESS"))
    assert stack()["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack()["Outputs"]}
    assert ":schedule-group/sweeper-Group-" in outputs["Group"]
    assert ":schedule/default/" in outputs["Daily"]

    clock.advance(timedelta(hours=1))

    invoked = sandbox.service(LambdaRuntime).invoked
    sandbox.wait_until(lambda: len(invoked) == 2)
    assert sorted(json.loads(each.payload) for each in invoked) == ["v1", "v2"]
    cloudformation.delete_stack(StackName="sweeper")
    sandbox.wait_until(lambda: not names(sandbox))


def test_a_log_group_is_as_old_as_the_clock_says(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName="/new")
    [group] = logs.describe_log_groups(logGroupNamePrefix="/new")["logGroups"]
    assert abs(group["creationTime"] / 1000 - NOON.timestamp()) < 60
