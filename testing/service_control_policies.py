"""The service control policies in the folder organization, as an owner attaches them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "organization"
PROTECTION, OPTIONAL = "protect-log-keeper", "optional-log-settings"
EXEMPT_TAG = "logging-exempt"
HUB, LOG_ACCOUNT = "444444444444", "555555555555"


def text(name: str, hub: str = HUB) -> str:
    """Return a policy with the placeholders replaced."""
    found = (FOLDER / f"{name}.scp.json").read_text()
    for placeholder, value in (
        ("HUB_ACCOUNT_ID", hub),
        ("EXEMPT_TAG_KEY", EXEMPT_TAG),
        ("LOG_ACCOUNT_ID", LOG_ACCOUNT),
    ):
        found = found.replace(placeholder, value)
    return found


def statements(name: str) -> list[dict[str, Any]]:
    """Return the statements of a policy with the placeholders replaced."""
    found: list[dict[str, Any]] = json.loads(text(name))["Statement"]
    return found
