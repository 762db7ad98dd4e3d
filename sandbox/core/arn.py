"""The parts of an ARN: ``arn:partition:service:region:account:resource``.

*Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """One ARN. For a text that is not an ARN, ``resource`` is the text, and every other part is empty."""

    partition: str
    service: str
    #: Empty for global services.
    region: str
    account: str
    #: Everything after the account: ``function:name:version``, ``role/path/name``, ``log-group:name:*``.
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Return the parts of the text."""
        parts = text.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn":
            return cls("", "", "", "", text)
        return cls(*parts[1:])

    @property
    def name(self) -> str:
        """Return the text after the last ``/`` or ``:``, such as the name of a role, a queue or a topic."""
        return re.split(r"[/:]", self.resource)[-1]

    @property
    def log_group(self) -> str:
        """Return the name of a log group, for an ARN with or without ``:*``."""
        return self.resource.removeprefix("log-group:").removesuffix(":*")

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"
