"""Every type of resource that the sandbox's CloudFormation knows is made, changed and removed."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from sandbox.assembly import Sandbox
from sandbox.core.resource_types import CUSTOM, TYPES
from testing.clients import client
from testing.cloudformation import NAME, create, physical, stack, update


def r(name: str) -> dict[str, str]:
    return {"Ref": name}


def g(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def let_in(action: str) -> dict[str, Any]:
    """A resource policy, which names whom it lets in."""
    policy = allow(action)
    (statement,) = policy["Statement"]
    return {**policy, "Statement": [{**statement, "Principal": {"Service": "es.amazonaws.com"}}]}


def allow(action: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}


def trust(*services: str) -> dict[str, Any]:
    principal = {"Service": [f"{service}.amazonaws.com" for service in services]}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def every_type(n: str) -> str:
    """A template with a resource of each type; *n*, 1 or 2, tells what an update changes."""
    tags = [{"Key": "n", "Value": n}]
    resources: dict[str, tuple[str, dict[str, Any]]] = {
        "Role": (
            "IAM::Role",
            {
                "AssumeRolePolicyDocument": trust("lambda", "scheduler", "cloudformation"),
                "Description": n,
                "Tags": tags,
                "Policies": [{"PolicyName": "p" + n, "PolicyDocument": allow("sqs:*")}],
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"] if n == "1" else [],
            },
        ),
        "User": ("IAM::User", {"Policies": [{"PolicyName": "u", "PolicyDocument": allow("s3:Get" + n)}]}),
        "Policy": (
            "IAM::Policy",
            {"PolicyName": "shared", "Roles": [r("Role")], "PolicyDocument": allow("s3:Put" + n)},
        ),
        "RolePolicy": (
            "IAM::RolePolicy",
            {"PolicyName": "rp", "RoleName": r("Role"), "PolicyDocument": allow("s3:List" + n)},
        ),
        "Managed": (
            "IAM::ManagedPolicy",
            {"PolicyDocument": allow("s3:Head" + n), "Roles": [r("Role")] if n == "1" else []},
        ),
        "Function": (
            "Lambda::Function",
            {
                "Code": {"ZipFile": "x=" + n},
                "Handler": "index.h",
                "Runtime": "python3.13",
                "Role": g("Role", "Arn"),
                "Description": n,
                "Tags": tags,
                "ReservedConcurrentExecutions": int(n),
            },
        ),
        "Version": ("Lambda::Version", {"FunctionName": r("Function")}),
        "Layer": (
            "Lambda::LayerVersion",
            {"Content": {"S3Bucket": "code", "S3Key": "layer"}, "CompatibleRuntimes": ["python3.13"]},
        ),
        "Alias": (
            "Lambda::Alias",
            {
                "Name": "live",
                "FunctionName": r("Function"),
                "FunctionVersion": g("Version", "Version"),
                "Description": n,
            },
        ),
        "Permission": (
            "Lambda::Permission",
            {"FunctionName": r("Function"), "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"},
        ),
        "InvokeConfig": (
            "Lambda::EventInvokeConfig",
            {"FunctionName": r("Function"), "Qualifier": "$LATEST", "MaximumRetryAttempts": int(n) - 1},
        ),
        "Queue": (
            "SQS::Queue",
            {"DelaySeconds": n, "Tags": tags, "RedriveAllowPolicy": {"redrivePermission": "denyAll"}},
        ),
        "QueuePolicy": ("SQS::QueuePolicy", {"Queues": [r("Queue")], "PolicyDocument": allow("sqs:Send" + n)}),
        "Mapping": (
            "Lambda::EventSourceMapping",
            {
                "EventSourceArn": g("Queue", "Arn"),
                "FunctionName": r("Function"),
                "BatchSize": n,
                "Enabled": "true",
                "Tags": tags,
            },
        ),
        "Topic": (
            "SNS::Topic",
            {"DisplayName": n, "Tags": tags, "Subscription": [{"Protocol": "sqs", "Endpoint": g("Queue", "Arn")}]},
        ),
        "TopicPolicy": ("SNS::TopicPolicy", {"Topics": [r("Topic")], "PolicyDocument": allow("sns:Pub" + n)}),
        "Subscription": (
            "SNS::Subscription",
            {"TopicArn": r("Topic"), "Protocol": "lambda", "Endpoint": g("Function", "Arn")},
        ),
        "Bus": ("Events::EventBus", {"Name": "bus"}),
        "BusPolicy": (
            "Events::EventBusPolicy",
            {
                "EventBusName": r("Bus"),
                "StatementId": "s",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "events:PutEvents",
                    "Resource": g("Bus", "Arn"),
                },
            },
        ),
        "Rule": (
            "Events::Rule",
            {
                "EventBusName": r("Bus"),
                "EventPattern": {"source": [n]},
                "Targets": [{"Id": n, "Arn": g("Queue", "Arn")}],
            },
        ),
        "Group": ("Scheduler::ScheduleGroup", {}),
        "Schedule": (
            "Scheduler::Schedule",
            {
                "GroupName": r("Group"),
                "ScheduleExpression": f"rate({int(n) + 1} days)",
                "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": g("Function", "Arn"), "RoleArn": g("Role", "Arn")},
            },
        ),
        "Key": (
            "KMS::Key",
            {
                "KeyPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": n,
                            "Effect": "Allow",
                            "Principal": {
                                "AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"},
                                "Service": {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"},
                            },
                            "Action": "kms:*",
                            "Resource": "*",
                        }
                    ],
                },
                "EnableKeyRotation": n == "1",
            },
        ),
        "KeyAlias": ("KMS::Alias", {"AliasName": "alias/k", "TargetKeyId": r("Key")}),
        "Log": (
            "Logs::LogGroup",
            {"RetentionInDays": int(n) + 6 if n == "1" else 14, "KmsKeyId": g("Key", "Arn"), "Tags": tags},
        ),
        "Filter": (
            "Logs::MetricFilter",
            {
                "LogGroupName": r("Log"),
                "FilterPattern": "e" + n,
                "MetricTransformations": [{"MetricName": "m", "MetricNamespace": "n", "MetricValue": "1"}],
            },
        ),
        "LogPolicy": ("Logs::ResourcePolicy", {"PolicyName": "lp", "PolicyDocument": json.dumps(let_in("logs:P" + n))}),
        "Alarm": (
            "CloudWatch::Alarm",
            {
                "MetricName": "m",
                "Namespace": "n",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": n,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanThreshold",
                "AlarmActions": [r("Topic")],
                "Tags": tags,
            },
        ),
        "Composite": (
            "CloudWatch::CompositeAlarm",
            {"AlarmRule": {"Fn::Sub": "ALARM(${Alarm})"}, "AlarmDescription": n},
        ),
        "Insight": (
            "CloudWatch::InsightRule",
            {
                "RuleName": "insight",
                "RuleState": "ENABLED",
                "RuleBody": json.dumps(
                    {
                        "Schema": {"Name": "CloudWatchLogRule", "Version": 1},
                        "LogGroupNames": ["x"],
                        "LogFormat": "JSON",
                        "Contribution": {"Keys": [f"$.key{n}"]},
                        "AggregateOn": "Count",
                    }
                ),
            },
        ),
        "Query": ("Logs::QueryDefinition", {"Name": "q" + n, "QueryString": "fields @message | limit " + n}),
        "Dashboard": (
            "CloudWatch::Dashboard",
            {
                "DashboardBody": json.dumps(
                    {
                        "widgets": [
                            {
                                "type": "text",
                                "x": 0,
                                "y": 0,
                                "width": int(n),
                                "height": 1,
                                "properties": {"markdown": n},
                            }
                        ]
                    }
                )
            },
        ),
        "Bucket": (
            "S3::Bucket",
            {
                "VersioningConfiguration": {"Status": "Enabled" if n == "1" else "Suspended"},
                "LifecycleConfiguration": {"Rules": [{"Id": "x", "Status": "Enabled", "ExpirationInDays": int(n)}]},
                "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                "Tags": tags,
            },
        ),
        "BucketPolicy": (
            "S3::BucketPolicy",
            {
                "Bucket": r("Bucket"),
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Sid": n,
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:GetObject",
                            "Resource": {"Fn::Sub": "${Bucket.Arn}/x/*"},
                        },
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "cloudtrail.amazonaws.com"},
                            "Action": ["s3:GetBucketAcl", "s3:PutObject"],
                            "Resource": [g("Bucket", "Arn"), {"Fn::Sub": "${Bucket.Arn}/*"}],
                        },
                    ],
                },
            },
        ),
        "Trail": (
            "CloudTrail::Trail",
            {"S3BucketName": r("Bucket"), "IsLogging": False, "IsMultiRegionTrail": n == "2", "Tags": tags},
        ),
        "StackSet": (
            "CloudFormation::StackSet",
            {
                "StackSetName": "set",
                "PermissionModel": "SELF_MANAGED",
                "AdministrationRoleARN": g("Role", "Arn"),
                "TemplateBody": json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}),
                "Description": n,
            },
        ),
        "Parameter": ("SSM::Parameter", {"Type": "String", "Value": n}),
        "Table": (
            "DynamoDB::Table",
            {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        ),
        "Api": (
            "ApiGateway::RestApi",
            {"Name": "a", "Description": n, "Tags": tags, "EndpointConfiguration": {"Types": ["REGIONAL"]}},
        ),
        "Path": (
            "ApiGateway::Resource",
            {"RestApiId": r("Api"), "ParentId": g("Api", "RootResourceId"), "PathPart": f"pets{n}"},
        ),
        "Model": ("ApiGateway::Model", {"RestApiId": r("Api"), "Name": "Pet", "Schema": {"type": "object"}}),
        "Validator": (
            "ApiGateway::RequestValidator",
            {"RestApiId": r("Api"), "Name": "v", "ValidateRequestBody": "true", "ValidateRequestParameters": False},
        ),
        "Authorizer": (
            "ApiGateway::Authorizer",
            {
                "RestApiId": r("Api"),
                "Name": "au",
                "Type": "TOKEN",
                "AuthorizerUri": "arn:aws:apigateway:us-east-1:lambda:path/x",
                "IdentitySource": "method.request.header.Authorization",
            },
        ),
        "Gateway": (
            "ApiGateway::GatewayResponse",
            {"RestApiId": r("Api"), "ResponseType": "UNAUTHORIZED", "StatusCode": "40" + n},
        ),
        "Method": (
            "ApiGateway::Method",
            {
                "RestApiId": r("Api"),
                "ResourceId": r("Path"),
                "HttpMethod": "POST",
                "AuthorizationType": "CUSTOM",
                "AuthorizerId": r("Authorizer"),
                "RequestValidatorId": r("Validator"),
                "RequestModels": {"application/json": r("Model")},
                "MethodResponses": [{"StatusCode": "200"}],
                "Integration": {
                    "Type": "MOCK",
                    "RequestTemplates": {"application/json": json.dumps({"statusCode": n})},
                    "IntegrationResponses": [{"StatusCode": "200"}],
                },
            },
        ),
        "Deployment": ("ApiGateway::Deployment", {"RestApiId": r("Api"), "Description": n}),
        "Stage": (
            "ApiGateway::Stage",
            {
                "RestApiId": r("Api"),
                "DeploymentId": r("Deployment"),
                "StageName": "prod",
                "Variables": {"v": n},
                "Description": n,
                "Tags": tags,
                "MethodSettings": [
                    {
                        "ResourcePath": "/~1pets1" if n == "1" else "/*",
                        "HttpMethod": "POST" if n == "1" else "*",
                        "ThrottlingBurstLimit": n,
                    }
                ],
            },
        ),
        "LogRole": (
            "IAM::Role",
            {
                "AssumeRolePolicyDocument": trust("apigateway"),
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"],
            },
        ),
        "Account": ("ApiGateway::Account", {"CloudWatchRoleArn": g("LogRole", "Arn")}),
        "ApiKey": ("ApiGateway::ApiKey", {"Enabled": True}),
        "Plan": (
            "ApiGateway::UsagePlan",
            {"ApiStages": [{"ApiId": r("Api"), "Stage": r("Stage")}], "Throttle": {"BurstLimit": 1, "RateLimit": 2}},
        ),
        "PlanKey": ("ApiGateway::UsagePlanKey", {"KeyId": r("ApiKey"), "KeyType": "API_KEY", "UsagePlanId": r("Plan")}),
        "Http": ("ApiGatewayV2::Api", {"Name": "h", "ProtocolType": "HTTP", "Tags": {"n": "1"}}),
        "HttpIntegration": (
            "ApiGatewayV2::Integration",
            {
                "ApiId": r("Http"),
                "IntegrationType": "HTTP_PROXY",
                "IntegrationMethod": "GET",
                "IntegrationUri": "https://example.com",
                "PayloadFormatVersion": "1.0",
            },
        ),
        "Route": (
            "ApiGatewayV2::Route",
            {"ApiId": r("Http"), "RouteKey": "GET /", "Target": {"Fn::Sub": "integrations/${HttpIntegration}"}},
        ),
        "HttpAuthorizer": (
            "ApiGatewayV2::Authorizer",
            {
                "ApiId": r("Http"),
                "Name": "jwt" + n,
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Audience": ["shop"], "Issuer": "https://example.com"},
            },
        ),
        "HttpDeployment": ("ApiGatewayV2::Deployment", {"ApiId": r("Http"), "Description": n}),
        "HttpStage": ("ApiGatewayV2::Stage", {"ApiId": r("Http"), "StageName": "$default", "AutoDeploy": True}),
        "Meta": ("CDK::Metadata", {"Analytics": n}),
        "Wait": ("CloudFormation::WaitConditionHandle", {}),
    }
    declared: dict[str, dict[str, Any]] = {
        name: {"Type": f"AWS::{kind}", "Properties": properties} for name, (kind, properties) in resources.items()
    }
    declared["Deployment"]["DependsOn"] = "Method"
    declared["HttpDeployment"]["DependsOn"] = "Route"
    declared["Trail"]["DependsOn"] = "BucketPolicy"

    return json.dumps({"Resources": declared})


def test_every_type_is_made_changed_and_removed(sandbox: Sandbox) -> None:
    declared = {each["Type"] for each in json.loads(every_type("1"))["Resources"].values()}
    assert declared == TYPES.keys() - {CUSTOM}, "custom resources have tests of their own"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as layer:
        layer.writestr("python/x.py", "")
    client(sandbox, "s3").create_bucket(Bucket="code")
    client(sandbox, "s3").put_object(Bucket="code", Key="layer", Body=archive.getvalue())

    made = create(sandbox, every_type("1"))
    assert made["StackStatus"] == "CREATE_COMPLETE", _failures(sandbox)
    before = physical(sandbox)
    assert update(sandbox, every_type("2"))["StackStatus"] == "UPDATE_COMPLETE", _failures(sandbox)
    after = physical(sandbox)

    # What cannot be changed is made anew, and only that.
    assert {name for name in before if before[name] != after[name]} == {"Path", "Method"}
    iam = client(sandbox, "iam")
    assert iam.get_role(RoleName=after["Role"])["Role"]["Description"] == "2"
    names = iam.list_role_policies(RoleName=after["Role"])["PolicyNames"]
    assert set(names) == {"p2", "shared", "rp"}
    assert iam.list_attached_role_policies(RoleName=after["Role"])["AttachedPolicies"] == []
    queue = client(sandbox, "sqs").get_queue_attributes(QueueUrl=after["Queue"], AttributeNames=["All"])["Attributes"]
    assert queue["DelaySeconds"] == "2"
    assert "sqs:Send2" in queue["Policy"]
    stage_ = client(sandbox, "apigateway").get_stage(restApiId=after["Api"], stageName="prod")
    assert (stage_["description"], stage_["variables"], stage_["tags"]["n"]) == ("2", {"v": "2"}, "2")
    assert {key: each["throttlingBurstLimit"] for key, each in stage_["methodSettings"].items()} == {"*/*": 2}
    authorizer = client(sandbox, "apigatewayv2").get_authorizer(
        ApiId=after["Http"], AuthorizerId=after["HttpAuthorizer"]
    )
    assert authorizer["Name"] == "jwt2"
    groups = client(sandbox, "logs").describe_log_groups(logGroupNamePrefix=after["Log"])["logGroups"]
    assert [group["retentionInDays"] for group in groups] == [14]
    rule = client(sandbox, "events").list_targets_by_rule(Rule=after["Rule"].split("|")[1], EventBusName="bus")
    assert [target["Id"] for target in rule["Targets"]] == ["2"]

    client(sandbox, "cloudformation").delete_stack(StackName=NAME)
    assert stack(sandbox, made["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert iam.list_roles()["Roles"] == []
    assert client(sandbox, "lambda").list_functions()["Functions"] == []
    assert client(sandbox, "logs").describe_log_groups(logGroupNamePrefix=after["Log"])["logGroups"] == []
    assert [bus["Name"] for bus in client(sandbox, "events").list_event_buses()["EventBuses"]] == ["default"]


def _failures(sandbox: Sandbox) -> list[str]:
    events = client(sandbox, "cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
    return [event["ResourceStatusReason"] for event in events if event["ResourceStatus"].endswith("_FAILED")]
