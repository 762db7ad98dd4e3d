"""The template that AWS CDK synthesises for a small shop, written by hand in the shape that aws-cdk-lib 2.276 gives it.

``RestApi`` with ``cloudWatchRole: true``, ``LogGroupLogDestination`` and ``methodOptions``; ``HttpApi`` with a JWT
authorizer and an ``HttpStage``; ``WebSocketApi`` with a ``WebSocketStage`` and no logs; one custom resource.
"""

from __future__ import annotations

from typing import Any

REST_FORMAT = (
    '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","user":"$context.identity.user",'
    '"caller":"$context.identity.caller","requestTime":"$context.requestTime","httpMethod":"$context.httpMethod",'
    '"resourcePath":"$context.resourcePath","status":"$context.status","protocol":"$context.protocol",'
    '"responseLength":"$context.responseLength"}'
)
HTTP_FORMAT = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.httpMethod $context.resourcePath $context.protocol" $context.status $context.responseLength '
    "$context.requestId"
)
HANDLER = """
import cfnresponse

def handler(event, context):
    if "ResponseURL" in event:
        greeting = event["ResourceProperties"].get("Greeting", "")
        cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Echo": greeting}, "seed")
    return {"statusCode": 200}
"""

LOGS, ROLE, FUNCTION = "AccessLogs8B620ECA", "HandlerServiceRoleFCDC14AE", "Handler886CB40B"
API, LOG_ROLE, ACCOUNT = "ApiF70053CD", "ApiCloudWatchRole73EC6FC4", "ApiAccountA18C9B29"
STAGE, PETS, GET_PETS, GET_ROOT = (
    "ApiDeploymentStageprod3EB9684E", "ApipetsA28220F6", "ApipetsGET53ECABE7", "ApiGET9257B917",
)  # fmt: skip
WEB, WEB_STAGE, JWT = "Web3C8945DB", "WebStage36A24555", "WebJwtA55FE97F"
CHAT, CHAT_STAGE = "Chat95306983", "ChatStage62CB4CAA"


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def joined(*parts: Any) -> dict[str, Any]:
    return {"Fn::Join": ["", list(parts)]}


def managed(name: str) -> dict[str, Any]:
    return joined("arn:", ref("AWS::Partition"), f":iam::aws:policy/service-role/{name}")


def trusting(service: str) -> dict[str, Any]:
    statement = {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}}
    return {"Statement": [statement], "Version": "2012-10-17"}


INVOKED = joined(
    "arn:", ref("AWS::Partition"), ":apigateway:", ref("AWS::Region"), ":lambda:path/2015-03-31/functions/",
    att(FUNCTION), "/invocations",
)  # fmt: skip


def permission(api: str, *path: Any) -> dict[str, Any]:
    region, account = ref("AWS::Region"), ref("AWS::AccountId")
    source = joined("arn:", ref("AWS::Partition"), ":execute-api:", region, ":", account, ":", ref(api), *path)
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": att(FUNCTION),
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": source,
        },
    }


def method(resource: Any, verb: str) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "AuthorizationType": "NONE",
            "HttpMethod": verb,
            "Integration": {"IntegrationHttpMethod": "POST", "Type": "AWS_PROXY", "Uri": INVOKED},
            "ResourceId": resource,
            "RestApiId": ref(API),
        },
    }


def template(deployment: str, *, burst: int, greeting: str, can_post: bool) -> dict[str, Any]:
    """Return the synthesised template. *deployment*: its logical id, which changes with everything that it deploys."""
    posts = {"ApipetsPOST2B5C1A77": method(ref(PETS), "POST")} if can_post else {}
    return {
        "Resources": {**_common(greeting), **_rest(deployment, burst, posts), **_http(), **_websocket()},
        "Outputs": {
            "ApiEndpoint4F160690": {
                "Value": joined(
                    "https://", ref(API), ".execute-api.", ref("AWS::Region"), ".", ref("AWS::URLSuffix"), "/",
                    ref(STAGE), "/",
                )
            },
            "Echo": {"Value": att("Seed", "Echo")},
        },
        "Parameters": {
            "BootstrapVersion": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/cdk-bootstrap/hnb659fds/version",
                "Description": "Version of the CDK Bootstrap resources in this environment. [cdk:skip]",
            }
        },
        "Rules": {
            "CheckBootstrapVersion": {
                "Assertions": [
                    {
                        "Assert": {"Fn::Not": [{"Fn::Contains": [list("12345"), ref("BootstrapVersion")]}]},
                        "AssertDescription": "CDK bootstrap stack version 6 required.",
                    }
                ]
            }
        },
    }  # fmt: skip


