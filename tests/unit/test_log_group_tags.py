"""The tags of new log groups: read from parameters, and copied from a stage."""

from __future__ import annotations

import pytest

from log_keeper.policy.log_groups import log_groups_of
from log_keeper.settings import Settings
from log_keeper.variables import SettingsError
from testing.builders import ENVIRONMENT, POLICY, rest_stage


def settings(tags: str = "", keys: str = "") -> Settings:
    return Settings.from_environment({**ENVIRONMENT, "LOG_GROUP_TAGS": tags, "COPY_TAG_KEYS": keys})


def test_tags_are_read() -> None:
    policy = settings("team=shop, cost:center=a=b,empty=", "owner, cost-center").policy
    assert policy.log_group_tags == (("team", "shop"), ("cost:center", "a=b"), ("empty", ""))
    assert policy.copied_tag_keys == ("owner", "cost-center")


@pytest.mark.parametrize(
    ("tags", "keys"),
    [
        ("team", ""),
        ("=shop", ""),
        ("AWS:team=shop", ""),
        ("created-by=me", ""),
        ("team=a\tb", ""),
        ("team=a*", ""),
        (f"{'k' * 129}=v", ""),
        (f"k={'v' * 257}", ""),
        ("", "aws:cloudformation:stack-name"),
        ("", "created-by"),
        ("", "k" * 129),
    ],
)
def test_tags_that_no_log_group_can_have_are_an_error_that_names_the_variable(tags: str, keys: str) -> None:
    with pytest.raises(SettingsError, match="LOG_GROUP_TAGS" if tags and "," not in tags else "LOG_GROUP|COPY_TAG"):
        settings(tags, keys)


def test_tags_of_the_greatest_length_are_read() -> None:
    assert settings(f"{'k' * 128}={'v' * 256}").policy.log_group_tags


def test_later_tag_of_a_key_counts() -> None:
    assert settings("team=shop,team=web").policy.log_group_tags == (("team", "web"),)


def test_each_new_log_group_of_a_stage_gets_the_tags_and_a_copied_one_wins() -> None:
    policy = POLICY._replace(log_group_tags=(("team", "unknown"), ("a", "b")), copied_tag_keys=("team", "env"))
    stage = rest_stage(tags={"team": "shop", "other": "x"}, has_canary=True)
    groups = log_groups_of(stage, policy)
    assert len(groups) == 4
    assert {group.tags for group in groups} == {(("team", "shop"), ("a", "b"))}
    assert {group.tags for group in log_groups_of(rest_stage(), policy)} == {(("team", "unknown"), ("a", "b"))}
