"""Nested stacks are created and deleted with their parent."""

from __future__ import annotations

import json
import re

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, history, outputs, physical, stack, template, update
from testing.iam import allow, role, trust
from testing.nested_stacks import BROKEN, inner, nesting, reasons, stored, upload, words

# ---- creation


def test_nested_stack_is_created_with_its_parameters_and_returns_its_outputs(sandbox: Sandbox) -> None:
    sections = {
        "Outputs": {"Words": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Words"]}}, "Id": {"Value": {"Ref": "Inner"}}}
    }
    made = create(sandbox, nesting(words(sandbox), Parameters={"Words": ["a", 1, True]}, sections=sections))

    assert (made["StackStatus"], "ParentId" in made) == ("CREATE_COMPLETE", False)
    assert outputs(made) == {"Words": "a,1,true", "Id": physical(sandbox)["Inner"]}
    assert stored(sandbox) == "a,1,true"
    nested = inner(sandbox)
    assert re.fullmatch(r"tiny-Inner-[A-Z0-9]{12}", nested["StackName"])
    assert (nested["ParentId"], nested["RootId"]) == (made["StackId"], made["StackId"])
    assert (nested["StackStatus"], nested["Capabilities"]) == ("CREATE_COMPLETE", ["CAPABILITY_IAM"])
    assert nested["DisableRollback"]


def test_events_of_a_nested_stack_are_its_own(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox)))

    assert history(sandbox) == [
        ("tiny", "CREATE_IN_PROGRESS"),
        ("Inner", "CREATE_IN_PROGRESS"),
        ("Inner", "CREATE_IN_PROGRESS"),
        ("Inner", "CREATE_COMPLETE"),
        ("tiny", "CREATE_COMPLETE"),
    ]
    name = inner(sandbox)["StackName"]
    assert history(sandbox, name) == [
        (name, "CREATE_IN_PROGRESS"),
        ("Stored", "CREATE_IN_PROGRESS"),
        ("Stored", "CREATE_IN_PROGRESS"),
        ("Stored", "CREATE_COMPLETE"),
        (name, "CREATE_COMPLETE"),
    ]


def test_stack_inside_a_nested_stack_has_the_same_root(sandbox: Sandbox) -> None:
    middle = upload(sandbox, "middle", nesting(words(sandbox)))
    made = create(sandbox, nesting(middle))

    innermost = stack(sandbox, physical(sandbox, inner(sandbox)["StackName"])["Inner"])

    assert (innermost["ParentId"], innermost["RootId"]) == (inner(sandbox)["StackId"], made["StackId"])
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    left = client(sandbox, "cloudformation").describe_stacks()["Stacks"]
    assert left == []


def test_tags_of_the_parent_are_tags_of_the_nested_stack(sandbox: Sandbox) -> None:
    body = nesting(words(sandbox), Tags=[{"Key": "own", "Value": "1"}])
    create(sandbox, body, Tags=[{"Key": "team", "Value": "shop"}])

    assert {tag["Key"]: tag["Value"] for tag in inner(sandbox)["Tags"]} == {"team": "shop", "own": "1"}


def test_nested_stack_is_created_by_the_caller_of_the_parent(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox, {"Queue": {"Type": "AWS::SQS::Queue"}})))

    def callers(operation: str) -> list[tuple[str, str | None]]:
        made = [each.call.caller for each in sandbox.calls if each.call.operation == operation]
        return [(caller.arn, caller.invoked_by) for caller in made]

    administrator = sandbox.administrator.arn
    by_cloudformation = (administrator, "cloudformation.amazonaws.com")
    assert callers("CreateStack") == [by_cloudformation, (administrator, None)]
    assert callers("CreateQueue") == [by_cloudformation]


def test_status_of_a_nested_stack_is_sent_to_the_event_bus(sandbox: Sandbox) -> None:
    sqs, events = client(sandbox, "sqs"), client(sandbox, "events")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    events.put_rule(Name="stacks", EventPattern=json.dumps({"source": ["aws.cloudformation"]}))
    arn = "arn:aws:sqs:us-east-1:123456789012:seen"
    sqs.set_queue_attributes(
        QueueUrl=url,
        Attributes={"Policy": allow("sqs:SendMessage", resource=arn, Principal={"Service": "events.amazonaws.com"})},
    )
    events.put_targets(Rule="stacks", Targets=[{"Id": "1", "Arn": arn}])

    create(sandbox, nesting(words(sandbox)))

    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    details = [json.loads(message["Body"])["detail"] for message in messages]
    assert {
        detail["status-details"]["status"] for detail in details if detail["stack-id"] == physical(sandbox)["Inner"]
    } == {"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}


def test_nested_stack_has_the_service_role_of_its_parent_which_passes_itself(sandbox: Sandbox) -> None:
    arn = role(sandbox, "deployer", "cloudformation.amazonaws.com", allow("cloudformation:*", "s3:*", "ssm:*"))
    body = nesting(words(sandbox))

    refused = create(sandbox, body, RoleARN=arn)

    assert refused["StackStatus"] == "ROLLBACK_COMPLETE"
    assert (
        f"is not authorized to perform: iam:PassRole on resource: {arn}" in reasons(sandbox, "CREATE_FAILED")["Inner"]
    )
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    client(sandbox, "iam").put_role_policy(
        RoleName="deployer", PolicyName="itself", PolicyDocument=allow("iam:PassRole", resource=arn)
    )
    assert create(sandbox, body, RoleARN=arn)["StackStatus"] == "CREATE_COMPLETE"
    assert inner(sandbox)["RoleARN"] == arn


# ---- creation that fails


def test_capabilities_of_the_parent_hold_for_the_nested_stack(sandbox: Sandbox) -> None:
    wanted = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": json.loads(trust("lambda.amazonaws.com"))},
    }
    body = nesting(upload(sandbox, "role", template({"Role": wanted})))

    failed = create(sandbox, body, Capabilities=[])

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reasons(sandbox, "CREATE_FAILED") == {"Inner": "Requires capabilities : [CAPABILITY_IAM]"}
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert create(sandbox, body)["StackStatus"] == "CREATE_COMPLETE"


