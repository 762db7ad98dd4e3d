"""The list of AWS services, lowest first. Only ``assembly`` imports this module.

A module of a service registers on import what it contributes: rules and hooks (``core.registry``), services that run
beside the account, targets of EventBridge, resource types of CloudFormation.
"""

from __future__ import annotations

import importlib
import pkgutil

#: The folders beside this module. A service imports ``core``, its own modules, and services that stand before it here.
ORDER = (
    "iam",
    "sts",
    "s3",
    "kms",
    "ssm",
    "dynamodb",
    "logs",
    "sqs",
    "eventbridge",
    "sns",
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
    """Import every module of every service, in this order and within a service by name."""
    for service in ORDER:
        package = importlib.import_module(f"sandbox.services.{service}")
        for module in sorted(each.name for each in pkgutil.iter_modules(package.__path__)):
            importlib.import_module(f"sandbox.services.{service}.{module}")
