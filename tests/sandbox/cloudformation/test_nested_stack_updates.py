"""Nested stacks are updated with their parent, and restored if its update fails."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.clients import client, refusal
from testing.cloudformation import NAME, create, history, outputs, physical, stack, template, update
from testing.nested_stacks import BROKEN, BUCKET, inner, nesting, reasons, stored, upload, words

# ---- update


def test_new_parameters_update_the_nested_stack(sandbox: Sandbox) -> None:
    url = words(sandbox)
    create(sandbox, nesting(url, Parameters={"Words": "before"}))
    before = physical(sandbox)

    changed = update(sandbox, nesting(url, Parameters={"Words": "after"}))

    assert (changed["StackStatus"], inner(sandbox)["StackStatus"]) == ("UPDATE_COMPLETE", "UPDATE_COMPLETE")
    assert stored(sandbox) == "after"
    assert physical(sandbox) == before


def test_outputs_that_change_reach_the_resources_of_the_parent(sandbox: Sandbox) -> None:
    url = words(sandbox)
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::GetAtt": ["Inner", "Outputs.Words"]}}}
    create(sandbox, nesting(url, {"Topic": topic}, Parameters={"Words": "before"}))

    update(sandbox, nesting(url, {"Topic": topic}, Parameters={"Words": "after"}))

    attributes = client(sandbox, "sns").get_topic_attributes(TopicArn=physical(sandbox)["Topic"])["Attributes"]
    assert attributes["DisplayName"] == "after"


@pytest.mark.parametrize("key", ["words", "other"])
def test_new_template_updates_the_nested_stack_also_at_the_same_address(sandbox: Sandbox, key: str) -> None:
    create(sandbox, nesting(words(sandbox)))

    changed = update(sandbox, nesting(words(sandbox, {"Queue": {"Type": "AWS::SQS::Queue"}}, key)))

    assert changed["StackStatus"] == "UPDATE_COMPLETE"
    assert physical(sandbox, inner(sandbox)["StackName"]).keys() == {"Stored", "Queue"}


def test_update_without_changes_of_the_nested_stack_leaves_it_as_it_is(sandbox: Sandbox) -> None:
    body = nesting(words(sandbox))
    create(sandbox, body)
    before = history(sandbox, inner(sandbox)["StackName"])

    assert update(sandbox, nesting(words(sandbox, key="same")))["StackStatus"] == "UPDATE_COMPLETE"
    assert update(sandbox)["StackStatus"] == "UPDATE_COMPLETE"

    assert history(sandbox, inner(sandbox)["StackName"]) == before
    assert history(sandbox)[-5:] == [
        ("tiny", "UPDATE_IN_PROGRESS"),
        ("Inner", "UPDATE_IN_PROGRESS"),
        ("Inner", "UPDATE_COMPLETE"),
        ("tiny", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("tiny", "UPDATE_COMPLETE"),
    ]


def test_change_set_always_contains_a_nested_stack(sandbox: Sandbox) -> None:
    """Its template may have changed, which CloudFormation does not check then."""
    create(sandbox, nesting(words(sandbox)))
    cloudformation = client(sandbox, "cloudformation")
    answer = cloudformation.create_change_set(StackName=NAME, ChangeSetName="c", UsePreviousTemplate=True)

    described = cloudformation.describe_change_set(ChangeSetName=answer["Id"])

    (change,) = [each["ResourceChange"] for each in described["Changes"]]
    assert (change["LogicalResourceId"], change["Action"], change["Replacement"]) == ("Inner", "Modify", "False")
    (detail,) = change["Details"]
    assert (detail["Evaluation"], detail["ChangeSource"]) == ("Dynamic", "Automatic")


# ---- update that fails


def test_update_that_fails_in_the_nested_stack_restores_both(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox), Parameters={"Words": "before"}))
    identity = physical(sandbox)["Inner"]
    broken = words(sandbox, {"Broken": {**BROKEN, "DependsOn": "Stored"}}, "broken")

    failed = update(sandbox, nesting(broken, Parameters={"Words": "after"}))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert reasons(sandbox, "UPDATE_FAILED") == {
        "Inner": f"Embedded stack {identity} was not successfully updated. Currently in UPDATE_ROLLBACK_IN_PROGRESS "
        "with reason: The following resource(s) failed to create: [Broken]. "
    }
    assert inner(sandbox)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stored(sandbox) == "before"
    assert physical(sandbox, identity).keys() == {"Stored"}


def test_failure_after_the_update_of_the_nested_stack_restores_it(sandbox: Sandbox) -> None:
    """What the nested stack replaced is kept until the update of its parent ends."""

    def queue(name: str) -> dict[str, Any]:
        return {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name}}}

    create(sandbox, nesting(words(sandbox, queue("first")), Parameters={"Words": "before"}))
    identity = physical(sandbox)["Inner"]
    sqs = client(sandbox, "sqs")
    url = sqs.get_queue_url(QueueName="first")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="kept")
    changed = words(sandbox, queue("second"), "changed")
    client(sandbox, "s3").delete_object(Bucket=BUCKET, Key="words")

    broken = {"Broken": {**BROKEN, "DependsOn": "Inner"}}
    failed = update(sandbox, nesting(changed, broken, Parameters={"Words": "after"}))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    nested = inner(sandbox)
    assert (nested["StackStatus"], outputs(nested)["Words"]) == ("UPDATE_ROLLBACK_COMPLETE", "before")
    assert stored(sandbox) == "before"
    assert sqs.list_queues()["QueueUrls"] == [url]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "kept"
    assert [status for name, status in history(sandbox, identity) if name == nested["StackName"]][2:] == [
        "UPDATE_IN_PROGRESS",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
    ]
    third = nesting(words(sandbox, queue("third"), "third"))
    assert update(sandbox, third)["StackStatus"] == "UPDATE_COMPLETE"
    assert [each.rsplit("/", 1)[-1] for each in sqs.list_queues()["QueueUrls"]] == ["third"]


def test_nested_stack_stays_updated_if_the_rollback_of_its_parent_is_disabled(sandbox: Sandbox) -> None:
    url = words(sandbox)
    create(sandbox, nesting(url, Parameters={"Words": "before"}))

    broken = {"Broken": {**BROKEN, "DependsOn": "Inner"}}
    client(sandbox, "cloudformation").update_stack(
        StackName=NAME, TemplateBody=nesting(url, broken, Parameters={"Words": "after"}), DisableRollback=True
    )

    assert (stack(sandbox)["StackStatus"], inner(sandbox)["StackStatus"]) == ("UPDATE_FAILED", "UPDATE_COMPLETE")
    assert stored(sandbox) == "after"
    assert update(sandbox, nesting(url, Parameters={"Words": "again"}))["StackStatus"] == "UPDATE_COMPLETE"


def test_failed_nested_stack_stays_as_it_is_if_the_rollback_of_its_parent_is_disabled(sandbox: Sandbox) -> None:
    create(sandbox, nesting(words(sandbox)))
    broken = words(sandbox, {"Broken": BROKEN}, "broken")
    client(sandbox, "cloudformation").update_stack(StackName=NAME, TemplateBody=nesting(broken), DisableRollback=True)

    assert (stack(sandbox)["StackStatus"], inner(sandbox)["StackStatus"]) == ("UPDATE_FAILED", "UPDATE_FAILED")
    assert "Currently in UPDATE_FAILED with reason" in reasons(sandbox, "UPDATE_FAILED")["Inner"]
    assert update(sandbox, nesting(words(sandbox)))["StackStatus"] == "UPDATE_COMPLETE"
    assert inner(sandbox)["StackStatus"] == "UPDATE_COMPLETE"


def test_stack_that_a_failed_update_added_is_deleted(sandbox: Sandbox) -> None:
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    create(sandbox, template(topic))

    failed = update(sandbox, nesting(words(sandbox), {**topic, "Broken": {**BROKEN, "DependsOn": "Inner"}}))

    assert failed["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert physical(sandbox).keys() == {"Topic"}
    assert [each["StackName"] for each in client(sandbox, "cloudformation").describe_stacks()["Stacks"]] == [NAME]
    assert refusal(lambda: stored(sandbox))[0] == "ParameterNotFound"


def test_failed_update_restores_stacks_at_every_level(sandbox: Sandbox) -> None:
    innermost = words(sandbox)

    def middle(word: str) -> str:
        return upload(sandbox, f"middle-{word}", nesting(innermost, Parameters={"Words": word}))

    create(sandbox, nesting(middle("before")))
    deep = physical(sandbox, inner(sandbox)["StackName"])["Inner"]

    broken = {"Broken": {**BROKEN, "DependsOn": "Inner"}}
    assert update(sandbox, nesting(middle("after"), broken))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"

    assert stored(sandbox) == "before"
    assert stack(sandbox, deep)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert update(sandbox, nesting(middle("again")))["StackStatus"] == "UPDATE_COMPLETE"
    assert (stored(sandbox), stack(sandbox, deep)["StackStatus"]) == ("again", "UPDATE_COMPLETE")
