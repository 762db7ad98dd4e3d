"""Service control policies, and the units and accounts that they are attached to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Policy:
    """A service control policy."""

    policy_id: str
    name: str
    #: As JSON.
    content: str
    description: str = ""
    is_of_aws: bool = False


#: Attached to each unit and account when it is created. *Source:* Organizations user guide, "SCP evaluation".
FULL_ACCESS = Policy(
    "p-FullAWSAccess",
    "FullAWSAccess",
    json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
    "Allows access to every operation",
    is_of_aws=True,
)


@dataclass(slots=True)
class Attachments:
    """The policies of an organization, and to which of its units and accounts they are attached."""

    by_id: dict[str, Policy] = field(default_factory=lambda: {FULL_ACCESS.policy_id: FULL_ACCESS})
    #: Unit or account -> the policies that are attached to it, the oldest first.
    attached: dict[str, list[Policy]] = field(default_factory=dict)

    def add_target(self, target: str) -> None:
        """Attach FullAWSAccess to a new unit or account."""
        self.attached.setdefault(target, [FULL_ACCESS])

    def remove_target(self, target: str) -> None:
        """Detach all policies from an account that leaves."""
        self.attached.pop(target, None)

    def create(self, content: str, name: str = "", description: str = "") -> Policy:
        """Create a policy, which is attached to nothing."""
        policy_id = f"p-{len(self.by_id):08x}"
        policy = Policy(policy_id, name or policy_id, content, description)
        self.by_id[policy_id] = policy
        return policy

    def of(self, target: str) -> list[Policy]:
        """Return the policies that are attached to a unit or account itself."""
        return self.attached.get(target, [])

    def targets_of(self, policy: Policy) -> list[str]:
        """Return the units and accounts that a policy is attached to."""
        return [target for target, policies in self.attached.items() if policy in policies]

    def documents(self, targets: list[str]) -> list[str]:
        """Return all policies of these units and accounts but FullAWSAccess, which denies nothing."""
        return [policy.content for target in targets for policy in self.of(target) if policy is not FULL_ACCESS]

    def allow_lists(self, targets: list[str]) -> list[tuple[str, ...]]:
        """Return the policies of each of these units and accounts that does not allow everything by FullAWSAccess."""
        levels = [self.of(target) for target in targets]
        return [tuple(policy.content for policy in level) for level in levels if FULL_ACCESS not in level]
