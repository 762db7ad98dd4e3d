"""The condition keys that a call's parameters set, besides those that every request has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.core.call import Call


def tag_context(tags: Any) -> dict[str, str | list[str]]:
    """Return the keys and values of the tags that a call sets: a dictionary, or a list in one of AWS's two forms."""
    if isinstance(tags, list):
        tags = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in tags}
    if not tags:
        return {}
    return {"aws:TagKeys": list(tags), **{f"aws:RequestTag/{key}": value for key, value in tags.items()}}


def removed_tag_context(call: Call) -> dict[str, str | list[str]]:
    """Return the keys of the tags that a call removes.

    *Source:* Service Authorization Reference, "Actions, resources, and condition keys for Amazon API Gateway
    Management": ``aws:TagKeys`` of DELETE.
    """
    keys = call.params.get("tagKeys") or call.params.get("TagKeys")
    return {"aws:TagKeys": list(keys)} if keys else {}


def access_log_context(call: Call) -> dict[str, str | list[str]]:
    """Return the access log destination that a call about a stage names.

    Which value the key has in a call that names none, or removes the destination, is not recorded: it is absent here.

    *Source:* Service Authorization Reference, "Actions, resources, and condition keys for Amazon API Gateway
    Management" and "... Management V2": ``apigateway:Request/AccessLoggingDestination``.
    """
    if call.operation not in ("CreateStage", "UpdateStage"):
        return {}
    named = [call.params.get("AccessLogSettings", {}).get("DestinationArn")]
    named += [
        operation.get("value")
        for operation in call.params.get("patchOperations", [])
        if operation.get("path") == "/accessLogSettings/destinationArn" and operation.get("op") != "remove"
    ]
    given = [arn for arn in named if arn]
    return {"apigateway:Request/AccessLoggingDestination": given[-1]} if given else {}
