"""Accounts to which the policies of the folder organization are attached: what is refused there, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.assembly import Sandbox
from sandbox.core.call import Caller
from sandbox.simulation import caller_of_new_role
from testing.accounts import get_stage, levels, log_role, make_http_stage, make_rest_stage, make_websocket_stage
from testing.builders import MADE_ROLE, record, updated
from testing.cloudformation import api_with_stage
from testing.deliveries import Deliver
from testing.service_control_policies import EXEMPT_TAG, LOG_ACCOUNT, OPTIONAL, PROTECTION, statements, text

RULES = ("deployed", "groups", "policy", "role", "sources", "stages")
GROUPS = (
    "API-Gateway-Execution-Logs_a1b2c3d4e5/prod",
    "/aws/apigateway/a1b2c3d4e5/prod",
    "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod",
    "/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/$default",
)
MEMBER_ROLES = ("log-keeper-forward-us-east-1", "log-keeper-member-read", "log-keeper-member-remediate")
STAGE = "arn:aws:apigateway:us-east-1::/restapis/a1b2c3d4e5/stages/prod"
STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/StackSet-log-keeper-{}-0a1b/0a1b"
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/log-keeper-undelivered"
TRUST = '{"Version": "2012-10-17", "Statement": []}'
POLICY = "arn:aws:iam::aws:policy/AWSDenyAll"
STREAM = "arn:aws:firehose:us-east-1:{}:deliverystream/amazon-apigateway-shop"

#: A service, an operation as a method of boto3, and its parameters.
type Attempt = tuple[str, str, dict[str, Any]]


def each(service: str, names: str, parameters: dict[str, Any]) -> list[Attempt]:
    """Return an attempt for each of the methods, which are separated by blanks."""
    return [(service, name, parameters) for name in names.split()]


def on_role(name: str) -> list[Attempt]:
    role = {"RoleName": name}
    return [
        ("iam", "delete_role", role),
        ("iam", "attach_role_policy", role | {"PolicyArn": POLICY}),
        ("iam", "detach_role_policy", role | {"PolicyArn": POLICY}),
        ("iam", "put_role_policy", role | {"PolicyName": "own", "PolicyDocument": TRUST}),
        ("iam", "delete_role_policy", role | {"PolicyName": "own"}),
        ("iam", "put_role_permissions_boundary", role | {"PermissionsBoundary": POLICY}),
        ("iam", "update_assume_role_policy", role | {"PolicyDocument": TRUST}),
    ]


def attempts_on_roles() -> list[Attempt]:
    made: list[Attempt] = []
    for name in (*MEMBER_ROLES, "stacksets-exec-0a1b"):
        role = {"RoleName": name}
        made += on_role(name)
        made += each("iam", "delete_role_permissions_boundary update_role", role)
        made.append(("iam", "create_role", role | {"AssumeRolePolicyDocument": TRUST}))
    return made


def attempts_on_rules_queues_and_stacks() -> list[Attempt]:
    made: list[Attempt] = []
    for rule in (f"log-keeper-{name}" for name in RULES):
        made += each("events", "delete_rule disable_rule", {"Name": rule})
        made.append(("events", "put_rule", {"Name": rule, "EventPattern": '{"source": ["none"]}'}))
        made.append(("events", "put_targets", {"Rule": rule, "Targets": [{"Id": "1", "Arn": STREAM}]}))
        made.append(("events", "remove_targets", {"Rule": rule, "Ids": ["Hub"]}))
    made += each("sqs", "delete_queue purge_queue", {"QueueUrl": QUEUE})
    made.append(("sqs", "set_queue_attributes", {"QueueUrl": QUEUE, "Attributes": {"Policy": ""}}))
    made.append(("sqs", "remove_permission", {"QueueUrl": QUEUE, "Label": "rules"}))
    permission = {"QueueUrl": QUEUE, "Label": "all", "AWSAccountIds": ["210987654321"], "Actions": ["*"]}
    made.append(("sqs", "add_permission", permission))
    for stack in (STACK.format("members"), STACK.format("enforce")):
        made.append(("cloudformation", "delete_stack", {"StackName": stack}))
        made.append(("cloudformation", "update_stack", {"StackName": stack, "TemplateBody": "{}"}))
        change = {"StackName": stack, "ChangeSetName": "own"}
        made.append(("cloudformation", "create_change_set", change | {"TemplateBody": "{}"}))
        made.append(("cloudformation", "execute_change_set", change))
    return made


def attempts_on_log_groups() -> list[Attempt]:
    made: list[Attempt] = []
    for group in GROUPS:
        made += each("logs", "delete_log_group delete_retention_policy", {"logGroupName": group})
        made.append(("logs", "delete_log_stream", {"logGroupName": group, "logStreamName": "one"}))
        made.append(("logs", "delete_subscription_filter", {"logGroupName": group, "filterName": "siem"}))
    return made


def attempts_on_exemption() -> list[Attempt]:
    tags, longer = {EXEMPT_TAG: "yes"}, {f"{EXEMPT_TAG}-until": "9999-12-31"}
    return [
        ("apigateway", "tag_resource", {"resourceArn": STAGE, "tags": longer}),
        ("apigatewayv2", "tag_resource", {"ResourceArn": STAGE.replace("restapis", "apis"), "Tags": longer}),
        ("apigateway", "tag_resource", {"resourceArn": STAGE, "tags": tags | {"team": "shop"}}),
        ("apigateway", "create_stage", {"restApiId": "a", "stageName": "prod", "deploymentId": "d", "tags": tags}),
        ("apigateway", "create_rest_api", {"name": "shop", "tags": tags}),
        ("apigatewayv2", "tag_resource", {"ResourceArn": STAGE.replace("restapis", "apis"), "Tags": tags}),
        ("apigatewayv2", "create_stage", {"ApiId": "a", "StageName": "prod", "Tags": tags}),
    ]


def attempts_on_ends_of_exemptions() -> list[Attempt]:
    keys = [f"{EXEMPT_TAG}-until", EXEMPT_TAG]
    return [
        ("apigateway", "untag_resource", {"resourceArn": STAGE, "tagKeys": keys[:1]}),
        ("apigateway", "untag_resource", {"resourceArn": STAGE, "tagKeys": keys}),
        ("apigatewayv2", "untag_resource", {"ResourceArn": STAGE.replace("restapis", "apis"), "TagKeys": keys}),
    ]


def attempts_on_destinations() -> list[Attempt]:
    settings = {"AccessLogSettings": {"DestinationArn": STREAM.format("666666666666"), "Format": "$context.requestId"}}
    path = "/accessLogSettings/destinationArn"
    patch = {"op": "replace", "path": path, "value": settings["AccessLogSettings"]["DestinationArn"]}
    return [
        ("apigatewayv2", "create_stage", {"ApiId": "a", "StageName": "prod", **settings}),
        ("apigatewayv2", "update_stage", {"ApiId": "a", "StageName": "prod", **settings}),
        ("apigateway", "update_stage", {"restApiId": "a", "stageName": "prod", "patchOperations": [patch]}),
    ]


REFUSED: dict[str, list[Attempt]] = {
    "KeepAccessLogSettings": [("apigatewayv2", "delete_access_log_settings", {"ApiId": "a", "StageName": "prod"})],
    "KeepLogGroups": attempts_on_log_groups(),
    "KeepRulesQueuesAndStacks": attempts_on_rules_queues_and_stacks(),
    "KeepRoles": attempts_on_roles(),
    "KeepLogRole": on_role("APIGatewayCloudWatchLogs"),
    "KeepStagesFromExemption": attempts_on_exemption(),
    "KeepEndOfExemptions": attempts_on_ends_of_exemptions(),
    "KeepAccountSettings": [("apigateway", "update_account", {"patchOperations": []})],
    "KeepLogDestinations": attempts_on_destinations(),
}


def refused(sandbox: Sandbox, caller: Caller, attempts: list[Attempt]) -> list[Attempt]:
    """Make the calls. Return those that a service control policy denies."""
    found = []
    for attempt in attempts:
        service, method, parameters = attempt
        try:
            getattr(sandbox.client(service, caller=caller), method)(**parameters)
        except ClientError as error:
            if "explicit deny in a service control policy" in str(error):
                found.append(attempt)
    return found


def attach(sandbox: Sandbox, *names: str) -> None:
    sandbox.service_control_policies += [text(name) for name in names]


@pytest.fixture
def guarded(sandbox: Sandbox) -> Sandbox:
    """Return an account with both policies, in which the calls find nothing that they could change."""
    attach(sandbox, PROTECTION, OPTIONAL)
    return sandbox


@pytest.fixture
def administrator(guarded: Sandbox) -> Caller:
    """Return a session of a role whose own policy allows everything."""
    return caller_of_new_role(guarded, "Admin")


def test_there_are_attempts_for_each_statement() -> None:
    assert [each["Sid"] for name in (PROTECTION, OPTIONAL) for each in statements(name)] == list(REFUSED)


@pytest.mark.parametrize("sid", REFUSED)
def test_statement_refuses_an_administrator_of_a_member_account(
    guarded: Sandbox, administrator: Caller, sid: str
) -> None:
    assert refused(guarded, administrator, REFUSED[sid]) == REFUSED[sid]
    others = [json.loads(document) for document in (text(PROTECTION), text(OPTIONAL))]
    for document in others:
        document["Statement"] = [each for each in document["Statement"] if each["Sid"] != sid]
    guarded.service_control_policies[:] = map(json.dumps, others)
    assert refused(guarded, administrator, REFUSED[sid]) == []


def test_tag_editor_cannot_exempt_a_stage(guarded: Sandbox, administrator: Caller) -> None:
    client = guarded.client("resourcegroupstaggingapi", caller=administrator)
    [failed] = client.tag_resources(ResourceARNList=[STAGE], Tags={EXEMPT_TAG: "yes"})["FailedResourcesMap"].values()
    assert "explicit deny in a service control policy" in failed["ErrorMessage"]


def test_team_may_end_the_exemption_of_its_stage(guarded: Sandbox, administrator: Caller) -> None:
    attempt = ("apigateway", "untag_resource", {"resourceArn": STAGE, "tagKeys": [EXEMPT_TAG]})
    assert refused(guarded, administrator, [attempt]) == []


def test_hub_is_not_bound(sandbox: Sandbox) -> None:
    caller = caller_of_new_role(sandbox, "Deployer")
    sandbox.service_control_policies += [text(name, hub=sandbox.account_id) for name in (PROTECTION, OPTIONAL)]
    for attempts in REFUSED.values():
        assert refused(sandbox, caller, attempts) == []


def test_stack_sets_of_the_organization_are_not_bound(sandbox: Sandbox) -> None:
    caller = caller_of_new_role(sandbox, "stacksets-exec-0a1b2c")
    attach(sandbox, PROTECTION, OPTIONAL)
    for attempts in REFUSED.values():
        assert refused(sandbox, caller, attempts) == []


# ---- Log Keeper


@pytest.fixture
def as_role(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that creates a role for the Enforce function to work with, and attaches the policies."""

    def work(name: str) -> None:
        caller_of_new_role(sandbox, name)
        credentials = sandbox.caller_of_role(f"arn:aws:iam::{sandbox.account_id}:role/{name}", "log-keeper")
        environment.setenv("AWS_ACCESS_KEY_ID", credentials["AccessKeyId"])
        environment.setenv("AWS_SECRET_ACCESS_KEY", credentials["SecretAccessKey"])
        environment.setenv("AWS_SESSION_TOKEN", credentials["SessionToken"])
        attach(sandbox, PROTECTION, OPTIONAL)

    return work


