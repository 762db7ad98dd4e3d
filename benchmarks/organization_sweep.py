"""The sweep of an organization, in simulated time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.cost_of_organization import STAGES
from benchmarks.organization_aws import OrganizationAws, Size
from benchmarks.organization_functions import RATE, SWEEP, hub, most_calls
from testing.builders import ACCOUNT, REGION

REGIONS = (REGION, "eu-west-1", "ap-southeast-2")
REST_APIS, HTTP_APIS = 6, 4
#: Calls of the hub that a sweep makes for member accounts. Its other calls are about its own regions.
_OF_HUB = ("AssumeRole", "ListStackInstances", "DescribeAccount")


def size_of(accounts: int) -> Size:
    """Return an organization with ``STAGES`` stages in each account and region."""
    return Size(accounts, REGIONS, REST_APIS, HTTP_APIS, stages=STAGES // (REST_APIS + HTTP_APIS))


@dataclass(frozen=True, slots=True)
class OrganizationSweep:
    """What was measured. ``calls``: by service and operation, without those about the hub's own regions.

    ``of_api_gateway``: calls to API Gateway in member accounts. ``slowest``: seconds from the first of them to the last
    in one account and region, at most; ``most``: the most of them in any second. ``failed``: invocations.
    ``busy``: seconds of all invocations.
    """

    size: Size
    seconds: float
    calls: Counter[str]
    of_api_gateway: int
    slowest: float
    most: int
    busy: float
    invocations: int
    failed: int
    dead_letters: int

    @property
    def works(self) -> int:
        """Return the number of member accounts and regions."""
        return self.size.accounts * len(self.size.regions)

    @property
    def stages(self) -> int:
        return self.works * self.size.apis * self.size.stages

    @property
    def limit(self) -> float:
        """Return the seconds that the calls to API Gateway take at the allowed rate in all environments."""
        return self.of_api_gateway / RATE / SWEEP.environments

    @property
    def limit_of_one(self) -> float:
        """Return the seconds from the first to the last call in one account and region, at the allowed rate."""
        return (self.of_api_gateway / self.works - 1) / RATE


def measure(accounts: int, show: Callable[[str], None]) -> OrganizationSweep:
    """Sweep all accounts, of which each stage is compliant, with as many environments as the template allows.

    ``show``: is called with the progress, in words.
    """
    size = size_of(accounts)
    works = accounts * len(REGIONS)
    with hub(size, are_compliant=True) as here:
        here.begin_sweep()
        environments = [here.sweep() for _ in range(SWEEP.environments)]
        for environment in environments:
            here.time.start(environment.live)

        def show_progress() -> None:
            while True:
                here.time.sleep(30)
                show(f"{len(here.aws.times):,} of {works + len(REGIONS):,} regions of accounts swept or begun")

        here.time.start(show_progress)
        here.time.run(lambda: here.sweep_queue.is_empty, limit=24 * 3_600)
        seconds = here.time.monotonic()
    times = [made for (account_id, _), made in here.aws.times.items() if account_id != ACCOUNT]
    return OrganizationSweep(
        size=size,
        seconds=seconds,
        calls=_calls(here.aws),
        of_api_gateway=sum(map(len, times)),
        slowest=max(made[-1] - made[0] for made in times),
        most=max(most_calls(made, 1) for made in times),
        busy=sum(each.busy for each in environments),
        invocations=sum(each.invocations for each in environments),
        failed=sum(len(each.errors) + each.timeouts for each in environments),
        dead_letters=len(here.sweep_queue.dead_letters),
    )


def _calls(aws: OrganizationAws) -> Counter[str]:
    calls: Counter[str] = Counter()
    for made, count in aws.calls.items():
        if made.account != ACCOUNT or made.operation in _OF_HUB:
            calls[made.name] += count
    return calls
