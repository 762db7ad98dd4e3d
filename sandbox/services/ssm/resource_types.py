"""CloudFormation types of Systems Manager."""

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
class Parameter(Simple):
    name = "AWS::SSM::Parameter"
    service, create_call, update_call, delete_call = "ssm", "put_parameter", "put_parameter", "delete_parameter"
    generated, limit = "Name", 512
    ignored = frozenset({"Tags"})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        return super().update(context, physical_id, old, {**new, "Overwrite": True})

    def known(self, context: Context, physical_id: str, answer: Mapping[str, Any]) -> Properties:
        return {}
