"""The preview's page in a real browser: filtered, sorted, dark, narrow and on paper. Skipped where there is none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_http_stage, make_rest_stage, make_websocket_stage
from testing.browser import CHROMEDRIVER, CHROMIUM, FLAGS, Browser, opened, started_browser
from testing.organizations import MANAGEMENT, add_role, new_member, new_organization

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the page is not opened")
needs_driver = pytest.mark.skipif(CHROMEDRIVER is None, reason="chromedriver is not installed: nobody types")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that the command writes of an account with seven stages in two regions, one with a hostile name."""
    page = tmp_path_factory.mktemp("preview") / "page.html"
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        for region in ("us-east-1", "us-east-1", "eu-west-1"):
            make_rest_stage(sandbox, region=region)
        make_http_stage(sandbox)
        make_websocket_stage(sandbox)
        tagged = make_rest_stage(sandbox, "beta")
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{tagged}/stages/beta"
        sandbox.client("apigateway").tag_resource(resourceArn=arn, tags={"hands-off": "yes"})
        api = sandbox.client("apigatewayv2").create_api(Name="<script>alert(1)</script>", ProtocolType="HTTP")
        sandbox.client("apigatewayv2").create_stage(ApiId=api["ApiId"], StageName="prod")
        write_page(sandbox, page, "--exempt-tag-key=hands-off", "--region=us-east-1", "--region=eu-west-1", code=3)
    return page


@pytest.fixture(scope="module")
def organization_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an organization: a stage in the unit ``prod``, two above it in ``workloads``, an unread account."""
    page = tmp_path_factory.mktemp("preview") / "page.html"
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        organization = new_organization(sandbox)
        workloads = organization.add_unit("workloads")
        units = {"111111111111": organization.add_unit("prod", workloads), "222222222222": workloads}
        for account_id, unit in units.items():
            member = new_member(sandbox, organization, account_id, unit, f"<b>{account_id[:4]}</b>")
            add_role(member, "Reader", "*")
            make_rest_stage(member)
        make_http_stage(member, region="eu-west-1")
        write_page(sandbox, page, "--organization=Reader", "--region=us-east-1", "--region=eu-west-1", code=1)
    return page


def write_page(sandbox: Sandbox, page: Path, *options: str, code: int) -> None:
    """Run the command, which writes its page."""
    done = subprocess.run(
        [sys.executable, "-m", "preview", "--rate=10", *options, "--html", page],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src:{ROOT}"} | sandbox.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr


@pytest.fixture
def chromium(tmp_path: Path) -> Callable[..., str]:
    """Runs chromium once; gives what it prints."""

    def chromium(*arguments: str) -> str:
        assert CHROMIUM is not None
        done = subprocess.run(
            [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout

    return chromium


def shown(dom: str) -> list[str]:
    """The stages in the rows of a serialised page that are not hidden, in order."""
    rows = re.findall(r"<tr data-outcome([^>]*)>(.*?)</tr>", dom, re.DOTALL)
    names = [re.sub(r"<[^>]*>", "", re.search(r"<strong>(.*?)</strong>", row).group(1)) for head, row in rows  # type: ignore[union-attr]
             if " hidden" not in head]  # fmt: skip
    return [name.replace("&lt;", "<").replace("&gt;", ">") for name in names]


def test_link_with_a_filter_opens_filtered(page: Path, chromium: Callable[..., str]) -> None:
    """Its script runs under its own content security policy, and what is chosen is in the link."""
    everything = shown(page.read_text())
    assert len(everything) == 7
    dom = chromium("--dump-dom", f"{page.as_uri()}#q=shop&region=us-east-1&outcome=would+be+remediated")
    assert shown(dom) == ["shop/prod"] * 2
    assert "2 of 7 stages shown, filtered by: shop, would be remediated, us-east-1" in dom
    assert shown(chromium("--dump-dom", f"{page.as_uri()}#sort=-stage")) == sorted(everything, reverse=True)
    assert "No stage matches" in chromium("--dump-dom", f"{page.as_uri()}#q=nothing-like-it")


def test_page_prints(page: Path, chromium: Callable[..., str], tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    chromium(f"--print-to-pdf={paper}", page.as_uri())
    assert paper.read_bytes().startswith(b"%PDF")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with started_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def stages(browser: Browser) -> list[str]:
    """Return the stages that somebody sees, in order."""
    return browser.seen("#stages tbody tr", "strong")


@pytest.fixture
def browser(driver: Browser, page: Path) -> Browser:
    return opened(driver, page)


@needs_driver
def test_somebody_types_and_chooses(browser: Browser) -> None:
    everything = stages(browser)
    assert len(everything) == 7
    browser.type("[name=q]", "CHAT websocket")
    assert stages(browser) == ["chat/prod"]
    browser.click("button[type=reset]")
    # The page filters when the form has been reset: in a timer of its own, which runs before one that is set later.
    browser.run("return new Promise(done => setTimeout(done))")
    assert stages(browser) == everything
    browser.type("[name=outcome]", "exempt")
    assert stages(browser) == ["shop/beta"]
    browser.type("[name=protocol]", "HTTP")
    assert stages(browser) == []
    assert browser.run("return document.getElementById('none').checkVisibility()")
    assert browser.run("return new URLSearchParams(location.hash.slice(1)).get('protocol')") == "HTTP"


@needs_driver
def test_somebody_sorts(browser: Browser) -> None:
    everything = stages(browser)
    head = "th[data-key=stage]"
    browser.click(f"{head} button")
    assert stages(browser) == browser.run(
        "return arguments[0].toSorted(new Intl.Collator(undefined, {numeric: true}).compare)", everything
    )
    assert browser.run(f"return document.querySelector('{head}').ariaSort") == "ascending"
    browser.click(f"{head} button")
    assert stages(browser)[0] == "web/$default"
    assert browser.run(f"return document.querySelector('{head}').ariaSort") == "descending"


@needs_driver
def test_nothing_is_refused_and_nothing_is_fetched(browser: Browser) -> None:
    """No hostile name ran, no rule of the page's own policy was broken, and the page is all that was loaded."""
    assert browser.call("POST", "/se/log", {"type": "browser"}) == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    assert "<script>alert(1)</script>/prod" in stages(browser)


