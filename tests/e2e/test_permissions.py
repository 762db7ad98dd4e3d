"""Each permission of each role is needed by a test, and no call needed another one."""

from __future__ import annotations

import ast
import threading
import time
from pathlib import Path

import pytest

from testing.permissions import Permission, Usage, granted_by_any

#: Permissions that no test needs, or of which a wildcard hides what is needed, and why they are granted all the same.
EXCEPTIONS = {
    ("ForwardersExecutionRole", "ManageForwarderStacks", "cloudformation:*"): (
        "CloudFormation asks for all of its actions in the execution role of a stack set, and does not tell which it "
        "uses (its user guide, 'Grant self-managed permissions'). They reach the forwarders' own stacks alone."
    ),
    **dict.fromkeys(
        (
            ("ForwardersExecutionRole", "ManageForwarderRules", "events:UntagResource"),
            ("ForwardersExecutionRole", "ManageForwarderQueues", "sqs:UntagQueue"),
        ),
        "A tag taken from the stack is taken from its resources, by the schemas of their types. The sandbox's "
        "CloudFormation hands changed tags to those resources only that change otherwise.",
    ),
}


#: Seconds that the other processes may take to end the modules that they have begun.
_LONGEST_MODULE = 240


@pytest.fixture(scope="module")
def usage(request: pytest.FixtureRequest, shared: Path) -> Usage:
    """What all other end-to-end tests have used: these come last, and wait for the other processes.

    Skips unless all end-to-end tests were chosen; otherwise there is nothing to compare with.
    """
    folder = Path(__file__).parent
    defined = {
        (path.name, node.name)
        for path in folder.glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    chosen = {
        (item.path.name, item.originalname)
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path.parent == folder
    }
    if left_out := sorted(defined - chosen):
        pytest.skip(f"wants all end-to-end tests in one session; left out are {len(left_out)}, as {left_out[0]}")
    others = [shared / path.stem for path in folder.glob("test_*.py") if path != Path(__file__)]
    deadline = time.monotonic() + _LONGEST_MODULE
    while waited_for := [path.name for path in others if not path.with_suffix(".ended").exists()]:
        if time.monotonic() > deadline:
            pytest.fail(f"no other process has ended {waited_for}")
        threading.Event().wait(0.2)
    usage = Usage()
    for path in others:
        # A module whose tests were all skipped has started no account.
        if (written := path.with_suffix(".usage.json")).exists():
            usage.read(written)
    return usage


def test_nothing_is_missing(usage: Usage) -> None:
    assert not usage.missing, "\n".join(sorted(usage.missing))


def test_nothing_is_granted_that_no_test_needs(usage: Usage) -> None:
    unneeded = [
        f"{permission.role}, {permission.sid}: {permission.action} on {statement['Resource']}"
        for permission, statement in sorted(granted_by_any().items())
        if not _is_needed(permission, usage) and _key(permission) not in EXCEPTIONS
    ]
    assert not unneeded, "\n".join(unneeded)


def test_exceptions_are_granted_and_not_needed(usage: Usage) -> None:
    unneeded = {_key(permission) for permission in granted_by_any() if not _is_needed(permission, usage)}
    assert set(EXCEPTIONS) <= unneeded


def _is_needed(permission: Permission, usage: Usage) -> bool:
    return permission in usage.needed and "*" not in permission.action


def _key(permission: Permission) -> tuple[str, str, str]:
    return permission.role, permission.sid, permission.action
