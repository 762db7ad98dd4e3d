"""What a log group gets when Log Keeper creates it, by parameters, besides its name and its retention."""

from __future__ import annotations

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from testing.accounts import (
    get_stage,
    log_group_tags,
    log_groups,
    make_rest_stage,
    make_role,
    set_log_role,
    tag_rest_stage,
)
from testing.builders import updated
from testing.deliveries import Deliver
from testing.published import findings, outcomes

TAGS = {"created-by": "log-keeper", "team": "shop", "env": "x"}


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    set_log_role(sandbox, make_role(sandbox))
    found = make_rest_stage(sandbox)
    tag_rest_stage(sandbox, found, {"team": "shop", "other": "y"})
    return found


@pytest.fixture
def tagged(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("LOG_GROUP_TAGS", "team=unknown,env=x")
    environment.setenv("COPY_TAG_KEYS", "team,absent")


@pytest.mark.usefixtures("tagged")
def test_new_log_groups_are_tagged_and_tags_of_later_are_not_copied(
    sandbox: Sandbox, deliver: Deliver, api_id: str
) -> None:
    assert deliver(updated(api_id)) == []
    created = {name: found for name, found in log_group_tags(sandbox).items() if api_id in name}
    assert list(created.values()) == [TAGS, TAGS]
    tag_rest_stage(sandbox, api_id, {"team": "web"})
    assert deliver(updated(api_id)) == []
    assert created.items() <= log_group_tags(sandbox).items()


@pytest.mark.usefixtures("tagged")
@pytest.mark.parametrize("code", ["InvalidParameterException", "TagPolicyViolation"])
def test_log_groups_whose_tags_are_refused_are_created_without_them(
    sandbox: Sandbox, deliver: Deliver, api_id: str, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    """A tag policy of the organization does not allow the value of the stage's owner."""
    refusal = "The tag policy does not allow the specified value for the following tag key: 'team'."

    def refuse(_: Account, call: Call) -> None:
        if call.operation == "CreateLogGroup" and "team" in call.params.get("tags", {}):
            raise AwsError(code, refusal, 400)

    sandbox.hooks.append(refuse)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert outcomes(caplog) == ["remediated"]
    assert "destinationArn" in get_stage(sandbox, api_id)["accessLogSettings"]
    created = {name: found for name, found in log_group_tags(sandbox).items() if api_id in name}
    assert list(created.values()) == [{"created-by": "log-keeper"}] * 2
    found = findings(sandbox, since)
    assert [problem for problem, _ in found] == [Problem.TAGS_REFUSED] * 2
    assert {name for name in created if any(detail.startswith(name) for _, detail in found)} == set(created)
    assert all(refusal in detail for _, detail in found)


@pytest.mark.usefixtures("tagged")
def test_refusal_of_something_else_than_the_tags_is_a_failure(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_GROUP_KMS_KEY_ARN", "arn:aws:kms:us-east-1:123456789012:key/absent")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == ["0"]
    assert not [name for name in log_groups(sandbox) if api_id in name]
    assert Problem.TAGS_REFUSED not in [problem for problem, _ in findings(sandbox, since)]
