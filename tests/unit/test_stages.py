"""Names of stages and of their log groups."""

from __future__ import annotations

import re
from copy import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.stages import ApiVersion, StageRef, access_log_group, execution_log_group, stage_of_log_group
from testing.builders import ACCOUNT, REF, REGION, V2_REF

IDS = st.from_regex(r"[a-z0-9]{10}", fullmatch=True)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True) | st.just("Canary")
REFS = st.builds(StageRef, st.just(ACCOUNT), st.just(REGION), st.sampled_from(ApiVersion), IDS, NAMES) | st.builds(
    StageRef, st.just(ACCOUNT), st.just(REGION), st.just(ApiVersion.V2), IDS, st.just("$default")
)


def test_log_groups_have_the_standard_names() -> None:
    assert access_log_group(REF) == "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod"
    assert execution_log_group(REF) == "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
    assert access_log_group(V2_REF) == "/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default"
    assert execution_log_group(replace(V2_REF, stage_name="prod")) == "/aws/apigateway/a1b2c3d4e5/prod"


@given(REFS)
def test_stage_is_found_by_the_name_of_its_log_group(ref: StageRef) -> None:
    """No two stages share a group. The names have only the characters that API Gateway's error message lists."""
    for name in (access_log_group(ref), execution_log_group(ref)):
        assert re.fullmatch(r"[a-zA-Z0-9_\-/.]+", name)
        assert stage_of_log_group(name, ACCOUNT, REGION) == ref
        assert stage_of_log_group(f"{name}/Canary", ACCOUNT, REGION) == ref


@pytest.mark.parametrize(
    "name",
    [
        "mine",
        "",
        "/aws/apigateway/welcome",
        "/aws/vendedlogs/apigateway/a1b2",
        "API-Gateway-Execution-Logs_a1/b/c",
        "None",
        "/aws/vendedlogs/apigateway/a1b2c3d4e5/.default",
    ],
)
def test_other_log_group_belongs_to_no_stage(name: str) -> None:
    assert stage_of_log_group(name, ACCOUNT, REGION) is None


@given(st.text())
def test_any_name_of_a_log_group_can_be_read(name: str) -> None:
    stage_of_log_group(name, ACCOUNT, REGION)
