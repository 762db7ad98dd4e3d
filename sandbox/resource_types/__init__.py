"""What CloudFormation does to make, change and remove a resource of each type: ordinary API calls, as its caller.

A type that is not listed here fails its stack by name; nothing is passed over in silence.
"""

from sandbox.resource_types import (
    api_gateway,
    awslambda,
    cloudwatch,
    events,
    http_api,
    iam,
    messaging,
    stack_sets,
    storage,
    trails,
    within,
)
from sandbox.resource_types.base import TYPES, Context, ResourceType, already_gone, changed_properties

__all__ = [
    "TYPES",
    "Context",
    "ResourceType",
    "already_gone",
    "api_gateway",
    "awslambda",
    "changed_properties",
    "cloudwatch",
    "events",
    "http_api",
    "iam",
    "messaging",
    "stack_sets",
    "storage",
    "trails",
    "within",
]
