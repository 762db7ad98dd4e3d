"""Functions and services of the sandbox use the clock that a test moves."""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from testing.clients import client
from testing.functions import function, invoke, messages
from testing.schedules import NOON

CLOCKS = """
import datetime, time
from datetime import date, datetime as moment, timezone
import boto3

AT_INIT, STARTED = time.time(), time.monotonic()

def handler(event, context):
    boto3.client("sts").get_caller_identity()
    now = moment.now(timezone.utc)
    return {
        "event": event,
        "init": moment.fromtimestamp(AT_INIT, timezone.utc).isoformat(),
        "now": [
            now.isoformat(),
            moment.utcnow().replace(tzinfo=timezone.utc).isoformat(),
            moment.fromtimestamp(time.time_ns() / 1e9, timezone.utc).isoformat(),
            moment(*time.gmtime()[:6], tzinfo=timezone.utc).isoformat(),
        ],
        "today": date.today().isoformat(),
        "passed": time.monotonic() - STARTED,
        "left": context.get_remaining_time_in_millis(),
        "sound": isinstance(now, datetime.datetime) and isinstance(datetime.datetime.max, moment)
            and isinstance(now + datetime.timedelta(1), moment) and not isinstance(date.today(), moment),
        "name": f"{moment.__module__}.{moment.__qualname__}",
    }
"""


def test_function_uses_the_moved_clock(sandbox: Sandbox, clock: MovableClock) -> None:
    function(sandbox, CLOCKS.replace("import boto3", "import boto3, warnings; warnings.simplefilter('ignore')"))
    for day in (1, 31):
        moved = NOON.replace(day=day)
        clock.set(moved)
        given, answer = invoke(sandbox)
        assert "FunctionError" not in answer, given
        for now in given["now"]:
            assert timedelta(seconds=-1) < datetime.fromisoformat(now) - moved < timedelta(minutes=1)
        assert datetime.fromisoformat(given["init"]) - NOON < timedelta(minutes=1)
        assert given["today"] == moved.date().isoformat()
        # The environment of the first invocation is the second's too.
        passed = timedelta(seconds=given["passed"])
        assert abs(passed - (moved - NOON.replace(day=1))) < timedelta(minutes=1)
        assert 0 < given["left"] <= 3000
        assert given["sound"]
        assert given["name"] == "datetime.datetime"
    assert any("REPORT" in line for line in messages(sandbox))


def test_creation_time_of_a_log_group_is_the_clocks(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName="/new")
    [group] = logs.describe_log_groups(logGroupNamePrefix="/new")["logGroups"]
    assert abs(group["creationTime"] / 1000 - NOON.timestamp()) < 60