def test_log_keeper_remediates_stages_and_the_log_role(
    sandbox: Sandbox, deliver: Deliver, as_role: Callable[[str], None]
) -> None:
    rest, http, websocket = make_rest_stage(sandbox), make_http_stage(sandbox), make_websocket_stage(sandbox)
    as_role("log-keeper-member-remediate")
    v2 = [
        record("CreateStage", {"apiId": api_id, "stageName": name})
        for api_id, name in ((http, "$default"), (websocket, "prod"))
    ]
    assert deliver(updated(rest), *v2, remaining=80_000) == []
    assert levels(get_stage(sandbox, rest)) == {"*/*": "ERROR"}
    client = sandbox.client("apigatewayv2")
    for api_id, name in ((http, "$default"), (websocket, "prod")):
        assert "DestinationArn" in client.get_stage(ApiId=api_id, StageName=name)["AccessLogSettings"]
    assert log_role(sandbox) == MADE_ROLE

    sandbox.client("iam").update_assume_role_policy(RoleName="APIGatewayCloudWatchLogs", PolicyDocument=NO_TRUST)
    assert deliver(record("UpdateAccount", {}), remaining=80_000) == []
    trusted = sandbox.client("iam").get_role(RoleName="APIGatewayCloudWatchLogs")["Role"]["AssumeRolePolicyDocument"]
    assert "apigateway.amazonaws.com" in json.dumps(trusted)
    assert [made.call.operation for made in sandbox.calls if "AccessDenied" in (made.error_code or "")] == []


