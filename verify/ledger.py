"""A list of what a run has created. Everything in it is deleted at the end, the newest first, whatever else fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tools.aws_session import explain
from verify.account import Account, StoppedError
from verify.resource_types import (
    LOG_GROUP,
    RESOURCE_TYPES,
    REST_API,
    V2_API,
    ResourceType,
    search_log_groups_of,
)

#: Called with each message for the user.
type Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Leftover:
    """A resource that could not be deleted, the reason, and the command that deletes it."""

    what: str
    why: str
    by_hand: str


@dataclass(frozen=True, slots=True)
class _Entry:
    what: str
    by_hand: str
    undo: Callable[[], None]
    resource_type: ResourceType | None = None
    resource_id: str = ""


class Ledger:
    """The list. ``options``: options that every command for the user needs, such as ``--region eu-west-1``."""

    def __init__(self, account: Account, options: str, print_line: Print) -> None:
        self._account = account
        self._options = options
        self._print_line = print_line
        self._entries: list[_Entry] = []
        self._resource_types: dict[ResourceType, None] = {}

    def expect(self, resource_type: ResourceType) -> None:
        """Note that a resource of this type will be created: it is searched for if the answer of the call is lost."""
        self._resource_types[resource_type] = None

    def add(self, resource_type: ResourceType, resource_id: str) -> None:
        """Note a resource that was created."""
        self.expect(resource_type)
        by_hand = self._command(resource_type, resource_id)
        self._entries.append(
            _Entry(
                f"{resource_type.name} {resource_id}",
                by_hand,
                lambda: resource_type.delete(self._account, resource_id),
                resource_type,
                resource_id,
            )
        )

    def add_step(self, what: str, by_hand: str, undo: Callable[[], None]) -> None:
        """Note a change of something that the run did not create. ``by_hand``: an AWS CLI command, without ``aws``.

        The command is printed at once, so that the user can restore it if this program is killed.
        """
        command = self._with_options(by_hand)
        self._print_line(f"about to change {what}; if this program is killed, restore it: {command}")
        self._entries.append(_Entry(what, command, undo))

    def undo_all(self, name: str) -> list[Leftover]:
        """Delete everything, then whatever has the name of the run. Return what could not be deleted."""
        left: list[Leftover] = []
        apis: list[str] = []
        while self._entries:
            entry = self._entries.pop()
            self._print_line(f"deleting {entry.what}" if entry.resource_type else f"restoring {entry.what}")
            left += self._tried(entry.what, entry.by_hand, entry.undo)
            if entry.resource_type in (REST_API, V2_API):
                apis.append(entry.resource_id)
        left += self._delete_found(
            tuple(resource_type for resource_type in RESOURCE_TYPES if resource_type in self._resource_types),
            name,
            apis,
        )
        # A resource can be in both lists.
        return list({each.by_hand: each for each in left}.values())

    def delete_leftovers(self, prefix: str) -> list[Leftover]:
        """Delete whatever runs have left with names that begin with the prefix. Return what could not be deleted."""
        return self._delete_found(RESOURCE_TYPES, prefix, [])

    def _delete_found(self, resource_types: tuple[ResourceType, ...], prefix: str, apis: list[str]) -> list[Leftover]:
        left: list[Leftover] = []
        for resource_type in resource_types:
            found: list[str] = []

            def search(resource_type: ResourceType = resource_type, found: list[str] = found) -> None:
                found += resource_type.search(self._account, prefix)

            command = self._with_options(f"# search: {resource_type.name}, name {prefix}*")
            left += self._tried(f"each {resource_type.name} named {prefix}*, if there is any", command, search)
            for resource_id in found:
                left += self._delete(resource_type, resource_id)
            apis += found if resource_type in (REST_API, V2_API) else []
        for api_id in apis:
            groups: list[str] = []

            def search_groups(api_id: str = api_id, groups: list[str] = groups) -> None:
                groups += search_log_groups_of(self._account, api_id)

            command = self._with_options(f"logs describe-log-groups --log-group-name-pattern {api_id}")
            left += self._tried(f"the log groups of API {api_id}, if there are any", command, search_groups)
            for group in groups:
                left += self._delete(LOG_GROUP, group)
        return left

    def _delete(self, resource_type: ResourceType, resource_id: str) -> list[Leftover]:
        self._print_line(f"deleting {resource_type.name} {resource_id}")
        return self._tried(
            f"{resource_type.name} {resource_id}",
            self._command(resource_type, resource_id),
            lambda: resource_type.delete(self._account, resource_id),
        )

    def _tried(self, what: str, by_hand: str, step: Callable[[], None]) -> list[Leftover]:
        try:
            step()
        except StoppedError:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever fails, all else must be deleted
            return [Leftover(what, explain(error), by_hand)]
        return []

    def _command(self, resource_type: ResourceType, resource_id: str) -> str:
        return self._with_options(resource_type.by_hand.replace("{id}", resource_id))

    def _with_options(self, command: str) -> str:
        before, comment, after = command.partition("  #")
        return f"aws {before} {self._options}{comment}{after}".replace("aws # ", "# ").rstrip()
