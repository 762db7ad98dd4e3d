"""What the template promises: which records reach the queue, what the function may do, what the pages say about it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from log_keeper.aws.pace import ENVIRONMENTS
from log_keeper.events import cloudtrail
from log_keeper.policy.log_delivery import ACCOUNT_POLICY
from log_keeper.settings import Settings
from sandbox.services.cloudformation import template_functions, templates
from sandbox.services.eventbridge import event_bus
from testing.builders import EVENTS, OWN_ROLE_ARN, sample
from tools import translate

ROOT = Path(__file__).parent.parent.parent
TEMPLATE = templates.parse_source((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
FORWARDERS: dict[str, Any] = templates.parse((ROOT / "forwarders.yaml").read_text())["Resources"]
FORWARDING_RULES = {name: rule for name, rule in FORWARDERS.items() if rule["Type"] == "AWS::Events::Rule"}
PARAMETERS_PAGE = (ROOT / "docs" / "parameters.md").read_text()


def resolved(value: Any) -> Any:
    """The value with the role's ARN and parameters' defaults in the place of references."""
    match value:
        case {"Fn::GetAtt": ["EnforceRole", "Arn"] | "EnforceRole.Arn"}:
            return OWN_ROLE_ARN
        case {"Ref": name} if name in TEMPLATE["Parameters"]:
            return TEMPLATE["Parameters"][name]["Default"]
        case {"Ref": str(name)}:
            return name
        case {"Fn::Sub": str(text)}:
            name = TEMPLATE["Parameters"]["LogRoleName"]["Default"]
            return text.replace("${EnforceRole.Arn}", OWN_ROLE_ARN).replace("${LogRoleName}", name)
        case dict():
            return {key: resolved(inner) for key, inner in value.items()}
        case list():
            return [resolved(inner) for inner in value]
        case _:
            return value


def pattern(rule: str) -> dict[str, Any]:
    found: Any = resolved(RESOURCES[rule]["Properties"]["EventPattern"])
    value: dict[str, Any] = json.loads(found) if isinstance(found, str) else found
    return value


def rules_that_match(event: dict[str, Any]) -> list[str]:
    rules = [name for name, resource in RESOURCES.items() if "EventPattern" in resource.get("Properties", {})]
    return [rule for rule in rules if event_bus.matches(pattern(rule), event)]


EXPECTED = {
    "delete-log-group": ["LogGroupDeletedRule"],
    "create-log-group-exists": ["LogGroupDeletedRule"],
    "delete-resource-policy": ["LogGroupPolicyChangedRule"],
    "put-resource-policy": ["LogGroupPolicyChangedRule"],
    "delete-resource-policy-of-account": ["AccountLogPolicyChangedRule"],
    "create-delivery": ["DeliveryChangedRule"],
    "delete-delivery": ["DeliveryChangedRule"],
    "put-delivery-destination": ["DeliveryChangedRule"],
    "put-delivery-source": ["DeliveryChangedRule"],
    "delete-role": ["LogRoleChangedRule"],
    # Schedules and the sweep put these on the queue, past all rules.
    "log-role-to-evaluate": [],
    "stage-to-evaluate": [],
    # A failed call changes nothing.
    "update-stage-failed": [],
}


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_sample_goes_where_it_should(name: str) -> None:
    assert rules_that_match(sample(name)) == EXPECTED.get(name, ["StageChangedRule"])


def test_our_own_call_is_left_out() -> None:
    event = sample("tag-resource")
    event["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = OWN_ROLE_ARN
    assert rules_that_match(event) == []


def test_tags_of_other_resources_are_left_out() -> None:
    event = sample("tag-resources")
    arns = event["detail"]["requestParameters"]["resourceARNList"]
    event["detail"]["requestParameters"]["resourceARNList"] = [arn for arn in arns if "/stages/" not in arn]
    assert rules_that_match(event) == []


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "Root", "arn": "arn:aws:iam::123456789012:root"},
        {"type": "IAMUser", "sessionContext": {"attributes": {"mfaAuthenticated": "true"}}},
        {"invokedBy": "cloudformation.amazonaws.com"},
    ],
)
def test_caller_without_a_session_issuer_is_heard(identity: dict[str, Any]) -> None:
    event = sample("tag-resource")
    event["detail"]["userIdentity"] = identity
    assert rules_that_match(event) == ["StageChangedRule"]


@pytest.mark.parametrize(
    "changes",
    [
        {"detail-type": "APIGateway CRL Processing"},
        {"source": "custom.aws.apigateway"},
        {"detail": {**sample("tag-resource")["detail"], "eventSource": "execute-api.amazonaws.com"}},
        {"detail": {**sample("tag-resource")["detail"], "eventName": "GetStage"}},
    ],
)
def test_other_events_are_left_out(changes: dict[str, Any]) -> None:
    assert rules_that_match(sample("tag-resource") | changes) == []


def test_role_of_another_name_is_left_out() -> None:
    event = sample("delete-role")
    event["detail"]["requestParameters"]["roleName"] = "Another"
    assert rules_that_match(event) == []


def test_code_reads_what_the_rules_let_through() -> None:
    assert set(pattern("LogRoleChangedRule")["detail"]["eventName"]) == cloudtrail.LOG_ROLE_EVENTS
    by_api_gateway, by_tag_editor = pattern("StageChangedRule")["detail"]["$or"]
    assert set(by_api_gateway["eventName"]) == cloudtrail.API_GATEWAY_EVENTS
    assert by_tag_editor["eventName"] == ["TagResources", "UntagResources"]
    for rule in ("LogGroupPolicyChangedRule", "AccountLogPolicyChangedRule"):
        assert set(pattern(rule)["detail"]["eventName"]) == cloudtrail.LOG_GROUP_POLICY_EVENTS
    assert pattern("AccountLogPolicyChangedRule")["detail"]["requestParameters"]["policyName"] == [ACCOUNT_POLICY]


def test_environment_is_what_the_settings_read() -> None:
    """None is missing, and none is set that nobody reads."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    choices = {
        "ACCESS_LOG_FORMAT": "CLF",
        "ALLOW_DATA_TRACE": "Yes",
        "DETAILED_METRICS": "Yes",
        "FORWARDS": "true",
        "MODE": "Audit",
    }
    given = {
        name: choices.get(name, "1" if name.endswith(("_DAYS", "_MINUTES", "_RATE")) else "x") for name in variables
    }
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    Settings.from_environment(Environment(given))
    assert read | {"VERSION"} == set(variables)  # for the clients' user agent


