"""The functions' packages after ``sam build``, made to start quickly: ``python -m tools.package [FOLDER]``.

- Python's bytecode is put in. ``sam build`` leaves it out and ``/var/task`` cannot be written to, so that every new
  environment would compile a hundred thousand lines again: half of a cold start. Dependencies are not looked at again
  (*unchecked*); our own modules are (*checked*), so that one edited in Lambda's console is not overlooked. Bytecode of
  another Python than the function's is passed over by it.
- botocore describes every service of AWS. Those that no client is made for go, and with them four fifths of the upload.
  The others lose their documentation, which is most of what is read to make a client.

Without this the package works just as well.
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

BUILT = Path(__file__).parent.parent / ".aws-sam" / "build"
#: What Lambda unpacks a package to; tracebacks name it.
TASK_ROOT = "/var/task"
OURS = ("handlers", "log_keeper")


def services(package: Path) -> set[str]:
    """Those that a client is made for, as botocore calls them: ``logs``. Clients are made in one room alone."""
    made = [
        call.args[0]
        for call in ast.walk(ast.parse((package / "log_keeper" / "aws" / "clients.py").read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "_new_client"
    ]
    if not made:
        raise ValueError(f"{package}: no client is made in log_keeper/aws/clients.py.")
    return {ast.literal_eval(name) for name in made}


def prune(package: Path) -> None:
    """Descriptions of other services are gone."""
    needed = services(package)
    described = {folder.name: folder for folder in (package / "botocore" / "data").iterdir() if folder.is_dir()}
    if missing := needed - described.keys():
        raise ValueError(f"{package}: botocore describes no {', '.join(sorted(missing))}.")
    for name in described.keys() - needed:
        shutil.rmtree(described[name])
    for name in needed:
        for model in described[name].rglob("service-2.json.gz"):
            short = json.dumps(_without_documentation(json.loads(gzip.decompress(model.read_bytes()))))
            model.write_bytes(gzip.compress(short.encode(), mtime=0))  # the same bytes each time


def _without_documentation(model: Any) -> Any:
    """A member of that name is an object, and stays."""
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
    """Bytecode lies beside every module."""
    for path in (path for path in package.iterdir() if path.is_dir() or path.suffix == ".py"):
        is_ours = path.name in OURS
        mode = PycInvalidationMode.CHECKED_HASH if is_ours else PycInvalidationMode.UNCHECKED_HASH
        compile_one = compileall.compile_dir if path.is_dir() else compileall.compile_file
        # Templates for other tools and the like, in a dependency, may be no Python: those are nobody's modules.
        if not compile_one(path, quiet=1, stripdir=package, prependdir=TASK_ROOT, invalidation_mode=mode) and is_ours:
            raise ValueError(f"{path} cannot be compiled.")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.package", description="Makes what sam build has built start quickly."
    )
    parser.add_argument("folder", nargs="?", type=Path, default=BUILT, help="of sam build; by default .aws-sam/build")
    built: Path = parser.parse_args(arguments).folder
    packages = [folder for folder in built.iterdir() if folder.is_dir()]
    if not packages:
        parser.error(f"{built} holds no package: sam build makes one.")
    for package in packages:
        prune(package)
        compile_all(package)


if __name__ == "__main__":
    main()
