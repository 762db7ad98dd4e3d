"""A sweep in this process: time that runs out, and regions that are closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.aws.stage_queue import StageQueue
from log_keeper.events.read_stages import ReadStage
from log_keeper.events.sweep_work import Start, UnreadableWorkError, Work
from log_keeper.inventory import Count, Inventory
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.findings import Finding, Problem
from log_keeper.settings import Settings
from log_keeper.stages import Api, Protocol
from log_keeper.sweep import Sweep, Swept
from sandbox.assembly import Sandbox
from sandbox.core.faults import Fault, FaultType
from testing.accounts import make_http_stage, make_rest_stage, make_websocket_stage, v2_arn
from testing.builders import ACCOUNT, sample, settings_with
from testing.clocks import Clock
from testing.published import Refusal


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    url = sandbox.client("sqs").create_queue(QueueName="StageQueue")["QueueUrl"]
    return settings_with(stage_queue_url=url)


def swept(
    settings: Settings,
    work: Work,
    clock: Clock,
    apis: int = 99,
    tell: Callable[[Evaluation], None] = lambda _: None,
) -> Swept:
    """Run a sweep that has time for so many APIs."""
    left = iter(range(apis))
    clients = Clients(lambda: Pace(4, clock=clock, sleep=clock.sleep))
    return Sweep(clients, settings, lambda: datetime.now(UTC), lambda: next(left, None) is not None, tell).run(work)


def messages(sandbox: Sandbox, settings: Settings) -> list[dict[str, Any]]:
    """Return all messages that were sent to StageQueue."""
    url = settings.deployment.queues.stage_queue_url
    sent = [made.call.params for made in sandbox.calls if made.call.operation == "SendMessageBatch"]
    return [json.loads(each["MessageBody"]) for call in sent if call["QueueUrl"] == url for each in call["Entries"]]


def test_apis_without_time_are_swept_with_another_message(sandbox: Sandbox, settings: Settings) -> None:
    names = {*(make_rest_stage(sandbox) for _ in range(3)), make_http_stage(sandbox), make_websocket_stage(sandbox)}
    clock, work, rounds = Clock(), Work("us-east-1"), 0
    found: list[str] = []
    while True:
        part = swept(settings, work, clock, apis=2, tell=lambda evaluation: found.append(evaluation.stage.ref.api_id))
        rounds += 1
        if part.left is None:
            break
        again = Work.from_message(part.left.to_message(), settings.deployment.regions, ACCOUNT)
        assert again is not None
        work = again
    assert sorted(found) == sorted(names)
    assert rounds == 3


def test_only_stages_that_need_a_refused_read_are_left_out(sandbox: Sandbox, settings: Settings) -> None:
    """If the policies for HTTP APIs cannot be read, the stage of a REST API is still sent to the queue."""
    rest, http = make_rest_stage(sandbox), make_http_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName="mine")
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:mine"
    access = {"DestinationArn": arn, "Format": "$context.requestId"}
    sandbox.client("apigatewayv2").update_stage(ApiId=http, StageName="$default", AccessLogSettings=access)
    Refusal(sandbox, "DescribeResourcePolicies")
    part = swept(settings, Work("us-east-1"), Clock())
    assert [message["detail"].get("apiId") for message in messages(sandbox, settings)] == [None, rest]
    assert part.left == Work("us-east-1", (Api(http, Protocol.HTTP),))
    assert part.counts[Protocol.REST].evaluated == 1
    again = swept(settings, part.left, Clock())
    assert (again.left, len(again.errors)) == (None, 1)


def test_calls_are_spread_with_time_for_the_remediation(sandbox: Sandbox, settings: Settings) -> None:
    """Four calls a second: two lists, one call for each API, and two calls for each non-compliant stage."""
    for _ in range(4):
        make_rest_stage(sandbox)
    clock = Clock()
    swept(settings, Work("us-east-1"), clock)
    assert 4 <= clock.now * 4 <= 2 + 1 + 4 + 4 * 2
    sent = [made.call.params["Entries"] for made in sandbox.calls if made.call.operation == "SendMessageBatch"]
    assert sum(len(entries) for entries in sent) == 5  # one of them for the account's log role


def test_invalid_role_and_non_compliant_stages_are_put_on_the_queue(sandbox: Sandbox, settings: Settings) -> None:
    api_id = make_rest_stage(sandbox)
    swept(settings, Work("us-east-1"), Clock())
    kinds = [(message["detail-type"], message["detail"].get("apiId")) for message in messages(sandbox, settings)]
    assert sorted(kinds, key=str) == [("API To Evaluate", api_id), ("Log Role To Evaluate", None)]


def test_nothing_is_sent_to_the_queue_in_audit_mode(sandbox: Sandbox, settings: Settings) -> None:
    make_rest_stage(sandbox)
    part = swept(settings_with(settings, is_audit=True), Work("us-east-1"), Clock())
    assert part.counts == {Protocol.REST: Count(evaluated=1)}
    assert messages(sandbox, settings) == []


def test_closed_region_is_a_finding(sandbox: Sandbox, settings: Settings) -> None:
    sandbox.disabled_regions.add("eu-west-1")
    part = swept(settings, Work("eu-west-1"), Clock())
    assert [finding.problem for finding in part.findings] == [Problem.REGION_UNAVAILABLE]
    assert part.left is None


def test_missing_or_disabled_forwarding_rules_of_a_further_region_are_a_finding(
    sandbox: Sandbox, settings: Settings
) -> None:
    settings = settings_with(settings, regions=("us-east-1", "eu-west-1"))
    events = sandbox.client("events", "eu-west-1")

    def found(region: str) -> list[str]:
        part = swept(settings, Work(region), Clock())
        return [finding.detail for finding in part.findings if finding.problem is Problem.NO_FORWARDERS]

    stages, role, groups = settings.deployment.forwarding.rules
    command = (
        "To create them: aws cloudformation create-stack-instances --region us-east-1 --stack-set-name "
        "log-keeper-forwarders --accounts 123456789012 --regions eu-west-1"
    )
    assert found("us-east-1") == []
    assert found("eu-west-1") == [f"eu-west-1: {stages}, {role}, {groups}, log-keeper-undelivered. {command}"]
    for name in settings.deployment.forwarding.rules:
        events.put_rule(Name=name, EventPattern='{"source": ["aws.logs"]}')
    assert found("eu-west-1") == [f"eu-west-1: log-keeper-undelivered. {command}"]
    sandbox.client("sqs", "eu-west-1").create_queue(QueueName=settings.deployment.forwarding.queue)
    assert found("eu-west-1") == []
    events.disable_rule(Name=role)
    assert found("eu-west-1") == [f"eu-west-1: {role}. {command}"]


def test_events_that_were_not_delivered_are_a_finding(sandbox: Sandbox, settings: Settings) -> None:
    settings = settings_with(settings, regions=("us-east-1", "eu-west-1"), rules=("log-keeper-stages",))
    sandbox.client("events", "eu-west-1").put_rule(Name="log-keeper-stages", EventPattern='{"source": ["aws.logs"]}')
    sqs = sandbox.client("sqs", "eu-west-1")
    url = sqs.create_queue(QueueName=settings.deployment.forwarding.queue)["QueueUrl"]
    assert swept(settings, Work("eu-west-1"), Clock()).findings == []
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    assert swept(settings, Work("eu-west-1"), Clock()).findings == [
        Finding(Problem.NOT_FORWARDED, "eu-west-1: 1 in the last two days, in queue log-keeper-undelivered")
    ]


def test_region_from_which_nothing_can_be_forwarded_has_no_finding(sandbox: Sandbox, settings: Settings) -> None:
    """In China and GovCloud. A trail would not help there either, so none is asked for."""
    settings = settings_with(settings, regions=("us-gov-west-1", "us-gov-east-1"), rules=())
    before = len(sandbox.calls)
    part = swept(settings, Work("us-gov-east-1"), Clock())
    assert (part.findings, part.errors, part.has_events) == ([], [], False)
    assert {made.call.service for made in sandbox.calls[before:]} <= {"apigateway", "apigatewayv2"}
    assert swept(settings, Work("us-gov-west-1"), Clock()).has_events


def test_region_whose_rules_cannot_be_read_is_swept_again(sandbox: Sandbox, settings: Settings) -> None:
    settings = settings_with(settings, regions=("us-east-1", "eu-west-1"))
    sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, "events", "DescribeRule", of=lambda _: True))
    part = swept(settings, Work("eu-west-1"), Clock())
    assert [isinstance(error, ClientError) for error in part.errors] == [True]
    assert Problem.NO_FORWARDERS not in [finding.problem for finding in part.findings]


@pytest.mark.parametrize("operation", ["GetRestApis", "GetApis"])
def test_region_that_denies_the_lists_is_swept_again(sandbox: Sandbox, settings: Settings, operation: str) -> None:
    """The role's permissions may not be in effect yet, or a policy of the organisation denies the call."""
    service = {"GetRestApis": "apigateway", "GetApis": "apigatewayv2"}[operation]
    sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, service, operation, of=lambda _: True))
    with pytest.raises(ClientError, match=operation):
        swept(settings, Work("us-east-1"), Clock())


