"""A stage without a format gets the owner's: from the environment, or from an SSM parameter, read at that time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from log_keeper.policy.findings import Problem
from sandbox.assembly import Sandbox
from testing.accounts import get_stage, levels, make_http_stage, make_leaking_stage, v2_stage
from testing.builders import record, updated
from testing.deliveries import Deliver
from testing.published import findings, outcomes

NAME = "/log-keeper/rest"
OWN = '{"id":"$context.requestId","status":"$context.status"}'


@pytest.fixture
def leaking(sandbox: Sandbox) -> str:
    return make_leaking_stage(sandbox)


@pytest.fixture
def put(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that changes the SSM parameter with the format of REST APIs."""
    environment.setenv("REST_ACCESS_LOG_FORMAT", NAME)

    def put(text: str) -> None:
        is_secret = text.startswith("secret ")
        sandbox.client("ssm").put_parameter(
            Name=NAME, Value=text, Type="SecureString" if is_secret else "String", Overwrite=True
        )

    return put


def reads(sandbox: Sandbox) -> int:
    return sum(done.call.operation == "GetParameter" for done in sandbox.calls)


def test_format_of_the_environment_is_set(sandbox: Sandbox, deliver: Deliver, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_ACCESS_LOG_FORMAT", OWN)
    api_id = make_http_stage(sandbox)
    assert deliver(record("UpdateStage", {"apiId": api_id, "stageName": "$default"})) == []
    assert v2_stage(sandbox, api_id, "$default")["AccessLogSettings"]["Format"] == OWN
    assert reads(sandbox) == 0


def test_format_of_the_parameter_is_read_once_for_a_stage_without_one(
    sandbox: Sandbox, deliver: Deliver, leaking: str, put: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    put(f"{OWN}\n")
    assert deliver(updated(leaking)) == []
    assert get_stage(sandbox, leaking)["accessLogSettings"]["format"] == OWN
    assert deliver(updated(leaking)) == []
    assert reads(sandbox) == 1
    assert outcomes(caplog) == ["remediated", "compliant"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "ParameterNotFound"),
        ('{"ip":"$context.identity.sourceIp"}', "must contain $context.requestId"),
        ('{"id":\n"$context.requestId"}', "must be one line"),
        (f"$context.requestId {'x' * 3_072}", "at most 3,072"),
        ("secret $context.requestId", "it is of the type SecureString"),
    ],
)
def test_wrong_parameter_is_a_finding_and_the_rest_of_the_stage_is_remediated(
    sandbox: Sandbox,
    deliver: Deliver,
    leaking: str,
    put: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
    text: str | None,
    said: str,
) -> None:
    """After the parameter was corrected, the next try succeeds in the same execution environment."""
    if text is not None:
        put(text)
    since = len(sandbox.calls)
    assert deliver(updated(leaking)) == ["0"]
    stage = get_stage(sandbox, leaking)
    assert "accessLogSettings" not in stage
    assert (levels(stage), stage["methodSettings"]["*/*"]["dataTraceEnabled"]) == ({"*/*": "ERROR"}, False)
    [(problem, detail)] = findings(sandbox, since)
    assert problem == Problem.CHANGE_FAILED
    assert f"SSM parameter {NAME} has no usable format" in detail
    assert said in detail
    put(OWN)
    assert deliver(updated(leaking)) == []
    assert get_stage(sandbox, leaking)["accessLogSettings"]["format"] == OWN
    assert outcomes(caplog) == ["partly remediated", "remediated"]
