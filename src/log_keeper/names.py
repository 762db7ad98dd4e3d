"""Which names AWS can have given to the parts of a stage's identity. Pure."""

from __future__ import annotations

import re

NAME_PATTERNS = {
    "account": re.compile(r"[0-9]{12}"),
    "region": re.compile(r"[a-z]{2,6}(-[a-z]+)+-[0-9]+"),
    "api_id": re.compile(r"[a-z0-9]{1,64}"),
    # Source: botocore's model of apigatewayv2; REST refuses other names too ("Stage name only allows a-zA-Z0-9_-").
    "stage_name": re.compile(r"[A-Za-z0-9_-]{1,128}|\$default"),
}


def check_name(part: str, name: object) -> str:
    """Return the name if AWS can have given it to that part of a stage's identity; raise ValueError otherwise.

    ``part``: ``account``, ``region``, ``api_id`` or ``stage_name``.
    """
    if not isinstance(name, str) or not NAME_PATTERNS[part].fullmatch(name):
        raise ValueError(f"{part} cannot be {repr(name)[:200]}")
    return name
