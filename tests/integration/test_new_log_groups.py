"""What a log group gets when Log Keeper creates it, by parameters, besides its name and its retention."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from handlers import enforce
from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from sandbox.core.account import Account
from sandbox.core.call import AwsError, Call
from sandbox.services.apigateway.request_logs import write_access_log
from testing.accounts import (
    described_log_groups,
    get_stage,
    levels,
    log_group_tags,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_role,
    set_log_role,
    tag_rest_stage,
    turned,
    v2_stage,
)
from testing.builders import record, updated
from testing.clients import refusal
from testing.deliveries import Deliver
from testing.published import findings, outcomes

ROOT = Path(__file__).parent.parent.parent
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


def test_log_groups_with_more_tags_than_possible_are_created_without_them(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch
) -> None:
    """The deployment cannot count them."""
    environment.setenv("LOG_GROUP_TAGS", ",".join(f"k{number}=v" for number in range(50)))
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    created = [found for name, found in log_group_tags(sandbox).items() if api_id in name]
    assert created == [{"created-by": "log-keeper"}] * 2
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.TAGS_REFUSED] * 2


@pytest.mark.parametrize("tags", ["", "team=unknown"])
def test_log_groups_whose_every_tag_is_refused_are_created_without_any(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch, tags: str
) -> None:
    """A tag policy of the organization does not allow Log Keeper's own tag."""
    environment.setenv("LOG_GROUP_TAGS", tags)

    def refuse(_: Account, call: Call) -> None:
        if call.operation == "CreateLogGroup" and "tags" in call.params:
            raise AwsError("InvalidParameterException", "The tag policy does not allow the tag key: 'created-by'.", 400)

    sandbox.hooks.append(refuse)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == []
    assert "destinationArn" in get_stage(sandbox, api_id)["accessLogSettings"]
    assert [found for name, found in log_group_tags(sandbox).items() if api_id in name] == [{}, {}]
    assert [problem for problem, _ in findings(sandbox, since)] == [Problem.TAGS_REFUSED] * 2


