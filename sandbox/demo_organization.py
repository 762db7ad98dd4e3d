"""``make demo ARGS=organization``: one deployment governs an organization of 12 accounts, and accounts come and go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from rich.table import Table

from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.core.clock import MovableClock
from sandbox.demo_output import Output
from testing.member_stages import FURTHER, HOME, StageKey
from testing.organization_attempts import (
    changes_with_the_role_that_reads,
    forged_by_a_member,
    forged_by_a_stranger,
    roles_that_are_refused,
)
from testing.organization_story import (
    AUDIT_ONLY,
    CANARY,
    ENFORCE_SET,
    FULL,
    PRODUCTS,
    UNITS,
    WOULD_BE_REMEDIATED,
    Story,
)

#: Seconds after which the demo stops waiting.
PATIENCE = 300
#: By how much the clock is advanced between two checks, where Log Keeper tries again after minutes.
PAUSE = timedelta(seconds=2)
STRANGER = "555555555555"


class Show:
    """Lets the story happen, and prints what can be seen of it."""

    def __init__(self, output: Output, hub: Sandbox) -> None:
        self._output = output
        #: What did not happen as the demo says.
        self.failed: list[str] = []
        with output.step("Teams create 240 REST, HTTP and WebSocket stages in 12 accounts"):
            self.story = Story.begin(hub, FULL)

    # ---- audit, canary, all

    def audit(self) -> None:
        """Deploy without enforced units, and wait until each stage is reported."""
        story = self.story
        self._deploy()
        self._wait(
            "Log Keeper sweeps each account and region, and reports each stage",
            lambda: story.reported(WOULD_BE_REMEDIATED, "sweep") & story.stages,
            len(story.stages),
        )
        self._units(())

    def enforce(self, *units: str) -> None:
        """Update the stack so that these units are enforced, and wait until their stages are compliant."""
        story = self.story
        self._deploy(*units)
        accounts = [account for unit in units for account in story.in_unit(unit)]
        wanted = story.stages_of(*accounts)
        self._wait("Log Keeper remediates their stages", lambda: story.compliant(*accounts) & wanted, len(wanted))
        self._units(units)

    def _deploy(self, *units: str) -> None:
        parameters = self.story.parameters(*units) | ({"EnforceOUs": ",".join(units)} if units else {})
        given = " ".join(f"{name}={value}" for name, value in parameters.items())
        with self._output.step(f"sam deploy in the hub: {given}"):
            self.story.deploy(*units)

    def _units(self, enforced: Sequence[str]) -> None:
        """Print one row for each unit."""
        story = self.story
        table = _table("unit", "mode", "accounts", "stages", "compliant", WOULD_BE_REMEDIATED, "changes", numbers=5)
        for unit in UNITS:
            accounts = story.in_unit(unit)
            stages, compliant = story.stages_of(*accounts), story.compliant(*accounts)
            would_be = story.reported_in(unit) - compliant
            counts = (len(accounts), len(stages), len(compliant), len(would_be), len(story.changes(*accounts)))
            self._expect(unit in enforced or not story.changes(*accounts), f"nothing is changed in {unit}")
            mode = "[bold green]enforced[/]" if unit in enforced else "audited"
            table.add_row(unit, mode, *map(str, counts))
        self._show(table)

    # ---- what happens later

    def events(self) -> None:
        """Create a stage, and let accounts join, move and leave. Print one row for each."""
        table = _table("what happens", "what Log Keeper does", "after", numbers=1)
        for doing, happen in (
            ("A team creates a stage", self._new_stage),
            ("An account joins an enforced unit", self._join),
            ("An account moves to an audited unit", self._move),
            ("An account leaves the organization", self._leave),
        ):
            with self._output.step(doing):
                what, result, seconds = happen()
            table.add_row(what, result, f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.0f} min")
        self._show(table)

    def _new_stage(self) -> tuple[str, str, float]:
        seconds = self._until_compliant("products-3", FURTHER)
        return f"a stage is created in products-3, {FURTHER}", "it is compliant", seconds

    def _join(self) -> tuple[str, str, float]:
        story = self.story
        account = story.create_account("products-7")
        wanted = story.stages_of(account)
        story.join("products-7", PRODUCTS)
        seconds = story.wait_until(lambda: story.compliant(account) >= wanted, PATIENCE)
        return f"products-7 joins {PRODUCTS}", f"its {len(wanted)} stages are compliant", seconds

    def _move(self) -> tuple[str, str, float]:
        story, account = self.story, self.story.accounts["platform-4"]
        story.move("platform-4", AUDIT_ONLY)
        story.wait_until(lambda: account.account_id not in {each[0] for each in story.instances(ENFORCE_SET)}, PATIENCE)
        before = len(story.changes(account))
        stage = story.create_stage("platform-4", HOME)
        # Where Log Keeper still had credentials of the role that was deleted, the message is tried again after minutes.
        seconds = story.wait_until(lambda: stage in story.reported(WOULD_BE_REMEDIATED), PATIENCE, pausing=5 * PAUSE)
        changed = len(story.changes(account)) - before
        self._expect(changed == 0, "nothing is changed in an account that is audited again")
        return (
            f"platform-4 moves to {AUDIT_ONLY}; a stage is created",
            f"it is reported, {changed} changes",
            seconds,
        )

    def _leave(self) -> tuple[str, str, float]:
        story, account = self.story, self.story.accounts["products-6"]
        story.leave("products-6")
        before = len(account.calls)
        stage = story.create_stage("products-6", HOME)
        seconds = self._until_compliant("products-5", HOME)  # so a later event was processed
        calls = sum("log-keeper" in each.call.user_agent for each in account.calls[before:])
        self._expect(calls == 0, "Log Keeper makes no calls in an account that has left")
        kept = len(story.compliant(account) - {stage})
        return (
            "products-6 leaves; a stage is created",
            f"the bus refuses its {len(account.dropped_events)} event; {kept} stages keep logs",
            seconds,
        )

    def _until_compliant(self, name: str, region: str) -> float:
        """Create a stage and wait until it is compliant. Return the seconds."""
        stage = self.story.create_stage(name, region)
        return self.story.wait_until(lambda: stage in self.story.compliant(self.story.accounts[name]), PATIENCE)

    def deletions(self) -> None:
        """Delete a rule and a stack in member accounts, pass a day, and print the findings of the daily sweep."""
        story = self.story
        names = ("products-1", "products-2")
        with self._output.step("Administrators delete a rule in products-1 and a stack in products-2; a day passes"):
            story.delete_rule(names[0], FURTHER)
            story.delete_stack(names[1], HOME)
            story.pass_time(timedelta(days=1))
            # A role that is refused is assumed again a minute later.
            story.wait_until(lambda: all(map(story.findings, names)), PATIENCE, pausing=PAUSE)
        table = _table("account", "region", "finding of the daily sweep")
        for name in names:
            finding = story.findings(name)[0]
            table.add_row(finding.get("accountName", name), finding["region"], finding["problem"])
        self._show(table)

    def attempts(self) -> None:
        """Try what must not work, and print the answers."""
        story = self.story
        [victim, *_] = (key for key in story.stages_of(*story.in_unit(CANARY)) if key.protocol == "REST")
        account = next(each for each in story.in_unit(CANARY) if each.account_id == victim.account_id)
        before = len(account.calls)
        with self._output.step("The hub's functions, and forgers of events, try what they must not be able to do"):
            tried = [
                *changes_with_the_role_that_reads(story, "platform-4"),
                *roles_that_are_refused(story, "platform-4", "canary-1"),
                *forged_by_a_stranger(story, story.hub.add_account(STRANGER), victim),
                *forged_by_a_member(story, "platform-1", victim),
            ]
            self._until_compliant("products-5", HOME)
            calls = sum("log-keeper" in each.call.user_agent for each in account.calls[before:])
        accepted_ones = [each.call for each in tried if not each.answer]
        self._expect(accepted_ones == ["PutEvents as log-keeper"] and calls == 0, "forged events and calls are refused")
        table = _table("who", "tries", "answer")
        for each in tried:
            accepted = f"no rule takes it; {calls} calls"
            table.add_row(each.who, each.call, f"[bold green]{each.answer or accepted}[/]")
        self._show(table)

    # ---- output

    def _expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.failed.append(what)

    def _show(self, table: Table) -> None:
        self._output.console.print("", table, "", sep="\n")

    def _wait(self, doing: str, found: Callable[[], set[StageKey]], wanted: int) -> None:
        """Wait until so many stages are found, and show how many there are."""
        with self._output.step(doing) as progress:

            def are_all_found() -> bool:
                count = len(found())
                progress(f"{count} of {wanted} stages")
                return count == wanted

            self.story.wait_until(are_all_found, PATIENCE)


def run(output: Output) -> int:
    """Run the demo of an organization. Return 0 if all happened that it says, 1 if not."""
    console = output.console
    # The demo shows which events the hub's bus refuses.
    logging.getLogger("sandbox.services.eventbridge").setLevel(logging.ERROR)
    with Sandbox(clock=MovableClock()) as hub:
        about = f"A simulated AWS organization runs at {hub.endpoint}. Nothing leaves this machine.\n"
        console.print(about, highlight=False, soft_wrap=True)
        try:
            show = Show(output, hub)
            with output.step("sam build"):
                deployment.build(hub)
            show.audit()
            show.enforce(CANARY)
            show.enforce(*UNITS)
            show.events()
            show.deletions()
            show.attempts()
            with output.step("Log Keeper processes the remaining messages"):
                left_over = sum(show.story.stack.count_dead_letters().values())
        except (deployment.ToolFailedError, TimeoutError) as error:
            console.print(f"[red]{error}[/]", markup=True, highlight=False)
            return 1
    failed = [*show.failed, *([f"no message fails, but {left_over} did"] if left_over else [])]
    if failed:
        console.print(f"[red]Not so:[/] {'; '.join(failed)}", highlight=False)
        return 1
    console.print("\nOne stack governs all accounts. Where no role is deployed, nothing was changed.")
    return 0


def _table(*headings: str, numbers: int = 0) -> Table:
    """Return a table with these headings. ``numbers``: how many of the last columns have numbers."""
    table = Table(show_edge=False, pad_edge=False)
    for place, heading in enumerate(headings, start=1):
        table.add_column(heading, overflow="fold", justify="right" if place > len(headings) - numbers else "left")
    return table
