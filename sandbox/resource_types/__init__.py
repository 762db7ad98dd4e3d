"""What CloudFormation does to make, change and remove a resource of each type: ordinary API calls, as its caller.

A type that is not listed here fails its stack by name; nothing is passed over in silence.
"""

from sandbox.resource_types import (
    api_gateway,
    awslambda,
    cloudwatch,
    custom,
    events,
    http_api,
    iam,
    messaging,
    rest_stages,
    stack_sets,
    storage,
    trails,
    within,
)
from sandbox.resource_types.base import (
    TYPES,
    Context,
    HandlerError,
    Made,
    RefusedError,
    ResourceType,
    already_gone,
    changed_properties,
    is_known,
    type_of,
)

__all__ = [
    "TYPES",
    "Context",
    "HandlerError",
    "Made",
    "RefusedError",
    "ResourceType",
    "already_gone",
    "api_gateway",
    "awslambda",
    "changed_properties",
    "cloudwatch",
    "custom",
    "events",
    "http_api",
    "iam",
    "is_known",
    "messaging",
    "rest_stages",
    "stack_sets",
    "storage",
    "trails",
    "type_of",
    "within",
]
