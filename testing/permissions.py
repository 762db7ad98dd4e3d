"""Which permissions the template gives its roles, and which of them the calls of those roles needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.call import Caller, CallRecord, Need
from sandbox.core.iam import authorization
from sandbox.core.iam.policies import Decision, Document, evaluate
from tools import translate

#: Sessions of this name are a test's, which tries what a role may do; all others are the stack's own.
TRIAL = "trial"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one resource, by one statement of one role."""

    #: Logical id.
    role: str
    sid: str
    #: As the statement has it: perhaps with ``*``.
    action: str
    #: Which of the statement's resources.
    number: int = 0

    def __str__(self) -> str:
        return f"{self.role}/{self.sid}/{self.action}/{self.number}"


#: A statement cut down to each single permission that it gives.
type Statements = dict[Permission, dict[str, Any]]


def each(role: str, document: Document) -> Statements:
    """The permissions that a document gives a role."""
    return {
        Permission(role, statement["Sid"], action, number): statement | {"Action": action, "Resource": resource}
        for statement in _listed(document["Statement"])
        for action in _listed(statement["Action"])
        for number, resource in enumerate(_listed(statement["Resource"]))
    }


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@cache
def _template() -> dict[str, Any]:
    return translate.translated()


def granted(parameters: Mapping[str, str]) -> Statements:
    """What the template's policies give its roles, deployed with these parameters; with samples of ARNs."""
    found: Statements = {}
    resources = translate.resolved(_template(), parameters)
    for logical_id, properties in resources.items():
        match _template()["Resources"][logical_id]["Type"]:
            case "AWS::IAM::Role":
                for policy in properties.get("Policies", []):
                    found |= each(logical_id, policy["PolicyDocument"])
            case "AWS::IAM::Policy":
                for name in properties["Roles"]:
                    found |= each(name.split("-")[-2], properties["PolicyDocument"])
    return found


def granted_by_any() -> Statements:
    """What the template can give at all."""
    found: Statements = {}
    for parameters in translate.VARIANTS.values():
        found |= granted(parameters)
    return found


@dataclass(slots=True)
class Usage:
    """What the record of calls of all accounts so far says."""

    #: Permissions without which some call would have been refused.
    needed: set[Permission] = field(default_factory=set)
    #: What the stack's roles tried without having the permission, in words.
    missing: set[str] = field(default_factory=set)

    def add(self, sandbox: Sandbox) -> None:
        """The calls of this account are counted."""
        for role_arn, (role, versions) in _deployed(sandbox).items():
            seen: dict[Any, list[Permission]] = {}
            for record in sandbox.calls:
                if record.call.caller.role_arn != role_arn or _is_trial(record.call.caller):
                    continue
                for need in record.needs:
                    key = (need.action, need.resource, record.call.region, json.dumps(need.context, sort_keys=True))
                    if key not in seen:
                        seen[key] = _allowing(sandbox, record, need, versions)
                    self._count(role, record, need, seen[key])

    def write(self, path: Path) -> None:
        """Write the usage to a file, which is there as a whole or not at all."""
        needed = [[each.role, each.sid, each.action, each.number] for each in sorted(self.needed)]
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"needed": needed, "missing": sorted(self.missing)}))
        part.rename(path)

    def read(self, path: Path) -> None:
        """Add the usage that ``write`` has put into the file."""
        written = json.loads(path.read_text())
        self.needed |= {Permission(*each) for each in written["needed"]}
        self.missing |= set(written["missing"])

    def _count(self, role: str, record: CallRecord, need: Need, allowing: list[Permission]) -> None:
        if not allowing:
            self.missing.add(f"{role}: {need.action} on {need.resource}, for {record.call.operation}")
        # Of two that allow the same neither is needed; and a call that a test had refused used none.
        if len(allowing) == 1 and "AccessDenied" not in (record.error_code or ""):
            self.needed.add(allowing[0])


#: All that one permission has been while the stack was there: an update may change its conditions.
type Versions = dict[Permission, list[dict[str, Any]]]


def _allowing(sandbox: Sandbox, record: CallRecord, need: Need, versions: Versions) -> list[Permission]:
    context = {**authorization.request_context(sandbox, record.call), **need.context}
    return [
        permission
        for permission, statements in versions.items()
        if evaluate([{"Statement": statements}], need.action, need.resource, context) is Decision.ALLOWED
    ]


def _deployed(sandbox: Sandbox) -> dict[str, tuple[str, Versions]]:
    """ARN of each role that CloudFormation has made of the template, with its logical id and its permissions.

    From the calls, since a test may have deleted the stack, or put policies of its own on the roles.
    """
    logical_ids = {
        resource["Properties"]["Description"]: logical_id
        for logical_id, resource in _template()["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    found: dict[str, tuple[str, Versions]] = {}
    arns: dict[str, str] = {}
    for params in _by_cloudformation(sandbox, "CreateRole"):
        if params.get("Description") in logical_ids:
            arn = f"arn:aws:iam::{sandbox.account_id}:role{params.get('Path', '/')}{params['RoleName']}"
            arns[params["RoleName"]] = arn
            found[arn] = logical_ids[params["Description"]], {}
    for params in _by_cloudformation(sandbox, "PutRolePolicy"):
        if params["RoleName"] in arns:
            role, versions = found[arns[params["RoleName"]]]
            for permission, statement in each(role, json.loads(params["PolicyDocument"])).items():
                versions.setdefault(permission, []).append(statement)
    return found


def _by_cloudformation(sandbox: Sandbox, operation: str) -> Iterator[dict[str, Any]]:
    for record in sandbox.calls:
        call = record.call
        if call.operation == operation and call.caller.invoked_by == "cloudformation.amazonaws.com":
            yield call.params


def _is_trial(caller: Caller) -> bool:
    return caller.arn.endswith(f"/{TRIAL}")
