"""Settings are read from the environment, and an error names its variable."""

from __future__ import annotations

import pytest

from log_keeper.settings import Settings
from log_keeper.variables import SettingsError
from testing.builders import ENVIRONMENT, SETTINGS


def test_environment_of_the_template_is_read() -> None:
    assert Settings.from_environment({**ENVIRONMENT, "REGIONS": "us-east-1, us-east-1,"}) == SETTINGS


@pytest.mark.parametrize("name", [name for name, value in ENVIRONMENT.items() if value])
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment({**ENVIRONMENT, name: " "})


ONE_REGIONS_KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"
ALL_REGIONS_KEY = "arn:aws:kms:us-east-1:123456789012:key/mrk-00000000000040008000000000000000"


@pytest.mark.parametrize(
    ("key", "region", "found"),
    [
        ("", "us-east-1", None),
        (ONE_REGIONS_KEY, "us-east-1", ONE_REGIONS_KEY),
        (ONE_REGIONS_KEY, "eu-west-1", None),
        (ALL_REGIONS_KEY, "us-east-1", ALL_REGIONS_KEY),
        (ALL_REGIONS_KEY, "eu-west-1", ALL_REGIONS_KEY.replace("us-east-1", "eu-west-1")),
    ],
)
def test_kms_key_of_log_groups_must_be_in_their_region(key: str, region: str, found: str | None) -> None:
    settings = Settings.from_environment({**ENVIRONMENT, "LOG_GROUP_KMS_KEY_ARN": key})
    assert settings.policy.log_group_key(region) == found


def test_wrong_number_is_named() -> None:
    with pytest.raises(SettingsError, match=r"ACCESS_LOG_RETENTION_DAYS is '1e3'"):
        Settings.from_environment({**ENVIRONMENT, "ACCESS_LOG_RETENTION_DAYS": "1e3"})


@pytest.mark.parametrize(
    "name", ["ACCESS_LOG_CLASS", "ACCESS_LOG_FORMAT", "ALLOW_DATA_TRACE", "DETAILED_METRICS", "MODE"]
)
def test_wrong_choice_is_named_with_the_valid_ones(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"{name} is 'perhaps': it must be \w+ or"):
        Settings.from_environment({**ENVIRONMENT, name: "perhaps"})
