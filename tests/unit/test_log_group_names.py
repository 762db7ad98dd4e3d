"""Names of log groups by a pattern of the owner: they say which stage they are of, and no two stages share one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from log_keeper.log_group_names import LONGEST_PATTERN, AccessLogNames
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
