"""Which permissions a call asks for: its actions, the ARNs they are checked against, and their condition keys.

An operation without a line here is checked as ``service:Operation`` on ``*``, so only a statement that says
``Resource: *`` allows it.

*Source:* the Service Authorization Reference, https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from sandbox.core.call import Need
from sandbox.core.iam.condition_keys import access_log_context, removed_tag_context, tag_context

if TYPE_CHECKING:
    from sandbox.core.call import Call


#: Finds the path of a role, user or policy, which IAM's parameters do not have: (resource type, name) -> ARN.
type ArnOf = Callable[[str, str], str]


def of(call: Call, arn_of: ArnOf) -> tuple[Need, ...]:
    """The permissions the call asks for; none for the few that need none."""
    named = _SERVICES.get(call.service)
    if named is None:
        return (Need(f"{call.service}:{call.operation}", "*"),)
    return tuple(named(call, arn_of))


def _arn(call: Call, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{call.region}:{call.caller.account}:{resource}"


def _pass_role(role_arn: Any, service: str) -> list[Need]:
    """Handing a role to a service needs ``iam:PassRole`` on it."""
    return [Need("iam:PassRole", role_arn, {"iam:PassedToService": service})] if role_arn else []


def _apigateway(call: Call, _: ArnOf) -> list[Need]:
    """API Gateway's actions are HTTP verbs, its ARNs are paths, without an account.

    *Source:* https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html ; an ARN being
    tagged stands percent-encoded in the path.
    """
    path = call.http_path.removeprefix("/v2")
    arn = call.params.get("resourceArn") or call.params.get("ResourceArn")
    if path.startswith("/tags/") and arn:
        path = "/tags/" + quote(unquote(arn), safe="")
    resource = f"arn:aws:apigateway:{call.region}::{path}"
    tags = call.params.get("tags") or call.params.get("Tags")
    context = tag_context(tags) | removed_tag_context(call) | access_log_context(call)
    needed = [Need(f"apigateway:{call.http_method}", resource, context)]
    if call.operation == "UpdateAccount":
        for operation in call.params.get("patchOperations", []):
            if operation.get("path") == "/cloudwatchRoleArn" and operation.get("op") != "remove":
                needed += _pass_role(operation.get("value"), "apigateway.amazonaws.com")
    if call.operation == "PutIntegration":
        needed += _pass_role(call.params.get("credentials"), "apigateway.amazonaws.com")
    return needed


def _logs(call: Call, _: ArnOf) -> list[Need]:
    """CloudWatch Logs checks nearly everything against ``log-group:NAME:log-stream:STREAM``, the names empty where a
    call has none, which is why a policy on the bare group ARN (without ``:*``) allows only the tag calls.

    *Source:* recorded denials in hashicorp/terraform-provider-aws issue 8804 and
    aws-samples/amazon-eks-fluent-logging-examples issue 15; the two ARN forms in
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/logs/iam-access-control-overview-cwl.html
    """
    params = call.params
    action = f"logs:{call.operation}"
    if call.operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [Need(action, params.get("resourceArn", "*"), tag_context(params.get("tags")))]
    if call.operation in _LOGS_WITHOUT_GROUP:
        return [Need(action, "*")]
    if call.operation == "PutSubscriptionFilter":
        return _subscription_filter(call, action)
    if call.operation in _LOG_DELIVERIES:
        return _log_deliveries(call, action)
    groups = params.get("logGroupIdentifiers") or [params.get("logGroupIdentifier") or params.get("logGroupName") or ""]
    if call.operation == "DescribeLogGroups":
        groups = [""]  # asked for a list, AWS checks the list and not its members
    needed = []
    for group in groups:
        name = group.split(":log-group:", 1)[-1].removesuffix(":*")
        stream = params.get("logStreamName", "")
        resource = _arn(call, "logs", f"log-group:{name}:log-stream:{stream}")
        needed.append(Need(action, resource, tag_context(params.get("tags"))))
        if call.operation == "CreateLogGroup" and params.get("tags"):
            # Either permission will do. *Source:* botocore's documentation of CreateLogGroup.
            tagged = _arn(call, "logs", f"log-group:{name}")
            needed.append(Need("logs:TagResource", tagged, tag_context(params["tags"]), or_action="logs:TagLogGroup"))
    return needed


_LOGS_WITHOUT_GROUP = frozenset(
    {
        "CreateLogDelivery",
        "UpdateLogDelivery",
        "DeleteLogDelivery",
        "GetLogDelivery",
        "ListLogDeliveries",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "DescribeResourcePolicies",
        "DescribeQueries",
        "GetQueryResults",
        "StopQuery",
        "DescribeAccountPolicies",
        "PutQueryDefinition",
        "DescribeQueryDefinitions",
        "DeleteQueryDefinition",
        "DescribeDeliverySources",
        "DescribeDeliveryDestinations",
        "DescribeDeliveries",
    }
)


def _log_deliveries(call: Call, action: str) -> list[Need]:
    """All but the lists are checked against what they name. A new delivery's id is not known yet.

    What a source's own service asks for besides (``SERVICE:AllowVendedLogDeliveryForResource``) is not recorded of API
    Gateway, and left out.
    *Source:* CloudWatch Logs user guide, "Logging that requires additional permissions [V2]".
    """
    params, context = call.params, tag_context(call.params.get("tags"))
    if call.operation == "CreateDelivery":
        source = _arn(call, "logs", f"delivery-source:{params['deliverySourceName']}")
        named = [source, params["deliveryDestinationArn"], _arn(call, "logs", "delivery:*")]
        return [Need(action, resource, context) for resource in named]
    kind = _LOG_DELIVERIES[call.operation]
    return [Need(action, _arn(call, "logs", f"{kind}:{params.get('name') or params.get('id')}"), context)]


def _subscription_filter(call: Call, action: str) -> list[Need]:
    """A filter takes the ARN of the log group without ``:*``, and that of a destination of CloudWatch Logs.

    *Source:* radkawar/stackd ``testdata/aws/logs/kinesis-subscriptions.json``, the policy of its caller.
    """
    params = call.params
    needed = [Need(action, _arn(call, "logs", f"log-group:{params['logGroupName']}"))]
    if ":destination:" in params["destinationArn"]:
        needed.append(Need(action, params["destinationArn"]))
    return needed + _pass_role(params.get("roleArn"), "logs.amazonaws.com")


_LOG_DELIVERIES = {
    "PutDeliverySource": "delivery-source",
    "GetDeliverySource": "delivery-source",
    "DeleteDeliverySource": "delivery-source",
    "PutDeliveryDestination": "delivery-destination",
    "GetDeliveryDestination": "delivery-destination",
    "DeleteDeliveryDestination": "delivery-destination",
    "CreateDelivery": "delivery",
    "GetDelivery": "delivery",
    "UpdateDeliveryConfiguration": "delivery",
    "DeleteDelivery": "delivery",
}


def _iam(call: Call, arn_of: ArnOf) -> list[Need]:
    params = call.params
    action = f"iam:{call.operation}"
    context: dict[str, str | list[str]] = {}
    if "PolicyArn" in params and ("RoleName" in params or "UserName" in params or "GroupName" in params):
        context["iam:PolicyARN"] = params["PolicyArn"]
    if "PermissionsBoundary" in params:
        context["iam:PermissionsBoundary"] = params["PermissionsBoundary"]
    context |= tag_context(params.get("Tags"))
    if call.operation.startswith("List") and not any(key.endswith("Name") or key == "PolicyArn" for key in params):
        return [Need(action, "*")]
    if call.operation == "SimulatePrincipalPolicy":
        return [Need(action, params.get("PolicySourceArn", "*"))]
    if call.operation == "CreatePolicy":
        path = params.get("Path", "/")
        return [Need(action, f"arn:aws:iam::{call.caller.account}:policy{path}{params.get('PolicyName', '')}", context)]
    for kind in ("role", "user", "group"):
        name = params.get(f"{kind.capitalize()}Name")
        if name:
            if call.operation == f"Create{kind.capitalize()}":
                arn = f"arn:aws:iam::{call.caller.account}:{kind}{params.get('Path', '/')}{name}"
            else:
                arn = arn_of(kind, name)
            return [Need(action, arn, context)]
    return [Need(action, params.get("PolicyArn", "*"), context)]


def _sts(call: Call, _: ArnOf) -> list[Need]:
    if call.operation in ("GetCallerIdentity", "GetSessionToken"):  # no permission is needed to ask who one is
        return []
    if call.operation == "AssumeRole":  # the role's trust may be enough: rules/sts.py
        return []
    return [Need(f"sts:{call.operation}", call.params.get("RoleArn", "*"))]


def _sqs(call: Call, _: ArnOf) -> list[Need]:
    """A move task is started by who could do its work: receive and delete at its source, and send to its destination.

    *Source:* Amazon SQS developer guide, "Troubleshoot Amazon SQS dead-letter queue and DLQ redrive issues"
    """
    if call.operation.endswith("MessageMoveTasks") or call.operation == "StartMessageMoveTask":
        source, destination = call.params["SourceArn"], call.params.get("DestinationArn")
        needed = [Need(f"sqs:{action}", source) for action in (call.operation, "GetQueueAttributes")]
        if call.operation == "StartMessageMoveTask":
            needed += [Need(f"sqs:{action}", source) for action in ("ReceiveMessage", "DeleteMessage")]
            needed += [Need("sqs:SendMessage", destination)] if destination else []
        return needed
    name = call.params.get("QueueName") or call.params.get("QueueUrl", "").rsplit("/", 1)[-1]
    resource = _arn(call, "sqs", name) if name else "*"
    tags = tag_context(call.params.get("tags"))
    needed = [Need(f"sqs:{call.operation.removesuffix('Batch')}", resource, tags)]
    if call.operation == "CreateQueue" and tags:  # *Source:* botocore's documentation of CreateQueue
        needed.append(Need("sqs:TagQueue", resource, tags))
    return needed


def _events(call: Call, _: ArnOf) -> list[Need]:
    params = call.params
    if call.operation == "PutEvents":
        buses = {entry.get("EventBusName", "default") for entry in params.get("Entries", [])}
        arns = {bus if bus.startswith("arn:") else _arn(call, "events", f"event-bus/{bus}") for bus in buses}
        return [Need("events:PutEvents", arn) for arn in sorted(arns)]
    if "ResourceARN" in params:
        return [Need(f"events:{call.operation}", params["ResourceARN"], tag_context(params.get("Tags")))]
    rule = params.get("Rule") or (params.get("Name") if call.operation.endswith("Rule") else None)
    if rule:
        bus = params.get("EventBusName", "default").rsplit("/", 1)[-1]
        resource = f"rule/{rule}" if bus == "default" else f"rule/{bus}/{rule}"
        tags = tag_context(params.get("Tags"))
        needed = [Need(f"events:{call.operation}", _arn(call, "events", resource), tags)]
        if tags:  # *Source:* botocore's documentation of PutRule
            needed.append(Need("events:TagResource", _arn(call, "events", resource), tags))
        for target in [params, *params.get("Targets", [])]:
            needed += _pass_role(target.get("RoleArn"), "events.amazonaws.com")
        return needed
    if call.operation.endswith("EventBus") and params.get("Name"):
        return [Need(f"events:{call.operation}", _arn(call, "events", f"event-bus/{params['Name'].split('/')[-1]}"))]
    return [Need(f"events:{call.operation}", "*")]


def _lambda(call: Call, _: ArnOf) -> list[Need]:
    action = {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}.get(call.operation, call.operation)
    if "EventSourceMapping" in action:
        mapping = call.params.get("UUID")
        resource = _arn(call, "lambda", f"event-source-mapping:{mapping}") if mapping else "*"
        return [Need(f"lambda:{action}", resource)]
    name = call.params.get("FunctionName")
    if not name:
        return [Need(f"lambda:{action}", call.params.get("Resource", "*"))]
    if not name.startswith("arn:"):
        name = _arn(call, "lambda", f"function:{name.rsplit('function:', 1)[-1]}")
    if call.params.get("Qualifier"):
        name = f"{name}:{call.params['Qualifier']}"
    return [Need(f"lambda:{action}", name), *_pass_role(call.params.get("Role"), "lambda.amazonaws.com")]


def _s3(call: Call, _: ArnOf) -> list[Need]:
    bucket, key = call.params.get("Bucket"), call.params.get("Key")
    action = _S3_ACTIONS.get(call.operation, call.operation)
    if call.operation == "DeleteObjects":
        objects = call.params.get("Delete", {}).get("Objects", [])
        return [Need("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{item['Key']}") for item in objects]
    if not bucket:
        return [Need(f"s3:{action}", "*")]
    return [Need(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}")]


_S3_ACTIONS = {
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "HeadBucket": "ListBucket",
    "ListBuckets": "ListAllMyBuckets",
    "HeadObject": "GetObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}


def _cloudwatch(call: Call, _: ArnOf) -> list[Need]:
    params = call.params
    if call.operation == "PutMetricData":
        return [Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": params.get("Namespace", "")})]
    rules = params.get("RuleNames") or ([params["RuleName"]] if "RuleName" in params else [])
    if rules:
        return [
            Need(f"cloudwatch:{call.operation}", _arn(call, "cloudwatch", f"insight-rule/{name}")) for name in rules
        ]
    names = params.get("AlarmNames") or ([params["AlarmName"]] if "AlarmName" in params else [])
    if names:
        return [Need(f"cloudwatch:{call.operation}", _arn(call, "cloudwatch", f"alarm:{name}")) for name in names]
    if params.get("DashboardName"):
        resource = f"arn:aws:cloudwatch::{call.caller.account}:dashboard/{params['DashboardName']}"
        return [Need(f"cloudwatch:{call.operation}", resource)]
    return [Need(f"cloudwatch:{call.operation}", "*")]


def _scheduler(call: Call, _: ArnOf) -> list[Need]:
    """A schedule is named by its group and itself; groups alone can have tags."""
    action, tags = f"scheduler:{call.operation}", tag_context(call.params.get("Tags"))
    if "ResourceArn" in call.params:
        return [Need(action, call.params["ResourceArn"], tags)]
    group, name = call.params.get("GroupName", "default"), call.params.get("Name")
    resource = _arn(call, "scheduler", f"schedule/{group}/{name}") if name else "*"
    if call.operation.endswith("ScheduleGroup") and name:
        resource = _arn(call, "scheduler", f"schedule-group/{name}")
    role = call.params.get("Target", {}).get("RoleArn")
    needed = [Need(action, resource, tags), *_pass_role(role, "scheduler.amazonaws.com")]
    if call.operation == "CreateScheduleGroup" and tags:
        needed.append(Need("scheduler:TagResource", resource, tags))
    return needed


def _cloudformation(call: Call, _: ArnOf) -> list[Need]:
    stack_set = call.params.get("StackSetName")
    if stack_set or call.operation == "ListStackSets":
        resource = "*"
        if stack_set:
            identity = stack_set if ":" in stack_set else f"{stack_set}:*"
            resource = (
                stack_set if stack_set.startswith("arn:") else _arn(call, "cloudformation", f"stackset/{identity}")
            )
        role = call.params.get("AdministrationRoleARN")
        return [Need(f"cloudformation:{call.operation}", resource), *_pass_role(role, "cloudformation.amazonaws.com")]
    stack = call.params.get("StackName", "*")
    if stack != "*" and not stack.startswith("arn:"):
        stack = _arn(call, "cloudformation", f"stack/{stack}/*")
    role = call.params.get("RoleARN")
    return [Need(f"cloudformation:{call.operation}", stack), *_pass_role(role, "cloudformation.amazonaws.com")]


def _cloudtrail(call: Call, _: ArnOf) -> list[Need]:
    """Lists are checked against everything, all else against the trail, which an organization's member names by ARN."""
    action = f"cloudtrail:{call.operation}"
    name = call.params.get("TrailName") or call.params.get("Name") or call.params.get("ResourceId")
    if not name:
        return [Need(action, "*")]
    trail = name if name.startswith("arn:") else _arn(call, "cloudtrail", f"trail/{name}")
    return [Need(action, trail), *_pass_role(call.params.get("CloudWatchLogsRoleArn"), "cloudtrail.amazonaws.com")]


