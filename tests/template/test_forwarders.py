"""The names by which the stack knows its rules and queues in further regions, and where it has them."""

from __future__ import annotations

import pytest

from sandbox.services.cloudformation import template_functions, templates
from testing.templates import (
    FORWARDERS,
    FORWARDING_RULES,
    RESOURCES,
    ROOT,
    TEMPLATE,
    forwarding_rules,
    name_after_the_stacks,
    nothing,
    statements,
)
from tools import translate


def test_forwarding_rules_have_the_same_names_wherever_they_are_named() -> None:
    """In the functions' settings, in forwarders.yaml, and in the policies that allow them and nothing else."""
    names, variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["FORWARDING_RULES"]["Fn::Sub"]
    assert variables == {"Stack": {"Ref": "AWS::StackName"}}
    assert [name.removeprefix("${Stack}") for name in names.split(",")] == forwarding_rules()
    trust = RESOURCES["ForwardRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    by_sid = {statement["Sid"]: statement["Resource"] for statement in statements()}
    for arns in (
        trust["Condition"]["ArnLike"]["aws:SourceArn"],
        by_sid["ManageForwarderRules"],
        by_sid["DescribeForwardingRules"],
    ):
        names = [{"Fn::Sub": arn["Fn::Sub"].split(":rule/")[1]} for arn in arns]
        assert [name_after_the_stacks(name) for name in names] == forwarding_rules()


def test_stack_set_and_queue_of_forwarders_have_the_same_names_wherever_they_are_named() -> None:
    """The queue holds the events that the rules could not deliver; its policy names each rule."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    forwarders = RESOURCES["Forwarders"]["Properties"]
    assert variables["FORWARDING_STACK_SET"] == forwarders["StackSetName"]
    queue = name_after_the_stacks(FORWARDERS["Resources"]["UndeliveredQueue"]["Properties"]["QueueName"])
    assert name_after_the_stacks(variables["FORWARDING_QUEUE"]) == queue
    by_sid = {statement["Sid"]: statement["Resource"] for statement in statements()}
    for sid in ("ManageForwarderQueues", "CountUndeliveredEvents"):
        assert name_after_the_stacks({"Fn::Sub": by_sid[sid]["Fn::Sub"].split("{AWS::AccountId}:")[1]}) == queue
    [statement] = FORWARDERS["Resources"]["UndeliveredQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == [
        {"Fn::GetAtt": [name, "Arn"]} for name in FORWARDING_RULES
    ]
    for rule in FORWARDING_RULES.values():
        [target] = rule["Properties"]["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredQueue", "Arn"]}}


@pytest.mark.parametrize(
    ("region", "regions", "forwards"),
    [
        ("eu-west-1", "", False),
        ("eu-west-1", "us-east-1", True),
        ("us-gov-west-1", "us-gov-east-1", False),
        ("cn-north-1", "cn-northwest-1", False),
    ],
)
def test_nothing_is_forwarded_where_event_buses_do_not_cross_regions(
    region: str, regions: str, *, forwards: bool
) -> None:
    """Further regions are managed there all the same: Log Keeper may change stages in them."""
    template = translate.translated()
    values = templates.parameter_values(template, {"Regions": regions}, nothing)
    values |= templates.pseudo_parameters("123456789012", region, "log-keeper", "id")
    scope = template_functions.Scope(
        template, values, lambda name: name, lambda name, attribute: f"{name}.{attribute}", nothing
    )
    created = {name for name, resource in template["Resources"].items() if scope.wanted(resource)}
    of_forwarders = {name for name in template["Resources"] if "Forward" in name}
    assert len(of_forwarders) == 6
    assert of_forwarders & created == (of_forwarders if forwards else set())
    settings = scope.evaluate(template["Resources"]["SweepFunction"]["Properties"]["Environment"]["Variables"])
    assert settings["FORWARDS"] == ("true" if forwards else "false")
    assert settings["REGIONS"] == f"{region},{regions}"


def test_page_has_the_length_of_the_longest_stack_name() -> None:
    """docs/parameters.md has the length. With a longer name the stack itself fails, and not just its forwarders."""
    group = name_after_the_stacks(RESOURCES["OptInScheduleGroup"]["Properties"]["Name"])
    assert max(map(len, forwarding_rules())) <= len(group)
    assert f"at most {64 - len(group)} characters" in (ROOT / "docs" / "parameters.md").read_text()
