"""Parliament over policy documents: ``python tools/lint_policies.py FOLDER``, in the linters' own environment.

What is known and accepted stands in ``parliament.yaml``, with the reasons: by issue, patterns that the file, and the
actions or the type where they are given, must match in full. Parliament's own command is not used, since it takes no
account of such patterns (1.6.4), and writes a log at a place that all users of a machine share.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parliament
import yaml

AUDITORS = Path(parliament.__file__).parent / "community_auditors"
ACCEPTED = yaml.safe_load(Path(__file__).with_name("parliament.yaml").read_text())


def findings(folder: Path) -> Iterator[str]:
    """A line for each finding in the documents of the folder, but those that are accepted."""
    parliament.override_config(AUDITORS / "config_override.yaml")
    unused = {(issue, number) for issue, patterns in ACCEPTED.items() for number, _ in enumerate(patterns)}
    for file in sorted(folder.rglob("*.json")):
        policy = parliament.analyze_policy_string(file.read_text(), str(file), include_community_auditors=True)
        for found in policy.findings:
            finding: Any = parliament.enhance_finding(found)
            what = {
                "file": str(file.relative_to(folder)),
                "actions": ", ".join(sorted(finding.location.get("actions", []))),
                "type": finding.location.get("type", ""),
            }
            accepted = [
                (finding.issue, number)
                for number, patterns in enumerate(ACCEPTED.get(finding.issue, []))
                if all(re.fullmatch(pattern, what[name]) for name, pattern in patterns.items())
            ]
            unused -= set(accepted)
            if not accepted:
                yield f"{finding.issue} ({finding.severity}) {what} {finding.title} {finding.detail}"
    for issue, number in sorted(unused):
        yield f"parliament.yaml accepts what is not found any more: {issue} {ACCEPTED[issue][number]}"


if __name__ == "__main__":
    sys.exit("\n".join(findings(Path(sys.argv[1]))) or None)
