"""How CloudFormation describes stacks and change sets, and which members are absent."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, stack, template

TOPIC = template({"Topic": {"Type": "AWS::SNS::Topic"}})
#: Members of every stack that LocalStack recorded on AWS.
ALWAYS = {
    "StackId", "StackName", "CreationTime", "StackStatus", "DisableRollback", "NotificationARNs",
    "RollbackConfiguration", "Tags", "DriftInformation",
}  # fmt: skip


def described(sandbox: Sandbox, stack_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client(sandbox, "cloudformation").describe_stacks(StackName=stack_id)["Stacks"][0]
    return found


def test_stack_without_parameters_outputs_and_capabilities_has_no_such_members(sandbox: Sandbox) -> None:
    made = create(sandbox, TOPIC, Capabilities=[])

    assert made.keys() == ALWAYS | {"EnableTerminationProtection"}
    assert (made["Tags"], made["NotificationARNs"], made["RollbackConfiguration"]) == ([], [], {})


def test_deleted_stack_has_a_deletion_time_and_no_termination_protection(sandbox: Sandbox) -> None:
    made = create(sandbox, TOPIC, Capabilities=[])
    client(sandbox, "cloudformation").delete_stack(StackName=NAME)

    assert described(sandbox, made["StackId"]).keys() == ALWAYS | {"DeletionTime"}


def test_stack_of_a_change_set_names_it_and_its_execution(sandbox: Sandbox) -> None:
    cloudformation = client(sandbox, "cloudformation")
    made = cloudformation.create_change_set(
        StackName=NAME, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=TOPIC
    )
    review = described(sandbox, NAME)
    assert review.keys() == ALWAYS | {"EnableTerminationProtection", "StackStatusReason"}
    assert (review["StackStatus"], review["StackStatusReason"]) == ("REVIEW_IN_PROGRESS", "User Initiated")

    cloudformation.execute_change_set(StackName=NAME, ChangeSetName="first")
    done = stack(sandbox)
    assert done.keys() == ALWAYS | {"EnableTerminationProtection", "ChangeSetId", "LastUpdatedTime"}
    assert done["ChangeSetId"] == made["Id"]


def test_change_set_shows_empty_capabilities_and_no_empty_parameters_or_tags(sandbox: Sandbox) -> None:
    cloudformation = client(sandbox, "cloudformation")
    cloudformation.create_change_set(StackName=NAME, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=TOPIC)
    answer = cloudformation.describe_change_set(StackName=NAME, ChangeSetName="first")
    del answer["ResponseMetadata"]

    assert answer.keys() == {
        "Capabilities", "ChangeSetId", "ChangeSetName", "Changes", "CreationTime", "ExecutionStatus",
        "IncludeNestedStacks", "NotificationARNs", "RollbackConfiguration", "StackId", "StackName", "Status",
    }  # fmt: skip
    assert (answer["Capabilities"], answer["RollbackConfiguration"]) == ([], {})
    change = answer["Changes"][0]["ResourceChange"]
    assert (change["Details"], change["Scope"]) == ([], [])


def test_change_set_shows_defaults_and_hides_secrets(sandbox: Sandbox) -> None:
    parameters = {"Size": {"Type": "Number", "Default": 3}, "Key": {"Type": "String", "NoEcho": True}}
    body = json.dumps({**json.loads(TOPIC), "Parameters": parameters})
    cloudformation = client(sandbox, "cloudformation")
    given = [{"ParameterKey": "Key", "ParameterValue": "secret"}]
    cloudformation.create_change_set(
        StackName=NAME, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=body, Parameters=given
    )

    shown = cloudformation.describe_change_set(StackName=NAME, ChangeSetName="first")["Parameters"]
    assert {each["ParameterKey"]: each["ParameterValue"] for each in shown} == {"Size": "3", "Key": "****"}


def test_name_of_an_existing_stack_is_refused(sandbox: Sandbox) -> None:
    create(sandbox, TOPIC)

    assert refusal(
        lambda: client(sandbox, "cloudformation").create_change_set(
            StackName=NAME, ChangeSetName="again", ChangeSetType="CREATE", TemplateBody=TOPIC
        )
    ) == ("ValidationError", f"Stack [{NAME}] already exists and cannot be created again with the changeSet [again].")


def test_events_of_a_resource_have_its_properties_and_two_starts(sandbox: Sandbox) -> None:
    create(sandbox, template({"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "news"}}}))

    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    first, second, third = [each for each in reversed(events) if each["LogicalResourceId"] == "Topic"]
    arn = "arn:aws:sns:us-east-1:123456789012:news"
    assert [each["PhysicalResourceId"] for each in (first, second, third)] == ["", arn, arn]
    assert "ResourceStatusReason" not in first
    assert second["ResourceStatusReason"] == "Resource creation Initiated"
    assert third["EventId"].startswith("Topic-CREATE_COMPLETE-2")
    assert json.loads(third["ResourceProperties"]) == {"TopicName": "news"}


def test_events_of_an_unknown_stack_are_refused_with_their_own_message(sandbox: Sandbox) -> None:
    cloudformation = client(sandbox, "cloudformation")

    assert refusal(lambda: cloudformation.describe_stack_events(StackName="none")) == (
        "ValidationError",
        "Stack [none] does not exist",
    )
    assert refusal(lambda: cloudformation.describe_stacks(StackName="none")) == (
        "ValidationError",
        "Stack with id none does not exist",
    )


def test_missing_change_set_is_deleted_without_an_error_and_a_second_of_a_name_is_refused(sandbox: Sandbox) -> None:
    create(sandbox, TOPIC)
    cloudformation = client(sandbox, "cloudformation")

    cloudformation.delete_change_set(StackName=NAME, ChangeSetName="first")
    assert refusal(lambda: cloudformation.delete_change_set(StackName="none", ChangeSetName="first")) == (
        "ValidationError",
        "Stack [none] does not exist",
    )
    assert refusal(lambda: cloudformation.delete_change_set(ChangeSetName="first")) == (
        "ValidationError",
        "StackName must be specified if ChangeSetName is not specified as an ARN.",
    )
    change = template({"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "news"}}})
    cloudformation.create_change_set(StackName=NAME, ChangeSetName="first", TemplateBody=change)
    code, _ = refusal(
        lambda: cloudformation.create_change_set(StackName=NAME, ChangeSetName="first", TemplateBody=change)
    )
    assert code == "AlreadyExistsException"
