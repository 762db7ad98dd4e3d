"""The lines of log groups that Log Keeper keeps are forwarded: by a subscription filter on each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from handlers import enforce
from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.aws.stage_queue import StageQueue
from log_keeper.events.read_stages import ReadStage
from log_keeper.inventory import Inventory
from log_keeper.policy.findings import Problem
from log_keeper.policy.plan import Setting
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from sandbox.services.apigateway.request_logs import write_access_log
from testing.accounts import get_stage, make_http_stage, make_rest_stage, make_role, set_log_role, turned
from testing.builders import ACCOUNT, DEPLOYMENT, POLICY, record, updated
from testing.clocks import Clock
from testing.deliveries import Deliver
from testing.log_destinations import (
    NAME,
    allow_logs,
    make_forward_role,
    make_siem_function,
    make_siem_stream,
    received,
    stream_records,
)
from testing.published import Refusal, findings, outcomes, published_changes

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{NAME}"
FILTER = "log-keeper"


def groups_of(api_id: str) -> tuple[str, str]:
    """The names of the execution and the access log group of a REST API's stage."""
    return f"API-Gateway-Execution-Logs_{api_id}/prod", f"/aws/vendedlogs/apigateway/{api_id}/prod"


def filters(sandbox: Sandbox, group: str) -> dict[str, tuple[str, str | None]]:
    """Destination and role of each filter of the log group, by name."""
    found = sandbox.client("logs").describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    return {each["filterName"]: (each["destinationArn"], each.get("roleArn")) for each in found}


def filter_calls(sandbox: Sandbox, since: int) -> list[str]:
    """The calls of Log Keeper about subscription filters."""
    return [
        made.call.operation
        for made in sandbox.calls[since:]
        if "SubscriptionFilter" in made.call.operation and "log-keeper" in made.call.user_agent
    ]


@pytest.fixture
def function(sandbox: Sandbox) -> str:
    return make_siem_function(sandbox)


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    set_log_role(sandbox, make_role(sandbox))
    return make_rest_stage(sandbox)


@pytest.fixture
def forwarding(environment: pytest.MonkeyPatch, function: str) -> None:
    environment.setenv("FORWARD_LOGS", f"{function},{function},{FILTER},")


@pytest.fixture
def forwarded(sandbox: Sandbox, forwarding: None, deliver: Deliver, api_id: str) -> str:
    """The id of a REST API whose stage is compliant: the lines of both log groups are forwarded."""
    assert deliver(updated(api_id)) == []
    return api_id


