"""Saved queries of Logs Insights.

*Source:* https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/CWL_QuerySyntax.html (commands); the wording of
refusals is not recorded.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_COMMANDS = frozenset(
    {
        "fields", "display", "filter", "filterIndex", "stats", "sort", "limit", "parse", "dedup", "pattern", "diff",
        "unmask", "anomaly", "join", "lookup", "unnest", "SOURCE", "source",
    }
)  # fmt: skip


def check(query: str) -> None:
    """Refuse a query with an unknown command, or with brackets or quotes that are not closed."""
    bare = _without_literals(query)
    for opening, closing in ("()", "[]"):
        if bare.count(opening) != bare.count(closing):
            raise _malformed(f"{opening} and {closing} do not match")
    for command in bare.split("|"):
        text = command.strip()
        word = re.match(r"[A-Za-z]+", text)
        if word is None or word[0] not in _COMMANDS:
            raise _malformed(f"'{text[:40]}' is no command")
        if word[0] not in ("pattern", "diff", "anomaly") and not text[word.end() :].strip():
            raise _malformed(f"{word[0]} is not complete")
        if word[0] == "limit" and not re.fullmatch(r"limit\s+\d+", text):
            raise _malformed(f"'{text}': limit takes a number")
        if word[0] == "stats" and not re.search(r"\w+\s*\(", text):
            raise _malformed(f"'{text}': stats takes a function")


def _without_literals(query: str) -> str:
    """Return the query without comments, and with empty strings and regular expressions."""
    kept: list[str] = []
    rest = query
    while rest:
        literal = re.match(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]*`|#[^\n]*", rest)
        expression = re.match(r"/(?:\\.|[^/\\\n])+/", rest)
        before = "".join(kept).rstrip()
        if literal:
            kept.append("" if literal[0].startswith("#") else "x")
            rest = rest[literal.end() :]
        elif expression and re.search(r"(like|=~|parse\s+\S+|\()$", before):
            kept.append("x")
            rest = rest[expression.end() :]
        elif rest[0] in "\"'`":
            raise _malformed(f"a quote is not closed: {rest[:40]}")
        else:
            kept.append(rest[0])
            rest = rest[1:]
    return "".join(kept)


def _malformed(message: str) -> AwsError:
    return AwsError("InvalidParameterException", f"The query is not well-formed: {message}")


class SavedQueries(dict[str, dict[str, Any]]):
    """Saved queries of one region by id, as DescribeQueryDefinitions returns them."""


@rule("logs", "PutQueryDefinition")
def put_query_definition(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Save the query as a new one, or replace the one with the id."""
    params, saved = call.params, account.state(SavedQueries, call.region)
    identifier = params.get("queryDefinitionId") or str(uuid.uuid4())
    if "queryDefinitionId" in params and identifier not in saved:
        raise AwsError("ResourceNotFoundException", "The query definition does not exist.")
    if params.get("queryLanguage", "CWLI") == "CWLI":
        check(params["queryString"])
    saved[identifier] = {
        "queryLanguage": params.get("queryLanguage", "CWLI"),
        "queryDefinitionId": identifier,
        "name": params["name"],
        "queryString": params["queryString"],
        "logGroupNames": params.get("logGroupNames", []),
        "lastModified": int(account.now().timestamp() * 1000),
    }
    return {"queryDefinitionId": identifier}


@rule("logs", "DescribeQueryDefinitions")
def describe_query_definitions(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the saved queries, sorted by name, on one page."""
    prefix = call.params.get("queryDefinitionNamePrefix", "")
    saved = account.state(SavedQueries, call.region).values()
    found = sorted((each for each in saved if each["name"].startswith(prefix)), key=lambda each: str(each["name"]))
    return {"queryDefinitions": found}


@rule("logs", "DeleteQueryDefinition")
def delete_query_definition(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the query."""
    saved = account.state(SavedQueries, call.region)
    if saved.pop(call.params["queryDefinitionId"], None) is None:
        raise AwsError("ResourceNotFoundException", "The query definition does not exist.")
    return {"success": True}