@needs_driver
def test_somebody_follows_the_links_of_an_organization(driver: Browser, organization_page: Path) -> None:
    """A link of a table shows the stages of a unit with all below it, of an account, or of a region."""
    browser = opened(driver, organization_page)
    everything = stages(browser)
    assert len(everything) == 3

    def accounts() -> list[str]:
        found: list[str] = browser.run(
            "return [...document.querySelectorAll('#stages tbody tr')].filter(row => row.checkVisibility())"
            ".map(row => row.dataset.account)"
        )
        return found

    assert accounts() == ["222222222222", "222222222222", "111111111111"]
    for selector, shown in (
        ("a[href*=unit]:not([href*=ou-])", 3),
        ("a[href^='#unit=']:is([href*='ou-'])", 3),
        ("tr:nth-child(3) a[href^='#unit=']", 1),
        ("a[href='#account=222222222222']", 2),
        ("a[href='#region=eu-west-1']", 1),
    ):
        browser.click(selector)
        browser.run("return new Promise(done => setTimeout(done))")
        assert len(accounts()) == shown, selector
    assert "1 of 3 stages shown, filtered by: eu-west-1" in browser.run("return document.body.textContent")
    browser.click("button[type=reset]")
    browser.run("return new Promise(done => setTimeout(done))")
    assert len(accounts()) == 3
    browser.click("th[data-key=account] button")
    assert accounts() == ["111111111111", "222222222222", "222222222222"]
    assert browser.run("return document.querySelectorAll('main b:not(.key b)').length") == 0
    text = browser.run("return document.querySelector('.errors').textContent")
    assert MANAGEMENT in text


@needs_driver
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("name", ["page", "organization_page"])
def test_page_is_readable(driver: Browser, request: pytest.FixtureRequest, name: str, scheme: str, width: int) -> None:
    """It is as wide as the screen, and all its text stands out from what is behind it, as WCAG AA wants."""
    browser = opened(driver, request.getfixturevalue(name))
    browser.emulate("setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    browser.emulate("setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.faint_texts() == []
