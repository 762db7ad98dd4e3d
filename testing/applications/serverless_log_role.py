"""The function of Serverless Framework's custom resource that creates the account's log role.

In Serverless it is JavaScript. This one makes the same calls with the same role in Python, which the sandbox runs.
"""

#: The code does what ``custom-resources/resources/api-gateway-cloud-watch-role/handler.js`` does, also its retries.
LOG_ROLE_HANDLER = """
import json, time, urllib.request
import boto3

PUSH = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


def create(account):
    gateway, iam = boto3.client("apigateway"), boto3.client("iam")
    assigned = gateway.get_account().get("cloudwatchRoleArn")
    name = "serverlessApiGatewayCloudWatchRole"
    arn = f"arn:aws:iam::{account}:role/{name}"
    try:
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    except iam.exceptions.NoSuchEntityException:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": ["apigateway.amazonaws.com"]},
            "Action": ["sts:AssumeRole"],
        }
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.create_role(AssumeRolePolicyDocument=trust, Path="/", RoleName=name)
        attached = []
    if not any(policy["PolicyArn"] == PUSH for policy in attached):
        iam.attach_role_policy(PolicyArn=PUSH, RoleName=name)
    if arn == assigned:
        return
    for attempt in range(1, 11):
        try:
            gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}])
            return
        except gateway.exceptions.ClientError:
            if attempt == 10:
                raise
            time.sleep(10)


def handler(event, context):
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] == "Create":
            create(context.invoked_function_arn.split(":")[4])
    except Exception as error:
        status, reason = "FAILED", f"{error} See details in CloudWatch Log: {context.log_stream_name}"
    answer = {
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "PhysicalResourceId": "CustomResourceApiGatewayAccountCloudWatchRole",
        "Status": status,
        "Reason": reason,
        "Data": {},
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")
    urllib.request.urlopen(request).close()
"""
