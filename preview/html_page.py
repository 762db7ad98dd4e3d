"""The frame of an HTML page that is one file and loads nothing from the network. Pure.

The page's content security policy allows only its own style and script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from preview.words import printable


def begin(title: str, style: str, script: str) -> str:
    """Return the page up to the first element of its body. ``title``: escaped."""
    content_policy = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(content_policy)}; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
"""


def end(script: str) -> str:
    """Return the end of the page."""
    return f"<script>{script}</script>\n</body>\n</html>\n"


def text(content: str) -> str:
    """Return the text for use in an element or an attribute."""
    return escape(printable(content), quote=True)


def select(name: str, label: str, options: str) -> str:
    """Return a list to choose from. ``options``: those after "all", as HTML."""
    return f'<label>{label}<select name="{name}"><option value="">all</option>{options}</select></label>'


def _hash(content: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}"