def _common(greeting: str) -> dict[str, Any]:
    return {
        LOGS: {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"RetentionInDays": 30},
            "UpdateReplacePolicy": "Delete",
            "DeletionPolicy": "Delete",
        },
        ROLE: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trusting("lambda"),
                "ManagedPolicyArns": [managed("AWSLambdaBasicExecutionRole")],
            },
        },
        FUNCTION: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": {"ZipFile": HANDLER},
                "Handler": "index.handler",
                "Role": att(ROLE),
                "Runtime": "python3.13",
                "Timeout": 20,
            },
            "DependsOn": [ROLE],
        },
        "Seed": {
            "Type": "AWS::CloudFormation::CustomResource",
            "Properties": {"ServiceToken": att(FUNCTION), "Greeting": greeting},
            "UpdateReplacePolicy": "Delete",
            "DeletionPolicy": "Delete",
        },
    }


def _rest(deployment: str, burst: int, posts: dict[str, Any]) -> dict[str, Any]:
    return {
        API: {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "Api"}},
        LOG_ROLE: {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": trusting("apigateway"),
                "ManagedPolicyArns": [managed("AmazonAPIGatewayPushToCloudWatchLogs")],
            },
            "UpdateReplacePolicy": "Retain",
            "DeletionPolicy": "Retain",
        },
        ACCOUNT: {
            "Type": "AWS::ApiGateway::Account",
            "Properties": {"CloudWatchRoleArn": att(LOG_ROLE)},
            "DependsOn": [API],
            "UpdateReplacePolicy": "Retain",
            "DeletionPolicy": "Retain",
        },
        deployment: {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {
                "Description": "Automatically created by the RestApi construct",
                "RestApiId": ref(API),
            },
            "DependsOn": [GET_ROOT, GET_PETS, *posts, PETS],
            "Metadata": {"aws:cdk:do-not-refactor": True},
        },
        STAGE: {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "AccessLogSetting": {"DestinationArn": att(LOGS), "Format": REST_FORMAT},
                "DeploymentId": ref(deployment),
                "MethodSettings": [
                    {
                        "DataTraceEnabled": True,
                        "HttpMethod": "GET",
                        "LoggingLevel": "OFF",
                        "ResourcePath": "/~1pets",
                        "ThrottlingBurstLimit": burst,
                        "ThrottlingRateLimit": 10,
                    }
                ],
                "RestApiId": ref(API),
                "StageName": "prod",
            },
            "DependsOn": [ACCOUNT],
        },
        PETS: {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {"ParentId": att(API, "RootResourceId"), "PathPart": "pets", "RestApiId": ref(API)},
        },
        "ApipetsGETApiPermission88DC64FA": permission(API, "/", ref(STAGE), "/GET/pets"),
        "ApipetsGETApiPermissionTest800BB534": permission(API, "/test-invoke-stage/GET/pets"),
        GET_PETS: method(ref(PETS), "GET"),
        GET_ROOT: method(att(API, "RootResourceId"), "GET"),
        **posts,
    }


def _http() -> dict[str, Any]:
    return {
        WEB: {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "Web", "ProtocolType": "HTTP"}},
        "WebGETpetsPets52E95FAE": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": ref(WEB),
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": att(FUNCTION),
                "PayloadFormatVersion": "2.0",
            },
        },
        "WebGETpetsPetsPermission0F1547A4": permission(WEB, "/*/*/pets"),
        "WebGETpets44510074": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": ref(WEB),
                "AuthorizationType": "JWT",
                "AuthorizerId": ref(JWT),
                "RouteKey": "GET /pets",
                "Target": joined("integrations/", ref("WebGETpetsPets52E95FAE")),
            },
        },
        JWT: {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": ref(WEB),
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Audience": ["shop"], "Issuer": "https://example.com"},
                "Name": "Jwt",
            },
        },
        WEB_STAGE: {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "AccessLogSettings": {"DestinationArn": att(LOGS), "Format": HTTP_FORMAT},
                "ApiId": ref(WEB),
                "AutoDeploy": True,
                "StageName": "$default",
            },
        },
    }


def _websocket() -> dict[str, Any]:
    return {
        CHAT: {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": "Chat",
                "ProtocolType": "WEBSOCKET",
                "RouteSelectionExpression": "$request.body.action",
            },
        },
        "ChatconnectRoutePermission4F3080F2": permission(CHAT, "/*$connect"),
        "ChatconnectRouteConnect44C6C26A": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {"ApiId": ref(CHAT), "IntegrationType": "AWS_PROXY", "IntegrationUri": INVOKED},
        },
        "ChatconnectRouteF6B37FC6": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": ref(CHAT),
                "AuthorizationType": "NONE",
                "RouteKey": "$connect",
                "Target": joined("integrations/", ref("ChatconnectRouteConnect44C6C26A")),
            },
        },
        CHAT_STAGE: {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": ref(CHAT), "AutoDeploy": True, "StageName": "live"},
        },
    }
