"""The targets of the fuzzer: how bytes of an input become values, the claim about them, and the first inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import atheris  # type: ignore[import-untyped] # in .venv-fuzz only

from fuzz import answers, claims, functions
from fuzz.choices import OfBytes
from log_keeper.events.own_events import stage_to_evaluate
from log_keeper.events.sweep_work import Work
from log_keeper.stages import Api, Protocol
from testing.builders import EVENTS, REGION, V2_REF

#: Separates the message from the bytes that choose the answers of AWS.
_SEPARATOR = b"\n\n"


@dataclass(frozen=True, slots=True)
class Target:
    """One target.

    ``read``: returns the values for the bytes of an input. ``check``: raises if its claim does not hold for them.
    ``seeds``: the first inputs. ``words``: texts that the fuzzer puts into inputs. ``longest``: bytes of an input.
    """

    read: Callable[[bytes], tuple[Any, ...]]
    check: Callable[..., None]
    seeds: Sequence[bytes] = (b"",)
    words: Sequence[str] = ()
    longest: int = 512


def _choices(data: bytes) -> OfBytes:
    return OfBytes(atheris.FuzzedDataProvider(data))


def _text(data: bytes) -> str:
    """Return the bytes as text. Like a message of SQS, it has no invalid characters."""
    return data.decode(errors="replace")


def _rest(data: bytes) -> tuple[Any, ...]:
    choices = _choices(data)
    return answers.rest_answer(choices), answers.any_settings(choices).policy


def _v2(data: bytes) -> tuple[Any, ...]:
    choices = _choices(data)
    protocol = choices.pick((Protocol.HTTP, Protocol.WEBSOCKET))
    return answers.v2_answer(choices), protocol, answers.any_settings(choices).policy, choices.flip()


def _delivery(data: bytes) -> tuple[Any, ...]:
    body, _, rest = data.partition(_SEPARATOR)
    choices = _choices(rest)
    protocol, settings = choices.pick((Protocol.HTTP, Protocol.WEBSOCKET)), answers.any_settings(choices)
    return _text(body), answers.rest_answer(choices), answers.v2_answer(choices), protocol, settings


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_EVENTS = [json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))]
_MESSAGES = [_compact(event) for event in [*_EVENTS, stage_to_evaluate(V2_REF)]]
#: Members of a record that are long, and that Log Keeper does not read.
_LONG = {"userIdentity", "tlsDetails", "userAgent", "sourceIPAddress"}


def _short(event: dict[str, Any]) -> bytes:
    """Return the event without long members, so that the fuzzer changes more often what Log Keeper reads."""
    detail = {name: value for name, value in event["detail"].items() if name not in _LONG}
    return _compact({name: event[name] for name in ("detail-type", "account", "region")} | {"detail": detail})


_SHORT = [_short(event) for event in _EVENTS]


def _words(value: object) -> set[str]:
    """Return the keys and the short texts of a JSON value."""
    match value:
        case dict():
            return set(value).union(*map(_words, value.values()))
        case list():
            return set().union(*map(_words, value))
        case str() if len(value) <= 60:
            return {value}
    return set()


_WORDS = sorted(_words(_EVENTS))
_WORK = [
    Work(REGION).to_message().encode(),
    Work(REGION, (Api("a1b2c3d4e5", Protocol.REST), Api("f6g7h8i9j0", Protocol.HTTP))).to_message().encode(),
    b'{"detail-type":"Scheduled Event","detail":{}}',
]

TARGETS = {
    "messages": Target(lambda data: (_text(data),), claims.check_message, [*_MESSAGES, *_SHORT], _WORDS, 4096),
    "sweep-messages": Target(
        lambda data: (_text(data),), claims.check_work, _WORK, ["region", "apis", "detail", REGION, *Protocol]
    ),
    "tags": Target(lambda data: (answers.any_tags(_choices(data)),), claims.check_tags),
    "rest-stages": Target(_rest, claims.check_rest_stage),
    "v2-stages": Target(
        _v2, lambda answer, protocol, policy, keeps: claims.check_v2_stage(answer, protocol, policy, keeps=keeps)
    ),
    "deliveries": Target(
        _delivery, functions.check_delivery, [message + _SEPARATOR + bytes(64) for message in _SHORT], _WORDS, 4096
    ),
    "sweeps": Target(
        _delivery, functions.check_sweep, [message + _SEPARATOR + bytes(64) for message in _WORK], longest=1024
    ),
}