def test_new_log_groups_are_forwarded_without_a_read(
    sandbox: Sandbox, forwarding: None, deliver: Deliver, api_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert filter_calls(sandbox, since) == ["PutSubscriptionFilter"] * 2
    assert [filters(sandbox, group) for group in groups_of(api_id)] == [{FILTER: (FUNCTION, None)}] * 2
    assert published_changes(sandbox, since).count(Setting.LOG_FORWARDING) == 2
    [line] = [each for each in caplog.records if hasattr(each, "outcome")]
    changes = [each for each in line.changes if each["setting"] == Setting.LOG_FORWARDING]  # type: ignore[attr-defined]
    assert [(each["logGroup"], each["from"], each["to"]) for each in changes] == [
        (group, None, FUNCTION) for group in groups_of(api_id)
    ]


def test_lines_arrive_at_the_destination(sandbox: Sandbox, forwarded: str) -> None:
    write_access_log(sandbox, forwarded, "prod", requestId="r-1", extendedRequestId="e-1")
    sandbox.wait_until(lambda: len(received(sandbox)) == 1)
    assert '"requestId":"r-1"' in received(sandbox)[0].replace(" ", "")


def test_compliant_stage_takes_one_call_for_each_log_group(
    sandbox: Sandbox, forwarded: str, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    since = len(sandbox.calls)
    outcomes(caplog)
    assert deliver(updated(forwarded)) == []
    assert outcomes(caplog) == ["compliant"]
    assert filter_calls(sandbox, since) == ["DescribeSubscriptionFilters"] * 2


def test_nothing_is_called_where_no_parameter_is_set(sandbox: Sandbox, deliver: Deliver, api_id: str) -> None:
    since = len(sandbox.calls)
    for _ in range(2):
        assert deliver(updated(api_id)) == []
    assert filter_calls(sandbox, since) == []


def test_only_the_chosen_logs_are_forwarded(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, function: str, deliver: Deliver, api_id: str
) -> None:
    environment.setenv("FORWARD_LOGS", f",{function},{FILTER},")
    assert deliver(updated(api_id)) == []
    execution, access = groups_of(api_id)
    assert (filters(sandbox, execution), filters(sandbox, access)) == ({FILTER: (FUNCTION, None)}, {})


def delete(sandbox: Sandbox, group: str) -> str:
    sandbox.client("logs").delete_subscription_filter(logGroupName=group, filterName=FILTER)
    return "DeleteSubscriptionFilter"


def replace(sandbox: Sandbox, group: str) -> str:
    sandbox.client("logs").put_subscription_filter(
        logGroupName=group, filterName=FILTER, filterPattern="ERROR", destinationArn=FUNCTION
    )
    return "PutSubscriptionFilter"


@pytest.mark.parametrize("change", [delete, replace])
def test_filter_that_somebody_deletes_or_replaces_is_restored(
    sandbox: Sandbox, forwarded: str, deliver: Deliver, change: Callable[[Sandbox, str], str]
) -> None:
    group = groups_of(forwarded)[1]
    event = record(
        change(sandbox, group), {"logGroupName": group, "filterName": FILTER}, eventSource="logs.amazonaws.com"
    )
    since = len(sandbox.calls)
    assert deliver(event) == []
    assert published_changes(sandbox, since) == [Setting.LOG_FORWARDING]
    [found] = sandbox.client("logs").describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert (found["filterPattern"], found["destinationArn"]) == ("", FUNCTION)


def test_other_filters_stay(sandbox: Sandbox, forwarded: str, deliver: Deliver) -> None:
    logs, group = sandbox.client("logs"), groups_of(forwarded)[1]
    logs.put_subscription_filter(
        logGroupName=group, filterName="log-keeper-2", filterPattern="x", destinationArn=FUNCTION
    )
    delete(sandbox, group)
    assert deliver(updated(forwarded)) == []
    assert filters(sandbox, group).keys() == {FILTER, "log-keeper-2"}


def test_changed_destination_is_set(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, function: str, deliver: Deliver, api_id: str
) -> None:
    """And the role of a stream: it is part of the filter, also if the destination is the same."""
    stream, group = make_siem_stream(sandbox), groups_of(api_id)[1]
    old = make_forward_role(sandbox, "kinesis:PutRecord")
    sandbox.client("logs").create_log_group(logGroupName=group)
    sandbox.client("logs").put_subscription_filter(
        logGroupName=group, filterName=FILTER, filterPattern="", destinationArn=stream, roleArn=old
    )
    iam = sandbox.client("iam")
    new = old + "2"
    trust = iam.get_role(RoleName="ForwardLogs")["Role"]["AssumeRolePolicyDocument"]
    document = iam.get_role_policy(RoleName="ForwardLogs", PolicyName="write")["PolicyDocument"]
    iam.create_role(RoleName="ForwardLogs2", AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName="ForwardLogs2", PolicyName="write", PolicyDocument=json.dumps(document))
    environment.setenv("FORWARD_LOGS", f"{stream},,{FILTER},{new}")
    assert deliver(updated(api_id)) == []
    assert filters(sandbox, group) == {FILTER: (stream, new)}
    write_access_log(sandbox, api_id, "prod", requestId="r-1", extendedRequestId="e-1")
    assert stream_records(sandbox)[-1]["logGroup"] == group


def test_destination_that_the_owner_chose_is_left(
    sandbox: Sandbox, forwarding: None, deliver: Deliver, api_id: str
) -> None:
    sandbox.client("logs").create_log_group(logGroupName="/team/web")
    arn = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/team/web"
    sandbox.client("apigateway").update_stage(
        restApiId=api_id,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/accessLogSettings/destinationArn", "value": arn},
            {"op": "replace", "path": "/accessLogSettings/format", "value": "$context.requestId"},
        ],
    )
    assert deliver(updated(api_id)) == []
    assert get_stage(sandbox, api_id)["accessLogSettings"]["destinationArn"] == arn
    assert filters(sandbox, "/team/web") == {}
    assert filters(sandbox, groups_of(api_id)[0]).keys() == {FILTER}


def test_log_groups_of_an_http_api_are_forwarded(sandbox: Sandbox, forwarding: None, deliver: Deliver) -> None:
    http = make_http_stage(sandbox)
    assert deliver(record("UpdateStage", {"apiId": http, "stageName": "%24default"})) == []
    assert filters(sandbox, f"/aws/vendedlogs/apigatewayv2/{http}/.default").keys() == {FILTER}


def test_log_group_with_too_many_filters_is_a_finding_and_all_else_is_done(
    sandbox: Sandbox, forwarded: str, deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """The message is not tried again, and CloudWatch Logs is asked once: only a person can delete one."""
    logs, group = sandbox.client("logs"), groups_of(forwarded)[1]
    delete(sandbox, group)
    for number in range(5):
        logs.put_subscription_filter(
            logGroupName=group, filterName=f"other-{number}", filterPattern="", destinationArn=FUNCTION
        )
    outcomes(caplog)
    since = len(sandbox.calls)
    assert deliver(updated(forwarded)) == []
    assert outcomes(caplog) == ["non-compliant"]
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.TOO_MANY_FILTERS
    assert detail.startswith(f"{group} to {FUNCTION}: ")
    assert filter_calls(sandbox, since).count("PutSubscriptionFilter") == 1


def test_destination_that_refuses_is_a_finding_and_is_tried_with_the_next_evaluation(
    sandbox: Sandbox,
    environment: pytest.MonkeyPatch,
    deliver: Deliver,
    api_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment.setenv("FORWARD_LOGS", f"{make_siem_function(sandbox, is_allowed=False)},,{FILTER},")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["partly remediated"]
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.FORWARDING_REFUSED
    assert "given CloudWatch Logs permission to execute your function" in detail
    assert "destinationArn" in get_stage(sandbox, api_id)["accessLogSettings"]
    allow_logs(sandbox)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["remediated"]


@pytest.mark.parametrize(
    "service", ["lambda:us-east-1:999999999999:function:", "kinesis:us-east-1:999999999999:stream/"]
)
def test_destination_in_another_account_is_a_finding(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, api_id: str, service: str
) -> None:
    """Only a destination of CloudWatch Logs can be there. Log Keeper sets the filter, and reports the refusal."""
    environment.setenv("FORWARD_LOGS", f"arn:aws:{service}siem,,{FILTER},{make_forward_role(sandbox)}")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.FORWARDING_REFUSED]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "InvalidParameterException"])
