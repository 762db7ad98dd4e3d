"""The deployed package is what ``sam build`` makes, changed only to start faster."""

from __future__ import annotations

import gzip
import importlib.util
import json
import marshal
from pathlib import Path

import pytest

from tools import package

CLIENTS = """
class Clients:
    def logs(self, region):
        return self._client("logs", region)
"""
#: A model of botocore. A member of a shape may be named documentation, too.
LOGS = {
    "documentation": "<p>Logs</p>",
    "operations": {"TagResource": {"errors": [{"shape": "Gone", "documentation": "<p>"}], "documentation": "<p>"}},
    "shapes": {"Part": {"members": {"documentation": {"shape": "Text", "documentation": "<p>"}}}},
}
MODEL = "EnforceFunction/botocore/data/logs/2014-03-28/service-2.json.gz"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Return a folder as after ``sam build``, with one function."""
    files = {
        "handlers/enforce.py": "1 / 0\n",
        "log_keeper/aws/clients.py": CLIENTS,
        "six.py": "",
        "botocore/data/endpoints.json": "{}",
        "botocore/data/logs/2014-03-28/paginators-1.json": "{}",
        "botocore/data/ec2/2016-11-15/paginators-1.json": "{}",
        "botocore/session.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "EnforceFunction" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / MODEL).write_bytes(gzip.compress(json.dumps(LOGS).encode()))
    return tmp_path


def bytecode(source: Path) -> bytes:
    return Path(importlib.util.cache_from_source(str(source))).read_bytes()


def test_models_of_services_without_a_client_are_removed(built: Path) -> None:
    package.main([str(built)])
    data = built / "EnforceFunction" / "botocore" / "data"
    assert {path.relative_to(data).as_posix() for path in data.rglob("*.json")} == {
        "endpoints.json",
        "logs/2014-03-28/paginators-1.json",
    }


def test_models_lose_their_documentation_and_nothing_else(built: Path) -> None:
    package.main([str(built)])
    assert json.loads(gzip.decompress((built / MODEL).read_bytes())) == {
        "operations": {"TagResource": {"errors": [{"shape": "Gone"}]}},
        "shapes": {"Part": {"members": {"documentation": {"shape": "Text"}}}},
    }


def test_bytecode_is_next_to_every_module_with_its_path_on_lambda(built: Path) -> None:
    package.main([str(built)])
    function = built / "EnforceFunction"
    for source in function.rglob("*.py"):
        found = marshal.loads(bytecode(source)[16:])
        assert found.co_filename == f"/var/task/{source.relative_to(function)}"


@pytest.mark.parametrize(
    ("name", "flags"), [("handlers/enforce.py", 0b11), ("six.py", 0b01), ("botocore/session.py", 0b01)]
)
def test_bytecode_is_checked_against_the_source_of_our_modules_only(built: Path, name: str, flags: int) -> None:
    """The flags of PEP 552: by hash, and whether it is checked."""
    package.main([str(built)])
    assert int.from_bytes(bytecode(built / "EnforceFunction" / name)[4:8], "little") == flags


def test_same_source_makes_the_same_package(built: Path) -> None:
    """Otherwise each deployment would upload it again."""
    package.main([str(built)])
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    package.main([str(built)])
    assert {path: path.read_bytes() for path in built.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("log_keeper/aws/clients.py", "", "no client is created"),
        ("log_keeper/aws/clients.py", CLIENTS.replace("logs", "lugs"), "botocore has no model of lugs"),
        ("handlers/enforce.py", "def", "cannot be compiled"),
    ],
)
def test_file_that_cannot_be_packed_is_an_error(built: Path, name: str, text: str, said: str) -> None:
    (built / "EnforceFunction" / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        package.main([str(built)])


def test_packing_without_a_build_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        package.main([str(tmp_path)])
    assert "sam build" in capsys.readouterr().err
