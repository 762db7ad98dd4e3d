"""Which names of AWS services IAM knows as principals; a role that trusts another is refused.

AWS publishes no list. Known here are the services of botocore's models, and those that the IAM user guide, the service
guides and localstack/localstack ``test_iam.snapshot.json`` (service-linked roles of 2025) name beside them. A name that
is no principal though a service has it (``tagging.amazonaws.com``): hashicorp/terraform issue 35086.
"""

from __future__ import annotations

import re
from functools import cache

from botocore.loaders import create_loader

_MORE = frozenset(
    {
        "apidestinations.events", "application-signals.cloudwatch", "autoscaling-plans", "batchoperations.s3",
        "build.apprunner", "cassandra.application-autoscaling", "channels.lex", "channels.lexv2", "config-conforms",
        "config-multiaccountsetup", "continuousexport.discovery", "credentials.iot", "delivery.logs",
        "dynamodb.application-autoscaling", "ec2.application-autoscaling", "ec2fleet", "ecs-tasks",
        "ecs.application-autoscaling", "edgelambda", "eks-connector", "eks-fargate", "eks-fargate-pods",
        "eks-nodegroup", "elasticfilesystem", "elasticloadbalancing", "elasticmapreduce", "email.cognito-idp",
        "export.rds", "hooks.cloudformation", "hooks.lambda", "inspector", "lambda.application-autoscaling", "lex",
        "lexv2", "logging.s3", "malware-protection-plan.guardduty", "member.org.stacksets.cloudformation",
        "monitoring", "monitoring.rds", "mrk.kms", "observability.aoss", "ops.apigateway", "opensearchservice",
        "opsdatasync.ssm", "opsinsights.ssm", "pods.eks", "pullthroughcache.ecr", "replication.cassandra",
        "replication.dynamodb", "replication.ecr", "replicator.lambda", "resources.cloudformation", "serverlessrepo",
        "spot", "spotfleet", "ssm-quicksetup", "stacksets.cloudformation", "states", "tasks.apprunner", "vmie",
        "vpc-flow-logs", "vpcorigin.cloudfront", "waf",
    }
)  # fmt: skip
_NAME = re.compile(r"(?P<service>[a-z0-9.-]+?)(?:\.[a-z]{2}(?:-[a-z]+)+-\d)?\.amazonaws\.com(?:\.cn)?")


def is_principal(name: str) -> bool:
    """IAM knows the name, such as ``apigateway.amazonaws.com``, also with a region before ``amazonaws.com``."""
    found = _NAME.fullmatch(name)
    return found is not None and found["service"] in _known()


@cache
def _known() -> frozenset[str]:
    return _MORE | frozenset(create_loader().list_available_services("service-2"))
