"""``python tools/lint_policies.py FOLDER ...``: check policy documents with Parliament, in the linters' environment.

``parliament.yaml`` lists the accepted findings with reasons: for each issue, patterns that must match the whole file
name, and the actions, the type or the detail if they are given. Parliament's own command is not used, because it
ignores such patterns (version 1.6.4) and writes its log to a path that all users of a machine share.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import parliament
import yaml

AUDITORS = Path(parliament.__file__).parent / "community_auditors"
ACCEPTED = yaml.safe_load(Path(__file__).with_name("parliament.yaml").read_text())


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield each policy document with the folder that it was found in."""
    for folder in folders:
        for file in sorted(folder.rglob("*.json")):
            yield folder, file


def findings(folders: Sequence[Path]) -> Iterator[str]:
    """Yield one line for each finding that is not accepted, and for each accepted finding that does not occur."""
    parliament.override_config(AUDITORS / "config_override.yaml")
    unused = {(issue, number) for issue, patterns in ACCEPTED.items() for number, _ in enumerate(patterns)}
    for folder, file in _files(folders):
        policy = parliament.analyze_policy_string(file.read_text(), str(file), include_community_auditors=True)
        for found in policy.findings:
            finding: Any = parliament.enhance_finding(found)
            what = {
                "file": str(file.relative_to(folder)),
                "actions": ", ".join(sorted(finding.location.get("actions", []))),
                "type": finding.location.get("type", ""),
                "detail": str(finding.detail or ""),
            }
            accepted = [
                (finding.issue, number)
                for number, patterns in enumerate(ACCEPTED.get(finding.issue, []))
                if all(re.fullmatch(pattern, what[name]) for name, pattern in patterns.items())
            ]
            unused -= set(accepted)
            if not accepted:
                yield f"{finding.issue} ({finding.severity}) {what} {finding.title}"
    for issue, number in sorted(unused):
        accepted = ACCEPTED[issue][number]
        yield f"parliament.yaml accepts a finding that does not occur, delete it there: {issue} {accepted}"


if __name__ == "__main__":
    sys.exit("\n".join(findings([Path(argument) for argument in sys.argv[1:]])) or None)
