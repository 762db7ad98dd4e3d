"""Exempt stages in a sweep: each is in the log, and the end of an exemption is also an event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger, Metrics

from log_keeper.aws.clients import Clients
from log_keeper.aws.pace import Pace
from log_keeper.events.sweep_work import Work
from log_keeper.policy.findings import Problem
from log_keeper.reporting import Reporter
from log_keeper.settings import Settings
from log_keeper.sweep import Sweep
from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage, make_role, set_log_role, tag_rest_stage
from testing.builders import settings_with
from testing.deliveries import Deliver
from testing.published import findings


@pytest.fixture
def sweep(sandbox: Sandbox, environment: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that sweeps the region and returns the messages that StageQueue gets."""
    environment.setenv("EXEMPT_TAG_KEY", "hands-off")
    set_log_role(sandbox, make_role(sandbox))
    url = sandbox.client("sqs").create_queue(QueueName="StageQueue")["QueueUrl"]
    settings: Settings = settings_with(stage_queue_url=url, exempt_tag_key="hands-off")
    reporter = Reporter(Logger(service="log-keeper"), Metrics(namespace="LogKeeper", service="log-keeper"))

    def run() -> list[str]:
        since, clients = len(sandbox.calls), Clients(lambda: Pace(100), sandbox.session())
        Sweep(
            clients,
            settings,
            sandbox.now,
            lambda: True,
            lambda found: reporter.evaluated(found, is_audit=False),
        ).run(Work("us-east-1"))
        sent = [made.call.params for made in sandbox.calls[since:] if made.call.operation == "SendMessageBatch"]
        return [entry["MessageBody"] for each in sent for entry in each["Entries"]]

    return run


def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(each) for each in caplog.records if each.message == message]


def test_exempt_stage_is_in_the_log_of_the_sweep_and_is_left(
    sandbox: Sandbox, sweep: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    api_id = make_rest_stage(sandbox)
    tag_rest_stage(sandbox, api_id, {"hands-off": "", "hands-off-reason": "load test"})
    assert sweep() == []
    [line] = lines(caplog, "Stage exempt")
    assert (line["stage"]["apiId"], line["outcome"]) == (api_id, "exempt")
    assert line["exemption"] == {"until": None, "reason": "load test"}


def test_end_of_an_exemption_is_a_finding_with_the_stage_and_an_event(
    sandbox: Sandbox, sweep: Callable[[], list[str]], deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    api_id, end = make_rest_stage(sandbox), (sandbox.now() + timedelta(days=3)).replace(microsecond=0).isoformat()
    tag_rest_stage(sandbox, api_id, {"hands-off": "", "hands-off-until": end})
    sent = sweep()
    [line] = lines(caplog, "Finding")
    assert (line["problem"], line["stage"]["apiId"]) == (Problem.EXEMPTION_ENDS, api_id)
    since = len(sandbox.calls)
    assert deliver(*sent) == []
    assert findings(sandbox, since) == [(Problem.EXEMPTION_ENDS, end)]