@pytest.mark.parametrize("destination", [FUNCTION, f"arn:aws:logs:us-east-1:{ACCOUNT}:destination:siem"])
def test_missing_destination_is_a_finding(
    sandbox: Sandbox, environment: pytest.MonkeyPatch, deliver: Deliver, api_id: str, destination: str, code: str
) -> None:
    environment.setenv("FORWARD_LOGS", f"{destination},,{FILTER},")
    since = len(sandbox.calls)
    with turned(sandbox, missing_log_destination=code):
        assert deliver(updated(api_id)) == []
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.FORWARDING_REFUSED]


def test_log_group_of_another_class_is_a_finding(
    sandbox: Sandbox, forwarding: None, deliver: Deliver, api_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    execution, access = groups_of(api_id)
    sandbox.client("logs").create_log_group(logGroupName=access, logGroupClass="INFREQUENT_ACCESS")
    with turned(sandbox, refuses_infrequent_access_destinations=False):
        for expected in ("partly remediated", "non-compliant"):
            since = len(sandbox.calls)
            assert deliver(updated(api_id)) == []
            assert outcomes(caplog) == [expected]
            assert findings(sandbox, since) == [(Problem.NOT_FORWARDABLE, f"{access}: class INFREQUENT_ACCESS")]
    assert filters(sandbox, execution).keys() == {FILTER}


def test_other_refusals_are_tried_again(sandbox: Sandbox, forwarding: None, deliver: Deliver, api_id: str) -> None:
    refusal = Refusal(sandbox, "PutSubscriptionFilter")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == ["0"]
    assert {problem for problem, _ in findings(sandbox, since)} == {Problem.CHANGE_FAILED}
    assert "destinationArn" in get_stage(sandbox, api_id)["accessLogSettings"]
    refusal.end()
    assert deliver(updated(api_id)) == []
    assert [filters(sandbox, group).keys() for group in groups_of(api_id)] == [{FILTER}] * 2


def test_log_group_that_is_deleted_before_its_filter_is_set_is_created_again(
    sandbox: Sandbox, forwarded: str, deliver: Deliver
) -> None:
    group = groups_of(forwarded)[1]
    delete(sandbox, group)
    met: list[str] = []

    def remove(account: Account, call: Call) -> None:
        if call.operation == "PutSubscriptionFilter" and not met:
            met.append(call.params["logGroupName"])
            account.client("logs").delete_log_group(logGroupName=group)
            raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")

    sandbox.hooks.append(remove)
    assert deliver(updated(forwarded)) == []
    assert met == [group]
    assert filters(sandbox, group).keys() == {FILTER}


def test_audit_only_reports(
    sandbox: Sandbox,
    environment: pytest.MonkeyPatch,
    forwarded: str,
    deliver: Deliver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    group = groups_of(forwarded)[1]
    delete(sandbox, group)
    environment.setenv("MODE", "Audit")
    enforce.enforce_handler.cache_clear()
    outcomes(caplog)
    assert deliver(updated(forwarded)) == []
    assert outcomes(caplog) == ["would be remediated"]
    assert filters(sandbox, group) == {}


def test_sweep_reads_two_log_groups_a_second_and_sends_as_many_as_can_be_forwarded(
    sandbox: Sandbox, forwarding: None, deliver: Deliver
) -> None:
    """CloudWatch Logs takes five such calls a second from the whole account."""
    set_log_role(sandbox, make_role(sandbox))
    policy = POLICY._replace(forward_access_logs_to=FUNCTION, forward_execution_logs_to=FUNCTION)
    apis = [make_rest_stage(sandbox) for _ in range(6)]
    assert deliver(*map(updated, apis)) == []
    for api in apis:
        delete(sandbox, groups_of(api)[0])
    clock, since = Clock(), len(sandbox.calls)
    clients = Clients(lambda: Pace(100, clock=clock, sleep=clock.sleep), sandbox.session())
    inventory = Inventory(clients, DEPLOYMENT.account, "us-east-1", policy)
    evaluated = list(inventory.evaluate_all(inventory.list_apis(), lambda: datetime.now(UTC)))
    evaluations = [each for _, found in evaluated if isinstance(found, list) for each in found]
    reads = [made for made in sandbox.calls[since:] if made.call.operation == "DescribeSubscriptionFilters"]
    assert len(reads) == 2 * len(apis)
    assert len(reads) / 2 - 1 <= clock.now <= len(reads) / 2
    assert [len(each.subscriptions) for each in evaluations] == [1] * len(apis)
    queue, before = StageQueue(clients, DEPLOYMENT, policy, "us-east-1"), clock.now
    sandbox.client("sqs").create_queue(QueueName="log-keeper-StageQueue")
    for each in evaluations:
        queue.add([ReadStage(each.stage, {})], datetime.now(UTC))
    queue.send()
    [sent] = [made.call.params["Entries"] for made in sandbox.calls if made.call.operation == "SendMessageBatch"]
    assert [entry["DelaySeconds"] for entry in sent] == [0, 1, 2, 3, 4, 5]  # each has two log groups
    clients.apigateway("us-east-1").get_account()
    assert clock.now - before == pytest.approx(len(apis), abs=0.1)
