"""``python -m tools.package [FOLDER]``: change the functions' packages after ``sam build``, so that they start faster.

- It adds Python bytecode. ``sam build`` does not, and ``/var/task`` is read-only, so each new environment would compile
  a hundred thousand lines: half of a cold start. Python uses the bytecode of dependencies without comparing it with
  the source (*unchecked*), and compares that of our modules (*checked*), so that a module edited in Lambda's console
  takes effect. Python ignores bytecode of another Python version.
- It removes the service models of botocore for which no client is created: four fifths of the upload. It removes the
  documentation from the others, which is most of what botocore reads to create a client.

The package works without these changes, too.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import gzip
import json
import shutil
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from tools.version import add_version

BUILT = Path(__file__).parent.parent / ".aws-sam" / "build"
#: The folder to which Lambda unpacks a package; tracebacks name it.
TASK_ROOT = "/var/task"
OURS = ("handlers", "log_keeper")


def services(package: Path) -> set[str]:
    """Return the services for which ``log_keeper`` creates clients, by botocore's names. Raises ValueError if none."""
    made = [
        call.args[0]
        for call in ast.walk(ast.parse((package / "log_keeper" / "aws" / "clients.py").read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "_client"
        and isinstance(call.args[0], ast.Constant)
    ]
    if not made:
        raise ValueError(f"{package}: no client is created in log_keeper/aws/clients.py.")
    return {ast.literal_eval(name) for name in made}


def prune(package: Path) -> None:
    """Remove the service models that are not needed, and the documentation from the others. Raises ValueError."""
    needed = services(package)
    described = {folder.name: folder for folder in (package / "botocore" / "data").iterdir() if folder.is_dir()}
    if missing := needed - described.keys():
        raise ValueError(f"{package}: botocore has no model of {', '.join(sorted(missing))}.")
    for name in described.keys() - needed:
        shutil.rmtree(described[name])
    for name in needed:
        for model in described[name].rglob("service-2.json.gz"):
            short = json.dumps(_without_documentation(json.loads(gzip.decompress(model.read_bytes()))))
            model.write_bytes(gzip.compress(short.encode(), mtime=0))  # the same bytes each time


def _without_documentation(model: Any) -> Any:
    """Return the model without its texts of documentation. A member that is named so is an object, and stays."""
    match model:
        case dict():
            return {
                name: _without_documentation(value)
                for name, value in model.items()
                if not (name == "documentation" and isinstance(value, str))
            }
        case list():
            return [_without_documentation(value) for value in model]
    return model


def compile_all(package: Path) -> None:
    """Write the bytecode of every module. Raises ValueError if a module of ours cannot be compiled."""
    for path in (path for path in package.iterdir() if path.is_dir() or path.suffix == ".py"):
        is_ours = path.name in OURS
        mode = PycInvalidationMode.CHECKED_HASH if is_ours else PycInvalidationMode.UNCHECKED_HASH
        compile_one = compileall.compile_dir if path.is_dir() else compileall.compile_file
        # Dependencies can contain files that are not valid Python, such as templates, and that nobody imports.
        if not compile_one(path, quiet=1, stripdir=package, prependdir=TASK_ROOT, invalidation_mode=mode) and is_ours:
            raise ValueError(f"{path} cannot be compiled.")


def main(arguments: list[str] | None = None) -> None:
    """Change each package in the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.package",
        description="Change the packages that sam build has built, so that the functions start faster.",
    )
    add_version(parser)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=BUILT, help="folder of sam build (default: .aws-sam/build)"
    )
    built: Path = parser.parse_args(arguments).folder
    # The other folders have the templates of nested stacks.
    packages = [folder for folder in built.iterdir() if (folder / "log_keeper").is_dir()]
    if not packages:
        parser.error(f"{built} has no package: run sam build first.")
    for package in packages:
        prune(package)
        compile_all(package)


if __name__ == "__main__":
    main()
