"""Fairness between the accounts of an organization: one account has many changes at once, the others have one each.

Half of the others change a stage at the same moment, after those changes; the other half while they are processed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.organization_aws import OrganizationAws, Size
from benchmarks.organization_functions import ENFORCE, RATE, above_quota, hub, most_in_a_second
from handlers.enforce import _BURST as BURST
from testing.builders import REGION, updated

STAGES_OF_AN_API = 10


@dataclass(frozen=True, slots=True)
class Fairness:
    """What was measured.

    ``at_once``, ``meanwhile``: seconds from the change to the call that makes the stage compliant, ascending, in the
    accounts with one change each: at the moment of the many changes, and later. ``busy``: the same in the busy account.
    ``calls``: to API Gateway in the busy account. ``most``: the greatest number of them in one second after the first
    burst. ``above_quota``: those that API Gateway would throttle, in any account.
    ``postponed``: messages that were put back on the queue; ``sends``: how often in all.
    """

    at_once: list[float]
    meanwhile: list[float]
    busy: list[float]
    calls: int
    most_at_first: int
    most: int
    above_quota: int
    postponed: int
    sends: int
    dead_letters: int
    failed: int
    invocations: int
    receive_calls: int

    @property
    def limit(self) -> float:
        """Return the seconds that the busy account's calls take at the allowed rate, and the delay of the queue."""
        return ENFORCE.delay + (self.calls - BURST) / RATE


def _change(account_id: str, number: int) -> str:
    api, stage = divmod(number, STAGES_OF_AN_API)
    event: dict[str, Any] = updated(f"rest{api:06}", f"s{stage}") | {"account": account_id}
    return json.dumps(event)


def measure(accounts: int, changes: int) -> Fairness:
    """Send the changes of the busy account, then one for each other account. Run until the queue is empty."""
    apis = -(-changes // STAGES_OF_AN_API)
    size = Size(accounts, (REGION,), rest_apis=apis, http_apis=0, stages=STAGES_OF_AN_API)
    busy, *others = size.account_ids
    at_once, later = others[: len(others) // 2], others[len(others) // 2 :]
    changed: dict[str, float] = {}
    with hub(size, are_compliant=False) as here:

        def change(account_id: str, number: int = 0) -> None:
            changed.setdefault(account_id, here.time().timestamp())
            here.stage_queue.send({"MessageBody": _change(account_id, number)})

        def change_later() -> None:
            for account_id in later:
                here.time.sleep(2 * changes / RATE / (len(later) + 1))
                change(account_id)

        for number in range(changes):
            change(busy, number)
        for account_id in at_once:
            change(account_id)
        environments = [here.enforce() for _ in range(ENFORCE.environments)]
        for environment in environments:
            here.time.start(environment.live)
        here.time.start(change_later)
        here.time.run(lambda: here.stage_queue.is_empty and len(changed) == accounts, limit=20 * changes / RATE + 3_600)
    sent = changes + len(others)
    assert len(here.aws.updated) == sent, f"{sent - len(here.aws.updated)} stages are not compliant"
    times = here.aws.times[busy, REGION]
    again = [count - 1 for count in here.stage_queue.sends.values() if count > 1]
    return Fairness(
        at_once=_seconds(here.aws, at_once, changed),
        meanwhile=_seconds(here.aws, later, changed),
        busy=_seconds(here.aws, [busy], changed),
        calls=len(times),
        most_at_first=most_in_a_second(times),
        most=most_in_a_second([time for time in times if time > times[0] + BURST / RATE]),
        above_quota=sum(map(above_quota, here.aws.times.values())),
        postponed=len(again),
        sends=sum(again),
        dead_letters=len(here.stage_queue.dead_letters),
        failed=sum(len(each.errors) + each.timeouts for each in environments),
        invocations=sum(each.invocations for each in environments),
        receive_calls=here.stage_queue.receive_calls,
    )


def _seconds(aws: OrganizationAws, accounts: Collection[str], changed: Mapping[str, float]) -> list[float]:
    """Return the seconds from the change to compliance of each stage in these accounts, ascending."""
    return sorted(time - changed[key[0]] for key, time in aws.updated.items() if key[0] in accounts)
