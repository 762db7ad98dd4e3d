"""The templates that Serverless Framework 3 compiles for a small service, written by hand in the shape that 3.40 gives.

The service has one function with an ``http``, an ``httpApi`` (JWT authorizer) and two ``websocket`` events, and
``provider.logs`` for all three.
"""

from __future__ import annotations

import io
import zipfile
from typing import Any

SERVICE, STAGE = "shop", "dev"
STACK = f"{SERVICE}-{STAGE}"
REST_GROUP = f"/aws/api-gateway/{STACK}"
HTTP_GROUP, WEBSOCKET_GROUP = f"/aws/http-api/{STACK}", f"/aws/websocket/{STACK}"
REST_FORMAT = (
    "requestId: $context.requestId, ip: $context.identity.sourceIp, caller: $context.identity.caller, "
    "user: $context.identity.user, requestTime: $context.requestTime, httpMethod: $context.httpMethod, "
    "resourcePath: $context.resourcePath, status: $context.status, protocol: $context.protocol, "
    "responseLength: $context.responseLength"
)
HTTP_FORMAT = (
    '{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","requestTime":"$context.requestTime",'
    '"httpMethod":"$context.httpMethod","routeKey":"$context.routeKey","status":"$context.status",'
    '"protocol":"$context.protocol","responseLength":"$context.responseLength"}'
)
WEBSOCKET_FORMAT = (
    "$context.identity.sourceIp $context.identity.caller $context.identity.user [$context.requestTime] "
    '"$context.eventType $context.routeKey $context.connectionId" $context.requestId'
)


