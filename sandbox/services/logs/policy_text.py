"""The text of a resource policy as AWS's policy library writes it. CloudWatch Logs returns this text, not the one sent.

*Source:* localstack/localstack ``test_logs_resource_policies.snapshot.json`` of 2026-02 (a list of one becomes its
member, a missing Version becomes 2008-10-17) and radkawar/stackd ``testdata/aws/eventbridge/logs_destination.json`` of
2026-09 (order of the members and operators; principals come back in either order).
"""

from __future__ import annotations

import json
from typing import Any

_DEFAULT_VERSION = "2008-10-17"
#: Members of a statement in their order in the text.
_MEMBERS = (
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
)
#: Condition operators in their order in the text. Recorded only for StringEquals and ArnEquals.
_OPERATORS = ("String", "Numeric", "Date", "Bool", "Binary", "IpAddress", "NotIpAddress", "Arn", "Null")


def rewritten(text: str) -> str:
    """Return the policy as a service returns it that stores the parsed document, not the text. ``text``: JSON."""
    document: dict[str, Any] = json.loads(text)
    statements = document.get("Statement", [])
    written: dict[str, Any] = {"Version": document.get("Version", _DEFAULT_VERSION)}
    if "Id" in document:
        written["Id"] = document["Id"]
    written["Statement"] = [_statement(each) for each in (statements if isinstance(statements, list) else [statements])]
    return json.dumps(written, separators=(",", ":"))


def _statement(statement: dict[str, Any]) -> dict[str, Any]:
    return {member: _member(member, statement[member]) for member in _MEMBERS if member in statement}


def _member(name: str, value: Any) -> Any:
    if name in ("Principal", "NotPrincipal") and isinstance(value, dict):
        return {kind: _bare(sorted(each) if isinstance(each, list) else each) for kind, each in value.items()}
    if name == "Condition":
        return {
            operator: {key: _bare(each) for key, each in value[operator].items()}
            for operator in sorted(value, key=_rank)
        }
    return _bare(value)


def _bare(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _rank(operator: str) -> int:
    name = operator.rpartition(":")[2]
    return next((rank for rank, prefix in enumerate(_OPERATORS) if name.startswith(prefix)), len(_OPERATORS))
