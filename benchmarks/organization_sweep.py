"""The sweep of an organization in simulated time, and the memory that one environment takes for it.

``python -m benchmarks.organization_sweep ACCOUNTS``: sweep in one environment, and print the largest resident size.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.organization_aws import Size
from benchmarks.organization_functions import RATE, SWEEP, hub
from benchmarks.simulated import quiet
from testing.builders import ACCOUNT, REGION

REGIONS = (REGION, "eu-west-1", "ap-southeast-2")


def size_of(accounts: int) -> Size:
    """Return an organization with 50 stages in each account and region: of 6 REST and 4 HTTP APIs."""
    return Size(accounts, REGIONS, rest_apis=6, http_apis=4, stages=5)


@dataclass(frozen=True, slots=True)
class OrganizationSweep:
    """What was measured. ``calls``: by service and operation, without those that read the hub's own regions.

    ``of_api_gateway``: calls to API Gateway in member accounts. ``failed``: invocations.
    """

    size: Size
    seconds: float
    calls: Counter[str]
    of_api_gateway: int
    failed: int
    dead_letters: int

    @property
    def stages(self) -> int:
        return self.size.accounts * len(self.size.regions) * self.size.apis * self.size.stages

    @property
    def limit(self) -> float:
        """Return the seconds that the calls to API Gateway take at the allowed rate in all environments."""
        return self.of_api_gateway / RATE / SWEEP.environments


def measure(accounts: int) -> OrganizationSweep:
    """Sweep all accounts, of which each stage is compliant, with as many environments as the template allows."""
    size = size_of(accounts)
    with hub(size, are_compliant=True) as here:
        here.begin_sweep()
        environments = [here.sweep() for _ in range(SWEEP.environments)]
        for environment in environments:
            here.time.start(environment.live)
        here.time.run(lambda: here.sweep_queue.is_empty, limit=24 * 3_600)
        seconds = here.time.monotonic()
        in_members = {made: count for made, count in here.aws.calls.items() if made.account != ACCOUNT}
        calls: Counter[str] = Counter()
        for made, count in here.aws.calls.items():
            if made.account != ACCOUNT or made.operation in ("AssumeRole", "ListStackInstances", "DescribeAccount"):
                calls[made.name] += count
    return OrganizationSweep(
        size=size,
        seconds=seconds,
        calls=calls,
        of_api_gateway=sum(count for made, count in in_members.items() if made.is_of_api_gateway),
        failed=sum(len(each.errors) + each.timeouts for each in environments),
        dead_letters=len(here.sweep_queue.dead_letters),
    )


def main() -> None:
    with quiet(), hub(size_of(int(sys.argv[1])), are_compliant=True) as here:
        here.begin_sweep()
        environment = here.sweep()
        while not here.sweep_queue.is_empty:
            if not environment.take():
                here.time.sleep(here.sweep_queue.seconds_to_wait)
        assert not environment.errors, environment.errors[0]
        assert environment.invocations > len(REGIONS) * int(sys.argv[1])
    print(_peak_megabytes())


def _peak_megabytes() -> int:
    """Return the largest resident size of this process so far. (ru_maxrss begins with that of the parent process.)"""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
