"""A real browser for tests of HTML pages: Chromium, driven by chromedriver."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
#: Headless, and without calls to its maker.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
#: Returns the elements whose text does not have the contrast that WCAG AA requires.
_FAINT = """
        const shine = (colour) => {
          const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = (element) => {
          for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (!/, 0\\)$/.test(colour)) return colour;
          }
        };
        return [...document.querySelectorAll("body *")]
          .filter((element) => element.checkVisibility() && !element.matches(".key b, option, script")
            && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
          .filter((element) => {
            const [ink, card] = [shine(getComputedStyle(element).color), shine(behind(element))];
            const [dark, light] = ink < card ? [ink, card] : [card, ink];
            return (light + 0.05) / (dark + 0.05) < 4.5;
          }).map((element) => element.outerHTML.slice(0, 80));
        """


class Browser:
    """A session of chromedriver, spoken to in W3C WebDriver's own words. *Source:* https://www.w3.org/TR/webdriver2/"""

    def __init__(self, port: int, profile: Path) -> None:
        self._address = f"http://127.0.0.1:{port}/session"
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.call("POST", "", {"capabilities": {"alwaysMatch": wanted}})
        self._address += f"/{session['sessionId']}"

    def call(self, method: str, path: str, parameters: dict[str, Any] | None = None) -> Any:
        body = None if method in ("GET", "DELETE") else json.dumps(parameters or {}).encode()
        request = urllib.request.Request(
            self._address + path, body, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def run(self, script: str, *arguments: Any) -> Any:
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> str:
        [element] = self.call("POST", "/element", {"using": "css selector", "value": selector}).values()
        return f"/element/{element}"

    def type(self, selector: str, text: str) -> None:
        self.call("POST", f"{self.find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self.call("POST", f"{self.find(selector)}/click")

    def seen(self, selector: str, part: str) -> list[str]:
        """Return the texts of the part of each element that somebody sees, in order."""
        texts: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].filter(element => element.checkVisibility())"
            ".map(element => element.querySelector(arguments[1]).textContent)",
            selector,
            part,
        )
        return texts

    def emulate(self, command: str, **parameters: Any) -> None:
        self.call("POST", "/goog/cdp/execute", {"cmd": f"Emulation.{command}", "params": parameters})

    def faint_texts(self) -> list[str]:
        """Return the elements whose text does not have the contrast that WCAG AA requires."""
        found: list[str] = self.run(_FAINT)
        return found


@contextmanager
def started_browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with a new profile in the folder, and end it."""
    assert CHROMEDRIVER is not None
    # A group of its own, so that no browser outlives it.
    with subprocess.Popen([CHROMEDRIVER, "--port=0"], stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stdout is not None
        started = next(
            found for line in run.stdout if (found := re.search(r"started successfully on port (\d+)", line))
        )
        browser = Browser(int(started[1]), profile)
        yield browser
        browser.call("DELETE", "")
        os.killpg(run.pid, signal.SIGTERM)


def opened(driver: Browser, page: Path) -> Browser:
    """Open the page as if for the first time."""
    driver.emulate("clearDeviceMetricsOverride")
    driver.emulate("setEmulatedMedia", features=[])
    driver.call("POST", "/url", {"url": "about:blank"})
    driver.call("POST", "/url", {"url": page.as_uri()})
    return driver
