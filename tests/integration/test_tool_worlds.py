"""``make worlds`` runs tests in each world, says which failed, and ends what it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import worlds

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(worlds, "LOGS", tmp_path / "logs")
    return worlds.LOGS


def run(tmp_path: Path, code: str, *names: str) -> int:
    """The exit code of a run of this test's code in these worlds."""
    path = tmp_path / "test_it.py"
    path.write_text(f"import json, os\nSWITCHES = json.loads(os.environ['SWITCHES'])\n{code}")
    return worlds.main(["--tests", str(path), "--processes", "1", *names])


def test_each_world_has_its_own_switches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "def test_it(): assert SWITCHES == {'log_delivery_policy': 'account'}"
    assert run(tmp_path, code, "log_delivery_policy") == worlds.GREEN
    shown = capsys.readouterr()
    assert "green" in shown.out
    assert "log_delivery_policy=account: green, 1 passed, 0 failed" in shown.err


def test_world_in_which_a_test_fails_is_red_and_the_test_is_named(
    tmp_path: Path, logs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = "def test_it(): assert SWITCHES == {'throttles_without_code': 'all'}"
    assert run(tmp_path, code, "throttles_without_code") == worlds.RED
    shown = capsys.readouterr()
    assert "throttles_without_code=all: green, 1 passed, 0 failed" in shown.err
    assert "throttles_without_code=none: RED, 0 passed, 1 failed" in shown.err
    assert "test_it.py::test_it" in shown.out
    assert "AssertionError" in (logs / "throttles_without_code=none.log").read_text()


@pytest.mark.parametrize(
    "code", ["import nothing_of_that_name", ""], ids=["that cannot be collected", "without a test"]
)
def test_world_is_not_green_with_tests(tmp_path: Path, code: str) -> None:
    assert run(tmp_path, code, "log_delivery_policy") == worlds.RED


def test_unknown_world_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        worlds.main(["nowhere"])
    assert ended.value.code == worlds.WRONG_USAGE
    assert "no name of a world contains nowhere" in capsys.readouterr().err


def test_worlds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert worlds.main(["--list"]) == worlds.GREEN
    assert capsys.readouterr().out.split() == [each.name for each in worlds.worlds()]


def test_tests_are_those_of_the_product() -> None:
    quick, whole = worlds.product_tests(quick=True), worlds.product_tests()
    assert "tests/integration/test_enforce.py" in quick
    deployments = {f"tests/e2e/{path.name}" for path in (ROOT / "tests/e2e").glob("test_*.py")}
    assert set(whole) - set(quick) == {*deployments, "tests/faults/test_flood.py"}
    assert not [path for path in whole if "sandbox" in path]


def test_ctrl_c_ends_the_tests_too(tmp_path: Path) -> None:
    pid, path = tmp_path / "pid", tmp_path / "test_it.py"
    path.write_text(
        "import os, pathlib, threading\n"
        "def test_it():\n"
        f"    pathlib.Path({str(pid)!r} + '.new').write_text(str(os.getpid()))\n"
        f"    os.rename({str(pid)!r} + '.new', {str(pid)!r})\n"
        "    threading.Event().wait(120)\n"
    )
    command = [sys.executable, "-m", "tools.worlds", "--tests", str(path), "log_delivery_policy", "--processes", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        wait_until(pid.exists)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == worlds.STOPPED
    assert "stopped" in out
    wait_until(lambda: not is_running(int(pid.read_text())))


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_world_of_a_switch_runs_the_files_that_read_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], logs: Path
) -> None:
    reading, other = "tests/integration/test_resource_policies.py", "tests/unit/test_pace.py"
    monkeypatch.setattr(worlds, "product_tests", lambda **_: [reading, other])
    names = ["resource_policy_limit", "trails_send_source_account"]
    assert worlds.main(["--processes", "1", *names]) == worlds.GREEN
    log = {world: (logs / f"{world}.log").read_text() for world in ("default", "resource_policy_limit=5120")}
    assert all(file in log["default"] for file in (reading, other))
    assert reading in log["resource_policy_limit=5120"]
    assert other not in log["resource_policy_limit=5120"]
    assert "trails_send_source_account=True: no test reads its switch, 0 passed" in capsys.readouterr().err
