"""A model of UpdateStage: the answer of GetStage before the call, and after it. Pure.

Written independently of the sandbox's rules for the stages of both API versions, from the same sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from log_keeper.stages import Protocol

#: The key of a method: ``*/*``, or the path that addressed the method first, without its first slash. No key begins
#: with the name of a member of the stage, because such a path addresses that member (a resource of such a name needs
#: ``~1``).
_METHOD = r"(?:GET|PUT|POST|DELETE|PATCH|HEAD|OPTIONS)"
METHOD_KEY = re.compile(rf"\*/\*|(?!(?:accessLogSettings|canarySettings|variables)/).*/{_METHOD}", re.DOTALL)

LEAVES = {
    "logging/loglevel": "loggingLevel",
    "logging/dataTrace": "dataTraceEnabled",
    "metrics/enabled": "metricsEnabled",
}
_METHOD_PATH = re.compile(rf"/(?P<method>.+)/(?P<leaf>{'|'.join(LEAVES)})", re.DOTALL)

#: A new entry of ``methodSettings``, before anything is set in it.
FRESH_METHOD = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}


class RefusedError(Exception):
    """API Gateway refuses the request, and changes nothing."""


def patched(answer: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the REST stage after UpdateStage with these patch operations. Raises RefusedError."""
    stage = deepcopy(dict(answer))
    for operation in operations:
        if operation["op"] != "replace" or not operation["value"]:
            raise RefusedError(f"{operation}: Log Keeper sends only replace, with a value")
        _patch(stage, operation["path"], operation["value"])
    return stage


def _patch(stage: dict[str, Any], path: str, value: str) -> None:
    match path.split("/")[1:]:
        case ["accessLogSettings", ("destinationArn" | "format") as leaf]:
            stage.setdefault("accessLogSettings", {})[leaf] = value
        case [("accessLogSettings" | "canarySettings" | "variables") as member, *below]:
            # The path addresses this member of the stage, not a method, whatever follows.
            stage.setdefault(member, {})["/".join(below)] = value
        case _:
            _patch_method(stage, path, value)


def _patch_method(stage: dict[str, Any], path: str, value: str) -> None:
    found = _METHOD_PATH.fullmatch(path)
    if found is None:
        raise RefusedError(f"{path}: no such path")
    key = found["method"]
    if not METHOD_KEY.fullmatch(key):
        raise RefusedError(f"{path}: {key} is not a method")
    settings = stage.setdefault("methodSettings", {})
    entry = settings.setdefault(key, dict(settings.get("*/*", FRESH_METHOD)))
    leaf = LEAVES[found["leaf"]]
    if leaf != "loggingLevel":
        entry[leaf] = value == "true"
    elif value in ("OFF", "ERROR", "INFO"):
        entry[leaf] = value
    else:
        raise RefusedError(f"{path}: {value} is not a logging level")


def updated(
    answer: Mapping[str, Any], request: Mapping[str, Any], protocol: Protocol, *, keeps: bool
) -> dict[str, Any]:
    """Return the HTTP or WebSocket stage after UpdateStage with these parameters. Raises RefusedError.

    ``keeps``: whether API Gateway keeps the members of a route's settings that the request does not have; unknown.
    """
    stage = deepcopy(dict(answer))
    access = stage.get("AccessLogSettings", {}) | request.get("AccessLogSettings", {})
    if "AccessLogSettings" in request:
        if not access.get("DestinationArn") or not access.get("Format"):
            raise RefusedError("Access Log value missing")
        stage["AccessLogSettings"] = access
    routes = request.get("RouteSettings", {})
    for sent in (request.get("DefaultRouteSettings", {}), *routes.values()):
        if protocol is Protocol.HTTP and sent.keys() & {"LoggingLevel", "DataTraceEnabled"}:
            raise RefusedError("Execution logs are not supported on protocolType HTTP")
        if sent.get("LoggingLevel") not in (None, "OFF", "ERROR", "INFO"):
            raise RefusedError("no such level")
    if "DefaultRouteSettings" in request:
        stage["DefaultRouteSettings"] = stage.get("DefaultRouteSettings", {}) | request["DefaultRouteSettings"]
    for key, sent in routes.items():
        if key not in stage.get("RouteSettings", {}):
            raise RefusedError(f"Unable to find Route by key {key} within the provided RouteSettings")
        kept = stage["RouteSettings"][key] if keeps else {}
        stage["RouteSettings"][key] = kept | sent
    if unknown := request.keys() - {
        "ApiId",
        "StageName",
        "AccessLogSettings",
        "DefaultRouteSettings",
        "RouteSettings",
    }:
        raise RefusedError(f"{unknown}: Log Keeper sends only logging settings")
    return stage
