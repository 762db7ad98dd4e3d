"""The outcomes that a stage of a preview can have, and how each is shown: the only list of them."""

from __future__ import annotations

from dataclasses import dataclass

from log_keeper.policy.results import Outcome


@dataclass(frozen=True, slots=True)
class Appearance:
    """How an outcome is shown.

    ``key``: the name of its number in the JSON document. ``css_class``: a class of ``page.css``. ``colour``: a colour
    of the terminal, as rich names it.
    """

    key: str
    css_class: str
    colour: str


#: In the order of the tables.
APPEARANCES = {
    Outcome.COMPLIANT: Appearance("compliant", "ok", "green"),
    Outcome.WOULD_BE_REMEDIATED: Appearance("wouldBeRemediated", "action", "yellow"),
    Outcome.NON_COMPLIANT: Appearance("nonCompliant", "bad", "red"),
    Outcome.EXEMPT: Appearance("exempt", "exempt", "cyan"),
}
