"""People who run Log Keeper's command line tools with credentials of the sandbox account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from sandbox import deployment
from sandbox.assembly import Sandbox


@dataclass(frozen=True)
class Operator:
    """Runs the real commands. ``keys``: variables with the credentials of a user; empty: the administrator's."""

    account: Sandbox
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def with_permissions(cls, account: Sandbox, name: str, statements: Sequence[Mapping[str, object]]) -> Self:
        """Create a user with these statements as the only policy, and return the operator who has its keys."""
        iam = account.client("iam")
        iam.create_user(UserName=name)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cls(account, {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]})

    def run(self, module: str, *arguments: str) -> tuple[int, str]:
        """Run ``python -m module``. Return its exit code, and what it printed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        path = f"{deployment.TOOLS}{os.pathsep}{os.environ['PATH']}"
        ended = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=deployment.ROOT,
            env=environment | self.account.environment() | self.keys | {"PATH": path, "PYTHONPATH": "src"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return ended.returncode, ended.stdout
