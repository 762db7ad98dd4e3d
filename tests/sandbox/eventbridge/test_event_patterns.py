"""Which event patterns EventBridge accepts and which events they match, as recorded on real accounts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.services.eventbridge.event_matchers import PatternError
from sandbox.services.eventbridge.event_patterns import compiled

STRING = "must be a string"


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    return compiled(json.dumps(pattern)).matches(event)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (42, '"a" must be an object or an array'),
        ("text", '"a" must be an object or an array'),
        ({}, "Empty objects are not allowed"),
        ([], "Empty arrays are not allowed"),
        ([["nested"]], "Match value must be String, number, true, false, or null"),
        ([{}], "Match expression name not found"),
        ([{"EXISTS": True}], "Unrecognized match type EXISTS"),
        ([{"exists": "yes"}], "exists match pattern must be either true or false."),
        ([{"exists": True, "prefix": "a"}], "Only one key allowed in match expression"),
        ([{"prefix": 123}], f"prefix match pattern {STRING}"),
        ([{"suffix": [".png"]}], f"suffix match pattern {STRING}"),
        ([{"prefix": {"equals-ignore-case": 1}}], f"equals-ignore-case match pattern {STRING}"),
        ([{"prefix": {"suffix": "a"}}], "Unsupported prefix pattern: suffix"),
        ([{"equals-ignore-case": ["a"]}], f"equals-ignore-case match pattern {STRING}"),
        ([{"numeric": 10}], "Value of numeric must be an array."),
        ([{"numeric": []}], "Invalid member in numeric match: ]"),
        ([{"numeric": [10]}], "Invalid member in numeric match: 10"),
        ([{"numeric": ["=", "a"]}], "Value of equals must be numeric"),
        ([{"numeric": ["!=", 1]}], "Unrecognized numeric range operator: !="),
        ([{"numeric": [">", 0, ">", 0]}], "Bad numeric range operator: >"),
        ([{"numeric": [">", 0, "<"]}], "Value of < must be numeric"),
        ([{"numeric": [">", 5, "<", 1]}], "Bottom must be less than top"),
        ([{"numeric": ["<", 5, ">", 1]}], "Too many elements in numeric expression"),
        ([{"anything-but": None}], "Value of anything-but must be an array or single string/number value."),
        ([{"anything-but": ["a", None]}], "Inside anything but list, start|null|boolean is not supported."),
        ([{"anything-but": []}], "mixed type is not supported"),
        ([{"anything-but": ["a", 1]}], "mixed type is not supported"),
        ([{"anything-but": {"numeric": ["=", 1]}}], "Unsupported anything-but pattern: numeric"),
        ([{"anything-but": {"prefix": ""}}], "Null prefix/suffix not allowed"),
        ([{"anything-but": {"prefix": 1}}], f"prefix/suffix match pattern {STRING}"),
        ([{"anything-but": {"wildcard": 1}}], f"wildcard match pattern {STRING}"),
        ([{"wildcard": "a**"}], "Consecutive wildcard characters at pos 2"),
        ([{"wildcard": "a\\b"}], "Invalid escape character at pos 2"),
        ([{"wildcard": "*a*a*a*a*a*a*a*a*a*a"}], "Rule is too complex"),
        ([{"wildcard": "*:*:*:*:*:event-bus/*"}], "Rule is too complex"),
        ([{"cidr": ["10.0.0.0/8"]}], f"prefix match pattern {STRING}"),
        ([{"cidr": "10.0.0.0"}], "Malformed CIDR, one '/' required"),
        ([{"cidr": "10.0.0.0/x"}], "Malformed CIDR, mask bits must be an integer"),
        ([{"cidr": "10.0.0.0/-1"}], "Malformed CIDR, mask bits must not be negative"),
        ([{"cidr": "10.0.0.0/32"}], "IPv4 mask bits must be < 32"),
        ([{"cidr": "xx.11.xx/8"}], "Nonstandard IP address: xx.11.xx"),
    ],
)
def test_pattern_is_refused_with_its_reason(values: Any, reason: str) -> None:
    with pytest.raises(PatternError) as refused:
        compiled(json.dumps({"a": values}))
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ('["a"]', "Filter is not an object"),
        ("{'bad': 'quotation'}", "Expecting property name"),
        ('{"$or": {"a": [1]}}', "It must be an Array followed with $or."),
        ('{"$or": [{"a": [1]}]}', "There must have at least 2 Objects in $or relationship."),
        ('{"$or": [1, 2]}', "Only JSON object is allowed in array of $or relationship."),
        ('{"$or": [{"prefix": [1]}, {"a": [1]}]}', "prefix is Ruler reserved fieldName"),
    ],
)
def test_text_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(PatternError) as refused:
        compiled(pattern)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("values", "event", "is_match"),
    [
        ([300], 300.0, True),
        ([300], "300", False),
        ([True], "true", False),
        ([None], None, True),
        ([None], [], False),
        (["a", {"prefix": "b"}], ["x", "bc"], True),
        ([{"exists": True}], {"b": 1}, False),
        ([{"exists": False}], {"b": 1}, True),
        ([{"exists": True}], None, True),
        ([{"numeric": [">", 0, "<=", 5]}], 5, True),
        ([{"numeric": [">", 100]}], "300", False),
        ([{"numeric": [">", 100]}], None, False),
        ([{"numeric": ["<", 1]}], False, False),
        ([{"anything-but": ["a", "b"]}], None, True),
        ([{"anything-but": [1, 2]}], "1", True),
        ([{"anything-but": {"prefix": "in"}}], "init", False),
        ([{"anything-but": {"equals-ignore-case": ["stopped"]}}], "Stopped", False),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], "/usr/lib/x", False),
        ([{"equals-ignore-case": "alice"}], "ALICE", True),
        ([{"suffix": {"equals-ignore-case": ".PNG"}}], "a.png", True),
        ([{"wildcard": "a\\*b*"}], "a*bc", True),
        ([{"wildcard": "a\\*b*"}], "axbc", False),
        ([{"wildcard": "*a*a*a*a*a"}], "aaaaa", True),
        ([{"cidr": "10.0.0.0/24"}], "10.0.0.255", True),
        ([{"cidr": "10.0.0.0/24"}], "10.0.1.0", False),
        ([{"cidr": "2001:db8::/32"}], "2001:db8:1::5", True),
        (["2001:db8::1"], "2001:0db8:0:0:0:0:0:1", True),
    ],
)
def test_value_matches(values: list[Any], event: Any, is_match: bool) -> None:
    assert matches({"a": values}, {"a": event}) is is_match


def test_missing_field_matches_only_exists_false() -> None:
    assert not matches({"a": [{"anything-but": "x"}]}, {})
    assert not matches({"a": {"b": [{"exists": True}]}}, {"a": {}})
    assert matches({"a": {"b": [{"exists": False}, "x"]}}, {})


def test_fields_of_one_list_are_matched_in_the_same_object() -> None:
    operations = {"path": ["/loglevel"], "value": ["OFF"]}
    split = [{"path": "/loglevel", "value": "INFO"}, {"path": "/x", "value": "OFF"}]
    together = [{"path": "/x", "value": "INFO"}, {"path": "/loglevel", "value": "OFF"}]
    assert not matches({"ops": operations}, {"ops": split})
    assert matches({"ops": operations}, {"ops": together})
    without = {"path": ["/loglevel"], "value": [{"exists": False}]}
    assert matches({"ops": without}, {"ops": [{"path": "/x", "value": "OFF"}, {"path": "/loglevel"}]})


def test_dots_join_names_in_patterns_and_events() -> None:
    assert matches({"detail": {"state.status": ["on"]}}, {"detail": {"state": {"status": "on"}}})
    assert matches({"detail": {"state": {"status": ["on"]}}}, {"detail": {"state.status": "on"}})


def test_of_a_field_named_twice_the_last_counts_and_objects_are_merged() -> None:
    twice = compiled('{"a": ["x"], "a": ["y"], "o": {"b": [1]}, "o": {"c": [2]}}')
    assert twice.matches({"a": "y", "o": {"b": 1, "c": 2}})
    assert not twice.matches({"a": "x", "o": {"b": 1, "c": 2}})
    assert not twice.matches({"a": "y", "o": {"c": 2}})
