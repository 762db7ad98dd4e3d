"""Read which permissions the template grants its roles, and which of them the roles' calls needed."""

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

#: The session name of tests that try what a role may do; all other sessions are the stack's own.
TRIAL = "trial"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one resource, by one statement of one role."""

    #: Logical id.
    role: str
    sid: str
    #: As in the statement: it can have ``*``.
    action: str
    #: Index in the statement's list of resources.
    number: int = 0

    def __str__(self) -> str:
        return f"{self.role}/{self.sid}/{self.action}/{self.number}"


#: For each permission, its statement reduced to one action and one resource.
type Statements = dict[Permission, dict[str, Any]]


def each(role: str, document: Document) -> Statements:
    """Return each permission that a policy document grants a role."""
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
    """Return what the template's policies grant its roles with these parameters. ARNs are samples."""
    found: Statements = {}
    for logical_id, properties in translate.resolved_with_nested_stacks(_template(), parameters).items():
        match properties:
            case {"AssumeRolePolicyDocument": _}:
                for policy in properties.get("Policies", []):
                    found |= each(logical_id, policy["PolicyDocument"])
            case {"PolicyDocument": document, "Roles": names}:
                for name in names:
                    found |= each(name.split("-")[-2], document)
    return found


def granted_by_any() -> Statements:
    """Return what the template grants its roles with any of the parameters that the linters try."""
    found: Statements = {}
    for parameters in translate.VARIANTS.values():
        found |= granted(parameters)
    return found


@dataclass(slots=True)
class Usage:
    """The permissions that the recorded calls of some accounts needed."""

    #: Permissions without which some call would have been refused.
    needed: set[Permission] = field(default_factory=set)
    #: What the stack's roles called without the permission, as text.
    missing: set[str] = field(default_factory=set)

    def add(self, sandbox: Sandbox) -> None:
        """Add the calls of an account."""
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
        """Write the usage to a file, which exists only once it is complete."""
        needed = [[each.role, each.sid, each.action, each.number] for each in sorted(self.needed)]
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"needed": needed, "missing": sorted(self.missing)}))
        part.rename(path)

    def read(self, path: Path) -> None:
        """Add the usage that ``write`` has written to the file."""
        written = json.loads(path.read_text())
        self.needed |= {Permission(*each) for each in written["needed"]}
        self.missing |= set(written["missing"])

    def _count(self, role: str, record: CallRecord, need: Need, allowing: list[Permission]) -> None:
        if not allowing:
            self.missing.add(f"{role}: {need.action} on {need.resource}, for {record.call.operation}")
        # Neither of two permissions that allow the same is needed, nor is that of a call that a test had refused.
        if len(allowing) == 1 and "AccessDenied" not in (record.error_code or ""):
            self.needed.add(allowing[0])


#: Every version of each permission's statement: an update of the stack can change its conditions.
type Versions = dict[Permission, list[dict[str, Any]]]


def _allowing(sandbox: Sandbox, record: CallRecord, need: Need, versions: Versions) -> list[Permission]:
    """Return the permissions that allow what a call needed."""
    context = {**authorization.request_context(sandbox, record.call), **need.context}
    return [
        permission
        for permission, statements in versions.items()
        if evaluate([{"Statement": statements}], need.action, need.resource, context) is Decision.ALLOWED
    ]


def _deployed(sandbox: Sandbox) -> dict[str, tuple[str, Versions]]:
    """Return logical id and permissions of each role that CloudFormation has created from the template, by ARN.

    They are read from the calls: a test may have deleted the stack, or added policies to the roles.
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