@pytest.mark.parametrize(
    ("function_name", "queue_name"), [("EnforceFunction", "StageQueue"), ("SweepFunction", "SweepQueue")]
)
def test_visibility_timeout_is_six_times_the_functions(function_name: str, queue_name: str) -> None:
    """As Lambda advises. *Source:* Lambda developer guide, "Creating and configuring an Amazon SQS event source"."""
    function, queue = RESOURCES[function_name]["Properties"], RESOURCES[queue_name]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * function["Timeout"]


def statements() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for resource in RESOURCES.values():
        match resource:
            case {"Type": "AWS::IAM::Role", "Properties": properties}:
                for policy in properties.get("Policies", []):
                    found += policy["PolicyDocument"]["Statement"]
            case {"Type": "AWS::IAM::Policy", "Properties": properties}:
                found += properties["PolicyDocument"]["Statement"]
    return found


#: Statements on every resource, each because none of its actions takes a resource.
ON_EVERYTHING = {"EnableHttpApiAccessLogs", "ListLogGroupsAndDeliveries", "ListTrails", "ReadStacks"}
#: Statements of every action of a service: CloudFormation's own, on the forwarders' stacks alone.
EVERY_ACTION = {"ManageForwarderStacks"}


@pytest.mark.parametrize("statement", statements(), ids=lambda statement: statement["Sid"])
def test_statement_is_exact(statement: dict[str, Any]) -> None:
    """No action is a wildcard, and no resource a bare one."""
    actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
    assert any("*" in action for action in actions) is (statement["Sid"] in EVERY_ACTION)
    resources = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    assert ("*" in resources) is (statement["Sid"] in ON_EVERYTHING)
    assert "NotAction" not in statement
    assert "NotResource" not in statement


