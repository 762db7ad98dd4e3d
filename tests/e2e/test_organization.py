"""An organization from one deployment: audited accounts, enforced accounts, and accounts that move, join and leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.clock import MovableClock
from sandbox.services.apigateway.request_logs import write_access_log
from sandbox.services.organizations.organization import Organization
from testing.accounts import get_stage, levels, log_group_tags, make_http_stage, make_rest_stage
from testing.clients import refusal
from testing.log_destinations import ROLE_NAME, make_destinations_of_organization, make_forward_role, stream_records
from testing.organizations import ORGANIZATION, caller_with, new_member, new_organization
from testing.stacks import Deployed

AUDITED, ENFORCED, JOINING = "111111111111", "222222222222", "333333333333"
HOME, FURTHER = REGIONS = ("us-east-1", "eu-west-1")


OWN_FORMAT = '{"id":"$context.requestId"}'


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    """Return the hub."""
    with Sandbox(iam_propagation_seconds=0, clock=MovableClock()) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def organization(account: Sandbox) -> Organization:
    organization = new_organization(account)
    workloads = organization.add_unit("workloads")
    canary = organization.add_unit("canary", workloads)
    new_member(account, organization, AUDITED, workloads)
    new_member(account, organization, ENFORCED, canary)
    return organization


def unit(organization: Organization, name: str) -> str:
    return next(each.unit_id for each in organization.units.values() if each.name == name)


@pytest.fixture(scope="module")
def members(account: Sandbox, organization: Organization) -> dict[str, Account]:
    found = {account_id: account.accounts.get(account_id) for account_id in (AUDITED, ENFORCED)}
    return {account_id: member for account_id, member in found.items() if member is not None}


@pytest.fixture(scope="module")
def stages(members: dict[str, Account]) -> dict[tuple[str, str], str]:
    """Return the API of a REST stage that exists before the deployment, by account and region."""
    return {
        (account_id, region): make_rest_stage(member, region=region)
        for account_id, member in members.items()
        for region in REGIONS
    }


@pytest.fixture(scope="module")
def stack(
    built: None, account: Sandbox, organization: Organization, members: dict[str, Account], stages: object
) -> Deployed:
    parameters = {
        "SettleSeconds": "0",
        "SweepRate": "10",
        "Regions": FURTHER,
        "OrganizationId": ORGANIZATION,
        "MemberOUs": unit(organization, "workloads"),
        "EnforceOUs": unit(organization, "canary"),
        "LogGroupTags": "team=unknown",
        "AccessLogGroupName": "/access-logs/${accountId}/${apiName}/${apiId}/${stage}",
        "HttpAccessLogFormat": "/log-keeper/http",
    }
    destination = make_destinations_of_organization(account, ORGANIZATION, *REGIONS)
    parameters["ForwardAccessLogsTo"] = destination
    parameters["ForwardRoleArn"] = f"arn:aws:iam::{account.account_id}:role/{ROLE_NAME}"
    for member in members.values():
        make_forward_role(member, "logs:PutLogEvents")
    account.client("ssm").put_parameter(Name="/log-keeper/http", Value=OWN_FORMAT, Type="String")
    deployed = Deployed(account, deployment.deploy(account, parameters))
    if not account.behaviour.rules_see_their_stack_created:
        deployed.pass_second_sweep()  # the rules in the member accounts miss the end of their own deployment too
    return deployed


def is_compliant(account: Account, region: str, api_id: str) -> bool:
    stage = get_stage(account, api_id, "prod", region)
    return levels(stage) == {"*/*": "ERROR"} and "destinationArn" in stage.get("accessLogSettings", {})


def lines(stack: Deployed, function: str, account_id: str) -> list[dict[str, Any]]:
    """Return the log lines of a function about an account."""
    found = [json.loads(line) for line in stack.log(function) if line.startswith("{")]
    return [line for line in found if line.get("accountId") == account_id]


def instances(account: Sandbox, name: str) -> list[tuple[str, str, str]]:
    client = account.client("cloudformation")
    found = client.list_stack_instances(StackSetName=name, CallAs="DELEGATED_ADMIN")["Summaries"]
    return sorted((each["Account"], each["Region"], each["Status"]) for each in found)


def test_roles_and_rules_are_in_the_accounts_of_their_units(account: Sandbox, stack: Deployed) -> None:
    assert instances(account, "log-keeper-members") == [
        (account_id, region, "CURRENT") for account_id in (AUDITED, ENFORCED) for region in sorted(REGIONS)
    ]
    assert instances(account, "log-keeper-enforce") == [(ENFORCED, HOME, "CURRENT")]


def test_existing_stages_of_an_enforced_account_are_remediated_in_each_region(
    account: Sandbox, stack: Deployed, members: dict[str, Account], stages: dict[tuple[str, str], str]
) -> None:
    for region in REGIONS:
        account.wait_until(lambda region=region: is_compliant(members[ENFORCED], region, stages[ENFORCED, region]), 60)
    account.wait_until(lambda: any(line.get("outcome") == "remediated" for line in lines(stack, "enforce", ENFORCED)))


def test_access_logs_of_an_enforced_account_are_forwarded_to_the_destination_of_their_region(
    account: Sandbox, stack: Deployed, members: dict[str, Account], stages: dict[tuple[str, str], str]
) -> None:
    """With the role of the member account, since the destination is open to the organization."""
    for region in REGIONS:
        api_id, logs = stages[ENFORCED, region], members[ENFORCED].client("logs", region)
        account.wait_until(lambda region=region: is_compliant(members[ENFORCED], region, stages[ENFORCED, region]), 60)
        group = f"/access-logs/{ENFORCED}/shop/{api_id}/prod"
        [found] = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        assert found["destinationArn"] == f"arn:aws:logs:{region}:{account.account_id}:destination:siem"
        assert found["roleArn"] == f"arn:aws:iam::{ENFORCED}:role/{ROLE_NAME}"
        write_access_log(members[ENFORCED], api_id, "prod", region=region, extendedRequestId="one")
        assert [each["logGroup"] for each in stream_records(account, region)] == [group]


def test_existing_stages_of_an_audited_account_are_reported_and_not_changed(
    account: Sandbox, stack: Deployed, members: dict[str, Account], stages: dict[tuple[str, str], str]
) -> None:
    def reported() -> set[str]:
        found = lines(stack, "sweep", AUDITED)
        return {line["stage"]["apiId"] for line in found if line.get("outcome") == "would be remediated"}

    expected = {stages[AUDITED, region] for region in REGIONS}
    account.wait_until(lambda: reported() == expected, 60)
    stack.wait_until_quiet()
    for region in REGIONS:
        assert levels(get_stage(members[AUDITED], stages[AUDITED, region], "prod", region)) == {}
        assert members[AUDITED].client("apigateway", region).get_account().get("cloudwatchRoleArn") is None


def test_new_stages_of_an_enforced_account_are_remediated(
    account: Sandbox, stack: Deployed, members: dict[str, Account]
) -> None:
    member = members[ENFORCED]
    made = [(region, make_rest_stage(member, region=region)) for region in REGIONS]
    http = make_http_stage(member)
    for region, api_id in made:
        account.wait_until(lambda region=region, api_id=api_id: is_compliant(member, region, api_id), 60)

    def access_log() -> dict[str, str]:
        stage = member.client("apigatewayv2").get_stage(ApiId=http, StageName="$default")
        settings: dict[str, str] = stage.get("AccessLogSettings", {})
        return settings

    account.wait_until(lambda: "DestinationArn" in access_log(), 60)
    assert access_log()["Format"] == OWN_FORMAT, "of the hub's SSM parameter"
    tags = log_group_tags(member)
    assert tags[f"/access-logs/{ENFORCED}/web/{http}/.default"] == {"created-by": "log-keeper", "team": "unknown"}


def test_new_stage_of_an_audited_account_is_reported_and_not_changed(
    account: Sandbox, stack: Deployed, members: dict[str, Account]
) -> None:
    api_id = make_rest_stage(members[AUDITED])

    def reported() -> bool:
        found = lines(stack, "enforce", AUDITED)
        return any(line.get("stage", {}).get("apiId") == api_id for line in found)

    account.wait_until(reported, 60)
    assert levels(get_stage(members[AUDITED], api_id)) == {}


def test_member_cannot_put_events_on_the_hubs_bus(
    account: Sandbox, stack: Deployed, members: dict[str, Account]
) -> None:
    arn = f"arn:aws:events:{HOME}:{account.account_id}:event-bus/log-keeper"
    entry = {"Source": "log-keeper", "DetailType": "Stage To Evaluate", "Detail": "{}", "EventBusName": arn}
    assert refusal(lambda: members[AUDITED].client("events").put_events(Entries=[entry]))[0] == "AccessDeniedException"


def test_account_that_is_moved_into_an_enforced_unit_is_remediated(
    account: Sandbox,
    stack: Deployed,
    organization: Organization,
    members: dict[str, Account],
    stages: dict[tuple[str, str], str],
) -> None:
    organization.move(AUDITED, unit(organization, "canary"))
    for region in REGIONS:
        account.wait_until(lambda region=region: is_compliant(members[AUDITED], region, stages[AUDITED, region]), 90)


def test_account_that_joins_is_governed(account: Sandbox, stack: Deployed, organization: Organization) -> None:
    member = account.add_account(JOINING)
    api_id = make_rest_stage(member)
    organization.join(member, "joining", unit(organization, "canary"))
    account.wait_until(lambda: is_compliant(member, HOME, api_id), 90)


def test_many_changes_in_one_account_do_not_hold_up_another(
    account: Sandbox, stack: Deployed, members: dict[str, Account]
) -> None:
    """Messages of the busy account go back to the queue until they have their turn, and none is lost."""
    busy, quiet = members[ENFORCED], members[AUDITED]
    made = [make_rest_stage(busy) for _ in range(24)]
    one = make_rest_stage(quiet)
    account.wait_until(lambda: is_compliant(quiet, HOME, one), 30)
    assert not all(is_compliant(busy, HOME, api_id) for api_id in made)
    account.wait_until(lambda: all(is_compliant(busy, HOME, api_id) for api_id in made), 120)
    put_back = [
        entry["MessageBody"] for record in account.calls
        if record.call.operation == "SendMessageBatch" and "EnforceRole" in record.call.caller.arn
        for entry in record.call.params["Entries"]
    ]  # fmt: skip
    assert put_back
    assert len(put_back) < 2 * len(set(put_back))  # most wait once, for their turn
    assert stack.count_dead_letters() == {"StageDeadLetterQueue": 0, "SweepDeadLetterQueue": 0}


def test_event_of_an_account_that_is_not_governed_changes_nothing(
    account: Sandbox, stack: Deployed, organization: Organization, members: dict[str, Account]
) -> None:
    """An account of the organization can create a role that the bus lets in. Its events are about itself only."""
    forger = account.add_account("444444444444")
    organization.join(forger, "forger")
    bus = f"arn:aws:events:{HOME}:{account.account_id}:event-bus/log-keeper"
    caller = caller_with(
        forger, "log-keeper-forward-us-east-1", {"Effect": "Allow", "Action": "events:PutEvents", "Resource": bus}
    )
    victim = make_rest_stage(members[ENFORCED])
    account.wait_until(lambda: is_compliant(members[ENFORCED], HOME, victim), 60)
    # The function sets the member's log role after the stage, and then evaluates the stage's own later events.
    stack.wait_until_quiet()
    before = len(members[ENFORCED].calls)
    arn = f"arn:aws:apigateway:{HOME}::/restapis/{victim}/stages/prod"
    detail = {"eventSource": "apigateway.amazonaws.com", "eventName": "TagResource", "recipientAccountId": ENFORCED,
              "requestParameters": {"resourceArn": arn}}  # fmt: skip
    events = forger.client("events", caller=caller)
    entry = {"DetailType": "AWS API Call via CloudTrail", "Detail": json.dumps(detail), "EventBusName": bus}
    refused = events.put_events(Entries=[entry | {"Source": "aws.apigateway"}])
    assert refused["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"
    # A rule of its own account forwards a true record, with the account that EventBridge gives it.
    role = "arn:aws:iam::444444444444:role/log-keeper-forward-us-east-1"
    trust = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sts:AssumeRole"}
    forger.client("iam").update_assume_role_policy(
        RoleName="log-keeper-forward-us-east-1",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    own = forger.client("events")
    own.put_rule(Name="forged", EventPattern=json.dumps({"source": ["aws.apigateway"]}))
    own.put_targets(Rule="forged", Targets=[{"Id": "hub", "Arn": bus, "RoleArn": role}])
    api_id = make_rest_stage(forger)

    def refused_messages() -> bool:
        return any("444444444444, which is not governed" in line for line in stack.log())

    account.wait_until(refused_messages, 60)
    assert levels(get_stage(forger, api_id)) == {}
    made = [record.call.operation for record in members[ENFORCED].calls[before:]]
    assert [operation for operation in made if not operation.startswith("Get")] == []


def test_hub_can_do_in_a_member_what_the_roles_allow_and_nothing_else(
    account: Sandbox, stack: Deployed, organization: Organization, members: dict[str, Account]
) -> None:
    role = next(
        record.call.caller.role_arn for record in account.calls
        if "EnforceRole" in record.call.caller.arn and record.call.operation == "AssumeRole"
    )  # fmt: skip
    assert role is not None
    function = account.caller_of_key(account.caller_of_role(role, "trial")["AccessKeyId"])
    member = members[ENFORCED]
    arn = f"arn:aws:iam::{ENFORCED}:role/log-keeper-member-remediate"
    given = account.client("sts", caller=function).assume_role(RoleArn=arn, RoleSessionName="trial")["Credentials"]
    there = account.caller_of_key(given["AccessKeyId"])
    api_id = make_rest_stage(member)
    for call in (
        lambda: member.client("apigateway", caller=there).delete_stage(restApiId=api_id, stageName="prod"),
        lambda: member.client("iam", caller=there).create_role(RoleName="mine", AssumeRolePolicyDocument="{}"),
        lambda: member.client("logs", caller=there).delete_log_group(logGroupName="/aws/vendedlogs/apigateway/x/prod"),
        lambda: member.client("events", caller=there).delete_rule(Name="log-keeper-stages"),
    ):
        assert refusal(call)[0] in ("AccessDenied", "AccessDeniedException")
    assert (
        refusal(lambda: member.client("sts").assume_role(RoleArn=arn, RoleSessionName="administrator"))[0]
        == "AccessDenied"
    )


def test_deleted_rule_of_a_member_is_found(account: Sandbox, stack: Deployed, members: dict[str, Account]) -> None:
    events = members[ENFORCED].client("events", FURTHER)
    events.remove_targets(Rule="log-keeper-stages", Ids=["Hub"])
    events.delete_rule(Name="log-keeper-stages")
    url = account.client("sqs").get_queue_url(QueueName=stack.outputs["SweepQueueUrl"].rsplit("/", 1)[1])["QueueUrl"]
    body = json.dumps({"region": FURTHER, "apis": None, "account": ENFORCED})
    account.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def found() -> bool:
        return any(
            "forwarder of the region is incomplete" in line.get("problem", "") and "log-keeper-stages" in line["detail"]
            for line in lines(stack, "sweep", ENFORCED)
        )

    account.wait_until(found, 60)
