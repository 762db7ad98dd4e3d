"""The list of AWS services, lowest first. Only ``assembly`` imports this module.

A module of a service registers its parts on import: rules and hooks (``core.registry``), background services,
targets of EventBridge, resource types of CloudFormation.
"""

from __future__ import annotations

import importlib
import pkgutil

#: The folders next to this module. A service imports ``core``, its own modules, and services before it in this list.
ORDER = (
    "iam",
    "sts",
    "organizations",
    "s3",
    "kms",
    "ssm",
    "dynamodb",
    "logs",
    "sqs",
    "eventbridge",
    "sns",
    "chatbot",
    "cloudwatch",
    "lambda_",
    "scheduler",
    "apigateway",
    "apigatewayv2",
    "execute_api",
    "cloudtrail",
    "tagging",
    "cloudformation",
)


def load() -> None:
    """Import every module of every service: services in the order of the list, modules by name."""
    for service in ORDER:
        package = importlib.import_module(f"sandbox.services.{service}")
        for module in sorted(each.name for each in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"sandbox.services.{service}.{module}")