#: What only reads, and what the function needs to run at all: all that is left in Audit mode.
READING = {"ReadPolicy"}
READS = ("Get", "Describe", "List", "Simulate", "GET")


def test_audit_mode_has_no_permission_to_change_anything() -> None:
    for name, resource in RESOURCES.items():
        is_of_functions = {"Ref": "EnforceRole"} in resource["Properties"].get("Roles", [])
        if resource["Type"] == "AWS::IAM::Policy" and is_of_functions and name not in READING:
            assert resource["Condition"] in ("Enforces", "CreatesLogRole")
    for statement in RESOURCES["ReadPolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert all(action.split(":")[1].startswith(READS) for action in actions)


def rows(page: str) -> list[list[str]]:
    """Return the rows of a page's tables that begin with code, without backticks."""
    lines = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


DEFAULTS = {name: str(parameter["Default"]) or "empty" for name, parameter in TEMPLATE["Parameters"].items()}


def test_page_lists_the_parameters_with_their_defaults() -> None:
    assert {row[0]: row[1] for row in rows("docs/parameters.md")} == DEFAULTS


def test_page_has_the_parameters_in_the_templates_groups() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    listed = [
        (heading, re.findall(r"^\| `(\w+)`", section, re.MULTILINE))
        for heading, section in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", PARAMETERS_PAGE, re.MULTILINE | re.DOTALL)
    ]
    assert [each for each in listed if each[1]] == [
        (group["Label"]["default"], group["Parameters"]) for group in groups
    ]


def test_readme_names_six_parameters_with_their_defaults() -> None:
    named = {row[0]: row[1] for row in rows("README.md") if row[0] in DEFAULTS}
    assert len(named) == 6
    assert named.items() <= DEFAULTS.items()


#: Rules whose patterns each parameter of the forwarders has.
PASSED = {
    "StageChanges": "StageChangedRule",
    "LogRoleChanges": "LogRoleChangedRule",
    "LogGroupChanges": "LogGroupDeletedRule",
    "LogGroupPolicyChanges": "LogGroupPolicyChangedRule",
    "AccountLogPolicyChanges": "AccountLogPolicyChangedRule",
    "DeliveryChanges": "DeliveryChangedRule",
}


def test_forwarders_get_the_pattern_of_each_rule_and_the_parameters_that_they_declare() -> None:
    given = {
        each["ParameterKey"]: each["ParameterValue"] for each in RESOURCES["Forwarders"]["Properties"]["Parameters"]
    }
    declared = templates.parse((ROOT / "forwarders.yaml").read_text())["Parameters"]
    assert given.keys() == declared.keys()
    rules = {name for name, resource in RESOURCES.items() if "EventPattern" in resource.get("Properties", {})}
    assert set(PASSED.values()) == rules - {"StackDeployedRule"}
    for parameter, rule in PASSED.items():
        assert given[parameter] == RESOURCES[rule]["Properties"]["EventPattern"]
        assert len(resolved(given[parameter])) <= 4096  # as long as a parameter's value may be


def forwarding_pattern(rule: str) -> dict[str, Any]:
    """Return the pattern of a rule in a further region."""
    match FORWARDING_RULES[rule]["Properties"]["EventPattern"]:
        case {"Ref": name}:
            return pattern(PASSED[name])
        case {"Fn::Sub": text}:
            patterns = {parameter: json.dumps(pattern(name)) for parameter, name in PASSED.items()}
            found: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda match: patterns[match[1]], text))
            return found
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_sample_is_forwarded_by_one_rule_if_a_rule_at_home_matches_it(name: str) -> None:
    forwarded = [rule for rule in FORWARDING_RULES if event_bus.matches(forwarding_pattern(rule), sample(name))]
    assert len(forwarded) == len(rules_that_match(sample(name)))


