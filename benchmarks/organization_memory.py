"""``python -m benchmarks.organization_memory FUNCTION ACCOUNTS``: print the memory that one environment takes, in MB.

FUNCTION is ``sweep`` or ``enforce``. The environment sweeps all regions of so many accounts, or processes a change of a
stage in each of them. The memory is by how much the largest resident size of the process grows meanwhile.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Literal

from benchmarks.organization_functions import Environment, Hub, hub
from benchmarks.organization_sweep import REGIONS, size_of
from benchmarks.simulated import quiet
from testing.builders import updated

type Function = Literal["sweep", "enforce"]


def measure(function: Function, accounts: int) -> int:
    """Return the memory in megabytes, measured in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.organization_memory", function, str(accounts)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)  # noqa: S603 - our own


def main() -> None:
    function, accounts = sys.argv[1], int(sys.argv[2])
    size, before = size_of(accounts), _peak_megabytes()
    with quiet(), hub(size, are_compliant=function == "sweep") as here:
        environment = here.sweep() if function == "sweep" else here.enforce()
        if function == "sweep":
            here.begin_sweep()
        for account_id in size.account_ids if function == "enforce" else ():
            for region in REGIONS:
                event = updated("rest000000", "s0") | {"account": account_id, "region": region}
                here.stage_queue.send({"MessageBody": json.dumps(event)})
        _process(here, environment)
        assert not environment.errors, environment.errors[0]
        regions = [key for key in here.aws.times if key[0] in size.account_ids]
        assert len(regions) == accounts * len(REGIONS), f"{len(regions)} regions of accounts were read"
    print(_peak_megabytes() - before)


def _process(here: Hub, environment: Environment) -> None:
    """Process messages until the queue of the environment is empty."""
    while not environment.queue.is_empty:
        if not environment.take():
            here.time.sleep(environment.queue.seconds_to_wait)


def _peak_megabytes() -> int:
    """Return the largest resident size of this process so far. (ru_maxrss begins with that of the parent process.)"""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
