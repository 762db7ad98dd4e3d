"""What a run has created and not deleted yet: deleted last in, first out, whatever goes wrong on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.aws_session import explain
from verify.account import Account, StoppedError
from verify.kinds import KINDS, LOG_GROUP, REST_API, V2_API, Kind, log_groups_of

type Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What could not be deleted, why, and the command that deletes it."""

    what: str
    why: str
    by_hand: str


@dataclass(frozen=True, slots=True)
class _Entry:
    what: str
    by_hand: str
    undo: Callable[[], None]
    kind: Kind | None = None
    thing: str = ""


class Ledger:
    """``options``: what a command by hand needs behind it, such as ``--region eu-west-1``."""

    def __init__(self, account: Account, options: str, tell: Tell) -> None:
        self._account = account
        self._options = options
        self._tell = tell
        self._entries: list[_Entry] = []
        self._kinds: dict[Kind, None] = {}

    def expect(self, kind: Kind) -> None:
        """Note that a thing of this kind is about to be created, so that it is looked for should its answer be lost."""
        self._kinds[kind] = None

    def add(self, kind: Kind, thing: str) -> None:
        """Note a thing that was created."""
        self.expect(kind)
        by_hand = self._command(kind, thing)
        self._entries.append(
            _Entry(f"{kind.name} {thing}", by_hand, lambda: kind.delete(self._account, thing), kind, thing)
        )

    def add_step(self, what: str, by_hand: str, undo: Callable[[], None]) -> None:
        """Note a change to something that was there before. ``by_hand``: the rest of a command, behind ``aws``.

        The command is said at once, for whoever has to restore it without this program.
        """
        command = self._with_options(by_hand)
        self._tell(f"about to change {what}; if this program is killed, restore it: {command}")
        self._entries.append(_Entry(what, command, undo))

    def undo_all(self, name: str) -> list[Leftover]:
        """Delete everything, then what is found by the run's name. Return what could not be deleted."""
        left: list[Leftover] = []
        apis: list[str] = []
        while self._entries:
            entry = self._entries.pop()
            self._tell(f"deleting {entry.what}" if entry.kind else f"restoring {entry.what}")
            left += self._tried(entry.what, entry.by_hand, entry.undo)
            if entry.kind in (REST_API, V2_API):
                apis.append(entry.thing)
        left += self._delete_found(tuple(kind for kind in KINDS if kind in self._kinds), name, apis)
        # Something may have been tried by both ways.
        return list({each.by_hand: each for each in left}.values())

    def delete_leftovers(self, prefix: str) -> list[Leftover]:
        """Delete whatever runs have left whose names begin so. Return what could not be deleted."""
        return self._delete_found(KINDS, prefix, [])

    def _delete_found(self, kinds: tuple[Kind, ...], prefix: str, apis: list[str]) -> list[Leftover]:
        left: list[Leftover] = []
        for kind in kinds:
            found: list[str] = []

            def look(kind: Kind = kind, found: list[str] = found) -> None:
                found += kind.find(self._account, prefix)

            command = self._with_options(f"# search: {kind.name}, name {prefix}*")
            left += self._tried(f"each {kind.name} named {prefix}*, if there is any", command, look)
            for thing in found:
                left += self._delete(kind, thing)
            apis += found if kind in (REST_API, V2_API) else []
        for api_id in apis:
            groups: list[str] = []

            def look_for_groups(api_id: str = api_id, groups: list[str] = groups) -> None:
                groups += log_groups_of(self._account, api_id)

            command = self._with_options(f"logs describe-log-groups --log-group-name-pattern {api_id}")
            left += self._tried(f"the log groups of API {api_id}, if there are any", command, look_for_groups)
            for group in groups:
                left += self._delete(LOG_GROUP, group)
        return left

    def _delete(self, kind: Kind, thing: str) -> list[Leftover]:
        self._tell(f"deleting {kind.name} {thing}")
        return self._tried(
            f"{kind.name} {thing}", self._command(kind, thing), lambda: kind.delete(self._account, thing)
        )

    def _tried(self, what: str, by_hand: str, step: Callable[[], None]) -> list[Leftover]:
        try:
            step()
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever fails, all else must be deleted
            return [Leftover(what, explain(error), by_hand)]
        return []

    def _command(self, kind: Kind, thing: str) -> str:
        return self._with_options(kind.by_hand.replace("{id}", thing))

    def _with_options(self, command: str) -> str:
        before, comment, after = command.partition("  #")
        return f"aws {before} {self._options}{comment}{after}".replace("aws # ", "# ").rstrip()
