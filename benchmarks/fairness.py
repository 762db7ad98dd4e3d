"""Fairness between the accounts of an organization: one account has many changes at once, the others have one each.

Half of the others change a stage at the same moment, after those changes; the other half while they are processed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.organization_aws import OrganizationAws, Size
from benchmarks.organization_functions import BURST, ENFORCE, RATE, Hub, Quota, hub, most_calls
from testing.builders import REGION, updated

STAGES_OF_AN_API = 10
#: Seconds in which calls are counted.
WINDOWS = (60, 10, 1)


@dataclass(frozen=True, slots=True)
class Fairness:
    """What was measured.

    ``at_once``, ``meanwhile``: seconds from the change to the call that makes the stage compliant, ascending, in the
    accounts with one change each: at the moment of the many changes, and later. ``busy``: the same in the busy account.
    ``calls``: to API Gateway in the busy account. ``most_at_first``: the most in any second in an account.
    ``most``: the most in any window of so many seconds after the first burst. ``above_quota``: those that API Gateway
    would throttle, in any account. ``left_at_first``, ``left``: the calls that the owner of an account can make at once
    at the worst moment, in all and after the first burst. ``postponed``: messages that were put back on the queue;
    ``sends``: how often in all; ``send_calls``: the calls for that. ``failed``: invocations.
    """

    at_once: list[float]
    meanwhile: list[float]
    busy: list[float]
    calls: int
    most_at_first: int
    most: dict[int, int]
    above_quota: int
    left_at_first: float
    left: float
    postponed: int
    sends: int
    send_calls: int
    dead_letters: int
    failed: int
    invocations: int

    @property
    def limit(self) -> float:
        """Return the seconds that the busy account's calls take at the allowed rate, and the delay of the queue."""
        return ENFORCE.delay + (self.calls - BURST) / RATE


def measure(accounts: int, changes: int, *, seed: int = 0, show: Callable[[str], None] = lambda _: None) -> Fairness:
    """Send the changes of the busy account, then one for each other account. Run until the queue is empty.

    ``seed``: of the random numbers. ``show``: is called with the progress, in words.
    """
    size = Size(accounts, (REGION,), rest_apis=-(-changes // STAGES_OF_AN_API), http_apis=0, stages=STAGES_OF_AN_API)
    busy, *others = size.account_ids
    at_once, later = others[: len(others) // 2], others[len(others) // 2 :]
    changed: dict[str, float] = {}
    with hub(size, are_compliant=False, seed=seed) as here:

        def change(account_id: str, number: int = 0) -> None:
            changed.setdefault(account_id, here.time().timestamp())
            here.stage_queue.send({"MessageBody": _change(account_id, number)})

        def change_later() -> None:
            for account_id in later:
                here.time.sleep(2 * changes / RATE / (len(later) + 1))
                change(account_id)
                show(f"{len(here.aws.updated):,} of {changes + len(others):,} stages made compliant")

        for number in range(changes):
            change(busy, number)
        for account_id in at_once:
            change(account_id)
        failed, invocations = _process(here, change_later, lambda: len(changed) == accounts, 20 * changes / RATE)
    missing = changes + len(others) - len(here.aws.updated)
    assert not missing, f"{missing} stages are not compliant"
    every = here.aws.times.values()
    # The first burst, and the pause that pays for it.
    burst = 1 + BURST / RATE
    after_burst = [[time for time in times if time > times[0] + burst] for times in every]
    quotas = [(Quota.of(times), Quota.of(times, times[0] + burst)) for times in every]
    again = [count - 1 for count in here.stage_queue.sends.values() if count > 1]
    return Fairness(
        at_once=_seconds(here.aws, at_once, changed),
        meanwhile=_seconds(here.aws, later, changed),
        busy=_seconds(here.aws, [busy], changed),
        calls=len(here.aws.times[busy, REGION]),
        most_at_first=max(most_calls(times, 1) for times in every),
        most={seconds: max(most_calls(times, seconds) for times in after_burst) for seconds in WINDOWS},
        above_quota=sum(quota.above for quota, _ in quotas),
        left_at_first=min(quota.least for quota, _ in quotas),
        left=min(quota.least for _, quota in quotas),
        postponed=len(again),
        sends=sum(again),
        send_calls=sum(count for made, count in here.aws.calls.items() if made.operation.startswith("SendMessage")),
        dead_letters=len(here.stage_queue.dead_letters),
        failed=failed,
        invocations=invocations,
    )


def _process(
    here: Hub, change_later: Callable[[], None], are_all_changed: Callable[[], bool], limit: float
) -> tuple[int, int]:
    """Process all messages. Return the numbers of failed and of all invocations. ``limit``: in seconds."""
    environments = [here.enforce() for _ in range(ENFORCE.environments)]
    for environment in environments:
        here.time.start(environment.live)
    here.time.start(change_later)
    here.time.run(lambda: here.stage_queue.is_empty and are_all_changed(), limit=limit + 3_600)
    return sum(len(each.errors) + each.timeouts for each in environments), sum(
        each.invocations for each in environments
    )


def _change(account_id: str, number: int) -> str:
    api, stage = divmod(number, STAGES_OF_AN_API)
    event: dict[str, Any] = updated(f"rest{api:06}", f"s{stage}") | {"account": account_id}
    return json.dumps(event)


def _seconds(aws: OrganizationAws, accounts: Collection[str], changed: Mapping[str, float]) -> list[float]:
    """Return the seconds from the change to compliance of each stage in these accounts, ascending."""
    return sorted(time - changed[key[0]] for key, time in aws.updated.items() if key[0] in accounts)
