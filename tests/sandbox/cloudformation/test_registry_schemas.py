"""The resource types of the sandbox, compared with the schemas of CloudFormation's public registry."""

from __future__ import annotations

import pytest

from sandbox.core import registry_schemas
from sandbox.core.resource_types import TYPES, Simple

PROPERTIES = {name: registry_schemas.schema(name)["properties"].keys() for name in TYPES}


@pytest.mark.parametrize("name", TYPES)
def test_replacing_properties_exist_in_the_schema(name: str) -> None:
    assert TYPES[name].also_replaced_by <= PROPERTIES[name]


@pytest.mark.parametrize("name", TYPES)
def test_only_what_the_schema_leaves_out_is_listed_by_hand(name: str) -> None:
    assert TYPES[name].also_replaced_by & registry_schemas.create_only(name) == set()


@pytest.mark.parametrize("name", [name for name, kind in TYPES.items() if isinstance(kind, Simple)])
def test_attributes_and_keys_exist_in_the_schema(name: str) -> None:
    kind = TYPES[name]
    assert isinstance(kind, Simple)
    assert {attribute.split(".")[0] for attribute in kind.attributes} | set(kind.keys) <= PROPERTIES[name]


@pytest.mark.parametrize(
    ("name", "replaced_by"),
    [
        ("AWS::ApiGateway::Stage", {"RestApiId", "StageName"}),
        ("AWS::Lambda::Function", {"FunctionName", "PackageType", "TenancyConfig"}),
        ("AWS::IAM::Role", {"RoleName", "Path"}),
        ("AWS::SQS::Queue", {"QueueName", "FifoQueue"}),
        ("AWS::Events::Rule", {"Name", "EventBusName"}),
    ],
)
def test_replacing_properties(name: str, replaced_by: set[str]) -> None:
    assert TYPES[name].replaced_by == replaced_by
