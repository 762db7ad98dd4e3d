"""Names of log groups by a pattern of the owner: they say which stage they are of, and no two stages share one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from log_keeper.log_group_names import LONGEST_NAME, LONGEST_PATTERN, AccessLogNames
from log_keeper.policy.evaluation import Facts, evaluate
from log_keeper.policy.log_groups import log_groups_of
from log_keeper.policy.log_role import PROBES, probe_of
from log_keeper.policy.plan import own_access_log_group
from log_keeper.settings import Settings
from log_keeper.stages import ApiVersion, StageRef, access_log_group
from log_keeper.variables import SettingsError
from testing.builders import ACCOUNT, ENVIRONMENT, POLICY, REF, REGION, V2_REF, rest_stage

NAMES = AccessLogNames.read("/access-logs/${accountId}/${apiId}/${stage}")
NAMED = POLICY._replace(access_log_names=NAMES)
LOG_GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"
NOW = datetime(2026, 11, 29, tzinfo=UTC)
MINE = f"/access-logs/{ACCOUNT}/a1b2c3d4e5/prod"


@pytest.mark.parametrize(
    "text",
    [
        "/access-logs/${apiId}/${stage}",
        "access-logs/${stage}/${apiId}",
        "/aws/vendedlogs/shop/${apiId}/${stage}",
        "x/y.z/api-${apiId}-of/the_${stage}",
        "/access-logs/${apiName}/${apiId}/${stage}",
        "/aws/vendedlogs/shop/x-${apiName}-y/${stage}/${apiId}",
        "/access-logs/${apiId}/${stage}/${apiName}",
        f"/{'x' * (LONGEST_PATTERN - 19)}/${{apiId}}/${{stage}}",
    ],
)
def test_pattern_gives_each_stage_a_name_that_says_whose_it_is(text: str) -> None:
    names = AccessLogNames.read(text)
    other = StageRef(ACCOUNT, REGION, ApiVersion.V2, "a1b2c3d4e5", "$default")
    longest = StageRef(ACCOUNT, REGION, ApiVersion.V1, "a" * 64, "s" * 128)
    for ref in (REF, V2_REF, other, longest):
        name = names.name_of(ref, "the API's name/of 2026, \u00e9#.")
        assert len(f"{name}/Canary") <= 512
        for each in (name, f"{name}/Canary"):
            assert names.stage_of(each, ACCOUNT, REGION, ref.version) == ref
        assert names.is_own(name, ref)
        assert names.is_own(access_log_group(ref), ref)
        assert not names.is_own(name, replace(ref, stage_name="other"))


@pytest.mark.parametrize(
    "text",
    [
        "/access-logs/${apiId}",
        "/access-logs/${stage}",
        "${apiId}/${stage}",
        "/${apiId}/${stage}",
        "/access-logs/${apiId}-${stage}",
        "/access-logs/${apiId}${stage}",
        "/access-logs/${apiId}/${stage}/x",
        "/access-logs/${apiId}/${stage}/${apiId}",
        "/access-logs/${apiId}/${stage}/${api}",
        "/access-logs/#/${apiId}/${stage}",
        "/access logs/${apiId}/${stage}",
        "aws/x/${apiId}/${stage}",
        "AWS/x/${apiId}/${stage}",
        "aws/vendedlogs/${apiId}/${stage}",
        "/aws/apigateway/${apiId}/${stage}",
        "/aws/lambda/${apiId}/${stage}",
        "/aws/vendedlogs/apigateway/${stage}/${apiId}",
        "/aws/vendedlogs/apigatewayv2/x/${apiId}/${stage}",
        "/aws/vendedlogs/${apiName}/${apiId}/${stage}",
        "/aws/vendedlogs/api${apiName}/${apiId}/${stage}",
        "/access-logs/${apiName}-${apiId}/${stage}",
        "/${apiName}/${apiId}/${stage}",
        "/access-logs/${apiName}/${apiName}/${apiId}/${stage}",
        "/access-logs/${apiName}/${stage}",
        f"/{'x' * LONGEST_PATTERN}/${{apiId}}/${{stage}}",
        "/access-logs/${apiId}/${stage}\n",
    ],
)
def test_pattern_that_no_log_group_can_follow_or_two_stages_could_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no pattern of names"):
        AccessLogNames.read(text)


STAGES = st.builds(
    StageRef,
    account=st.just(ACCOUNT),
    region=st.just(REGION),
    version=st.just(ApiVersion.V1),
    api_id=st.from_regex(r"[a-z0-9]{1,64}", fullmatch=True),
    stage_name=st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True),
)
PATTERNS = st.sampled_from(
    [
        "/access-logs/${apiName}/${apiId}/${stage}",
        "x/a.${apiId}/b-${apiName}.c/${accountId}/${stage}",
        "/aws/vendedlogs/shop/${stage}/${apiId}/${apiName}",
        f"/{'x' * (LONGEST_PATTERN - 43)}/${{accountId}}/${{apiId}}/${{apiName}}/${{stage}}",
    ]
)
API_NAMES = st.one_of(st.text(), st.text(min_size=80, max_size=1024), st.sampled_from(["", "/", ".", "Canary", "#"]))


@given(PATTERNS, STAGES, API_NAMES, API_NAMES)
def test_any_name_of_an_api_gives_a_possible_name_that_says_its_stage_and_is_its_own_after_a_new_name(
    pattern: str, ref: StageRef, api_name: str, later: str
) -> None:
    names = AccessLogNames.read(pattern)
    name = names.name_of(ref, api_name)
    assert re.fullmatch(r"[A-Za-z0-9_./-]+", name)  # what a destination can have
    assert len(f"{name}/Canary") <= LONGEST_NAME
    for each in (name, f"{name}/Canary"):
        assert names.stage_of(each, ACCOUNT, REGION, ApiVersion.V1) == ref
    assert names.is_own(name, ref)
    assert not names.is_own(name, replace(ref, api_id="0" if ref.api_id != "0" else "1"))
    stage = replace(rest_stage(destination=f"{LOG_GROUP}{name}", ref=ref), api_name=later)
    policy = POLICY._replace(access_log_names=names)
    assert own_access_log_group(stage, policy) == name
    assert evaluate(stage, policy, Facts(), NOW).plan.is_compliant


@pytest.mark.parametrize(
    ("api_name", "part"),
    [
        ("shop", "shop"),
        ("Shop API v1.2_b", "Shop-API-v1.2_b"),
        ("a/b#c\u00e9\U0001f600", "a-b-c--"),
        ("", "-"),
        ("x" * 999, "x" * 476),
    ],
)
def test_characters_of_an_apis_name_are_replaced_and_a_long_one_is_cut(api_name: str, part: str) -> None:
    names = AccessLogNames.read("/access-logs/${apiName}/${apiId}/${stage}")
    assert names.name_of(REF, api_name) == f"/access-logs/{part}/a1b2c3d4e5/prod"


def test_log_group_whose_name_is_not_known_yet_is_neither_read_nor_created() -> None:
    policy = POLICY._replace(access_log_names=AccessLogNames.read("/access-logs/${apiName}/${apiId}/${stage}"))
    stage = rest_stage(destination=None)
    assert own_access_log_group(stage, policy) is None
    assert [group.name for group in log_groups_of(stage, policy)] == ["API-Gateway-Execution-Logs_a1b2c3d4e5/prod"]
    [change] = evaluate(stage, policy, Facts(), NOW).plan.changes
    assert change.after == f"{LOG_GROUP}/access-logs/${{apiName}}/a1b2c3d4e5/prod"


def test_wrong_pattern_is_an_error_that_names_its_variable() -> None:
    with pytest.raises(SettingsError, match="environment variable ACCESS_LOG_GROUP_NAME: 'x' is no pattern"):
        Settings.from_environment({**ENVIRONMENT, "ACCESS_LOG_GROUP_NAME": "x"})
    read = Settings.from_environment({**ENVIRONMENT, "ACCESS_LOG_GROUP_NAME": NAMES.pattern})
    assert read.policy.access_log_names == NAMES


@pytest.mark.parametrize(
    "name",
    [
        "/access-logs/210987654321/a1b2c3d4e5/prod",
        f"/access-logs/{ACCOUNT}/A1b2c3d4e5/prod",
        f"/access-logs/{ACCOUNT}/a1b2c3d4e5/prod/x",
        f"/access-logs/{ACCOUNT}/a1b2c3d4e5/pro.d",
        f"x/access-logs/{ACCOUNT}/a1b2c3d4e5/prod",
    ],
)
def test_another_name_is_of_no_stage(name: str) -> None:
    assert NAMES.stage_of(name, ACCOUNT, REGION, ApiVersion.V1) is None


def test_usual_name_is_of_its_stage_whatever_the_pattern() -> None:
    assert NAMES.stage_of(access_log_group(V2_REF), ACCOUNT, REGION, ApiVersion.V1) == V2_REF


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        (None, MINE),
        (f"{LOG_GROUP}{MINE}", MINE),
        (f"{LOG_GROUP}{access_log_group(REF)}", access_log_group(REF)),
        (f"{LOG_GROUP}/access-logs/{ACCOUNT}/a1b2c3d4e5/other", None),
        (f"{LOG_GROUP}theirs", None),
        ("arn:aws:firehose:us-east-1:123456789012:deliverystream/amazon-apigateway-x", None),
    ],
)
def test_stage_that_logs_to_a_log_group_of_ours_keeps_it_and_a_new_one_follows_the_pattern(
    destination: str | None, name: str | None
) -> None:
    stage = rest_stage(destination=destination, has_canary=True)
    assert own_access_log_group(stage, NAMED) == name
    ours = [group.name for group in log_groups_of(stage, NAMED) if not group.is_owners]
    execution = "API-Gateway-Execution-Logs_a1b2c3d4e5/prod"
    usual = [execution] if name is None else [execution, name]
    assert ours == [*usual, *(f"{each}/Canary" for each in usual)]


def test_names_by_the_pattern_have_one_probe_of_their_own() -> None:
    probes = {
        group.name: probe_of(group, NAMES)
        for group in log_groups_of(rest_stage(destination=None, has_canary=True), NAMED)
    }
    assert probes[MINE] == probes[f"{MINE}/Canary"] == "/access-logs/000000000000/0000000000/stage"
    assert probes["API-Gateway-Execution-Logs_a1b2c3d4e5/prod"] == PROBES[0]
