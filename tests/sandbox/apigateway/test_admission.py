"""Lambda authorizers and IAM authorization of REST APIs of the sandbox: answers, and the lines of both logs."""

from __future__ import annotations

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from sandbox.assembly import Sandbox
from testing.accounts import give_log_role, make_rest_stage, patch_stage
from testing.functions import function
from testing.iam import allow
from testing.served_apis import ACCESS, add_rest_method, ask, execution_lines, lambda_uri, log_lines

FORMAT = (
    "$context.requestId $context.status $context.authorizer.principalId $context.authorizer.level "
    "$context.identity.userArn $context.error.responseType"
)
CODE = """
def handler(event, context):
    token = event["authorizationToken"]
    if token == "unknown":
        raise Exception("Unauthorized")
    if token == "broken":
        return None
    statement = {"Action": "execute-api:Invoke", "Effect": token, "Resource": event["methodArn"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "somebody-known", "policyDocument": policy, "context": {"level": 7}}
"""


@pytest.fixture
def api_id(sandbox: Sandbox) -> str:
    """Return a REST API at INFO with data trace. GET / needs the token of an authorizer, GET /iam a signature."""
    give_log_role(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=ACCESS)
    found, client = make_rest_stage(sandbox), sandbox.client("apigateway")
    backend = function(sandbox, CODE)
    authorizer = client.create_authorizer(
        restApiId=found,
        name="tokens",
        type="TOKEN",
        authorizerUri=lambda_uri(backend),
        identitySource="method.request.header.Token",
    )["id"]
    sandbox.client("lambda").add_permission(
        FunctionName=backend,
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{sandbox.account_id}:{found}/authorizers/{authorizer}",
    )
    mock = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    add_rest_method(sandbox, found, "", authorization_type="CUSTOM", authorizer=authorizer, **mock)
    add_rest_method(sandbox, found, "iam", authorization_type="AWS_IAM", **mock)
    patch_stage(
        sandbox,
        found,
        (
            "replace",
            "/accessLogSettings/destinationArn",
            f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{ACCESS}",
        ),
        ("replace", "/accessLogSettings/format", FORMAT),
        ("replace", "/*/*/logging/loglevel", "INFO"),
        ("replace", "/*/*/logging/dataTrace", "true"),
    )
    return found


def signature(session: boto3.Session) -> str:
    request = AWSRequest("GET", "https://api.example.com/iam")
    SigV4Auth(session.get_credentials(), "execute-api", "us-east-1").add_auth(request)
    return str(request.headers["Authorization"])


def test_admitted_request_has_the_authorizers_principal_and_its_lines(sandbox: Sandbox, api_id: str) -> None:
    answer = ask(sandbox, api_id, "prod/", Token="Allow")
    assert answer.status == 200
    assert log_lines(sandbox) == [f"{answer.request_id} 200 somebody-known 7 - -"]
    found = execution_lines(sandbox, api_id, answer)
    assert found[1].startswith("Starting authorizer: ")
    assert found[1].endswith(f" for request: {answer.request_id}")
    assert found[2] == "Incoming identity: ***ow"
    assert [line.split(":")[0] for line in found[3:7]] == [
        "Endpoint request URI",
        "Endpoint request body after transformations",
        "Sending request to https",
        "Authorizer result body before parsing",
    ]
    assert found[7:9] == [
        "Using valid authorizer policy for principal: ********-known",
        "Successfully completed authorizer execution",
    ]
    assert found[9].startswith("Verifying Usage Plan for request")


def test_without_data_trace_the_log_has_no_contents(sandbox: Sandbox, api_id: str) -> None:
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/dataTrace", "false"))
    found = execution_lines(sandbox, api_id, ask(sandbox, api_id, "prod/", Token="Allow"))
    assert [line.split(":")[0] for line in found[:5]] == [
        "Extended Request Id",
        "Starting authorizer",
        "Using valid authorizer policy for principal",
        "Successfully completed authorizer execution",
        "Verifying Usage Plan for request",
    ]


@pytest.mark.parametrize("token", ["", "unknown"])
def test_request_without_a_known_token_is_unauthorized(sandbox: Sandbox, api_id: str, token: str) -> None:
    answer = ask(sandbox, api_id, "prod/", **({"Token": token} if token else {}))
    assert (answer.status, answer.message) == (401, "Unauthorized")
    assert log_lines(sandbox) == [f"{answer.request_id} 401 - - - UNAUTHORIZED"]
    assert execution_lines(sandbox, api_id, answer)[-1] == f"Unauthorized request: {answer.request_id}"


def test_request_that_the_policy_denies_is_refused(sandbox: Sandbox, api_id: str) -> None:
    answer = ask(sandbox, api_id, "prod/", Token="Deny")
    assert answer.status == 403
    assert answer.message == "User is not authorized to access this resource with an explicit deny"
    assert log_lines(sandbox) == [f"{answer.request_id} 403 somebody-known 7 - ACCESS_DENIED"]
    assert execution_lines(sandbox, api_id, answer)[-1] == "Successfully completed authorizer execution"


def test_authorizer_without_a_policy_is_a_wrong_configuration(sandbox: Sandbox, api_id: str) -> None:
    answer = ask(sandbox, api_id, "prod/", Token="broken")
    assert (answer.status, answer.message) == (500, None)
    error = "Execution failed due to configuration error: Could not parse policy"
    assert execution_lines(sandbox, api_id, answer)[-1] == error


def test_signed_request_is_admitted_by_its_policies(sandbox: Sandbox, api_id: str) -> None:
    iam = sandbox.client("iam")
    user = iam.create_user(UserName="caller")["User"]
    key = iam.create_access_key(UserName="caller")["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])
    answer = ask(sandbox, api_id, "prod/iam", Authorization=signature(session))
    assert answer.status == 403
    assert "is not authorized to perform: execute-api:Invoke on resource: arn:aws:" in str(answer.message)
    iam.put_user_policy(UserName="caller", PolicyName="call", PolicyDocument=allow("execute-api:Invoke"))
    answer = ask(sandbox, api_id, "prod/iam", Authorization=signature(session))
    assert answer.status == 200
    assert log_lines(sandbox)[-1] == f"{answer.request_id} 200 - - {user['Arn']} -"


def test_request_without_a_signature_is_refused(sandbox: Sandbox, api_id: str) -> None:
    answer = ask(sandbox, api_id, "prod/iam")
    assert (answer.status, answer.message) == (403, "Missing Authentication Token")
    assert log_lines(sandbox) == [f"{answer.request_id} 403 - - - MISSING_AUTHENTICATION_TOKEN"]
