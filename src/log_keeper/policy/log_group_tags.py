"""The tags of the log groups that Log Keeper creates: the same for all, and copied from the stage. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: Set on every log group that Log Keeper creates, so that people can see who created it.
CREATOR_TAG = ("created-by", "log-keeper")
#: *Source:* botocore's model of CreateLogGroup. AWS reserves keys that begin with ``aws:``, in any case.
_KEY, _VALUE = re.compile(r"(?!(?i:aws):)[\w .:/=+@-]{1,128}"), re.compile(r"[\w .:/=+@-]{0,256}")


def read_tags(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the tags of texts such as ``team=shop``; a value may contain ``=``. Of two with one key the later counts.

    Raises ValueError for a text that is no tag. CloudWatch Logs refuses more than 50 tags, which is a finding then: a
    deployment cannot count them, and an error would stop both functions.
    """
    tags: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not _VALUE.fullmatch(value):
            raise ValueError(f"{text!r} is no tag: it must be KEY=VALUE, of characters that CloudWatch Logs accepts")
        tags[key] = value
    _check_keys(tags)
    return tuple(tags.items())


def read_copied_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys of tags that are copied to log groups. Raises ValueError for a key that no log group can have."""
    _check_keys(keys)
    return keys


def _check_keys(keys: Iterable[str]) -> None:
    for key in keys:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of a tag that CloudWatch Logs accepts")
        if key == CREATOR_TAG[0]:
            raise ValueError(f"{key!r} is the key of Log Keeper's own tag")


def tags_of(
    stage_tags: Mapping[str, str], tags: Iterable[tuple[str, str]], copied_keys: Iterable[str]
) -> tuple[tuple[str, str], ...]:
    """Return the tags of a stage's log groups, without ``CREATOR_TAG``. A copied tag replaces one of the same key."""
    return tuple((dict(tags) | {key: stage_tags[key] for key in copied_keys if key in stage_tags}).items())
