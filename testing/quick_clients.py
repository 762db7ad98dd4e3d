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
import botocore.handlers
import botocore.hooks
import botocore.httpsession
import botocore.regions
import botocore.session
import botocore.useragent

#: Private names of botocore, which the type stubs do not have.
_client: Any = botocore.client
_handlers: Any = botocore.handlers
_hooks: Any = botocore.hooks
_httpsession: Any = botocore.httpsession
_regions: Any = botocore.regions
_session: Any = botocore.session
_useragent: Any = botocore.useragent


def install() -> None:
    """Patch botocore in this process."""
    # One reader of the descriptions of AWS's services: the models of one service are megabytes of JSON.
    _session.create_loader = functools.cache(_session.create_loader)
    _hooks.accepts_kwargs = _by_code(_hooks.accepts_kwargs)
    _hooks.EventAliaser._alias_event_name = _by_name(_hooks.EventAliaser._alias_event_name)
    _hooks.EventAliaser.__copy__ = _copy_of_emitter
    _hooks._PrefixTrie.append_item = _change_of_own(_hooks._PrefixTrie.append_item)
    _hooks._PrefixTrie.remove_item = _change_of_own(_hooks._PrefixTrie.remove_item)
    _hooks._PrefixTrie.__copy__ = _shared_tree
    _session.Session._register_builtin_handlers = _once(_session.Session._register_builtin_handlers)
    # No request of the tests uses TLS: the sandbox answers it in this process, or over HTTP.
    _httpsession.create_urllib3_context = functools.cache(_httpsession.create_urllib3_context)
    _useragent.sanitize_user_agent_string_component = functools.cache(_useragent.sanitize_user_agent_string_component)
    # Both only read a description, and store what they find in it.
    _client.ServiceModel = _by_description(_client.ServiceModel)
    _regions.EndpointProvider = _by_description(_regions.EndpointProvider)
    _client.ClientCreator._create_methods = _by_model(_client.ClientCreator._create_methods)
    _client.ClientCreator._create_name_mapping = _by_model(_client.ClientCreator._create_name_mapping)


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


def _by_model(create: Callable[[Any, Any], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    known: dict[Any, dict[str, Any]] = {}

    def remembered(creator: Any, model: Any) -> dict[str, Any]:
        if model not in known:
            known[model] = create(creator, model)
        return dict(known[model])

    return remembered


def _by_description(create: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def remembered(*arguments: Any, **options: Any) -> Any:
        values = [*arguments, *options.values()]
        key = tuple(id(value) if isinstance(value, dict | set) else value for value in values)
        if key not in known:
            # The descriptions are kept too, so that no id is reused.
            known[key] = create(*arguments, **options), values
        return known[key][0]

    return remembered


def _copy_of_emitter(emitter: Any) -> Any:
    """Return an emitter with its own handlers. It shares the aliases, which do not change."""
    return type(emitter)(copy.copy(emitter._emitter), emitter._event_aliases)


def _change_of_own(change: Callable[..., None]) -> Callable[..., None]:
    """Copy the nodes on the way to ``key`` before a change, because other trees of handlers share them."""

    def change_own(trie: Any, key: str, *arguments: Any, **options: Any) -> None:
        trie._root = _own(trie._root, key.split("."))
        change(trie, key, *arguments, **options)

    return change_own


def _once(register: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """Register the handlers of botocore in the first session. The others begin with a copy of its tree."""
    known: dict[int, Any] = {}

    def remembered(session: Any, events: Any) -> None:
        emitter = session._original_handler
        if emitter._handlers._root["children"]:
            register(session, events)
            return
        # Other packages append handlers to this list, and remove none.
        number = len(_handlers.BUILTIN_HANDLERS)
        if number not in known:
            register(session, events)
            known[number] = copy.copy(emitter)
        else:
            vars(emitter).update(vars(copy.copy(known[number])))

    return remembered


def _own(node: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """Return a copy of ``node`` and of its descendants named by ``parts``. It shares all others."""
    children = dict(node["children"])
    if parts and parts[0] in children:
        children[parts[0]] = _own(children[parts[0]], parts[1:])
    handlers = node["values"] and _hooks.NodeList(*(list(section) for section in node["values"]))
    return {**node, "values": handlers, "children": children}


def _shared_tree(trie: Any) -> Any:
    """Return a tree with the same nodes. Every client begins with all handlers of its session, and changes few."""
    twin = type(trie)()
    twin._root = trie._root
    return twin