NO_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def test_role_of_another_name_could_not(sandbox: Sandbox, deliver: Deliver, as_role: Callable[[str], None]) -> None:
    api_id = make_rest_stage(sandbox)
    as_role("log-keeper-member-remediated")
    assert deliver(updated(api_id), remaining=80_000) == ["0"]
    assert log_role(sandbox) is None


# ---- A team that sets nothing about logging


@pytest.fixture
def team(sandbox: Sandbox) -> Caller:
    """Return a session of the role with which a team deploys. The policy that protects Log Keeper is attached."""
    caller = caller_of_new_role(sandbox, "Team")
    attach(sandbox, PROTECTION)
    return caller


def test_team_deploys_updates_and_deletes_a_stack(sandbox: Sandbox, team: Caller) -> None:
    """With a log role of its own, as AWS CDK adds it to a REST API, and tags on everything."""
    trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    resources = api_with_stage() | {
        "CloudWatchRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"],
            },
        },
        "Account": {
            "Type": "AWS::ApiGateway::Account",
            "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["CloudWatchRole", "Arn"]}},
        },
        "Web": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "web", "ProtocolType": "HTTP"}},
        "WebStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Web"}, "StageName": "$default", "AutoDeploy": True},
        },
        "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/shop"}},
    }
    client = sandbox.client("cloudformation", caller=team)
    given = {"StackName": "shop", "Capabilities": ["CAPABILITY_IAM"], "Tags": [{"Key": "team", "Value": "shop"}]}
    client.create_stack(TemplateBody=json.dumps({"Resources": resources}), **given)
    client.get_waiter("stack_create_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
    resources["Prod"]["Properties"]["Variables"] = {"version": "2"}
    client.update_stack(TemplateBody=json.dumps({"Resources": resources}), **given)
    client.get_waiter("stack_update_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})
    client.delete_stack(StackName="shop")
    client.get_waiter("stack_delete_complete").wait(StackName="shop", WaiterConfig={"Delay": 1})


def test_team_opts_in_to_info_and_out_again(sandbox: Sandbox, team: Caller) -> None:
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{make_rest_stage(sandbox)}/stages/prod"
    client = sandbox.client("apigateway", caller=team)
    client.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO", "execution-logs-until": "2026-12-24"})
    client.untag_resource(resourceArn=arn, tagKeys=["execution-logs", "execution-logs-until"])


def test_optional_policy_lets_log_groups_and_streams_of_the_log_account_through(
    guarded: Sandbox, administrator: Caller
) -> None:
    groups = "arn:aws:logs:us-east-1:123456789012:log-group:/shop/access"
    client = guarded.client("apigatewayv2", caller=administrator)
    for arn in (groups, STREAM.format(LOG_ACCOUNT)):
        with pytest.raises(client.exceptions.NotFoundException):
            client.create_stage(
                ApiId="a", StageName="prod", AccessLogSettings={"DestinationArn": arn, "Format": "$context.requestId"}
            )
