"""Resource policies decide whether log delivery may write to a log group."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.policy.log_delivery import DeliveryPermission, may_deliver, with_delivery
from sandbox.core.iam.policies import Decision, evaluate

PLACE = "arn:aws:logs:us-east-1:123456789012"
NAME = "/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default"
GROUP = f"{PLACE}:log-group:{NAME}"
ACTIONS = ["logs:CreateLogStream", "logs:PutLogEvents"]
ALLOWED, MISSING, DENIED = DeliveryPermission


def statement(effect: str = "Allow", **elements: object) -> dict[str, object]:
    return {
        "Effect": effect,
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": ACTIONS,
        "Resource": f"{GROUP}:log-stream:*",
    } | elements


def policy(*statements: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def condition(operator: str, key: str, *values: str) -> dict[str, object]:
    return {"Condition": {operator: {key: list(values)}}}


OF_API_GATEWAY = statement(
    Sid="AWSLogDeliveryWrite1",
    Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}, "ArnLike": {"aws:SourceArn": f"{PLACE}:*"}},
)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, ALLOWED),
        ({"Action": "logs:*"}, ALLOWED),
        ({"Action": ["logs:Put*", "LOGS:createlogstream"]}, ALLOWED),
        ({"Action": "logs:PutLogEvents"}, MISSING),
        ({"Resource": "*"}, ALLOWED),
        ({"Resource": f"{GROUP}:*"}, ALLOWED),
        ({"Resource": [f"{PLACE}:log-group:mine:*", f"{PLACE}:log-group:/aws/vendedlogs/*"]}, ALLOWED),
        ({"Resource": "arn:aws:logs:*:*:log-group:/aws/*:log-stream:*"}, ALLOWED),
        ({"Resource": f"{GROUP}x:log-stream:*"}, MISSING),
        ({"Resource": f"{GROUP[:-1]}?:log-stream:*"}, ALLOWED),
        ({"Resource": f"{GROUP}:log-stream:one"}, MISSING),
        ({"Resource": GROUP.replace("us-east-1", "eu-west-1") + ":*"}, MISSING),
        ({"Resource": GROUP.replace("123456789012", "999999999999") + ":*"}, MISSING),
        ({"Principal": "*"}, ALLOWED),
        ({"Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}}, ALLOWED),
        ({"Principal": {"Service": "events.amazonaws.com"}}, MISSING),
        ({"Principal": {"AWS": "123456789012"}}, MISSING),
        (condition("StringEquals", "aws:SourceAccount", "123456789012"), ALLOWED),
        (condition("StringEquals", "aws:SourceAccount", "999999999999"), MISSING),
        (condition("StringEquals", "AWS:sourceaccount", "1", "123456789012"), ALLOWED),
        (condition("StringNotEquals", "aws:SourceAccount", "123456789012"), MISSING),
        (condition("StringLikeIfExists", "aws:SourceAccount", "1234*"), ALLOWED),
        (condition("ArnLike", "aws:SourceArn", f"{PLACE}:*"), ALLOWED),
        (condition("ArnEquals", "aws:SourceArn", "arn:aws:logs:*:123456789012:*"), ALLOWED),
        (condition("StringLike", "aws:SourceArn", "arn:aws:logs:*"), ALLOWED),
        (condition("ArnLike", "aws:SourceArn", "arn:aws:logs:eu-west-1:123456789012:*"), MISSING),
        (condition("ArnLike", "aws:SourceArn", "arn:aws:events:us-east-1:123456789012:rule/x"), MISSING),
        (condition("ArnNotLike", "aws:SourceArn", f"{PLACE}:*"), MISSING),
        # The other type of log delivery, as AWS sets it up for event buses.
        (condition("ArnLike", "aws:SourceArn", f"{PLACE}:delivery-source:EventBusSource-x"), MISSING),
    ],
)
def test_statement_allows_only_its_own_group_and_service(
    elements: dict[str, object], expected: DeliveryPermission
) -> None:
    assert may_deliver([policy(statement(**elements))], GROUP) is expected


@pytest.mark.parametrize(
    "elements",
    [
        condition("StringEquals", "aws:SourceOrgID", "o-1"),
        condition("Bool", "aws:SecureTransport", "true"),
        condition("ForAllValues:StringEquals", "aws:SourceAccount", "999999999999"),
        condition("ArnLike", "aws:SourceArn", f"{PLACE}:log-group:*"),
        condition("StringEquals", "aws:SourceArn", f"{PLACE}:x"),
        condition("StringEquals", "aws:SourceAccount", "${aws:PrincipalAccount}"),
        {"Condition": "none"},
        {"Condition": {"StringEquals": "none"}},
    ],
)
def test_statement_with_an_unknown_condition_is_left_to_its_owner(elements: dict[str, object]) -> None:
    """Log Keeper adds no statement where it allows, and reports nothing where it denies."""
    assert may_deliver([policy(statement(**elements))], GROUP) is ALLOWED
    assert may_deliver([policy(statement(), statement("Deny", **elements))], GROUP) is ALLOWED


def test_two_statements_may_allow_together() -> None:
    halves = [policy(statement(Action=action)) for action in ACTIONS]
    assert [may_deliver(some, GROUP) for some in (halves[:1], halves)] == [MISSING, ALLOWED]


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"Principal": "*", "Action": "logs:PutLogEvents", "Resource": "*"},
        {"Action": "logs:CreateLogStream"},
        condition("StringNotEquals", "aws:SourceAccount", "999999999999"),
    ],
)
def test_deny_in_any_policy_wins(elements: dict[str, object]) -> None:
    deny = policy(statement("Deny", **elements))
    assert may_deliver([deny, policy(OF_API_GATEWAY)], GROUP) is DENIED
    assert may_deliver([policy(OF_API_GATEWAY), deny], GROUP) is DENIED


def test_deny_of_another_action_does_not_matter() -> None:
    others = [
        statement("Deny", Resource=f"{PLACE}:log-group:other:*"),
        statement("Deny", Action="logs:DeleteLogGroup"),
        statement("Deny", Principal={"Service": "events.amazonaws.com"}),
        statement("Deny", **condition("StringEquals", "aws:SourceAccount", "999999999999")),
    ]
    assert may_deliver([policy(OF_API_GATEWAY, *others)], GROUP) is ALLOWED


def test_negated_elements_are_read() -> None:
    def permission(**elements: object) -> DeliveryPermission:
        whole: dict[str, Any] = statement(**elements)
        for name in elements:
            whole.pop(name.removeprefix("Not"), None)
        return may_deliver([policy(whole)], GROUP)

    assert permission(NotAction="logs:DeleteLogGroup") is ALLOWED
    assert permission(NotAction="logs:Put*") is MISSING
    assert permission(NotResource=f"{PLACE}:log-group:other:*") is ALLOWED
    assert permission(NotResource="*") is MISSING
    assert permission(NotPrincipal={"Service": "events.amazonaws.com"}) is ALLOWED
    assert permission(NotPrincipal={"Service": "delivery.logs.amazonaws.com"}) is MISSING


def test_no_policy_allows_nothing() -> None:
    for nothing in ([], [""], ["[]"], ['{"Statement": 7}'], [policy("x")], ["[" * 100_000]):
        assert may_deliver(nothing, GROUP) is MISSING


def test_no_pattern_slows_the_evaluation_down() -> None:
    hostile = policy(statement(Resource="*a" * 200 + "b"))
    started = time.process_time()
    assert may_deliver([hostile], GROUP + "a" * 300) is MISSING
    assert time.process_time() - started < 1


# ---- the statement that is added


def test_added_statement_is_the_one_of_api_gateway() -> None:
    assert json.loads(with_delivery(None, GROUP)) == json.loads(policy(OF_API_GATEWAY))


@pytest.mark.parametrize("statements", [statement(Sid="AWSLogDeliveryWrite1", Resource="x"), []])
def test_other_statements_of_the_group_stay(statements: Any) -> None:
    before = {"Version": "2008-10-17", "Id": "mine", "Statement": statements}
    after = json.loads(with_delivery(json.dumps(before), GROUP))
    kept, added = after["Statement"][:-1], after["Statement"][-1]
    assert {**after, "Statement": None} == {**before, "Statement": None}
    assert kept == (statements if isinstance(statements, list) else [statements])
    assert added["Sid"] == f"AWSLogDeliveryWrite{len(kept) + 1}"


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_added_statement_is_of_the_groups_partition(partition: str) -> None:
    group = f"arn:{partition}:logs:region-1:123456789012:log-group:x"
    added = with_delivery(None, group)
    assert "arn:aws:" not in added
    assert may_deliver([added], group) is ALLOWED


def test_policy_that_is_no_object_is_not_replaced() -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        with_delivery("[]", GROUP)


# ---- any policy


def _one_of(*values: object) -> Any:
    return st.sampled_from(values)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | _one_of("*", "Allow", *ACTIONS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
ANY_STATEMENTS = st.dictionaries(
    _one_of("Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition"), JSON_VALUES
)


@given(JSON_VALUES | st.fixed_dictionaries({"Statement": st.lists(ANY_STATEMENTS.map(lambda odd: statement() | odd))}))
def test_any_json_is_evaluated(document: object) -> None:
    assert may_deliver([json.dumps(document)], GROUP) in DeliveryPermission


KNOWN_CONDITIONS = _one_of(
    None,
    {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    {"StringEquals": {"aws:SourceAccount": ["999999999999"]}},
    {"ArnLike": {"aws:SourceArn": f"{PLACE}:*"}},
    {"ArnLike": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:*"}},
)
STATEMENTS = st.builds(
    lambda condition, **elements: elements | ({} if condition is None else {"Condition": condition}),
    Effect=_one_of("Allow", "Deny"),
    Principal=_one_of("*", {"Service": "delivery.logs.amazonaws.com"}, {"Service": ["events.amazonaws.com"]}),
    Action=_one_of("logs:*", ACTIONS, ["logs:PutLogEvents"], "logs:Create*"),
    Resource=_one_of("*", f"{GROUP}:*", f"{GROUP}:log-stream:*", f"{PLACE}:log-group:other:*", f"{PLACE}:log-group:?*"),
    condition=KNOWN_CONDITIONS,
)


@given(st.lists(STATEMENTS, max_size=5))
def test_iam_decides_the_same(statements: list[dict[str, Any]]) -> None:
    """Policies whose conditions are all known are compared with the sandbox's evaluation of policies."""
    context = {"aws:SourceAccount": "123456789012", "aws:SourceArn": f"{PLACE}:anything"}
    decisions = {
        evaluate(
            [{"Statement": statements}],
            action,
            f"{GROUP}:log-stream:any",
            context,
            {"Service": "delivery.logs.amazonaws.com"},
        )
        for action in ACTIONS
    }
    expected = MISSING
    if Decision.EXPLICIT_DENY in decisions:
        expected = DENIED
    elif decisions == {Decision.ALLOWED}:
        expected = ALLOWED
    assert may_deliver([policy(*statements)], GROUP) is expected


@given(st.lists(STATEMENTS, max_size=5))
def test_delivery_is_allowed_once_the_statement_is_added_unless_it_is_denied(statements: list[dict[str, Any]]) -> None:
    before = may_deliver([policy(*statements)], GROUP)
    after = may_deliver([with_delivery(policy(*statements), GROUP)], GROUP)
    assert after is (DENIED if before is DENIED else ALLOWED)
