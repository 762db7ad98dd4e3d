"""Many stages made at once, with AWS's quotas on, beside an owner who goes on deploying; in simulated time.

In ``make test`` 200 stages; ``make faults`` makes 2,000 and prints the figures of docs/reliability.md.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import batched
from typing import Any

import pytest

from sandbox.simulation import Latency
from testing.accounts import make_rest_api, make_role, set_log_role
from testing.builders import updated
from testing.fault_cells import IS_WHOLE
from testing.owner import DEPLOYS_EVERY, Owner
from testing.world import World, world

STAGES = 2_000 if IS_WHOLE else 200
STAGES_OF_AN_API = 10
#: Seconds of AWS's time that a call takes.
LATENCY = 0.05
#: For how long the owner is watched where there is no program to wait for.
ALONE = 300.0


def begin(here: World) -> Owner:
    """Set a valid log role, switch the quotas on, and let the owner deploy."""
    here.sandbox.interposers.insert(0, Latency(here.time, LATENCY).interpose)
    arn = make_role(here.sandbox, "Logs")
    here.time.sleep(60)
    set_log_role(here.sandbox, arn)
    owner = Owner.of(here)
    here.time.start(owner.deploy_repeatedly)
    return owner


def make_stages(here: World) -> list[tuple[str, str]]:
    """Many stages at once, and a message about each; as from templates that were deployed all over the account."""
    client, sqs = here.sandbox.client("apigateway"), here.sandbox.client("sqs")
    made = []
    for _ in range(STAGES // STAGES_OF_AN_API):
        api_id = make_rest_api(here.sandbox)
        deployment = client.create_deployment(restApiId=api_id)["id"]
        for number in range(STAGES_OF_AN_API):
            client.create_stage(restApiId=api_id, stageName=f"s{number}", deploymentId=deployment)
            made.append((api_id, f"s{number}"))
    for some in batched(made, 10, strict=False):
        entries = [{"Id": str(number), "MessageBody": json.dumps(updated(*stage))} for number, stage in enumerate(some)]
        sqs.send_message_batch(QueueUrl=here.enforce.queue_url, Entries=entries)
    return made


def test_flood(capsys: pytest.CaptureFixture[str]) -> None:
    with world() as here:
        alone = begin(here)
        here.sandbox.quotas.are_on = True
        end = here.time.monotonic() + ALONE
        here.time.run(lambda: here.time.monotonic() >= end, limit=ALONE + 2 * DEPLOYS_EVERY)

    with world() as here:
        owner = begin(here)
        made = make_stages(here)
        here.sandbox.quotas.are_on = True
        began, calls = here.time.monotonic(), len(here.sandbox.calls)
        for environment in (here.enforce, here.another_enforce()):
            here.time.start(environment.live)
        here.time.run(lambda: here.enforce.is_idle(), limit=STAGES * 2)
        seconds = here.time.monotonic() - began

        program = Counter((record.call.operation, record.status) for record in here.calls(calls))
        writes = Counter(
            (params["restApiId"], params["stageName"])
            for record in here.calls(calls)
            if record.call.operation == "UpdateStage" and record.status == 200
            for params in [record.call.params]
        )
        of_api_gateway = sum(
            count for (operation, _), count in program.items() if operation in ("GetStage", "UpdateStage", "GetAccount")
        )
        here.sandbox.quotas.are_on = False
        levels = Counter(level(here, *stage) for stage in made)

    with capsys.disabled():
        print(  # noqa: T201 - the figures of docs/reliability.md
            f"\n{STAGES} stages at once: all in line after {seconds:.0f} s; {of_api_gateway} calls of API Gateway, "
            f"{sum(count for (_, status), count in program.items() if status == 429)} of all calls throttled; "
            f"the owner's calls throttled: {owner.share:.1%} of {owner.calls}, "
            f"without Log Keeper {alone.share:.1%} of {alone.calls}"
        )
    assert levels == {"ERROR": STAGES}
    assert all(writes[stage] == 1 for stage in made)
    assert owner.throttled <= alone.throttled
    # One read and one write a stage, at the rate that was allowed.
    assert seconds <= (2 * STAGES / 4) * 1.05 + 60


def level(here: World, api_id: str, stage_name: str) -> Any:
    stage = here.sandbox.client("apigateway").get_stage(restApiId=api_id, stageName=stage_name)
    return stage.get("methodSettings", {}).get("*/*", {}).get("loggingLevel")
