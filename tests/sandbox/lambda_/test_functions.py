"""The sandbox's Lambda runs packages as deployed, with their role, their timeout and their log."""

from __future__ import annotations

import base64
import json
import os

import pytest

from sandbox.assembly import Sandbox
from sandbox.services.lambda_ import lambda_runtime
from sandbox.services.lambda_.lambda_runtime import LambdaRuntime
from testing.clients import client, refusal
from testing.functions import NAME, function, invoke, messages, package
from testing.iam import allow


def test_handler_gets_event_and_context(sandbox: Sandbox) -> None:
    arn = function(
        sandbox,
        """
def handler(event, context):
    return {
        "event": event,
        "name": context.function_name,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "id": context.aws_request_id,
        "left": context.get_remaining_time_in_millis(),
    }
""",
        Timeout=7,
        MemorySize=256,
    )

    given, answer = invoke(sandbox, {"a": [1, "ä"]})

    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert given["event"] == {"a": [1, "ä"]}
    assert given["arn"] == arn
    assert (given["name"], given["memory"], given["group"]) == (NAME, "256", f"/aws/lambda/{NAME}")
    assert 6000 < given["left"] <= 7000
    assert given["id"] in messages(sandbox)[0]


def test_environment_is_reused_until_code_or_configuration_change(sandbox: Sandbox) -> None:
    code = """
import os
def handler(event, context):
    return [os.getpid(), os.environ.get("WORD"), "{}"]
"""
    function(sandbox, code)
    first, _ = invoke(sandbox)
    assert invoke(sandbox)[0] == first

    client(sandbox, "lambda").update_function_configuration(
        FunctionName=NAME, Environment={"Variables": {"WORD": "new"}}
    )
    second, _ = invoke(sandbox)
    assert second[1] == "new"
    assert second[0] != first[0]

    client(sandbox, "lambda").update_function_code(FunctionName=NAME, ZipFile=package(code.format("newer")))
    third, _ = invoke(sandbox)
    assert third[1:] == ["new", "newer"]
    assert not _is_running(first[0])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_only_the_package_the_sdk_and_the_standard_library_can_be_imported(sandbox: Sandbox) -> None:
    function(
        sandbox,
        """
import importlib.util, os
def handler(event, context):
    return {
        "found": [name for name in event if importlib.util.find_spec(name)],
        "variables": sorted(os.environ),
    }
""",
    )

    given, _ = invoke(sandbox, ["boto3", "main", "json", "moto", "pytest", "pydantic", "samtranslator"])

    assert given["found"] == ["boto3", "main", "json"]
    assert "VIRTUAL_ENV" not in given["variables"]
    assert {"AWS_REGION", "AWS_SESSION_TOKEN", "LAMBDA_TASK_ROOT", "_HANDLER"} <= set(given["variables"])


def test_calls_are_made_with_the_role_and_checked(sandbox: Sandbox) -> None:
    function(
        sandbox,
        """
import boto3
from botocore.exceptions import ClientError
def handler(event, context):
    try:
        boto3.client("sqs").list_queues()
    except ClientError as error:
        return [boto3.client("sts").get_caller_identity()["Arn"], error.response["Error"]["Code"]]
""",
    )

    given, _ = invoke(sandbox)

    assert given == [f"arn:aws:sts::123456789012:assumed-role/{NAME}-role/{NAME}", "AccessDenied"]


def test_handler_that_raises_is_an_unhandled_error(sandbox: Sandbox) -> None:
    function(sandbox, "def handler(event, context):\n    raise ValueError('no good')\n")

    given, answer = invoke(sandbox, LogType="Tail")

    assert answer["FunctionError"] == "Unhandled"
    assert (given["errorType"], given["errorMessage"]) == ("ValueError", "no good")
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert "[ERROR] ValueError: no good\nTraceback" in tail
    assert tail.startswith("START RequestId: ")
    assert "\nREPORT RequestId: " in tail


