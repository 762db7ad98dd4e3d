"""EventBridge's API as AWS answers it: rules, targets and events that are accepted and refused."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

import pytest
from moto.core.utils import get_service_model

from sandbox.assembly import Sandbox
from sandbox.services.eventbridge import model_constraints
from testing.clients import client, refusal
from testing.iam import allow, role

ACCOUNT = "123456789012"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
BUS = f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/mine"
GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g"
ENTRY = {"Source": "shop", "DetailType": "Sold", "Detail": "{}"}


def put_rule(sandbox: Sandbox, name: str = "r", **changes: Any) -> Any:
    given = changes or {"EventPattern": '{"source": ["shop"]}'}
    return client(sandbox, "events").put_rule(Name=name, **given)


def put_targets(sandbox: Sandbox, *targets: dict[str, Any], **changes: Any) -> Any:
    filled = [{"Id": "t", "Arn": QUEUE} | target for target in targets]
    return client(sandbox, "events").put_targets(**{"Rule": "r", "Targets": filled} | changes)


def test_rule_with_an_invalid_pattern_is_refused_and_leaves_the_rule_as_it_was(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    put_rule(sandbox)
    before = events.describe_rule(Name="r")
    refused = refusal(lambda: put_rule(sandbox, EventPattern='{"source": [{"EXISTS": true}]}'))
    message = "Event pattern is not valid. Reason: Unrecognized match type EXISTS"
    assert refused == ("InvalidEventPatternException", message)
    assert events.describe_rule(Name="r")["EventPattern"] == before["EventPattern"]
    assert events.put_events(Entries=[ENTRY])["FailedEntryCount"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Description": "no trigger"}, "Parameter(s) EventPattern or ScheduleExpression must be specified."),
        ({"ScheduleExpression": "rate(1 minutes)"}, "Parameter ScheduleExpression is not valid."),
        ({"ScheduleExpression": "at(2030-01-01T00:00:00)"}, "Parameter ScheduleExpression is not valid."),
        (
            {"ScheduleExpression": "rate(1 day)", "EventBusName": "mine"},
            "ScheduleExpression is supported only on the default event bus.",
        ),
        ({"EventPattern": "{}" + " " * 4096}, "have length less than or equal to 4096"),
        ({"EventPattern": '{"a": [1]}', "State": "ON"}, "satisfy enum value set: [ENABLED, DISABLED,"),
    ],
)
def test_rule_is_refused(sandbox: Sandbox, changes: dict[str, str], message: str) -> None:
    client(sandbox, "events").create_event_bus(Name="mine")
    code, text = refusal(lambda: put_rule(sandbox, **changes))
    assert (code, message in text) == ("ValidationException", True), text


def test_rule_accepts_a_cron_with_l_w_and_ordinals(sandbox: Sandbox) -> None:
    for number, expression in enumerate(("cron(0 8 LW * ? *)", "cron(0 2 ? * SAT#3 *)", "cron(0 8 ? * 6L *)")):
        put_rule(sandbox, f"r{number}", ScheduleExpression=expression)
    code, _ = refusal(lambda: put_rule(sandbox, ScheduleExpression="cron(0 8 ? * MON#6 *)"))
    assert code == "ValidationException"


def test_rule_that_is_put_again_keeps_only_its_tags_and_targets(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    tags, later = [{"Key": "owner", "Value": "me"}], [{"Key": "owner", "Value": "you"}]
    pattern = '{"source": ["shop"]}'
    arn = put_rule(sandbox, EventPattern=pattern, Description="first", State="DISABLED", Tags=tags)["RuleArn"]
    put_targets(sandbox, {})
    put_rule(sandbox, EventPattern=pattern, Tags=later)
    described = events.describe_rule(Name="r")
    assert "Description" not in described
    assert described["State"] == "ENABLED"
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags
    assert events.list_targets_by_rule(Rule="r")["Targets"] == [{"Id": "t", "Arn": QUEUE}]


def test_missing_rule_is_not_found(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    missing = ("ResourceNotFoundException", "Rule r does not exist on EventBus default.")
    assert refusal(lambda: events.describe_rule(Name="r")) == missing
    assert refusal(lambda: events.enable_rule(Name="r")) == missing
    assert refusal(lambda: events.list_targets_by_rule(Rule="r")) == missing
    assert refusal(lambda: events.remove_targets(Rule="r", Ids=["t"])) == missing
    assert refusal(lambda: put_targets(sandbox, {})) == missing
    events.delete_rule(Name="r")
    no_bus = ("ResourceNotFoundException", "Event bus gone does not exist.")
    assert refusal(lambda: events.delete_rule(Name="r", EventBusName="gone")) == no_bus
    assert refusal(lambda: put_rule(sandbox, EventPattern='{"a": [1]}', EventBusName="gone")) == no_bus


def test_rule_with_targets_is_not_deleted(sandbox: Sandbox) -> None:
    put_rule(sandbox)
    put_targets(sandbox, {})
    refused = refusal(lambda: client(sandbox, "events").delete_rule(Name="r"))
    assert refused == ("ValidationException", "Rule can't be deleted since it has targets.")


ID_AT = "at 'targets.1.member.id' failed to satisfy constraint: Member must"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"Id": "!@#$"}, rf"Value '!@#$' {ID_AT} satisfy regular expression pattern: [\.\-_A-Za-z0-9]+"),
        ({"Id": "x" * 65}, f"{ID_AT} have length less than or equal to 64"),
        ({"Arn": "nonsense"}, "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format."),
        ({"Arn": QUEUE.replace("us-east-1", "eu-west-1")}, "region"),
        ({"Input": "{}", "InputPath": "$.detail"}, "Only one of Input, InputPath, or InputTransformer must be"),
        ({"Input": "not-json"}, "JSON syntax error in input for target t"),
        (
            {"InputTransformer": {"InputPathsMap": {"a": "$.id"}, "InputTemplate": '"<a> <b>"'}},
            "InputTemplate for target t contains invalid placeholder b.",
        ),
        ({"Arn": BUS}, f"RoleArn is required for target {BUS}."),
        ({"Arn": BUS, "RoleArn": "arn:aws:iam::123456789012:role/r", "InputPath": "$.detail"}, "InputPath"),
        ({"Arn": BUS, "RoleArn": "arn:aws:iam::123456789012:role/r", "RetryPolicy": {}}, "RetryPolicy"),
        ({"Arn": GROUP, "RoleArn": "arn:aws:iam::123456789012:role/r"}, "RoleArn is not supported for target"),
        ({"Arn": GROUP, "Input": "{}"}, "The only valid form of input is InputTransformer."),
        ({"Arn": f"{QUEUE}.fifo"}, "Parameter(s) SqsParameters must be specified for target: t."),
        ({"DeadLetterConfig": {"Arn": f"{QUEUE}.fifo"}}, "no standard queue"),
        ({"RetryPolicy": {"MaximumRetryAttempts": 186}}, "have value less than or equal to 185"),
    ],
)
def test_target_is_refused_and_none_is_kept(sandbox: Sandbox, target: dict[str, Any], message: str) -> None:
    put_rule(sandbox)
    targets = [target] if "Id" in target else [{"Id": "good"}, target]
    code, text = refusal(lambda: put_targets(sandbox, *targets))
    assert (code, message in text) == ("ValidationException", True), text
    assert client(sandbox, "events").list_targets_by_rule(Rule="r")["Targets"] == []


def test_rule_has_five_targets_at_most(sandbox: Sandbox) -> None:
    put_rule(sandbox)
    put_targets(sandbox, *({"Id": str(number)} for number in range(5)))
    put_targets(sandbox, {"Id": "4", "InputPath": "$.detail"})  # replaces the target with its id
    refused = refusal(lambda: put_targets(sandbox, {"Id": "5"}))
    assert refused == ("LimitExceededException", "The requested resource exceeds the maximum number allowed.")
    kept = client(sandbox, "events").list_targets_by_rule(Rule="r")["Targets"]
    assert kept[4] == {"Id": "4", "Arn": QUEUE, "InputPath": "$.detail"}


def test_bus_is_refused_as_its_own_target(sandbox: Sandbox) -> None:
    client(sandbox, "events").create_event_bus(Name="mine")
    put_rule(sandbox, EventPattern='{"source": ["shop"]}', EventBusName="mine")
    forwarder = role(sandbox, "forward", "events.amazonaws.com", allow("events:PutEvents", resource=BUS))
    to_itself = {"Arn": BUS, "RoleArn": forwarder}
    assert refusal(lambda: put_targets(sandbox, to_itself, EventBusName="mine"))[0] == "ValidationException"


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
@pytest.mark.parametrize("way", ["refused", "lost"])
def test_buses_of_other_regions_cannot_be_targets_in_china_and_govcloud(
    way: Literal["refused", "lost"], region: str
) -> None:
    with Sandbox(iam_propagation_seconds=0, cross_region_buses_elsewhere=way) as sandbox:
        other = {"us-gov-west-1": "us-gov-east-1", "cn-north-1": "cn-northwest-1"}[region]
        events = client(sandbox, "events", region)
        bus = f"arn:aws:events:{other}:{ACCOUNT}:event-bus/default"
        forwarder = role(sandbox, "forward", "events.amazonaws.com", allow("events:PutEvents"))
        events.put_rule(Name="r", EventPattern='{"source": ["shop"]}')
        target = {"Id": "t", "Arn": bus, "RoleArn": forwarder}
        if way == "refused":
            code, message = refusal(lambda: events.put_targets(Rule="r", Targets=[target]))
            assert (code, "no bus of another region" in message) == ("ValidationException", True)
        else:
            events.put_targets(Rule="r", Targets=[target])
            events.put_events(Entries=[ENTRY])
            [dropped] = sandbox.dropped_events
            assert dropped.target_arn == bus


def test_ten_events_are_accepted_and_eleven_refused_as_a_whole(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    assert events.put_events(Entries=[ENTRY] * 10)["FailedEntryCount"] == 0
    code, message = refusal(lambda: events.put_events(Entries=[ENTRY] * 11))
    assert code == "ValidationException"
    assert "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10" in message


def test_events_of_a_megabyte_are_refused_as_a_whole(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    space = (1 << 20) - 1 - len('shopSold{"a":""}')

    def entry(size: int) -> dict[str, str]:
        return ENTRY | {"Detail": json.dumps({"a": "x" * size}, separators=(",", ":"))}

    assert events.put_events(Entries=[entry(space)])["FailedEntryCount"] == 0
    refused = ("ValidationException", "Total size of the entries in the request is over the limit.")
    assert refusal(lambda: events.put_events(Entries=[entry(space + 1)])) == refused
    assert refusal(lambda: events.put_events(Entries=[entry(space), ENTRY])) == refused


def test_each_invalid_event_is_refused_by_itself(sandbox: Sandbox) -> None:
    def without(name: str) -> dict[str, str]:
        return {key: value for key, value in ENTRY.items() if key != name}

    answer = client(sandbox, "events").put_events(
        Entries=[
            without("Source"), without("DetailType"), ENTRY | {"Detail": ""}, ENTRY | {"Detail": "[]"},
            ENTRY | {"Detail": "{"}, ENTRY | {"Source": "aws.s3"}, ENTRY | {"EventBusName": "gone"}, ENTRY,
        ]
    )  # fmt: skip
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        "InvalidArgument", "InvalidArgument", "InvalidArgument", "MalformedDetail",
        "MalformedDetail", "NotAuthorizedForSourceException", None, None,
    ]  # fmt: skip
    assert answer["Entries"][0]["ErrorMessage"] == (
        "Parameter Source is not valid. Reason: Source is a required argument."
    )
    assert answer["FailedEntryCount"] == 6


def test_event_is_tested_against_a_pattern(sandbox: Sandbox) -> None:
    events = client(sandbox, "events")
    event = {
        "id": "1", "source": "shop", "detail-type": "Sold", "account": ACCOUNT, "region": "us-east-1",
        "time": "2027-01-01T00:00:00Z", "detail": {"count": 3},
    }  # fmt: skip

    def tested(pattern: str, text: str) -> Any:
        return events.test_event_pattern(EventPattern=pattern, Event=text)["Result"]

    assert tested('{"detail": {"count": [{"numeric": [">", 2]}]}}', json.dumps(event)) is True
    assert tested('{"detail": {"count": [{"numeric": [">", 3]}]}}', json.dumps(event)) is False
    invalid = ("ValidationException", "Parameter Event is not valid.")
    for text in ('"text"', "[]", "nonsense", "{}"):
        assert refusal(lambda: tested('{"a": [1]}', text)) == invalid  # noqa: B023
    code, _ = refusal(lambda: tested('{"a": 1}', json.dumps(event)))
    assert code == "InvalidEventPatternException"


DETAIL = {
    "deep": {"a": "x", "b": [1]},
    "b": "text",
    "items": [{"name": "first"}, {"name": "second"}],
    "said": 'say "hello"',
    "nothing": None,
}


def deliveries(sandbox: Sandbox, target: dict[str, Any], detail: dict[str, Any]) -> list[str]:
    """Return the messages in the queue after one event."""
    sqs = client(sandbox, "sqs")
    statement = {
        "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": QUEUE,
    }  # fmt: skip
    url = sqs.create_queue(QueueName="q", Attributes={"Policy": json.dumps({"Statement": [statement]})})["QueueUrl"]
    put_rule(sandbox)
    put_targets(sandbox, target)
    client(sandbox, "events").put_events(Entries=[ENTRY | {"Detail": json.dumps(detail)}])
    return [message["Body"] for message in sqs.receive_message(QueueUrl=url).get("Messages", [])]


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({"InputPath": "$.detail.deep"}, '{"a":"x","b":[1]}'),
        ({"InputPath": "$.detail.b"}, '"text"'),
        ({"InputPath": "$.detail.none"}, "{}"),
        ({"Input": '{ "fixed": true }'}, '{ "fixed": true }'),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.deep"}, "InputTemplate": '"deep is <d>"'}},
            '"deep is {a:x,b:[1]}"',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.none"}, "InputTemplate": '{"d": <d>}'}},
            '{"d": ""}',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.items[*].name"}, "InputTemplate": '{"d":<d>}'}},
            '{"d":["first","second"]}',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.said"}, "InputTemplate": '{"d":<d>}'}},
            '{"d":"say \\"hello\\""}',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.none"}, "InputTemplate": '"before <d> after"'}},
            '"before  after"',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.b"}, "InputTemplate": '"first <d>"\n"second <d>"'}},
            '"first text"\n"second text"',
        ),
        (
            {"InputTransformer": {"InputPathsMap": {"d": "$.detail.nothing"}, "InputTemplate": '{"d":<d>}'}},
            '{"d":null}',
        ),
    ],
)
def test_target_receives_what_its_input_makes_of_the_event(sandbox: Sandbox, target: dict[str, Any], body: str) -> None:
    """*Source:* radkawar/stackd ``testdata/aws/eventbridge/inputs.json`` of 2026-09."""
    assert deliveries(sandbox, target, DETAIL) == [body]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("$.detail.said", '"prefix <d> suffix"'),
        ("$.detail.deep", '{"d":"<d>"}'),
        ("$.detail.none", "[1,<d>,2]"),
        ("$.detail.deep", "<d>"),
        ("$.detail.b", "<d>"),
    ],
)
def test_event_is_lost_if_its_transformation_is_not_json(sandbox: Sandbox, path: str, template: str) -> None:
    """EventBridge does not escape the values in a template. *Source:* as above."""
    transformer = {"InputPathsMap": {"d": path}, "InputTemplate": template}
    assert deliveries(sandbox, {"InputTransformer": transformer}, DETAIL) == []
    (dropped,) = sandbox.dropped_events
    assert dropped.reason == "Invalid input for target."


@pytest.mark.parametrize("service", sorted(model_constraints.SERVICES))
def test_python_can_compile_each_pattern_of_the_model(service: str) -> None:
    model = get_service_model(service)
    patterns = {str(model.shape_for(name).metadata.get("pattern", "")) for name in model.shape_names}
    assert len([re.compile(model_constraints.in_python(pattern)) for pattern in patterns]) > 5


def test_stack_whose_rule_has_an_invalid_pattern_is_rolled_back(sandbox: Sandbox) -> None:
    template = {
        "Resources": {
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": {"source": [{"prefix": 123}]}},
            }
        }
    }
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.create_stack(StackName="s", TemplateBody=json.dumps(template))

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName="s")["Stacks"][0]["StackStatus"])

    sandbox.wait_until(lambda: not status().endswith("IN_PROGRESS"))
    assert status() == "ROLLBACK_COMPLETE"
    reasons = [each.get("ResourceStatusReason", "") for each in
               cloudformation.describe_stack_events(StackName="s")["StackEvents"]]  # fmt: skip
    assert any("prefix match pattern must be a string" in reason for reason in reasons)
