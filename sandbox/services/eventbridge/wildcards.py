"""Wildcards of event patterns: what they match, and how many EventBridge accepts.

*Source:* aws/event-ruler ``WildcardParser`` and ``MachineComplexityEvaluator``
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
    "wildcard character"
)
#: How many prefixes of wildcard patterns one text may match at the same time. Recorded on 2026-09-13 (radkawar/stackd
#: ``pattern_admission.json``): ``*a*a*a*a*a`` (10 of them) is accepted.
_LARGEST_COMPLEXITY = 10
_STAR = ""


@lru_cache(maxsize=256)
def compiled(text: str) -> re.Pattern[str]:
    """Return the wildcard as a regular expression. Raise ValueError, with EventBridge's reason, if it is invalid."""
    return re.compile("".join(".*" if each == _STAR else re.escape(each) for each in _tokens(text)), re.DOTALL)


def _tokens(text: str) -> list[str]:
    """Return the characters of the wildcard; a star is the empty string. Positions in errors count the first quote."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        character, following = text[position], text[position + 1 : position + 2]
        where = len(text[:position].encode()) + 1
        if character == "*":
            if following == "*":
                raise ValueError(f"Consecutive wildcard characters at pos {where}")
            tokens.append(_STAR)
        elif character == "\\":
            if following not in ("*", "\\"):
                raise ValueError(f"Invalid escape character at pos {where}")
            tokens.append(following)
            position += 1
        else:
            tokens.append(character)
        position += 1
    return tokens


def is_too_complex(patterns: Iterable[str]) -> bool:
    """Tell whether EventBridge refuses this combination of wildcards for one field.

    EventBridge counts how many prefixes of the patterns one text can match at the same time. Here a star at the end
    counts twice, which explains the recorded refusal of ``*:*:*:*:*:event-bus/*`` (localstack
    ``content_wildcard_complex_EXC``). The exact limit for other patterns is not recorded.
    """
    machines = [['"', *_tokens(text), '"'] for text in dict.fromkeys(patterns)]
    if not any(_STAR in tokens for tokens in machines):
        return False
    at_the_end = sum(tokens[-2] == _STAR and tokens.count(_STAR) > 1 for tokens in machines)
    alphabet = {each for tokens in machines for each in tokens if each != _STAR} | {"\0"}
    start = frozenset((number, -1) for number in range(len(machines)))
    pending, seen = [start], {start}
    while pending:
        places = pending.pop()
        for character in alphabet:
            after = _after(machines, places, character)
            ahead = {(n, at + 1) for n, at in after if _token(machines[n], at + 1) == _STAR}
            if len(after | ahead) + at_the_end > _LARGEST_COMPLEXITY:
                return True
            if after not in seen:
                seen.add(after)
                pending.append(after)
    return False


type _Place = tuple[int, int]


def _after(machines: list[list[str]], places: frozenset[_Place], character: str) -> frozenset[_Place]:
    """Return the states after one more character. A state is a pattern and the last token that matched."""
    reached: set[_Place] = set()
    for number, at in places:
        tokens = machines[number]
        if _token(tokens, at) == _STAR:
            reached.add((number, at))
        following = at + 1
        if _token(tokens, following) == _STAR:
            reached.add((number, following))
            following += 1
        if _token(tokens, following) == character:
            reached.add((number, following))
    return frozenset(reached)


def _token(tokens: list[str], at: int) -> str | None:
    return tokens[at] if 0 <= at < len(tokens) else None