def _tagging(call: Call, _: ArnOf) -> list[Need]:
    """Besides these, a caller needs the permissions of the service whose resource is tagged: see ``rules.tagging``."""
    return [Need(f"tag:{call.operation}", "*")]


def _named(service: str, parameter: str, prefix: str) -> Callable[[Call, ArnOf], list[Need]]:
    """Needs of a service whose resources are ``prefix`` + one parameter, which may also be the whole ARN."""

    def needed(call: Call, _: ArnOf) -> list[Need]:
        value = call.params.get(parameter)
        resource = "*"
        if isinstance(value, str) and value:
            resource = value if value.startswith("arn:") else _arn(call, service, prefix + value.lstrip("/"))
        return [Need(f"{service}:{call.operation}", resource)]

    return needed


def _by_its_rules(_: Call, __: ArnOf) -> list[Need]:
    """Return nothing: the ARNs of accounts contain the organization, which only the service's own rules know."""
    return []


_SERVICES: dict[str, Callable[[Call, ArnOf], list[Need]]] = {
    "apigateway": _apigateway,
    "apigatewayv2": _apigateway,
    "cloudformation": _cloudformation,
    "cloudtrail": _cloudtrail,
    "cloudwatch": _cloudwatch,
    "dynamodb": _named("dynamodb", "TableName", "table/"),
    "events": _events,
    "firehose": _named("firehose", "DeliveryStreamName", "deliverystream/"),
    "iam": _iam,
    "kinesis": _named("kinesis", "StreamARN", "stream/"),
    "kms": _named("kms", "KeyId", "key/"),
    "lambda": _lambda,
    "logs": _logs,
    "organizations": _by_its_rules,
    "resourcegroupstaggingapi": _tagging,
    "s3": _s3,
    "scheduler": _scheduler,
    "secretsmanager": _named("secretsmanager", "SecretId", "secret:"),
    "sns": _named("sns", "TopicArn", ""),
    "sqs": _sqs,
    "ssm": _named("ssm", "Name", "parameter/"),
    "sts": _sts,
    "stepfunctions": _named("states", "stateMachineArn", ""),
}
