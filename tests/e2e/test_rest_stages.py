"""The deployed stack keeps REST stages compliant, whoever changes them and with whatever call."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sandbox import deployment
from sandbox.services.apigateway.request_logs import write_execution_log
from testing.accounts import (
    PUSH_POLICY,
    TRUST,
    get_stage,
    levels,
    log_groups,
    log_role,
    make_delivery,
    make_rest_api,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
)
from testing.builders import MADE_ROLE, record, updated
from testing.stacks import Deployed
from testing.trials import OF_LAMBDA

#: How the account begins.
HAS_LOG_ROLE = False


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    return deploy()


def test_stage_made_by_the_aws_command_line_is_compliant(stack: Deployed) -> None:
    """In an account that has never logged: the log role is created first."""
    api_id = make_rest_api(stack.sandbox)
    assert log_role(stack.sandbox) is None
    deployment.run(
        stack.sandbox,
        *("aws", "apigateway", "create-deployment", "--rest-api-id", api_id, "--stage-name", "prod"),
    )
    stack.wait_until_compliant(api_id)
    assert log_role(stack.sandbox) == MADE_ROLE
    assert log_groups(stack.sandbox)[f"/aws/vendedlogs/apigateway/{api_id}/prod"] == 365
    assert log_groups(stack.sandbox)[f"API-Gateway-Execution-Logs_{api_id}/prod"] == 30


def test_tagged_stage_gets_info_and_untagged_error(stack: Deployed) -> None:
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    client, arn = stack.sandbox.client("apigateway"), f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    client.tag_resource(resourceArn=arn, tags={"execution-logs": "info"})
    stack.wait_until_compliant(api_id, level="INFO")
    client.untag_resource(resourceArn=arn, tagKeys=["execution-logs"])
    stack.wait_until_compliant(api_id)


@pytest.mark.parametrize("shows_service_calls", [False, True])
def test_stage_tagged_in_tag_editor_gets_info_and_untagged_error(stack: Deployed, *, shows_service_calls: bool) -> None:
    """Whether or not CloudTrail shows the calls that the Resource Groups Tagging API makes of API Gateway."""
    stack.sandbox.turn(tagging_api_shows_service_calls=shows_service_calls)
    api_id, other_id = make_rest_stage(stack.sandbox), make_rest_stage(stack.sandbox)
    for each in (api_id, other_id):
        stack.wait_until_compliant(each)
    arns = [f"arn:aws:apigateway:us-east-1::/restapis/{each}/stages/prod" for each in (api_id, other_id)]
    tagging = stack.sandbox.client("resourcegroupstaggingapi")
    tagging.tag_resources(ResourceARNList=arns, Tags={"execution-logs": "INFO"})
    for each in (api_id, other_id):
        stack.wait_until_compliant(each, level="INFO")
    tagging.untag_resources(ResourceARNList=arns[:1], TagKeys=["execution-logs"])
    stack.wait_until_compliant(api_id)


def test_stage_whose_execution_logs_are_delivered_elsewhere_gets_the_standard_log_group_afterwards(
    stack: Deployed,
) -> None:
    sandbox, logs = stack.sandbox, stack.sandbox.client("logs")
    logs.create_log_group(logGroupName="/teams/shop/execution")
    api_id = make_rest_stage(sandbox)
    stack.wait_until_compliant(api_id)
    standard = f"API-Gateway-Execution-Logs_{api_id}/prod"
    arn = f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:/teams/shop/execution"
    delivery_id = make_delivery(sandbox, api_id, arn)
    stack.wait_until_logged("compliant", api_id, "a log delivery sends execution logs elsewhere", arn)
    logs.delete_log_group(logGroupName=standard)
    stack.wait_until_logged("compliant", api_id, "a log group of the stage was deleted")
    assert standard not in log_groups(sandbox)
    assert write_execution_log(sandbox, api_id, "prod") == ["/teams/shop/execution"]
    logs.delete_delivery(id=delivery_id)
    sandbox.wait_until(lambda: log_groups(sandbox).get(standard) == 30)
    assert write_execution_log(sandbox, api_id, "prod") == [standard]


def test_stage_created_with_the_tag_gets_info(stack: Deployed) -> None:
    client, api_id = stack.sandbox.client("apigateway"), make_rest_api(stack.sandbox)
    deployment_id = client.create_deployment(restApiId=api_id)["id"]
    client.create_stage(restApiId=api_id, stageName="prod", deploymentId=deployment_id, tags={"execution-logs": "INFO"})
    stack.wait_until_compliant(api_id, level="INFO")


def test_logging_switched_off_by_hand_comes_back(stack: Deployed) -> None:
    """With an override, and data trace: raising a level must not start to write request and response bodies."""
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    patch_stage(
        stack.sandbox,
        api_id,
        ("replace", "/*/*/logging/loglevel", "OFF"),
        ("replace", "/*/*/logging/dataTrace", "true"),
        ("replace", "/~1/GET/throttling/burstLimit", "7"),
        ("remove", "/accessLogSettings"),
    )
    stack.wait_until_compliant(api_id)
    stage = get_stage(stack.sandbox, api_id)
    assert levels(stage) == {"*/*": "ERROR", "~1/GET": "ERROR"}
    assert stage["methodSettings"]["~1/GET"]["throttlingBurstLimit"] == 7


def test_own_change_causes_no_second_invocation(stack: Deployed) -> None:
    stack.wait_until_quiet()
    before = stack.invocations()
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    # A later change of somebody else's arrives behind whatever our own may have caused.
    patch_stage(stack.sandbox, api_id, ("replace", "/description", "later"))
    stack.sandbox.wait_until(lambda: stack.invocations() >= before + 2)
    stack.wait_until_quiet()
    ours = [
        event
        for event in stack.sandbox.trail
        if event["eventName"] == "UpdateStage"
        and event["requestParameters"]["restApiId"] == api_id
        and "EnforceRole" in json.dumps(event["userIdentity"])
    ]
    assert len(ours) == 1
    assert stack.invocations() == before + 2


def test_stage_deleted_in_between_is_done(stack: Deployed) -> None:
    client = stack.sandbox.client("apigateway")
    with stack.sandbox.lock:  # nothing of ours runs before both calls are made
        api_id = make_rest_stage(stack.sandbox)
        client.delete_stage(restApiId=api_id, stageName="prod")
    stack.sandbox.wait_until(lambda: any(api_id in line and '"outcome":"deleted"' in line for line in stack.log()))
    assert stack.wait_until_quiet() == 0


def test_one_bad_message_among_nine_good(stack: Deployed) -> None:
    """The nine are followed in the same batch; the bad one ends in the dead-letter queue, alone."""
    stack.wait_until_quiet()
    apis = [make_rest_stage(stack.sandbox) for _ in range(9)]
    for api_id in apis:
        stack.wait_until_compliant(api_id)
    stack.wait_until_quiet()
    with stack.sandbox.lock:
        for api_id in apis:
            patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
        sqs, url = stack.sandbox.client("sqs"), stack.outputs["StageQueueUrl"]
        sqs.purge_queue(QueueUrl=url)
        stack.set_queue(VisibilityTimeout="1")
        bodies = [
            *(json.dumps(updated(api_id)) for api_id in apis[:5]),
            "no JSON",
            *(json.dumps(updated(api_id)) for api_id in apis[5:]),
        ]
        sqs.send_message_batch(
            QueueUrl=url,
            Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)],
        )
    for api_id in apis:
        stack.wait_until_compliant(api_id)
    assert stack.wait_until_quiet() == 1
    stack.set_queue(VisibilityTimeout="360")
    assert stack.dead_letters() == ["no JSON"]
    assert sum("Message unreadable" in line for line in stack.log()) == 5


def test_record_of_no_stage_is_dropped(stack: Deployed) -> None:
    stack.sandbox.client("sqs").send_message(
        QueueUrl=stack.outputs["StageQueueUrl"], MessageBody=json.dumps(record("CreateDeployment", None))
    )
    stack.sandbox.wait_until(lambda: any("Record ignored: names no stage" in line for line in stack.log()))
    assert stack.wait_until_quiet() == 0


def test_metrics_arrive(stack: Deployed) -> None:
    metrics = stack.sandbox.client("cloudwatch").list_metrics(Namespace="LogKeeper")["Metrics"]
    assert {"StagesRemediated", "LogRolesRepaired", "MessagesUnreadable", "RecordsIgnored"} <= {
        metric["MetricName"] for metric in metrics
    }


def test_deleted_log_role_is_made_again(stack: Deployed) -> None:
    iam = stack.sandbox.client("iam")
    stack.wait_until_quiet()
    with stack.sandbox.lock:  # as in AWS, where the records come seconds later
        iam.detach_role_policy(RoleName="APIGatewayCloudWatchLogs", PolicyArn=PUSH_POLICY)
        iam.delete_role(RoleName="APIGatewayCloudWatchLogs")
    stack.sandbox.wait_until(lambda: "APIGatewayCloudWatchLogs" in role_names(stack))
    assert stack.wait_until_quiet() == 0
    attached = iam.list_attached_role_policies(RoleName="APIGatewayCloudWatchLogs")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [PUSH_POLICY]
    role = iam.get_role(RoleName="APIGatewayCloudWatchLogs")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"] == TRUST["Statement"]
    assert log_role(stack.sandbox) == MADE_ROLE


def test_log_role_that_lost_its_trust_is_trusted_again(stack: Deployed) -> None:
    """What somebody trusts it for instead stays."""
    iam, name = stack.sandbox.client("iam"), "APIGatewayCloudWatchLogs"
    stack.wait_until_quiet()
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(OF_LAMBDA))

    def trusted() -> list[object]:
        return list(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"])

    stack.sandbox.wait_until(lambda: trusted() == [*OF_LAMBDA["Statement"], *TRUST["Statement"]])
    assert stack.wait_until_quiet() == 0


def test_cleared_account_setting_is_set_again(stack: Deployed) -> None:
    set_log_role(stack.sandbox, "")
    stack.sandbox.wait_until(lambda: log_role(stack.sandbox) == MADE_ROLE)


def test_valid_role_of_somebody_else_is_left(stack: Deployed) -> None:
    stack.wait_until_quiet()
    theirs = make_role(stack.sandbox, "Theirs")
    stack.sandbox.wait_until(lambda: stack.sandbox.is_propagated("Theirs"))
    before = stack.invocations()
    set_log_role(stack.sandbox, theirs)
    stack.sandbox.wait_until(lambda: stack.invocations() > before)
    assert stack.wait_until_quiet() == 0
    assert log_role(stack.sandbox) == theirs


def test_role_that_may_not_be_passed_ends_in_the_dead_letter_queue(stack: Deployed) -> None:
    """For example because of a boundary. The stage stays as it is, the cause is reported, and nothing is lost."""
    iam = stack.sandbox.client("iam")
    enforcer = next(name for name in role_names(stack) if "EnforceRole" in name)
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}]}
    stack.wait_until_quiet()
    iam.put_role_policy(RoleName=enforcer, PolicyName="Deny", PolicyDocument=json.dumps(deny))
    stack.set_queue(VisibilityTimeout="1")
    set_log_role(stack.sandbox, "")
    stack.sandbox.wait_until(lambda: stack.wait_until_quiet() == 1, timeout=60)
    assert log_role(stack.sandbox) is None
    assert any(
        "AccountRoleError" in line and "is not authorized to perform: iam:PassRole" in line for line in stack.log()
    )
    iam.delete_role_policy(RoleName=enforcer, PolicyName="Deny")
    stack.set_queue(VisibilityTimeout="360")
    [letter] = stack.dead_letters()
    # Sent again without a change after the cause is repaired, it has its effect.
    stack.sandbox.client("sqs").send_message(QueueUrl=stack.outputs["StageQueueUrl"], MessageBody=letter)
    stack.sandbox.wait_until(lambda: log_role(stack.sandbox) == MADE_ROLE)


def role_names(stack: Deployed) -> list[str]:
    return [role["RoleName"] for role in stack.sandbox.client("iam").list_roles()["Roles"]]
