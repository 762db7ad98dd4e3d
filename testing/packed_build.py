"""Prepare the built application once for many deployments.

Each ``sam deploy`` would zip a thousand files, and read the template of two thousand lines seven times.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from sandbox.services.cloudformation import templates

#: The built template as JSON, which sam reads a hundred times faster, beside the one that ``sam build`` has written.
#: So are the templates of its nested stacks. Its functions are zip files.
PACKED = ".aws-sam/build/packed.json"


def pack(folder: Path) -> None:
    """Write ``PACKED`` and its zip files for the application that is built in the folder."""
    packed = folder / PACKED
    template = templates.parse_source((packed.parent / "template.yaml").read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            name = resource["Properties"]["CodeUri"]
            _zip(packed.parent / name, packed.with_name(f"{name}.zip"))
            resource["Properties"]["CodeUri"] = f"{name}.zip"
        elif resource["Type"] == "AWS::CloudFormation::Stack":
            nested = packed.parent / resource["Properties"]["TemplateURL"]
            nested.with_suffix(".json").write_text(json.dumps(templates.parse_source(nested.read_text())))
            resource["Properties"]["TemplateURL"] = str(nested.with_suffix(".json").relative_to(packed.parent))
    packed.write_text(json.dumps(template))


def _zip(package: Path, into: Path) -> None:
    """Write the files of the package into a zip file, with the same bytes each time."""
    with zipfile.ZipFile(into, "w") as archive:
        for path in sorted(package.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(package).as_posix(), (1980, 1, 1, 0, 0, 0))
                entry.external_attr = path.stat().st_mode << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=1)
