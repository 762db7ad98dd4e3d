"""CloudFormation types of DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.resource_types import (
    Context,
    Properties,
    Simple,
    resource_type,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@resource_type
class Table(Simple):
    name = "AWS::DynamoDB::Table"
    service, create_call, delete_call = "dynamodb", "create_table", "delete_table"
    generated, limit = "TableName", 255
    ignored = frozenset({"TimeToLiveSpecification", "PointInTimeRecoverySpecification", "Tags"})

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {"Arn": answer["TableDescription"]["TableArn"]}