def test_handler_that_takes_too_long_is_ended(sandbox: Sandbox) -> None:
    function(sandbox, "import time\ndef handler(event, context):\n    print('here', flush=True)\n    time.sleep(60)\n")
    client(sandbox, "lambda").update_function_configuration(FunctionName=NAME, Timeout=1)

    given, answer = invoke(sandbox)

    assert answer["FunctionError"] == "Unhandled"
    assert given["errorType"] == "Sandbox.Timedout"
    assert given["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert "here" in messages(sandbox)


def test_process_that_ends_is_replaced(sandbox: Sandbox) -> None:
    function(sandbox, "import os\ndef handler(event, context):\n    return os._exit(3) if event else 'alive'\n")

    given, answer = invoke(sandbox, {"die": True})

    assert answer["FunctionError"] == "Unhandled"
    assert given["errorType"] == "Runtime.ExitError"
    assert given["errorMessage"].endswith("Runtime exited with error: exit status 3")
    assert invoke(sandbox)[0] == "alive"


def test_import_error_of_a_handler_is_reported(sandbox: Sandbox) -> None:
    function(sandbox, "import nowhere\n")

    given, answer = invoke(sandbox)

    assert answer["FunctionError"] == "Unhandled"
    assert given["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'nowhere'" in given["errorMessage"]


def test_log_goes_to_the_group_of_its_configuration(sandbox: Sandbox) -> None:
    client(sandbox, "logs").create_log_group(logGroupName="mine")
    function(sandbox, "def handler(event, context):\n    print('said')\n", LoggingConfig={"LogGroup": "mine"})
    configured = client(sandbox, "lambda").get_function_configuration(FunctionName=NAME)
    assert configured["LoggingConfig"]["LogGroup"] == "mine"

    invoke(sandbox)

    assert "said" in messages(sandbox, "mine")
    groups = client(sandbox, "logs").describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["mine"]


def test_log_that_the_role_may_not_write_is_lost(sandbox: Sandbox) -> None:
    function(sandbox, "def handler(event, context):\n    return 'done'\n", policy=allow("s3:GetObject"))

    assert invoke(sandbox)[0] == "done"

    assert client(sandbox, "logs").describe_log_groups()["logGroups"] == []


def test_metrics_in_the_log_are_published(sandbox: Sandbox) -> None:
    function(
        sandbox,
        """
import json, time
def handler(event, context):
    directive = {"Namespace": "Shop", "Dimensions": [["site"]], "Metrics": [{"Name": "sold", "Unit": "Count"}]}
    aws = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}
    print(json.dumps({"_aws": aws, "site": "north", "sold": [2, 3]}))
""",
    )

    invoke(sandbox)

    [metric] = client(sandbox, "cloudwatch").list_metrics(Namespace="Shop")["Metrics"]
    assert metric["MetricName"] == "sold"
    assert metric["Dimensions"] == [{"Name": "site", "Value": "north"}]


def test_event_is_run_later_and_retried(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_runtime, "RETRY_SECONDS", (0.01, 0.01))
    function(sandbox, "def handler(event, context):\n    raise ValueError(context.aws_request_id)\n")

    answer = client(sandbox, "lambda").invoke(FunctionName=NAME, InvocationType="Event", Payload=b"{}")

    assert answer["StatusCode"] == 202
    runtime = sandbox.service(LambdaRuntime)
    sandbox.wait_until(lambda: len(runtime.invoked) == 3)
    assert {ended.request_id for ended in runtime.invoked} == {answer["ResponseMetadata"]["RequestId"]}


def test_rule_invokes_a_function_that_allows_it(sandbox: Sandbox) -> None:
    arn = function(sandbox, "def handler(event, context):\n    return event['detail']\n")
    events, runtime = client(sandbox, "events"), sandbox.service(LambdaRuntime)
    rule = events.put_rule(Name="r", EventPattern=json.dumps({"source": ["shop"]}))["RuleArn"]
    events.put_targets(Rule="r", Targets=[{"Id": "f", "Arn": arn}])
    entry = {"Source": "shop", "DetailType": "Sold", "Detail": '{"what": "hat"}'}

    events.put_events(Entries=[entry])
    assert [dropped.target_arn for dropped in sandbox.dropped_events] == [arn]

    client(sandbox, "lambda").add_permission(
        FunctionName=NAME,
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule,
    )
    events.put_events(Entries=[entry])
    sandbox.wait_until(lambda: runtime.invoked)
    assert json.loads(runtime.invoked[0].payload) == {"what": "hat"}


def test_reserved_concurrency_is_a_limit(sandbox: Sandbox) -> None:
    function(sandbox, "def handler(event, context):\n    return 1\n")
    client(sandbox, "lambda").put_function_concurrency(FunctionName=NAME, ReservedConcurrentExecutions=0)

    assert refusal(lambda: invoke(sandbox))[0] == "TooManyRequestsException"


def test_nothing_runs_when_the_sandbox_has_stopped() -> None:
    with Sandbox(iam_propagation_seconds=0) as sandbox:
        function(sandbox, "import os\ndef handler(event, context):\n    return os.getpid()\n")
        pid, _ = invoke(sandbox)
        assert _is_running(pid)

    assert not _is_running(pid)


def test_missing_function_is_not_found(sandbox: Sandbox) -> None:
    assert refusal(lambda: invoke(sandbox)) == (
        "ResourceNotFoundException",
        f"Function not found: arn:aws:lambda:us-east-1:123456789012:function:{NAME}",
    )


def test_environment_has_at_most_4_kb_as_json(sandbox: Sandbox) -> None:
    function(sandbox, "def handler(event, context):\n    return 1\n")
    change = client(sandbox, "lambda").update_function_configuration
    fits = {"A": '"' * 100 + "x" * (4_096 - 200 - len('{"A":""}'))}
    change(FunctionName=NAME, Environment={"Variables": fits})
    code, message = refusal(lambda: change(FunctionName=NAME, Environment={"Variables": {"A": fits["A"] + "x"}}))
    assert code == "InvalidParameterValueException"
    assert "exceeded the 4KB limit. String measured: {" in message
