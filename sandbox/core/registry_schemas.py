"""The schemas of CloudFormation's public registry, from cfn-lint: which changes replace a resource.

cfn-lint is a dependency of moto; only its data files are read. A schema has ``createOnlyProperties``, the properties
whose change makes CloudFormation create a new resource, and ``readOnlyProperties``, which ``Fn::GetAtt`` reads.

*Source:* https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
"""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

#: The region whose schemas are read; the types here have the same schema in every commercial region.
_REGION = "us-east-1"


@cache
def schema(type_name: str) -> dict[str, Any]:
    """Return the schema of a resource type, such as ``AWS::SQS::Queue``. Raise KeyError if the registry has none."""
    text = (_folder() / "resources" / f"{_files()[type_name]}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def create_only(type_name: str) -> frozenset[str]:
    """Return the top-level properties whose change replaces the resource."""
    return _top_level(type_name, "createOnlyProperties") - read_only(type_name)


def read_only(type_name: str) -> frozenset[str]:
    """Return the top-level properties that no template can set."""
    return _top_level(type_name, "readOnlyProperties")


def _top_level(type_name: str, member: str) -> frozenset[str]:
    paths = (path.removeprefix("/properties/") for path in schema(type_name).get(member, []))
    return frozenset(path for path in paths if "/" not in path)


@cache
def _files() -> dict[str, str]:
    """Return the name of each type's file, without its suffix."""
    files: dict[str, str] = json.loads((_folder() / "providers" / f"{_REGION}.json").read_text(encoding="utf-8"))
    return files


@cache
def _folder() -> Path:
    # The folder is found without an import of cfn-lint, which takes more than a second.
    spec = importlib.util.find_spec("cfnlint")
    assert spec is not None, "moto[server] installs cfn-lint"
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / "schemas"
