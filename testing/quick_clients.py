"""Make boto3's sessions and clients cheaper in a process that creates thousands of them.

The tests create a session and several clients for each account. Without this module, most of their time was spent in
botocore, which computes the same values each time. This module stores only values that depend on nothing but their
arguments.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import botocore.client
import botocore.hooks
import botocore.session
import botocore.useragent

#: Private names of botocore, which the type stubs do not have.
_client: Any = botocore.client
_hooks: Any = botocore.hooks
_session: Any = botocore.session
_useragent: Any = botocore.useragent


def install() -> None:
    """Patch botocore in this process."""
    # One reader of the descriptions of AWS's services: the models of one service are megabytes of JSON.
    _session.create_loader = functools.cache(_session.create_loader)
    _hooks.accepts_kwargs = _by_code(_hooks.accepts_kwargs)
    _hooks.EventAliaser._alias_event_name = _by_name(_hooks.EventAliaser._alias_event_name)
    _hooks.EventAliaser.__copy__ = _copy_of_emitter
    _hooks._PrefixTrie._recursive_copy = _copy_of_node
    _useragent.sanitize_user_agent_string_component = functools.cache(_useragent.sanitize_user_agent_string_component)
    _client.ClientCreator._create_methods = _by_model(_client.ClientCreator._create_methods)


def _by_code(accepts_kwargs: Callable[[Any], object]) -> Callable[[Any], object]:
    known: dict[Any, object] = {}

    def remembered(handler: Any) -> object:
        # For a method, its function's code: the object of the method must not be kept.
        code = getattr(handler, "__code__", None)
        if code is None:
            return accepts_kwargs(handler)
        if code not in known:
            known[code] = accepts_kwargs(handler)
        return known[code]

    return remembered


def _by_name(alias: Callable[[Any, str], str]) -> Callable[[Any, str], str]:
    known: dict[str, str] = {}

    def remembered(emitter: Any, event_name: str) -> str:
        if emitter._event_aliases is not _hooks.EVENT_ALIASES:
            return alias(emitter, event_name)
        if event_name not in known:
            known[event_name] = alias(emitter, event_name)
        return known[event_name]

    return remembered


def _by_model(create_methods: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def remembered(creator: Any, model: Any) -> dict[str, Any]:
        description = model._service_description
        # The description is kept together with its methods, so that its id is not reused.
        if id(description) not in known:
            known[id(description)] = description, create_methods(creator, model)
        return dict(known[id(description)][1])

    return remembered


def _copy_of_emitter(emitter: Any) -> Any:
    """Return an emitter with its own handlers. It shares the aliases, which do not change."""
    return type(emitter)(copy.copy(emitter._emitter), emitter._event_aliases)


def _copy_of_node(trie: Any, node: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of the tree of handlers: every client begins with all handlers of its session."""
    lists: Any = _hooks.NodeList
    copied: dict[str, Any] = {}
    for key, value in node.items():
        kind = type(value)
        if kind is lists:
            copied[key] = lists(value[0][:], value[1][:], value[2][:])
        elif kind is dict:
            copied[key] = _copy_of_node(trie, value)
        else:
            copied[key] = value
    return copied
