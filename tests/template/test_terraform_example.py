"""The Terraform example creates a stack that the template and CloudFormation accept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.cloudformation import templates
from testing.templates import TEMPLATE
from tools.release_bucket import new_target
from tools.version import version

EXAMPLE = (Path(__file__).parents[2] / "examples" / "terraform" / "main.tf").read_text()
PARAMETERS: dict[str, str] = dict(
    re.findall(r'^ {4}(\w+) += "([^"]*)"$', EXAMPLE.split("parameters = {")[1].split("}")[0], re.MULTILINE)
)
CAPABILITIES: list[str] = json.loads(re.findall(r"^  capabilities = (\[.*\])$", EXAMPLE, re.MULTILINE)[0])


def test_each_parameter_exists_and_has_a_value_that_the_template_allows() -> None:
    assert len(PARAMETERS) == EXAMPLE.split("parameters = {")[1].split("}")[0].count("=")
    values = templates.parameter_values(TEMPLATE, PARAMETERS, lambda name: name)
    assert values["Mode"] == "Audit"
    assert values["Regions"] == ["eu-central-1", "us-east-1"]


def test_template_is_where_a_release_of_this_version_has_it() -> None:
    (url,) = re.findall(r'^  template_url = "(.*)"$', EXAMPLE, re.MULTILINE)
    assert url == new_target("eu-west-1", "acme-log-keeper", version()).template_url


@pytest.mark.parametrize("missing", [None, *CAPABILITIES])
def test_capabilities_are_the_ones_that_the_template_requires(sandbox: Sandbox, missing: str | None) -> None:
    """A template with a named role and the transform, as Log Keeper's: CloudFormation refuses it without either."""
    small = {
        "Transform": TEMPLATE["Transform"],
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {"RoleName": "named", "AssumeRolePolicyDocument": {"Version": "2012-10-17"}},
            }
        },
    }
    cloudformation = sandbox.client("cloudformation")
    given = [each for each in CAPABILITIES if each != missing]
    create = {"StackName": "small", "TemplateBody": json.dumps(small), "Capabilities": given}
    if missing is None:
        assert cloudformation.create_stack(**create)["StackId"]
        return
    with pytest.raises(cloudformation.exceptions.InsufficientCapabilitiesException):
        cloudformation.create_stack(**create)


def test_example_is_short() -> None:
    assert len(EXAMPLE.splitlines()) <= 12
    assert not re.findall(r"\t|[ ]+$", EXAMPLE, re.MULTILINE)
