"""AWS Chalice: ``chalice deploy``, again after a change, and ``chalice delete``, by the real command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import deployment
from testing.accounts import get_stage
from testing.applications.account_view import is_there
from testing.stacks import Deployed

CHALICE = deployment.ROOT / ".venv-applications" / "bin" / "chalice"
APP = """
from chalice import Chalice

app = Chalice(app_name="shop")


@app.route("/{path}")
def show():
    return {{}}
"""
CONFIG = {
    "version": "2.0",
    "app_name": "shop",
    "stages": {"dev": {"api_gateway_stage": "api", "log_retention_in_days": 14}},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "requirements.txt").write_text("")
    (tmp_path / "app.py").write_text(APP.format(path="pets"))
    return tmp_path


@pytest.mark.skipif(not CHALICE.exists(), reason="make test installs chalice into .venv-applications")
def test_stage_of_chalice_is_remediated_and_stays_so_after_the_next_deployment(keeper: Deployed, project: Path) -> None:
    def chalice(*arguments: str) -> str:
        return deployment.run(keeper.sandbox, str(CHALICE), *arguments, folder=project)

    assert "Rest API URL" in chalice("deploy")
    deployed = json.loads((project / ".chalice" / "deployed" / "dev.json").read_text())
    api = next(each["rest_api_id"] for each in deployed["resources"] if each["resource_type"] == "rest_api")
    keeper.wait_until_compliant(api, "api")
    first = get_stage(keeper.sandbox, api, "api")

    (project / "app.py").write_text(APP.format(path="dogs"))
    chalice("deploy")
    keeper.wait_until_quiet()
    assert keeper.is_compliant(api, "api")
    second = get_stage(keeper.sandbox, api, "api")
    assert second["deploymentId"] != first["deploymentId"]
    assert second["accessLogSettings"] == first["accessLogSettings"]

    chalice("delete")
    assert not is_there(keeper, api)