def package(**files: str) -> bytes:
    """Return a zip archive of these modules."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, text in files.items():
            opened.writestr(f"{name}.py", text)
    return archive.getvalue()


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str = "Arn") -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def join(separator: str, *parts: Any) -> dict[str, Any]:
    return {"Fn::Join": [separator, list(parts)]}


PARTITION, REGION, ACCOUNT = ref("AWS::Partition"), ref("AWS::Region"), ref("AWS::AccountId")
FUNCTION = "HelloLambdaFunction"
LOG_ROLE_FUNCTION = "CustomDashresourceDashapigwDashcwDashroleLambdaFunction"
INVOKED = join(
    "", "arn:", PARTITION, ":apigateway:", REGION, ":lambda:path/2015-03-31/functions/", att(FUNCTION), "/invocations"
)


def core() -> dict[str, Any]:
    """Return the first template, which has only the bucket for the artifacts."""
    bucket = "ServerlessDeploymentBucket"
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    address = ("arn:", PARTITION, ":s3:::", ref(bucket))
    denial = {
        "Action": "s3:*",
        "Effect": "Deny",
        "Principal": "*",
        "Resource": [join("", *address, "/*"), join("", *address)],
        "Condition": {"Bool": {"aws:SecureTransport": False}},
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The AWS CloudFormation template for this Serverless application",
        "Resources": {
            bucket: {
                "Type": "AWS::S3::Bucket",
                "Properties": {"BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]}},
            },
            f"{bucket}Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": ref(bucket), "PolicyDocument": {"Statement": [denial]}},
            },
        },
        "Outputs": {f"{bucket}Name": {"Value": ref(bucket)}},
    }


def compiled(folder: str, number: int, *, rest_logs: bool) -> dict[str, Any]:
    """Return the second template. *folder*: folder of the artifacts. *number*: number in the name of the deployment."""
    template = core()
    exported = {"Export": {"Name": f"sls-{STACK}-ServerlessDeploymentBucketName"}}
    template["Outputs"]["ServerlessDeploymentBucketName"] |= exported
    template["Outputs"] |= {"RestApiId": {"Value": ref("ApiGatewayRestApi")}, "HttpApiId": {"Value": ref("HttpApi")}}
    template["Resources"] |= _function(folder) | _rest(number) | _http() | _websocket(number)
    if rest_logs:
        template["Resources"] |= _rest_logs(folder)
    return template


def _code(folder: str, name: str) -> dict[str, Any]:
    return {"S3Bucket": ref("ServerlessDeploymentBucket"), "S3Key": f"{folder}/{name}"}


def _role(name: Any, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    trust = {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": ["sts:AssumeRole"]}
    policy = {"PolicyName": name, "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
            "Policies": [policy],
            **more,
        },
    }


def _permission(**more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "FunctionName": att(FUNCTION),
            "Action": "lambda:InvokeFunction",
            "Principal": "apigateway.amazonaws.com",
            **more,
        },
    }


def _group(name: str) -> dict[str, Any]:
    return {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name}}


def _function(folder: str) -> dict[str, Any]:
    own = f"log-group:/aws/lambda/{STACK}*:*"
    group = {"Fn::Sub": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:{own}"}
    return {
        "HelloLogGroup": _group(f"/aws/lambda/{STACK}-hello"),
        "IamRoleLambdaExecution": _role(
            join("-", SERVICE, STAGE, "lambda"),
            {
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:CreateLogGroup", "logs:TagResource"],
                "Resource": [group],
            },
            Path="/",
            RoleName=join("-", SERVICE, STAGE, REGION, "lambdaRole"),
        ),
        FUNCTION: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": _code(folder, f"{SERVICE}.zip"),
                "Handler": "handler.hello",
                "Runtime": "python3.13",
                "FunctionName": f"{STACK}-hello",
                "MemorySize": 1024,
                "Timeout": 6,
                "Role": att("IamRoleLambdaExecution"),
            },
            "DependsOn": ["HelloLogGroup"],
        },
    }


def _rest(number: int) -> dict[str, Any]:
    api = ref("ApiGatewayRestApi")
    return {
        "ApiGatewayRestApi": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": f"{STAGE}-{SERVICE}",
                "EndpointConfiguration": {"Types": ["EDGE"]},
                "Policy": "",
            },
        },
        "ApiGatewayResourceHello": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "ParentId": att("ApiGatewayRestApi", "RootResourceId"),
                "PathPart": "hello",
                "RestApiId": api,
            },
        },
        "ApiGatewayMethodHelloGet": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "HttpMethod": "GET",
                "RequestParameters": {},
                "ResourceId": ref("ApiGatewayResourceHello"),
                "RestApiId": api,
                "ApiKeyRequired": False,
                "AuthorizationType": "NONE",
                "Integration": {"IntegrationHttpMethod": "POST", "Type": "AWS_PROXY", "Uri": INVOKED},
                "MethodResponses": [],
            },
            "DependsOn": ["HelloLambdaPermissionApiGateway"],
        },
        f"ApiGatewayDeployment{number}": {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": {"RestApiId": api, "StageName": STAGE},
            "DependsOn": ["ApiGatewayMethodHelloGet"],
        },
        "HelloLambdaPermissionApiGateway": _permission(
            SourceArn=join("", "arn:", PARTITION, ":execute-api:", REGION, ":", ACCOUNT, ":", api, "/*/*")
        ),
    }


def _rest_logs(folder: str) -> dict[str, Any]:
    roles = join(":", "arn", PARTITION, "iam:", ACCOUNT, "role/*")
    account = join(":", "arn", PARTITION, "apigateway:*::/account")
    actions = ["iam:AttachRolePolicy", "iam:CreateRole", "iam:ListAttachedRolePolicies", "iam:PassRole"]
    return {
        "ApiGatewayLogGroup": _group(REST_GROUP),
        "CustomApiGatewayAccountCloudWatchRole": {
            "Type": "Custom::ApiGatewayAccountRole",
            "Version": 1,
            "Properties": {"ServiceToken": att(LOG_ROLE_FUNCTION)},
        },
        "IamRoleCustomResourcesLambdaExecution": _role(
            join("-", STAGE, SERVICE, "custom-resources-lambda"),
            {"Effect": "Allow", "Resource": roles, "Action": actions},
            {"Effect": "Allow", "Resource": account, "Action": ["apigateway:GET", "apigateway:PATCH"]},
        ),
        LOG_ROLE_FUNCTION: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Code": _code(folder, "custom-resources.zip"),
                "FunctionName": f"{STACK}-custom-resource-apigw-cw-role",
                "Handler": "handler.handler",
                "MemorySize": 1024,
                "Runtime": "python3.13",
                "Timeout": 180,
                "Role": att("IamRoleCustomResourcesLambdaExecution"),
            },
            "DependsOn": ["IamRoleCustomResourcesLambdaExecution"],
        },
    }


def _http() -> dict[str, Any]:
    api = ref("HttpApi")
    return {
        "HttpApi": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": f"{STAGE}-{SERVICE}", "ProtocolType": "HTTP"},
        },
        "HttpApiLogGroup": _group(HTTP_GROUP),
        "HttpApiStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": api,
                "StageName": "$default",
                "AutoDeploy": True,
                "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
                "AccessLogSettings": {"DestinationArn": att("HttpApiLogGroup"), "Format": HTTP_FORMAT},
            },
            "DependsOn": "HttpApiLogGroup",
        },
        "HttpApiAuthorizerJwt": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": api,
                "Name": "jwt",
                "IdentitySource": ["$request.header.Authorization"],
                "AuthorizerType": "JWT",
                "JwtConfiguration": {"Audience": ["shop"], "Issuer": "https://example.com"},
            },
        },
        "HelloLambdaPermissionHttpApi": _permission(
            SourceArn=join("", "arn:", PARTITION, ":execute-api:", REGION, ":", ACCOUNT, ":", api, "/*")
        ),
        "HttpApiIntegrationHello": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": api,
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": att(FUNCTION),
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": 30000,
            },
        },
        "HttpApiRouteGetWeb": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": api,
                "RouteKey": "GET /web",
                "Target": join("/", "integrations", ref("HttpApiIntegrationHello")),
                "AuthorizationType": "JWT",
                "AuthorizerId": ref("HttpApiAuthorizerJwt"),
            },
            "DependsOn": "HttpApiIntegrationHello",
        },
    }


def _websocket(number: int) -> dict[str, Any]:
    api = ref("WebsocketsApi")
    group = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${WebsocketsLogGroup}"
    routes = {
        f"S{name}WebsocketsRoute": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": api,
                "RouteKey": f"${name}",
                "AuthorizationType": "NONE",
                "Target": join("/", "integrations", ref("HelloWebsocketsIntegration")),
            },
        }
        for name in ("connect", "default")
    }
    return {
        "WebsocketsApi": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": f"{STACK}-websockets",
                "RouteSelectionExpression": "$request.body.action",
                "Description": "Serverless Websockets",
                "ProtocolType": "WEBSOCKET",
            },
        },
        "HelloWebsocketsIntegration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {"ApiId": api, "IntegrationType": "AWS_PROXY", "IntegrationUri": INVOKED},
        },
        "HelloLambdaPermissionWebsockets": {**_permission(), "DependsOn": ["WebsocketsApi", FUNCTION]},
        **routes,
        "WebsocketsDeploymentStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": api,
                "StageName": STAGE,
                "Description": "Serverless Websockets",
                "DefaultRouteSettings": {"DataTraceEnabled": True, "LoggingLevel": "INFO"},
                "AccessLogSettings": {"DestinationArn": {"Fn::Sub": group}, "Format": WEBSOCKET_FORMAT},
                "DeploymentId": ref(f"WebsocketsDeployment{number}"),
            },
        },
        "WebsocketsLogGroup": _group(WEBSOCKET_GROUP),
        f"WebsocketsDeployment{number}": {
            "Type": "AWS::ApiGatewayV2::Deployment",
            "DependsOn": list(routes),
            "Properties": {"ApiId": api, "Description": "Serverless Websockets"},
        },
    }
