"""Texts and values that AWS never gives as names, for each place where a message has a name."""

from __future__ import annotations

from typing import Any

#: Texts in place of the name of an API or a stage.
TEXTS = [
    "x/../../account",
    "../../account",
    "..",
    "a1b2c3d4e5/stages/prod",
    "a1b2c3d4e5%2Fstages%2Fprod",
    "%2e%2e%2faccount",
    "..%252F..%252Faccount",
    "prod\n",
    "\nprod",
    "prod\r\nX-Amz-Target: Other",
    "pro\x00d",
    "prod ",
    "*",
    "prod*",
    "a?",
    "$default/..",
    "$defaulted",
    "$",
    "${AWS::AccountId}",
    "%24default%2F..",
    ".default",
    "~1",
    "prod:log-stream:x",
    "arn:aws:apigateway:us-east-1::/account",
    "x" * 129,
    "x" * 2_000,
    "\uff50\uff52\uff4f\uff44",  # full-width letters
    "prod\u0661\u0662",  # digits of another script
    "prod\u202e",
    "\ud800",  # half a character, as JSON can write it
]

#: Values that are not text.
OTHERS: list[Any] = [7, 7.5, -1, 2**70, True, ["prod"], [["prod"]], {"prod": "prod"}, {"stageName": "prod"}]

NAMES = [*TEXTS, *OTHERS]
