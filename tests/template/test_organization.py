"""The stack sets for an organization: what they deploy, and what the hub receives from it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sandbox.services.eventbridge import event_bus
from testing.builders import EVENTS, sample
from testing.templates import (
    ENFORCEMENT,
    MEMBERS,
    ORGANIZATION,
    RESOURCES,
    TEMPLATE,
    actions,
    hub_rules,
    name_after_the_stacks,
    pattern,
    rules_of,
    statements,
    statements_of,
)
from tests.template.test_rules import PASSED, rules_that_match

VARIABLES = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]


def given(stack_set: str) -> dict[str, Any]:
    parameters = RESOURCES[stack_set]["Properties"]["Parameters"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in parameters}


def forwarding_pattern(rule: dict[str, Any]) -> dict[str, Any]:
    match rule["Properties"]["EventPattern"]:
        case {"Ref": name}:
            return pattern(PASSED[name])
        case {"Fn::Sub": text}:
            patterns = {parameter: json.dumps(pattern(name)) for parameter, name in PASSED.items()}
            found: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: patterns[match[1]], text))
            return found
        case other:
            raise AssertionError(other)


def member_rules_that_match(event: dict[str, Any]) -> list[str]:
    rules = {name: rule for name, rule in rules_of(MEMBERS).items() if name != "DeployedRule"}
    return [name for name, rule in rules.items() if event_bus.matches(forwarding_pattern(rule), event)]


def hub_rules_that_match(event: dict[str, Any]) -> list[str]:
    return [rule for rule in hub_rules() if event_bus.matches(pattern(rule), event)]


@pytest.mark.parametrize(("stack_set", "template"), [("Members", MEMBERS), ("Enforcement", ENFORCEMENT)])
def test_stack_set_gets_the_parameters_that_its_template_declares(stack_set: str, template: dict[str, Any]) -> None:
    assert given(stack_set).keys() == template["Parameters"].keys()
    for parameter, rule in PASSED.items():
        if parameter in template["Parameters"]:
            assert given(stack_set)[parameter] == RESOURCES[rule]["Properties"]["EventPattern"]


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_sample_of_a_member_account_is_forwarded_once_and_reaches_the_queue_that_it_reaches_at_home(name: str) -> None:
    event = sample(name)
    at_home = rules_that_match(event)
    assert len(member_rules_that_match(event)) == len(at_home)
    for rule in at_home:
        [received] = hub_rules_that_match(event)
        assert RESOURCES[received]["Properties"]["Targets"] == RESOURCES[rule]["Properties"]["Targets"]


def test_change_that_log_keeper_made_in_a_member_account_ends_at_the_hubs_bus() -> None:
    event = sample("tag-resource")
    issuer = event["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]
    issuer["arn"] = "arn:aws:iam::210987654321:role/log-keeper-member-remediate"
    assert hub_rules_that_match(event) == []
    issuer["arn"] = "arn:aws:iam::210987654321:role/another-role"
    assert hub_rules_that_match(event) == ["MemberStageChangedRule"]


def test_deployment_in_a_member_account_starts_a_sweep() -> None:
    event = {"source": "aws.cloudformation", "detail-type": "CloudFormation Stack Status Change", "detail": {}}
    assert hub_rules_that_match(event) == ["MemberDeployedRule"]
    [target] = RESOURCES["MemberDeployedRule"]["Properties"]["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": ["SweepQueue", "Arn"]}


def test_names_are_the_same_wherever_they_stand() -> None:
    for variable, template, role in (
        ("MEMBER_READ_ROLE", MEMBERS, "ReadRole"),
        ("MEMBER_REMEDIATE_ROLE", ENFORCEMENT, "RemediateRole"),
    ):
        name = name_after_the_stacks(template["Resources"][role]["Properties"]["RoleName"])
        assert VARIABLES[variable] == {"Fn::Sub": f"${{RolePath}}${{AWS::StackName}}{name}"}
    assert VARIABLES["MEMBERS_STACK_SET"] == RESOURCES["Members"]["Properties"]["StackSetName"]
    assert RESOURCES["Enforcement"]["Properties"]["StackSetName"] in VARIABLES["ENFORCE_STACK_SET"]["Fn::If"]
    names = [name_after_the_stacks(rule["Properties"]["Name"]) for rule in rules_of(MEMBERS).values()]
    assert names == [
        *(each.removeprefix("${Stack}") for each in VARIABLES["FORWARDING_RULES"]["Fn::Sub"][0].split(",")),
        "-deployed",
    ]
    queue = MEMBERS["Resources"]["UndeliveredQueue"]["Properties"]["QueueName"]
    assert name_after_the_stacks(queue) == name_after_the_stacks(VARIABLES["FORWARDING_QUEUE"])


def normalised(value: Any) -> Any:
    """Return the value with the same names for what the templates name differently."""
    text = json.dumps(value, sort_keys=True)
    destinations = given("Members")["ForwardDestinations"]["Fn::If"][1]["Fn::Join"][1]
    for own, of_member in (
        ({"Fn::If": ["HasNoLogRole", {"Fn::Sub": ROLE}, {"Ref": "LogRoleArn"}]}, {"Fn::Sub": ROLE}),
        (destinations, {"Ref": "ForwardDestinations"}),
        ({"Ref": "ForwardRoleArn"}, {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:${ForwardRole}"}),
        ({"Fn::Sub": f"{LOG_GROUP}${{AccessLogGroups}}"}, {"Fn::Sub": NAMED}),
        (
            {"Fn::Sub": [f"{LOG_GROUP}${{Names}}", {"Names": given("Enforcement")["AccessLogGroups"]}]},
            {"Fn::Sub": NAMED},
        ),
    ):
        text = text.replace(json.dumps(own, sort_keys=True), json.dumps(of_member))
    return json.loads(text)


LOG_GROUP, NAMED = "arn:${AWS::Partition}:logs:*:${AWS::AccountId}:log-group:", "the names of AccessLogGroupName"
ROLE = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role${RolePath}${LogRoleName}"
#: Statements that only the template of the hub has: its own queues, logs, schedules and bus.
ONLY_IN_THE_HUB = {
    "ReceiveFromStageQueue", "WriteEnforceLog", "PublishChanges", "ScheduleEndOfOptIns", "PassScheduleRole",
}  # fmt: skip


def test_remediate_role_may_do_what_the_enforce_function_may_do_in_its_own_account() -> None:
    """The condition on the managed regions has another form, and the two templates group the reads differently."""
    own = {each["Sid"]: each for each in statements()}
    remediate = {each["Sid"]: each for each in statements(ENFORCEMENT)}
    for sid, statement in remediate.items():
        if sid == "ReadStagesAndAccountSettings":
            read = [own["ReadStages"]["Resource"], [own["ReadAccountSettings"]["Resource"]]]
            assert statement["Resource"] == [resource for some in read for resource in some]
            continue
        assert actions(statement) == actions(own[sid])
        assert normalised(statement["Resource"]) == normalised(own[sid]["Resource"]), sid
        has_regions = "aws:RequestedRegion" in json.dumps(own[sid].get("Condition", {}))
        assert ("aws:RequestedRegion" in json.dumps(statement.get("Condition", {}))) is has_regions
    of_function = [
        each["Sid"]
        for name in ("RemediateStagesPolicy", "SetLogRolePolicy", "CreateLogRolePolicy", "ReadPolicy")
        for each in statements_of(RESOURCES[name]["Properties"]["PolicyDocument"])
    ]
    assert set(of_function) - {"ReadAccountSettings"} - ONLY_IN_THE_HUB == remediate.keys() - {
        "ReadStagesAndAccountSettings"
    }


def test_read_role_may_change_nothing() -> None:
    for statement in statements(MEMBERS):
        if statement["Sid"] == "PutEventsOnHubBus":
            continue
        verbs = [action.split(":")[1] for action in actions(statement)]
        assert all(verb.startswith(("Get", "Describe", "List", "Simulate", "GET")) for verb in verbs)


@pytest.mark.parametrize(("template", "role"), [(MEMBERS, "ReadRole"), (ENFORCEMENT, "RemediateRole")])
def test_member_role_trusts_the_functions_roles_of_the_hub_only(template: dict[str, Any], role: str) -> None:
    [trust] = template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${HubAccountId}:root"}}
    assert trust["Condition"]["StringEquals"] == {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}
    own = {"Ref": "EnforceRoleArn"}
    expected = [own, {"Ref": "SweepRoleArn"}] if role == "ReadRole" else own
    assert trust["Condition"]["ArnEquals"] == {"aws:PrincipalArn": expected}


def test_without_an_organization_nothing_of_it_exists() -> None:
    conditional = {
        name for name, each in TEMPLATE["Resources"].items() if each.get("Condition") == "GovernsOrganization"
    }
    assert conditional == {"Organization"}
    assert TEMPLATE["Conditions"]["GovernsOrganization"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "OrganizationId"}, ""]}]
    }
    assert TEMPLATE["Parameters"]["OrganizationId"]["Default"] == ""


def test_without_units_to_enforce_nothing_in_other_accounts_can_be_changed() -> None:
    conditional = {name for name, each in ORGANIZATION["Resources"].items() if each.get("Condition")}
    assert conditional == {"Enforcement", "RemediateMembersPolicy"}
    passed = TEMPLATE["Resources"]["Organization"]["Properties"]["Parameters"]["EnforceOUs"]
    assert passed["Fn::If"] == ["RemediatesMembers", {"Fn::Join": [",", {"Ref": "EnforceOUs"}]}, ""]
