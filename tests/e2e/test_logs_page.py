"""The page of ``make logs`` in a real browser. Skipped where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from testing.browser import CHROMEDRIVER, CHROMIUM, Browser, opened, started_browser
from testing.logged_requests import make_logged_requests

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None, reason="chromium or chromedriver is not installed: the page is not opened"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that the command writes of a stage with four requests, one with a hostile path."""
    page = tmp_path_factory.mktemp("logs") / "requests.html"
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        api_id = make_logged_requests(sandbox)
        done = subprocess.run(
            [sys.executable, "-m", "logs", "--api", api_id, "--stage=prod", "--html", page],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src:{ROOT}"} | sandbox.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    return page


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(driver: Browser, page: Path) -> Browser:
    return opened(driver, page)


def requests(browser: Browser) -> list[str]:
    """Return the requests that somebody sees, in order."""
    return browser.seen(".request", "strong")


def test_requests_are_filtered_and_opened(browser: Browser) -> None:
    assert len(requests(browser)) == 4
    browser.type("[name=q]", "timed out")
    assert requests(browser) == ["GET /prod/echo"]
    assert not browser.run("return document.querySelector('.request:not([hidden]) .timeline').checkVisibility()")
    browser.click(".request:not([hidden]) > summary")
    assert browser.run("return document.querySelector('.request:not([hidden]) .timeline').checkVisibility()")
    assert browser.seen(".request:not([hidden])", ".error") == [
        "The Lambda function ended at its own timeout of 10.00 seconds."
    ]
    browser.click("button[type=reset]")
    browser.run("return new Promise(done => setTimeout(done))")
    assert len(requests(browser)) == 4
    browser.type("[name=outcome]", "failed")
    assert len(requests(browser)) == 2
    browser.type("[name=status]", "429")
    assert len(requests(browser)) == 1
    assert browser.run("return document.getElementById('shown').textContent") == "1 of 4 requests shown"
    browser.type("[name=q]", "nothing-like-it")
    assert requests(browser) == []
    assert browser.run("return document.getElementById('none').checkVisibility()")


def test_nothing_is_refused_and_nothing_is_fetched(browser: Browser) -> None:
    """No text of a client ran, no rule of the page's own policy was broken, and the page is all that was loaded."""
    assert browser.call("POST", "/se/log", {"type": "browser"}) == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert "GET /prod/<img src=x onerror=alert(1)>" in requests(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_page_is_readable(browser: Browser, scheme: str, width: int) -> None:
    """It is as wide as the screen, and all its text has the contrast that WCAG AA requires."""
    browser.emulate("setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.run("document.querySelectorAll('details').forEach(element => { element.open = true })")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.faint_texts() == []