@pytest.mark.parametrize("rule", FORWARDING_RULES)
def test_pattern_is_not_longer_than_eventbridge_allows(rule: str) -> None:
    """*Source:* EventBridge user guide, "Amazon EventBridge quotas": 2,048 characters"""
    assert len(json.dumps(forwarding_pattern(rule), indent=2)) <= 2048


def name_behind_the_stacks(value: Any) -> str:
    """What follows the stack's name in a name of the template."""
    suffix = re.fullmatch(r"\$\{(?:AWS::StackName|StackName)\}(.*)", value["Fn::Sub"])
    assert suffix is not None
    return suffix[1]


def forwarding_rules() -> list[str]:
    return [name_behind_the_stacks(rule["Properties"]["Name"]) for rule in FORWARDING_RULES.values()]


def test_forwarding_rules_are_named_alike_wherever_they_are_named() -> None:
    """Where they are made, where they are looked for, and where they, and nothing else, are allowed."""
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
        assert [name_behind_the_stacks(name) for name in names] == forwarding_rules()


def test_stack_set_and_queue_of_forwarders_are_named_alike_wherever_they_are_named() -> None:
    """The queue holds what the rules could not deliver; its policy names each of them."""
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    forwarders = RESOURCES["Forwarders"]["Properties"]
    assert variables["FORWARDING_STACK_SET"] == forwarders["StackSetName"]
    queue = name_behind_the_stacks(FORWARDERS["UndeliveredQueue"]["Properties"]["QueueName"])
    assert name_behind_the_stacks(variables["FORWARDING_QUEUE"]) == queue
    by_sid = {statement["Sid"]: statement["Resource"] for statement in statements()}
    for sid in ("ManageForwarderQueues", "CountUndeliveredEvents"):
        assert name_behind_the_stacks({"Fn::Sub": by_sid[sid]["Fn::Sub"].split("{AWS::AccountId}:")[1]}) == queue
    [statement] = FORWARDERS["UndeliveredQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
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
    """Further regions are managed there all the same: changes are allowed in them."""
    template = translate.translated()
    values = templates.parameter_values(template, {"Regions": regions}, _nothing)
    values |= templates.pseudo_parameters("123456789012", region, "log-keeper", "id")
    scope = template_functions.Scope(
        template, values, lambda name: name, lambda name, attribute: f"{name}.{attribute}", _nothing
    )
    created = {name for name, resource in template["Resources"].items() if scope.wanted(resource)}
    of_forwarders = {name for name in template["Resources"] if "Forward" in name}
    assert len(of_forwarders) == 6
    assert of_forwarders & created == (of_forwarders if forwards else set())
    told = scope.evaluate(template["Resources"]["SweepFunction"]["Properties"]["Environment"]["Variables"])
    assert told["FORWARDS"] == ("true" if forwards else "false")
    assert told["REGIONS"] == f"{region},{regions}"


def test_longest_name_of_a_stack() -> None:
    """docs/parameters.md has the length. With a longer name the stack itself fails, and not just its forwarders."""
    group = name_behind_the_stacks(RESOURCES["OptInScheduleGroup"]["Properties"]["Name"])
    assert max(map(len, forwarding_rules())) <= len(group)
    assert f"at most {64 - len(group)} characters" in PARAMETERS_PAGE


@pytest.mark.parametrize(
    ("region", "console"),
    [
        ("eu-west-1", "console.aws.amazon.com"),
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
    ],
)
def test_dashboard_is_in_the_console_of_its_partition(region: str, console: str) -> None:
    values = templates.parameter_values(TEMPLATE, {}, _nothing)
    values |= templates.pseudo_parameters("123456789012", region, "log-keeper", "id")
    scope = template_functions.Scope(TEMPLATE, values, lambda name: f"the-{name}", _nothing, _nothing)
    url = f"https://{console}/cloudwatch/home?region={region}#dashboards:name=the-Dashboard"
    assert scope.evaluate(TEMPLATE["Outputs"]["Dashboard"]["Value"]) == url


def _nothing(*_: object) -> str:
    return ""


def test_page_lists_the_permissions() -> None:
    """By statement; the actions to the letter."""

    def actions(statement: dict[str, Any]) -> str:
        action = statement["Action"]
        return ", ".join(action if isinstance(action, list) else [action])

    listed = {row[0]: row[1] for row in rows("docs/permissions.md")}
    granted = {statement["Sid"]: actions(statement) for statement in statements()}
    # Another table of the page is about symptoms.
    assert {sid: cell for sid, cell in listed.items() if re.fullmatch(r"([a-z]+:[A-Za-z*]+(, )?)+", cell)} == granted


def deployed(parameters: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The roles of the translated template by logical id, with these parameters."""
    template = translate.translated()
    properties = translate.resolved(template, parameters)
    return {name: each for name, each in properties.items() if template["Resources"][name]["Type"] == "AWS::IAM::Role"}


def test_roles_have_neither_name_nor_path_nor_boundary_by_default() -> None:
    """Adding one, even the default path, would replace the roles of stacks that exist."""
    roles = deployed({"Regions": "eu-west-2"})
    assert len(roles) == 6
    assert not any({"RoleName", "Path", "PermissionsBoundary"} & role.keys() for role in roles.values())


def test_every_role_gets_boundary_path_and_prefix() -> None:
    boundary = "arn:aws:iam::123456789012:policy/Boundary"
    parameters = {"PermissionsBoundaryArn": boundary, "RolePath": "/platform/", "RoleNamePrefix": "org-"}
    roles = deployed(parameters | {"Regions": "eu-west-2"})
    assert len(roles) == 6
    assert {role["PermissionsBoundary"] for role in roles.values()} == {boundary}
    # A stack set finds its execution role by its name alone.
    assert {role.get("Path") for name, role in roles.items() if name != "ForwardersExecutionRole"} == {"/platform/"}
    assert "Path" not in roles["ForwardersExecutionRole"]
    names = [role["RoleName"] for role in roles.values()]
    assert len(set(names)) == 6
    suffixes = [name.removeprefix("org-log-keeper") for name in names]
    for suffix in suffixes:
        assert f"`{suffix}`" in PARAMETERS_PAGE
    longest = 64 - max(map(len, suffixes))
    assert f"stack name together have at most {longest} characters" in " ".join(PARAMETERS_PAGE.split())
    assert f"{longest} characters together" in " ".join(TEMPLATE["Parameters"]["RoleNamePrefix"]["Description"].split())


@pytest.mark.parametrize(
    ("own", "shared", "expected"), [("", "", None), ("", "b", "b"), ("a", "", "a"), ("a", "b", "a")]
)
def test_boundary_of_the_log_role(own: str, shared: str, expected: str | None) -> None:
    """Its own, or else that of the other roles; in what the function is told and in what it is allowed."""

    def arn(name: str) -> str:
        return f"arn:aws:iam::123456789012:policy/{name}" if name else ""

    template = translate.translated()
    parameters = {"LogRolePermissionsBoundaryArn": arn(own), "PermissionsBoundaryArn": arn(shared)}
    properties = translate.resolved(template, parameters)
    told = properties["EnforceFunction"]["Environment"]["Variables"]["LOG_ROLE_BOUNDARY_ARN"]
    assert told == arn(expected or "")
    [statement] = [
        each
        for each in properties["CreateLogRolePolicy"]["PolicyDocument"]["Statement"]
        if each["Action"] == "iam:CreateRole"
    ]
    condition = statement.get("Condition")
    assert condition == (None if expected is None else {"ArnEquals": {"iam:PermissionsBoundary": arn(expected)}})


def test_environments_that_share_the_rate_are_as_many_as_run_at_once() -> None:
    mapping = RESOURCES["EnforceFunction"]["Properties"]["Events"]["StageChanged"]["Properties"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] == ENVIRONMENTS
