"""Other programs change the account at the same time: throttles and conflicts are retried, other errors are not."""

from __future__ import annotations

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.call import AwsError, Call
from testing.accounts import (
    get_stage,
    levels,
    log_groups,
    log_role,
    make_rest_stage,
    make_role,
    patch_stage,
    set_log_role,
)
from testing.builders import MADE_ROLE, record, updated
from testing.deliveries import Deliver

CONFLICT = AwsError(
    "ConflictException", "Unable to complete operation due to concurrent modification. Please try again later.", 409
)
BARE_429 = AwsError("", "Too Many Requests", 429)


class Fault:
    """Answer the first calls of an operation with an error."""

    def __init__(self, sandbox: Sandbox, operation: str, error: AwsError, times: int = 1) -> None:
        self.operation, self.error, self.left = operation, error, times
        sandbox.hooks.append(self)

    def __call__(self, sandbox: Sandbox, call: Call) -> None:
        if call.operation == self.operation and self.left and "log-keeper" in call.user_agent:
            self.left -= 1
            raise self.error


@pytest.mark.parametrize("operation", ["GetStage", "UpdateStage", "GetAccount", "UpdateAccount"])
def test_throttle_without_an_error_code_is_retried(sandbox: Sandbox, deliver: Deliver, operation: str) -> None:
    api_id = make_rest_stage(sandbox)
    fault = Fault(sandbox, operation, BARE_429)
    assert deliver(updated(api_id)) == []
    assert fault.left == 0
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}


def test_after_a_conflict_the_stage_is_evaluated_again(sandbox: Sandbox, deliver: Deliver) -> None:
    """Changes that the other program did not make are made; its own changes are not made again."""
    deliver(updated(make_rest_stage(sandbox)))
    api_id = make_rest_stage(sandbox)

    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(interfere)
            patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "ERROR"))
            raise CONFLICT

    sandbox.hooks.append(interfere)
    assert deliver(updated(api_id)) == []
    ours = [
        made.call
        for made in sandbox.calls
        if made.call.operation == "UpdateStage" and made.call.params["restApiId"] == api_id
    ]
    assert [operation["path"] for operation in ours[-1].params["patchOperations"]] == [
        "/accessLogSettings/destinationArn",
        "/accessLogSettings/format",
    ]


def test_message_fails_if_the_conflict_does_not_end(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    Fault(sandbox, "UpdateStage", CONFLICT, times=99)
    assert deliver(updated(api_id)) == ["0"]


def test_other_errors_fail_their_message_only(sandbox: Sandbox, deliver: Deliver) -> None:
    apis = [make_rest_stage(sandbox) for _ in range(2)]
    # All changes at once, then each setting by itself.
    fault = Fault(sandbox, "UpdateStage", AwsError("BadRequestException", "No.", 400), times=3)
    assert deliver(updated(apis[0]), updated(apis[1])) == ["0"]
    assert fault.left == 0
    assert levels(get_stage(sandbox, apis[1])) == {"*/*": "ERROR"}


def test_log_group_that_another_program_just_created_is_used(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"

    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "CreateLogGroup" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(interfere)
            sandbox.client("logs").create_log_group(logGroupName=group)
            sandbox.client("logs").put_retention_policy(logGroupName=group, retentionInDays=3)

    sandbox.hooks.append(interfere)
    assert deliver(updated(api_id)) == []
    assert log_groups(sandbox)[group] == 3


def test_message_about_a_stage_deleted_before_the_change_is_done(sandbox: Sandbox, deliver: Deliver) -> None:
    api_id = make_rest_stage(sandbox)

    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateStage":
            sandbox.hooks.remove(interfere)
            sandbox.client("apigateway").delete_stage(restApiId=api_id, stageName="prod")

    sandbox.hooks.append(interfere)
    assert deliver(updated(api_id)) == []


def test_role_that_was_deleted_without_a_record_is_repaired_first(sandbox: Sandbox, deliver: Deliver) -> None:
    """It was valid a moment ago, as far as this warm function knows."""
    deliver(updated(make_rest_stage(sandbox)))
    set_log_role(sandbox, "")
    api_id = make_rest_stage(sandbox)
    assert deliver(updated(api_id)) == []
    assert levels(get_stage(sandbox, api_id)) == {"*/*": "ERROR"}
    assert log_role(sandbox) == MADE_ROLE


def test_role_that_another_program_just_set_is_kept(sandbox: Sandbox, deliver: Deliver) -> None:
    """UpdateAccount accepts one call in 20 s: the settings are read again before each try."""

    def interfere(sandbox: Sandbox, call: Call) -> None:
        if call.operation == "UpdateAccount" and "log-keeper" in call.user_agent:
            sandbox.hooks.remove(interfere)
            set_log_role(sandbox, make_role(sandbox, "Theirs"))
            raise BARE_429

    sandbox.hooks.append(interfere)
    assert deliver(record("UpdateAccount", {})) == []
    assert log_role(sandbox) != MADE_ROLE
