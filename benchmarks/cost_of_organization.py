"""The costs of an organization that one stack governs: those of its hub, and those of its member accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cost_of_log_keeper import CHANGES, Item, Measured, bill, total
from benchmarks.prices import EVENTS

#: Stages of each account in each managed region.
STAGES = 50


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an organization. ``regions``: managed regions."""

    accounts: int
    regions: int

    @property
    def stages(self) -> int:
        """Return the number of all stages."""
        return self.accounts * self.stages_of_a_member

    @property
    def stages_of_a_member(self) -> int:
        return self.regions * STAGES

    def __str__(self) -> str:
        return f"{self.accounts} accounts, {self.regions} region{'' if self.regions == 1 else 's'}"


SIZES: Sequence[Size] = (Size(10, 1), Size(50, 2), Size(200, 3))


def of_hub(size: Size, measured: Measured) -> float:
    """Return USD per month in the hub account."""
    return total(bill(size.stages, measured, accounts=size.accounts, regions=size.regions))


def of_member(size: Size) -> float:
    """Return USD per month in each member account: an event on the hub's bus for each change."""
    return Item(EVENTS, size.stages_of_a_member * CHANGES).usd
