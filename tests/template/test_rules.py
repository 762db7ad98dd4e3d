"""Which CloudTrail records the rules match, in the stack's own region and in further ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from log_keeper.events import cloudtrail
from log_keeper.policy.log_delivery import ACCOUNT_POLICY
from sandbox.services.eventbridge import event_bus
from testing.builders import EVENTS, OWN_ROLE_ARN, sample
from testing.templates import FORWARDERS, FORWARDING_RULES, RESOURCES, pattern, resolved, rules_with_patterns


def rules_that_match(event: dict[str, Any]) -> list[str]:
    return [rule for rule in rules_with_patterns() if event_bus.matches(pattern(rule), event)]


#: The rules that match a sample, where that is not StageChangedRule.
EXPECTED = {
    "delete-log-group": ["LogGroupDeletedRule"],
    "create-log-group-exists": ["LogGroupDeletedRule"],
    "delete-subscription-filter": ["LogGroupDeletedRule"],
    "delete-resource-policy": ["LogGroupPolicyChangedRule"],
    "put-resource-policy": ["LogGroupPolicyChangedRule"],
    "delete-resource-policy-of-account": ["AccountLogPolicyChangedRule"],
    "create-delivery": ["DeliveryChangedRule"],
    "delete-delivery": ["DeliveryChangedRule"],
    "put-delivery-destination": ["DeliveryChangedRule"],
    "put-delivery-source": ["DeliveryChangedRule"],
    "delete-role": ["LogRoleChangedRule"],
    # Schedules and the sweep send these to the queue directly.
    "log-role-to-evaluate": [],
    "stage-to-evaluate": [],
    "api-to-evaluate": [],
    # A failed call changes nothing.
    "update-stage-failed": [],
}


@pytest.mark.parametrize("name", sorted(path.stem for path in EVENTS.glob("*.json")))
def test_sample_matches_the_rule_for_it(name: str) -> None:
    assert rules_that_match(sample(name)) == EXPECTED.get(name, ["StageChangedRule"])


def test_call_of_log_keeper_itself_matches_no_rule() -> None:
    event = sample("tag-resource")
    event["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = OWN_ROLE_ARN
    assert rules_that_match(event) == []


def test_tags_of_other_resources_match_no_rule() -> None:
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
def test_call_without_a_session_issuer_matches(identity: dict[str, Any]) -> None:
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
def test_other_events_match_no_rule(changes: dict[str, Any]) -> None:
    assert rules_that_match(sample("tag-resource") | changes) == []


def test_change_of_a_filter_of_another_name_or_group_or_by_log_keeper_matches_no_rule() -> None:
    for change in ({"filterName": "siem"}, {"logGroupName": "/team/web"}):
        event = sample("delete-subscription-filter")
        event["detail"]["requestParameters"] |= change
        assert rules_that_match(event) == []
    event = sample("delete-subscription-filter")
    event["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] = OWN_ROLE_ARN
    assert rules_that_match(event) == []


def test_change_of_a_role_with_another_name_matches_no_rule() -> None:
    event = sample("delete-role")
    event["detail"]["requestParameters"]["roleName"] = "Another"
    assert rules_that_match(event) == []


def test_code_reads_each_event_that_the_rules_match() -> None:
    assert set(pattern("LogRoleChangedRule")["detail"]["eventName"]) == cloudtrail.LOG_ROLE_EVENTS
    by_api_gateway, by_tag_editor = pattern("StageChangedRule")["detail"]["$or"]
    assert set(by_api_gateway["eventName"]) == cloudtrail.API_GATEWAY_EVENTS
    assert by_tag_editor["eventName"] == ["TagResources", "UntagResources"]
    for rule in ("LogGroupPolicyChangedRule", "AccountLogPolicyChangedRule"):
        assert set(pattern(rule)["detail"]["eventName"]) == cloudtrail.LOG_GROUP_POLICY_EVENTS
    assert set(pattern("LogGroupDeletedRule")["detail"]["$or"][2]["eventName"]) == cloudtrail.FILTER_EVENTS
    assert pattern("AccountLogPolicyChangedRule")["detail"]["requestParameters"]["policyName"] == [ACCOUNT_POLICY]


# ---- further regions

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
    assert given.keys() == FORWARDERS["Parameters"].keys()
    assert set(PASSED.values()) == set(rules_with_patterns()) - {"FindingRule", "StackDeployedRule"}
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