@pytest.mark.parametrize("body", ["[]", "7", '{"region": "eu-north-1", "apis": null}', "{}", '{"region": "us-east-1"}'])
def test_message_that_is_not_for_a_sweep_is_refused(settings: Settings, body: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        Work.from_message(body, settings.deployment.regions, ACCOUNT)


def test_any_event_starts_a_sweep_of_all_regions(settings: Settings) -> None:
    assert (
        Work.from_message('{"detail-type": "Scheduled Event", "detail": {}}', settings.deployment.regions, ACCOUNT)
        == Start()
    )


def test_stage_without_execution_logs_does_not_count_as_opted_in(sandbox: Sandbox, settings: Settings) -> None:
    tags, client = {"execution-logs": "INFO"}, sandbox.client("apigatewayv2")
    for api_id, stage in ((make_http_stage(sandbox), "$default"), (make_websocket_stage(sandbox), "prod")):
        client.tag_resource(ResourceArn=v2_arn(api_id, stage), Tags=tags)
    found = swept(settings, Work("us-east-1"), Clock())
    assert found.counts == {
        Protocol.HTTP: Count(evaluated=1),
        Protocol.WEBSOCKET: Count(evaluated=1, opted_in=1),
    }


def test_change_of_the_accounts_policy_starts_a_sweep_of_the_http_apis_of_its_region(
    sandbox: Sandbox, settings: Settings
) -> None:
    names = {make_http_stage(sandbox), make_http_stage(sandbox)}
    make_rest_stage(sandbox)
    make_websocket_stage(sandbox)
    work = Work.from_message(
        json.dumps(sample("delete-resource-policy-of-account")), settings.deployment.regions, ACCOUNT
    )
    assert work is not None
    found: list[str] = []
    clock = Clock()
    first = swept(settings, work, clock, apis=1, tell=lambda evaluation: found.append(evaluation.stage.ref.api_id))
    assert first.left is not None
    rest = Work.from_message(first.left.to_message(), settings.deployment.regions, ACCOUNT)
    assert rest is not None
    last = swept(settings, rest, clock, tell=lambda evaluation: found.append(evaluation.stage.ref.api_id))
    assert (sorted(found), last.left) == (sorted(names), None)
    # Findings about the region and the daily metrics belong to the sweep of all APIs.
    assert (first.is_whole, last.is_whole, first.findings, first.role) == (False, False, [], None)
    assert Problem.NO_TRAIL not in [finding.problem for finding in last.findings]


def test_change_of_the_accounts_policy_in_another_region_is_refused(settings: Settings) -> None:
    event = sample("delete-resource-policy-of-account") | {"region": "eu-north-1"}
    with pytest.raises(UnreadableWorkError):
        Work.from_message(json.dumps(event), settings.deployment.regions, ACCOUNT)


def test_message_of_the_previous_version_starts_a_whole_sweep(settings: Settings) -> None:
    work = Work.from_message('{"region": "us-east-1", "apis": [["a1", "HTTP"]]}', settings.deployment.regions, ACCOUNT)
    assert isinstance(work, Work)
    assert work.protocol is None


@pytest.mark.parametrize(("settle_seconds", "calls"), [(15, 1), (0, 2)])
def test_sweep_reserves_the_time_of_each_call_that_remediation_makes(
    sandbox: Sandbox, settings: Settings, settle_seconds: int, calls: int
) -> None:
    """With few SettleSeconds the function reads each stage again."""
    apis = [make_rest_stage(sandbox) for _ in range(3)]
    clock, given = Clock(), settings_with(settings, settle_seconds=settle_seconds)
    clients = Clients(lambda: Pace(1, clock=clock, sleep=clock.sleep), sandbox.session())
    inventory = Inventory(clients, given.deployment.account, "us-east-1", given.policy)
    read, now = list[ReadStage](), datetime.now(UTC)
    assert len(list(inventory.evaluate_all(inventory.list_apis(), lambda: now, on_read=read.extend))) == len(apis)
    queue = StageQueue(clients, given.deployment, given.policy, "us-east-1")
    queue.add(read, now)
    queue.send()
    assert clients.pace("us-east-1").wait(1) == calls * len(apis)
