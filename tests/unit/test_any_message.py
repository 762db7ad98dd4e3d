"""Any text on the queues is a message about a resource of this account, or it is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import answers, claims, functions
from log_keeper.events.sweep_work import UnreadableWorkError, Work
from log_keeper.settings import Settings
from log_keeper.stages import Protocol
from testing.builders import ACCOUNT, EVENTS, REGION
from testing.drawn import drawn
from testing.hostile import NAMES

SAMPLES = [json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def forged(draw: st.DrawFn) -> dict[str, Any]:
    """Return a sample event in which some members, at any depth, are replaced or deleted."""
    event: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = event
        for _ in range(draw(st.integers(0, 3))):
            inner = [value for value in place.values() if isinstance(value, dict) and value]
            place = draw(st.sampled_from(inner)) if inner else place
        if place:
            name = draw(st.sampled_from(sorted(place)))
            if draw(st.booleans()):
                place[name] = draw(JSON)
            else:
                del place[name]
    return event


BODIES = st.text() | JSON.map(json.dumps) | forged().map(json.dumps)


@given(BODIES)
def test_any_message_names_a_resource_of_this_account_or_is_refused(body: str) -> None:
    claims.check_message(body)


WORKS = st.fixed_dictionaries(
    {"region": st.just(REGION) | JSON},
    optional={
        "apis": st.none()
        | JSON
        | st.lists(st.tuples(st.sampled_from(["a1b2c3d4e5", *NAMES]), st.sampled_from(Protocol) | JSON)),
        "detail": JSON,
    },
)


@given(st.text() | JSON.map(json.dumps) | WORKS.map(json.dumps))
def test_any_message_of_a_sweep_names_apis_of_this_account_or_is_refused(body: str) -> None:
    claims.check_work(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"region": "us-east-1"}',
        '{"region": "eu-north-1", "apis": null}',
        '{"region": ["us-east-1"], "apis": null}',
        '{"region": "us-east-1", "apis": {"a1b2c3d4e5": "REST"}}',
        '{"region": "us-east-1", "apis": ["a1b2c3d4e5"]}',
        '{"region": "us-east-1", "apis": [["a1b2c3d4e5"]]}',
        '{"region": "us-east-1", "apis": [["a1b2c3d4e5", "SOAP"]]}',
        *(json.dumps({"region": REGION, "apis": [[name, "REST"]]}) for name in NAMES),
    ],
)
def test_message_that_is_not_for_a_sweep_is_refused(body: str) -> None:
    with pytest.raises(UnreadableWorkError):
        Work.from_message(body, (REGION,), ACCOUNT)


AWS = (
    drawn(answers.rest_answer),
    drawn(answers.v2_answer),
    st.sampled_from([Protocol.HTTP, Protocol.WEBSOCKET]),
    drawn(answers.any_settings),
)


@given(BODIES, *AWS)
def test_any_readable_message_is_processed_completely(
    body: str, rest: dict[str, Any], v2: dict[str, Any], protocol: Protocol, settings: Settings
) -> None:
    functions.check_delivery(body, rest, v2, protocol, settings)


@given(st.just(Work(REGION).to_message()) | WORKS.map(json.dumps), *AWS)
def test_any_sweep_ends_and_changes_nothing(
    body: str, rest: dict[str, Any], v2: dict[str, Any], protocol: Protocol, settings: Settings
) -> None:
    functions.check_sweep(body, rest, v2, protocol, settings)