@pytest.mark.usefixtures("tagged")
def test_refusal_of_something_else_than_the_tags_is_a_failure(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_GROUP_KMS_KEY_ARN", "arn:aws:kms:us-east-1:123456789012:key/absent")
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == ["0"]
    assert not [name for name in log_groups(sandbox) if api_id in name]
    assert Problem.TAGS_REFUSED not in [problem for problem, _ in findings(sandbox, since)]


def classes(sandbox: Sandbox) -> dict[str, str]:
    return {name: group["logGroupClass"] for name, group in described_log_groups(sandbox).items()}


@pytest.mark.parametrize(("access", "execution"), [("InfrequentAccess", "Standard"), ("Standard", "InfrequentAccess")])
def test_new_log_groups_have_the_class_of_their_parameter(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch, access: str, execution: str
) -> None:
    """A log group that API Gateway, or an owner, created before keeps its class."""
    environment.setenv("ACCESS_LOG_CLASS", access)
    environment.setenv("EXECUTION_LOG_CLASS", execution)
    sandbox.client("logs").create_log_group(logGroupName=f"API-Gateway-Execution-Logs_{api_id}/prod")
    other, http = make_rest_stage(sandbox), make_http_stage(sandbox)
    created = record("CreateStage", {"apiId": http, "stageName": "%24default"})
    with turned(sandbox, refuses_infrequent_access_destinations=False):  # the other position has a test of its own
        assert deliver(updated(api_id), updated(other), created) == []
    found, words = classes(sandbox), {"Standard": "STANDARD", "InfrequentAccess": "INFREQUENT_ACCESS"}
    assert found[f"API-Gateway-Execution-Logs_{api_id}/prod"] == "STANDARD"
    assert found[f"API-Gateway-Execution-Logs_{other}/prod"] == words[execution]
    for name in (f"apigateway/{api_id}/prod", f"apigateway/{other}/prod", f"apigatewayv2/{http}/.default"):
        assert found[f"/aws/vendedlogs/{name}"] == words[access]
    assert write_access_log(sandbox, other, "prod", requestId="one") == f"/aws/vendedlogs/apigateway/{other}/prod"


@pytest.mark.parametrize("protocol", ["REST", "HTTP"])
def test_refused_class_is_a_finding_and_its_remedy_helps(
    sandbox: Sandbox,
    deliver: Deliver,
    api_id: str,
    environment: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
) -> None:
    sandbox.turn(refuses_infrequent_access_destinations=True)
    environment.setenv("ACCESS_LOG_CLASS", "InfrequentAccess")
    event, group = updated(api_id), f"/aws/vendedlogs/apigateway/{api_id}/prod"
    if protocol == "HTTP":
        http = make_http_stage(sandbox)
        event = record("CreateStage", {"apiId": http, "stageName": "%24default"})
        group = f"/aws/vendedlogs/apigatewayv2/{http}/.default"
    since = len(sandbox.calls)
    assert deliver(event) == ["0"]
    assert outcomes(caplog) == ["partly remediated"]
    assert protocol == "HTTP" or levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.CLASS_REFUSED
    assert "because of its class" in detail

    # The remedy of docs/operations.md.
    environment.setenv("ACCESS_LOG_CLASS", "Standard")
    enforce.enforce_handler.cache_clear()
    sandbox.client("logs").delete_log_group(logGroupName=group)
    deleted = record("DeleteLogGroup", {"logGroupName": group}, eventSource="logs.amazonaws.com")
    assert deliver(deleted) == []
    assert classes(sandbox)[group] == "STANDARD"
    if protocol == "HTTP":
        assert v2_stage(sandbox, http, "$default")["AccessLogSettings"]["DestinationArn"].endswith(group)
    else:
        assert get_stage(sandbox, api_id)["accessLogSettings"]["destinationArn"].endswith(group)


def test_another_refusal_is_not_taken_for_one_of_the_class(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ACCESS_LOG_CLASS", "InfrequentAccess")

    def refuse(_: Account, call: Call) -> None:
        if call.operation == "UpdateStage":
            raise AwsError("AccessDeniedException", "with an explicit deny in a service control policy", 403)

    sandbox.hooks.append(refuse)
    since = len(sandbox.calls)
    assert deliver(updated(api_id)) == ["0"]
    assert {problem for problem, _ in findings(sandbox, since)} == {Problem.CHANGE_FAILED}


def test_protected_log_groups_can_be_deleted_after_the_commands_of_the_page(
    sandbox: Sandbox, deliver: Deliver, api_id: str, environment: pytest.MonkeyPatch
) -> None:
    """Other log groups stay as they are: without protection, and with that of their owner."""
    environment.setenv("PROTECT_LOG_GROUPS", "Yes")
    logs, away = sandbox.client("logs"), sandbox.client("logs", "eu-west-1")
    logs.create_log_group(logGroupName="/theirs", deletionProtectionEnabled=True, tags={"created-by": "somebody"})
    logs.create_log_group(logGroupName=f"API-Gateway-Execution-Logs_{api_id}/prod")
    away.create_log_group(logGroupName="/away", deletionProtectionEnabled=True, tags={"created-by": "log-keeper"})
    assert deliver(updated(api_id), updated(make_rest_stage(sandbox))) == []
    ours = [name for name, tags in log_group_tags(sandbox).items() if tags.get("created-by") == "log-keeper"]
    assert len(ours) == 3

    def protected() -> list[str]:
        described = described_log_groups(sandbox) | described_log_groups(sandbox, "eu-west-1")
        return sorted(name for name, group in described.items() if group["deletionProtectionEnabled"])

    assert protected() == sorted([*ours, "/away", "/theirs"])
    assert "Disable deletion protection first" in refusal(lambda: logs.delete_log_group(logGroupName=ours[0]))[1]
    page = (ROOT / "docs" / "removal.md").read_text().partition("## Log groups with deletion protection")[2]
    [commands] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    subprocess.run(
        ["/bin/sh", "-euc", commands],
        env=sandbox.environment() | {"PATH": f"{ROOT / '.venv-tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        check=True,
        timeout=120,
    )
    assert protected() == ["/theirs"]
    logs.delete_log_group(logGroupName=ours[0])
