"""Create policy documents and roles, for tests of the sandbox."""

from __future__ import annotations

import json
from typing import Any

from sandbox.assembly import Sandbox
from testing.clients import client


def trust(service: str) -> str:
    """Return a trust policy for a service principal."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def allow(*actions: str, resource: str | list[str] = "*", **more: Any) -> str:
    """Return a policy that allows the actions. ``more``: members of its statement."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(sandbox: Sandbox, name: str, service: str = "lambda.amazonaws.com", policy: str | None = None) -> str:
    """Create a role, with one inline policy if given, and return its ARN."""
    iam = client(sandbox, "iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    return arn
