"""Method settings of a REST stage: which entries exist, which paths name them, how they are removed."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_rest_stage
from testing.clients import refusal
from testing.rest_apis import replace, stage, update


def test_first_setting_creates_the_whole_entry_without_a_level(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/throttling/burstLimit", "123"))
    assert stage(sandbox, api_id)["methodSettings"] == {
        "*/*": {
            "metricsEnabled": False,
            "dataTraceEnabled": False,
            "throttlingBurstLimit": 123,
            "throttlingRateLimit": 10000.0,
            "cachingEnabled": False,
            "cacheTtlInSeconds": 300,
            "cacheDataEncrypted": False,
            "requireAuthorizationForCacheControl": True,
            "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
        }
    }


def test_override_is_created_as_a_copy_and_does_not_follow(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    give_log_role(sandbox)
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "ERROR"), replace("/*/*/logging/dataTrace", "true"))
    update(sandbox, api_id, replace("/~1pets~1{id}/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, replace("/*/*/logging/loglevel", "INFO"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert settings["~1pets~1{id}/GET"]["loggingLevel"] == "ERROR"
    assert settings["~1pets~1{id}/GET"]["dataTraceEnabled"] is True
    assert settings["*/*"]["loggingLevel"] == "INFO"


@pytest.mark.parametrize(
    "key",
    [
        "~1pets~1{id}/GET",
        "pets~1{id}/GET",
        "pets/{id}/GET",
        "/pets/{id}/GET",
        "{proxy+}/POST",
        "~1/GET",
        "*/*",
        "variables/GET",
    ],
)
def test_key_of_an_entry_is_the_path_that_addressed_it(sandbox: Sandbox, key: str) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace(f"/{key}/metrics/enabled", "true"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert {name: each["metricsEnabled"] for name, each in settings.items()} == {key: True}


def test_two_spellings_of_a_method_are_two_entries(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, replace("/~1pets/GET/throttling/rateLimit", "5"))
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "8"))
    settings = stage(sandbox, api_id)["methodSettings"]
    assert {key: each["throttlingRateLimit"] for key, each in settings.items()} == {"pets/GET": 8.0, "~1pets/GET": 5.0}
    update(sandbox, api_id, {"op": "remove", "path": "/~1pets/GET"})
    assert list(stage(sandbox, api_id)["methodSettings"]) == ["pets/GET"]


def test_two_spellings_of_a_method_may_be_one_entry(sandbox: Sandbox) -> None:
    """Whether they are one entry is not recorded."""
    sandbox.turn(unifies_method_keys=True)
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/{id}/GET/throttling/burstLimit", "7"))
    update(sandbox, api_id, replace("/~1pets~1{id}/GET/throttling/burstLimit", "8"))
    update(sandbox, api_id, replace("/pets/GET/throttling/burstLimit", "9"))
    entries = stage(sandbox, api_id)["methodSettings"]
    assert {key: entry["throttlingBurstLimit"] for key, entry in entries.items()} == {"pets/{id}/GET": 8, "pets/GET": 9}


@pytest.mark.parametrize(
    "path", ["/lit/ANY/caching/enabled", "/pets/*/caching/enabled", "/tags/tag1", "/methodSettings", "/*/*/nonsense"]
)
def test_other_paths_are_refused(sandbox: Sandbox, path: str) -> None:
    code, message = refusal(lambda: update(sandbox, make_rest_stage(sandbox), replace(path, "true")))
    assert code == "BadRequestException"
    assert message.startswith(f"Invalid method setting path: {path}. Must be one of: [/deploymentId, /description,")
    assert message.endswith("/variables/{variable_name}, /tracingEnabled]")


def test_override_is_removed_as_a_whole_and_created_again_in_one_call(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/pets/GET/throttling/rateLimit", "7"))
    update(sandbox, api_id, {"op": "remove", "path": "/pets/GET"}, replace("/pets/GET/metrics/enabled", "true"))
    entry = stage(sandbox, api_id)["methodSettings"]["pets/GET"]
    assert (entry["metricsEnabled"], entry["throttlingRateLimit"]) == (True, 10000.0)


@pytest.mark.parametrize(
    "path", ["/*/*", "/pets/GET", "/other/GET/throttling/rateLimit", "/accessLogSettings/destinationArn"]
)
def test_removal_of_a_missing_entry_is_refused(sandbox: Sandbox, path: str) -> None:
    api_id = make_rest_stage(sandbox)
    assert refusal(lambda: update(sandbox, api_id, {"op": "remove", "path": path})) == (
        "BadRequestException",
        f"Cannot remove method setting {path[1:]} because there is no method setting for this method ",
    )


def test_removal_of_a_field_of_an_entry_is_refused(sandbox: Sandbox) -> None:
    api_id = make_rest_stage(sandbox)
    update(sandbox, api_id, replace("/*/*/throttling/rateLimit", "7"))
    code, _ = refusal(lambda: update(sandbox, api_id, {"op": "remove", "path": "/*/*/throttling/rateLimit"}))
    assert code == "BadRequestException"
    assert stage(sandbox, api_id)["methodSettings"]["*/*"]["throttlingRateLimit"] == 7.0
