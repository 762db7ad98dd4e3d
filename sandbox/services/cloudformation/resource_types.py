"""Types whose resources exist only in the stack."""

from __future__ import annotations

from sandbox.core.resource_types import Context, Made, Properties, ResourceType, resource_type


class _Nothing(ResourceType):
    """A type whose resources exist only in the stack."""

    def create(self, context: Context, properties: Properties) -> Made:
        return Made(context.generated_name())

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        """Do nothing: no resource was created."""


@resource_type
class CdkMetadata(_Nothing):
    name = "AWS::CDK::Metadata"


@resource_type
class WaitConditionHandle(_Nothing):
    name = "AWS::CloudFormation::WaitConditionHandle"
