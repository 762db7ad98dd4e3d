"""The sandbox's CloudFormation when an operation fails: what is rolled back, what stays, and the events."""

from __future__ import annotations

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role
from testing.clients import client, refusal
from testing.cloudformation import NAME, api_with_stage, create, history, physical, stack, template, update

#: Properties of a stage that is refused while the account has no log role.
LOGGED = {"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "INFO"}]}


def test_stage_that_fails_halfway_is_rolled_back_completely(sandbox: Sandbox) -> None:
    failed = create(sandbox, template(api_with_stage(**LOGGED)))

    assert (failed["StackStatus"], failed.get("StackStatusReason")) == ("ROLLBACK_COMPLETE", None)
    assert client(sandbox, "apigateway").get_rest_apis()["items"] == []
    assert physical(sandbox) == {}
    assert [each for each in history(sandbox) if each[0] == "Prod"] == [
        ("Prod", "CREATE_IN_PROGRESS"),
        ("Prod", "CREATE_IN_PROGRESS"),
        ("Prod", "CREATE_FAILED"),
        ("Prod", "DELETE_IN_PROGRESS"),
        ("Prod", "DELETE_COMPLETE"),
    ]


def test_reason_of_a_rollback_names_the_resource(sandbox: Sandbox) -> None:
    create(sandbox, template(api_with_stage(**LOGGED)))

    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    reasons = {event["ResourceStatus"]: event.get("ResourceStatusReason") for event in events}
    assert (
        reasons["ROLLBACK_IN_PROGRESS"]
        == "The following resource(s) failed to create: [Prod]. Rollback requested by user."
    )
    assert "CloudWatch Logs role ARN must be set" in (reasons["CREATE_FAILED"] or "")


def test_without_rollback_the_failed_resource_stays_and_can_be_deleted(sandbox: Sandbox) -> None:
    failed = create(sandbox, template(api_with_stage(**LOGGED)), OnFailure="DO_NOTHING")

    assert failed["StackStatus"] == "CREATE_FAILED"
    listed = client(sandbox, "cloudformation").list_stack_resources(StackName=NAME)["StackResourceSummaries"]
    assert {each["LogicalResourceId"]: each["ResourceStatus"] for each in listed}["Prod"] == "CREATE_FAILED"
    assert refusal(lambda: update(sandbox, template(api_with_stage())))[0] == "ValidationError"

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert client(sandbox, "apigateway").get_rest_apis()["items"] == []


def test_update_that_fails_in_a_new_stage_removes_it(sandbox: Sandbox) -> None:
    def body(*more: str) -> str:
        resources = api_with_stage()
        second = api_with_stage(**LOGGED)["Prod"]
        second["Properties"] |= {"StageName": "test"}
        return template({**resources, **({"Test": second} if more else {})})

    create(sandbox, body())
    failed = update(sandbox, body("second"))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    api_id = physical(sandbox)["Api"]
    stages = client(sandbox, "apigateway").get_stages(restApiId=api_id)["item"]
    assert [each["stageName"] for each in stages] == ["prod"]


def test_update_that_fails_restores_the_stage_that_failed(sandbox: Sandbox) -> None:
    give_log_role(sandbox)
    quiet = {"MethodSettings": [{"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "ERROR"}]}
    loud = {"MethodSettings": [{"ResourcePath": "/~1pets", "HttpMethod": "GET", "LoggingLevel": "DEBUG"}]}
    create(sandbox, template(api_with_stage(**quiet, Description="before")))

    failed = update(sandbox, template(api_with_stage(**loud, Description="after")))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    stage = client(sandbox, "apigateway").get_stage(restApiId=physical(sandbox)["Api"], stageName="prod")
    assert stage["description"] == "before"
    assert {key: each["loggingLevel"] for key, each in stage["methodSettings"].items()} == {"*/*": "ERROR"}


def test_update_that_fails_halfway_in_a_role_restores_its_policies(sandbox: Sandbox) -> None:
    def body(*names: str, managed: str | None = None) -> str:
        statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
        role = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "lambda.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                        }
                    ]
                },
                "Policies": [{"PolicyName": name, "PolicyDocument": {"Statement": [statement]}} for name in names],
                **({"ManagedPolicyArns": [managed]} if managed else {}),
            },
        }
        return template({"Role": role})

    create(sandbox, body("first"))
    failed = update(sandbox, body("second", managed="arn:aws:iam::aws:policy/NoSuchPolicy"))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    name = physical(sandbox)["Role"]
    assert client(sandbox, "iam").list_role_policies(RoleName=name)["PolicyNames"] == ["first"]


def test_resource_is_not_deleted_before_those_that_need_it(sandbox: Sandbox) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "DependsOn": "Topic"}
    create(
        sandbox,
        template({"Bucket": bucket, "Topic": {"Type": "AWS::SNS::Topic"}, "Queue": {"Type": "AWS::SQS::Queue"}}),
    )
    client(sandbox, "s3").put_object(Bucket=physical(sandbox)["Bucket"], Key="kept", Body=b"x")

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    failed = stack(sandbox)
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert failed["StackStatusReason"] == "The following resource(s) failed to delete: [Bucket]. "
    assert physical(sandbox).keys() == {"Bucket", "Topic"}
    assert ("Topic", "DELETE_IN_PROGRESS") not in history(sandbox)

    client(sandbox, "cloudformation").delete_stack(StackName=NAME, RetainResources=["Bucket"])
    assert client(sandbox, "sns").list_topics()["Topics"] == []


def test_resources_are_retained_only_after_a_deletion_that_failed(sandbox: Sandbox) -> None:
    create(sandbox, template({"Topic": {"Type": "AWS::SNS::Topic"}}))

    code, message = refusal(
        lambda: client(sandbox, "cloudformation").delete_stack(StackName=NAME, RetainResources=["Topic"])
    )
    assert code == "ValidationError"
    assert "only when the stack is in the DELETE_FAILED state" in message


def test_role_that_is_to_be_retained_survives_the_rollback(sandbox: Sandbox) -> None:
    """The account role of AWS CDK is such a role; its Account resource is retained with it."""
    broken = {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": ["Kept", "Gone"],
        "Properties": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:nowhere", "Protocol": "sqs", "Endpoint": "x"},
    }
    kept = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "Retain", "Properties": {"QueueName": "kept"}}
    deleted = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "RetainExceptOnCreate", "Properties": {"QueueName": "gone"}}

    assert (
        create(sandbox, template({"Kept": kept, "Gone": deleted, "Broken": broken}))["StackStatus"]
        == "ROLLBACK_COMPLETE"
    )
    urls = client(sandbox, "sqs").list_queues()["QueueUrls"]
    assert [url.rsplit("/", 1)[-1] for url in urls] == ["kept"]
