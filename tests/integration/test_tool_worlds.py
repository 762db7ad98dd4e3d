"""``make worlds`` runs tests in each world, prints which failed, and ends the processes it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.core.behaviour import Behaviour
from tools import worlds
from tools.switch_reads import files_by_switch

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(worlds, "LOGS", tmp_path / "logs")
    return worlds.LOGS


def run(tmp_path: Path, code: str, *names: str) -> int:
    """Run this code as a test in these worlds. Return the exit code."""
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
def test_world_is_red_with_tests(tmp_path: Path, code: str) -> None:
    assert run(tmp_path, code, "log_delivery_policy") == worlds.RED


def test_unknown_world_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        worlds.main(["nowhere"])
    assert ended.value.code == worlds.WRONG_USAGE
    assert "no name of a world contains nowhere" in capsys.readouterr().err


def test_worlds_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert worlds.main(["--list"]) == worlds.GREEN
    assert capsys.readouterr().out.split() == [each.name for each in worlds.worlds()]


def test_worlds_run_the_tests_of_the_product() -> None:
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
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, logs: Path
) -> None:
    reading, other = "test_reading.py", "test_other.py"
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / reading).write_text(
        f"from {Behaviour.__module__} import Behaviour\ndef test_it(): assert Behaviour().resource_policy_limit\n"
    )
    (tmp_path / other).write_text("def test_it(): pass\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'src'}")
    monkeypatch.setattr(worlds, "ROOT", tmp_path)
    monkeypatch.setattr(worlds, "product_tests", lambda **_: [reading, other])
    names = ["resource_policy_limit", "trails_send_source_account"]
    assert worlds.main(["--processes", "1", *names]) == worlds.GREEN
    log = {world: (logs / f"{world}.log").read_text() for world in ("default", "resource_policy_limit=5120")}
    assert all(file in log["default"] for file in (reading, other))
    assert reading in log["resource_policy_limit=5120"]
    assert other not in log["resource_policy_limit=5120"]
    assert "trails_send_source_account=True: no test reads its switch, 0 passed" in capsys.readouterr().err


def test_switch_that_is_read_outside_of_a_test_concerns_every_file(tmp_path: Path) -> None:
    conftest = """
        import pytest
        from sandbox.BEHAVIOUR import Behaviour
        @pytest.fixture(scope="session")
        def limit():
            return Behaviour().resource_policy_limit
        @pytest.fixture(scope="module")
        def escaping():
            return Behaviour().access_log_escaping
    """.replace("BEHAVIOUR", Behaviour.__module__.removeprefix("sandbox."))
    (tmp_path / "conftest.py").write_text(textwrap.dedent(conftest))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_a.py").write_text(
        "from conftest import Behaviour\nIS_LOCKED = Behaviour().managed_stage_is_locked\n"
        "def test_a(limit, escaping): Behaviour().partial_route_settings\n"
    )
    (tmp_path / "test_b.py").write_text("def test_b(limit): pass\n")
    answers = tmp_path / "answers"
    answers.mkdir()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tools.switch_reads", "."]
    environment = os.environ | {"SWITCH_READS": str(answers), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    read = {name: files for name, files in files_by_switch(answers).items() if files}
    assert read == {
        "access_log_escaping": {"test_a.py"},
        "managed_stage_is_locked": {"test_a.py", "test_b.py"},
        "partial_route_settings": {"test_a.py"},
        "resource_policy_limit": {"test_a.py", "test_b.py"},
    }
