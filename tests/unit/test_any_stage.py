"""Any stage that botocore's service models allow is compliant after its plan, and nothing else of it changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz import answers, claims
from log_keeper.settings import Settings
from log_keeper.stages import Protocol
from testing.drawn import drawn

SETTINGS = drawn(answers.any_settings)


@given(drawn(answers.rest_answer), SETTINGS)
def test_any_rest_stage_is_remediated_and_nothing_else_of_it_changes(
    answer: dict[str, Any], settings: Settings
) -> None:
    claims.check_rest_stage(answer, settings.policy)


@given(drawn(answers.v2_answer), st.sampled_from([Protocol.HTTP, Protocol.WEBSOCKET]), SETTINGS, st.booleans())
def test_any_http_or_websocket_stage_is_remediated_and_nothing_else_of_it_changes(
    answer: dict[str, Any], protocol: Protocol, settings: Settings, keeps: bool
) -> None:
    claims.check_v2_stage(answer, protocol, settings.policy, keeps=keeps)


@given(drawn(answers.any_tags))
def test_any_tags_are_an_opt_in_with_a_valid_end_or_none(tags: dict[str, str]) -> None:
    claims.check_tags(tags)