def test_nested_stack_that_fails_is_deleted_by_the_rollback_of_its_parent(sandbox: Sandbox) -> None:
    failed = create(sandbox, nesting(words(sandbox, {"Broken": {**BROKEN, "DependsOn": "Stored"}})))

    assert failed["StackStatus"] == "ROLLBACK_COMPLETE"
    (reason,) = reasons(sandbox, "CREATE_FAILED").values()
    found = re.fullmatch(r"Embedded stack (\S+) was not successfully created: (.*)", reason)
    assert found
    assert found[2] == "The following resource(s) failed to create: [Broken]. "
    statuses = [status for name, status in history(sandbox, found[1]) if name.startswith("tiny-Inner-")]
    assert statuses == ["CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"]
    assert refusal(lambda: stored(sandbox))[0] == "ParameterNotFound"


def test_without_rollback_the_failed_nested_stack_stays_until_its_parent_is_deleted(sandbox: Sandbox) -> None:
    failed = create(sandbox, nesting(words(sandbox, {"Broken": BROKEN})), OnFailure="DO_NOTHING")

    assert (failed["StackStatus"], inner(sandbox)["StackStatus"]) == ("CREATE_FAILED", "CREATE_FAILED")
    name = inner(sandbox)["StackName"]

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    message = f"Stack with id {name} does not exist"
    assert refusal(lambda: stack(sandbox, name)) == ("ValidationError", message)


def test_rollback_of_the_parent_deletes_what_a_nested_stack_retains_except_on_create(sandbox: Sandbox) -> None:
    queue = {"Type": "AWS::SQS::Queue", "DeletionPolicy": "RetainExceptOnCreate"}
    body = nesting(upload(sandbox, "queue", template({"Queue": queue})), {"Broken": {**BROKEN, "DependsOn": "Inner"}})

    assert create(sandbox, body)["StackStatus"] == "ROLLBACK_COMPLETE"

    assert client(sandbox, "sqs").list_queues().get("QueueUrls") is None


def test_template_that_is_missing_in_the_bucket_fails_the_nested_stack(sandbox: Sandbox) -> None:
    url = words(sandbox).replace("words", "nothing")

    assert create(sandbox, nesting(url))["StackStatus"] == "ROLLBACK_COMPLETE"

    assert reasons(sandbox, "CREATE_FAILED")["Inner"].startswith("S3 error: ")


def test_template_that_was_not_uploaded_fails_the_nested_stack(sandbox: Sandbox) -> None:
    create(sandbox, nesting("nested/inner.yaml"))

    assert reasons(sandbox, "CREATE_FAILED") == {"Inner": "TemplateURL must be a supported URL."}


# ---- deletion


def test_deletion_of_the_parent_deletes_the_nested_stack(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox)))
    identity = physical(sandbox)["Inner"]

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    assert stack(sandbox, identity)["StackStatus"] == "DELETE_COMPLETE"
    assert refusal(lambda: stored(sandbox))[0] == "ParameterNotFound"


def test_nested_stack_that_its_parent_does_not_declare_any_more_is_deleted(sandbox: Sandbox) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    create(sandbox, nesting(words(sandbox), topic))
    identity = physical(sandbox)["Inner"]

    assert update(sandbox, template(topic))["StackStatus"] == "UPDATE_COMPLETE"

    assert stack(sandbox, identity)["StackStatus"] == "DELETE_COMPLETE"


def test_nested_stack_that_cannot_be_deleted_keeps_its_parent(sandbox: Sandbox) -> None:
    create(sandbox, nesting(upload(sandbox, "bucket", template({"Bucket": {"Type": "AWS::S3::Bucket"}}))))
    identity = physical(sandbox)["Inner"]
    bucket = physical(sandbox, identity)["Bucket"]
    client(sandbox, "s3").put_object(Bucket=bucket, Key="kept", Body=b"x")
    cloudformation = client(sandbox, "cloudformation")

    cloudformation.delete_stack(StackName=NAME)

    assert stack(sandbox)["StackStatus"] == "DELETE_FAILED"
    assert reasons(sandbox, "DELETE_FAILED")["Inner"] == (
        f"Embedded stack {identity} was not successfully deleted: "
        "The following resource(s) failed to delete: [Bucket]. "
    )
    client(sandbox, "s3").delete_object(Bucket=bucket, Key="kept")
    cloudformation.delete_stack(StackName=NAME)
    assert stack(sandbox, identity)["StackStatus"] == "DELETE_COMPLETE"


def test_termination_protection_of_the_parent_protects_the_nested_stack(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox)), EnableTerminationProtection=True)
    identity = physical(sandbox)["Inner"]
    cloudformation = client(sandbox, "cloudformation")

    def protect(name: str, *, enabled: bool) -> None:
        cloudformation.update_termination_protection(StackName=name, EnableTerminationProtection=enabled)

    assert inner(sandbox)["EnableTerminationProtection"]
    assert "TerminationProtection is enabled" in refusal(lambda: cloudformation.delete_stack(StackName=identity))[1]
    assert refusal(lambda: protect(identity, enabled=False))[0] == "ValidationError"
    protect(NAME, enabled=False)
    assert not inner(sandbox)["EnableTerminationProtection"]
