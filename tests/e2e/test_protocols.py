"""HTTP and WebSocket stages, destinations that do not exist, owners of stages, forwarding: in the deployed stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.logs.models import logs_backends

from log_keeper.stages import Protocol
from sandbox import deployment
from sandbox.assembly import Sandbox
from sandbox.services.apigateway.request_logs import write_access_log, write_execution_log
from sandbox.services.apigatewayv2 import log_delivery
from sandbox.services.logs import subscription_filters
from testing.accounts import (
    get_stage,
    log_groups,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
    turned,
    v2_arn,
    v2_stage,
)
from testing.builders import ACCOUNT, FORMATS
from testing.log_destinations import ROLE_NAME, make_logs_destination, stream_records
from testing.stacks import Deployed
from testing.sweeps import sweep

LOGS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"


OTHER = "210987654321"


@pytest.fixture(scope="module")
def stack(account: Sandbox, deploy: Callable[..., Deployed]) -> Deployed:
    """Access logs are forwarded to a destination of the account, and execution logs to one of another account."""
    return deploy(
        ForwardAccessLogsTo=make_logs_destination(account, account.account_id),
        ForwardExecutionLogsTo=make_logs_destination(account.add_account(OTHER), account.account_id),
        ForwardRoleArn=f"arn:aws:iam::{account.account_id}:role/{ROLE_NAME}",
    )


def wait_until_logged(stack: Deployed, api_id: str, stage_name: str) -> dict[str, Any]:
    """The V2 stage, as soon as it has access logs."""
    stack.sandbox.wait_until(lambda: v2_stage(stack.sandbox, api_id, stage_name).get("AccessLogSettings"))
    return v2_stage(stack.sandbox, api_id, stage_name)


def updates_of(stack: Deployed, api_id: str) -> int:
    """How often Log Keeper has written to the API's stages."""
    return sum(
        made.call.operation == "UpdateStage"
        and "log-keeper" in made.call.user_agent
        and api_id in (made.call.params.get("restApiId"), made.call.params.get("ApiId"))
        for made in stack.sandbox.calls
    )


def test_http_stage_gets_access_logs_and_no_level(stack: Deployed) -> None:
    api_id = make_http_stage(stack.sandbox)
    stage = wait_until_logged(stack, api_id, "$default")
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    assert stage["AccessLogSettings"] == {"DestinationArn": LOGS + group, "Format": FORMATS[Protocol.HTTP]}
    assert "LoggingLevel" not in stage["DefaultRouteSettings"]
    assert log_groups(stack.sandbox)[group] == 365
    assert stack.wait_until_quiet() == 0


def test_resource_policy_that_is_full_shuts_no_stage_out(stack: Deployed) -> None:
    """Where AWS keeps an entry for each group in one policy of the account, as it did until 2025 at least."""
    sandbox = stack.sandbox
    with turned(sandbox, log_delivery_policy="account", resource_policy_limit=1500):
        for _ in range(6):
            wait_until_logged(stack, make_http_stage(sandbox), "$default")
    policies = sandbox.client("logs").describe_resource_policies()["resourcePolicies"]
    delivery = next(policy for policy in policies if policy["policyName"] == "AWSLogDeliveryWrite20150319")
    assert "log-group:/aws/vendedlogs/*" in delivery["policyDocument"]


def test_quick_created_stage_is_found_by_its_api(stack: Deployed) -> None:
    """No event names its stage."""
    with turned(stack.sandbox, managed_stage_is_locked=False):
        created = stack.sandbox.client("apigatewayv2").create_api(
            Name="quick", ProtocolType="HTTP", Target="https://example.com"
        )
        assert wait_until_logged(stack, created["ApiId"], "$default")["ApiGatewayManaged"]


def test_refusal_of_a_managed_stage_is_a_finding(stack: Deployed) -> None:
    with turned(stack.sandbox, managed_stage_is_locked=True):
        api_id = stack.sandbox.client("apigatewayv2").create_api(
            Name="quick", ProtocolType="HTTP", Target="https://example.com"
        )["ApiId"]
        stack.wait_until_logged("refused", api_id, "API Gateway refuses changes to the managed stage")
    assert stack.wait_until_quiet() == 0


def test_websocket_stage_gets_access_logs_and_levels_on_every_route(stack: Deployed) -> None:
    throttles = {"ThrottlingBurstLimit": 7, "ThrottlingRateLimit": 3.5}
    api_id = make_websocket_stage(
        stack.sandbox,
        DefaultRouteSettings=throttles,
        RouteSettings={"$connect": {"DetailedMetricsEnabled": True, **throttles}},
    )
    stage = wait_until_logged(stack, api_id, "prod")
    assert stage["AccessLogSettings"] == {
        "DestinationArn": f"{LOGS}/aws/vendedlogs/apigatewayv2/{api_id}/prod",
        "Format": FORMATS[Protocol.WEBSOCKET],
    }
    assert {"LoggingLevel": "ERROR", **throttles}.items() <= stage["DefaultRouteSettings"].items()
    # Where API Gateway resets the throttles, a second call restores them.
    connect = {"LoggingLevel": "ERROR", "DetailedMetricsEnabled": True, **throttles}
    stack.sandbox.wait_until(
        lambda: connect.items() <= v2_stage(stack.sandbox, api_id)["RouteSettings"]["$connect"].items()
    )
    assert log_groups(stack.sandbox)[f"/aws/apigateway/{api_id}/prod"] == 30


def test_websocket_stage_tagged_for_info(stack: Deployed) -> None:
    client, api_id = stack.sandbox.client("apigatewayv2"), make_websocket_stage(stack.sandbox)
    wait_until_logged(stack, api_id, "prod")

    def level() -> str:
        return str(v2_stage(stack.sandbox, api_id)["DefaultRouteSettings"]["LoggingLevel"])

    client.tag_resource(ResourceArn=v2_arn(api_id, "prod"), Tags={"execution-logs": "INFO"})
    stack.sandbox.wait_until(lambda: level() == "INFO")
    client.untag_resource(ResourceArn=v2_arn(api_id, "prod"), TagKeys=["execution-logs"])
    stack.sandbox.wait_until(lambda: level() == "ERROR")


def test_data_trace_of_a_websocket_stage_is_switched_off(stack: Deployed) -> None:
    api_id = make_websocket_stage(stack.sandbox)
    wait_until_logged(stack, api_id, "prod")
    stack.sandbox.client("apigatewayv2").update_stage(
        ApiId=api_id,
        StageName="prod",
        DefaultRouteSettings={"LoggingLevel": "ERROR", "DataTraceEnabled": True},
        RouteSettings={"send": {"LoggingLevel": "OFF", "DataTraceEnabled": True}},
    )

    def is_compliant() -> bool:
        stage = v2_stage(stack.sandbox, api_id)
        every = [stage["DefaultRouteSettings"], *stage["RouteSettings"].values()]
        return all((found["LoggingLevel"], found["DataTraceEnabled"]) == ("ERROR", False) for found in every)

    stack.sandbox.wait_until(is_compliant)


def test_deleted_access_log_settings_come_back(stack: Deployed) -> None:
    """The stage's name stands percent-encoded in this record: %24default."""
    api_id = make_http_stage(stack.sandbox)
    wait_until_logged(stack, api_id, "$default")
    stack.sandbox.client("apigatewayv2").delete_access_log_settings(ApiId=api_id, StageName="$default")
    wait_until_logged(stack, api_id, "$default")


def test_deleted_route_settings_lead_to_an_evaluation(stack: Deployed) -> None:
    api_id = make_websocket_stage(stack.sandbox, RouteSettings={"send": {"LoggingLevel": "ERROR"}})
    wait_until_logged(stack, api_id, "prod")
    stack.wait_until_quiet()
    before = stack.invocations()
    stack.sandbox.client("apigatewayv2").delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="send")
    stack.sandbox.wait_until(lambda: stack.invocations() > before)
    assert stack.wait_until_quiet() == 0


@pytest.mark.parametrize(
    "group", ["/aws/vendedlogs/apigateway/{api_id}/prod", "API-Gateway-Execution-Logs_{api_id}/prod"]
)
def test_deleted_log_group_is_made_again_without_touching_the_stage(stack: Deployed, group: str) -> None:
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    stack.wait_until_quiet()
    writes, retention = updates_of(stack, api_id), log_groups(stack.sandbox)[group.format(api_id=api_id)]
    stack.sandbox.client("logs").delete_log_group(logGroupName=group.format(api_id=api_id))
    stack.sandbox.wait_until(lambda: log_groups(stack.sandbox).get(group.format(api_id=api_id)) == retention)
    assert updates_of(stack, api_id) == writes


def test_delivery_to_a_deleted_log_group_of_an_http_stage_works_again(stack: Deployed) -> None:
    api_id = make_http_stage(stack.sandbox)
    wait_until_logged(stack, api_id, "$default")
    stack.wait_until_quiet()
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    stack.sandbox.client("logs").delete_log_group(logGroupName=group)
    stack.sandbox.wait_until(lambda: log_groups(stack.sandbox).get(group) == 365)
    stack.sandbox.wait_until(lambda: log_delivery.reaches(stack.sandbox, "us-east-1", group))


@pytest.mark.parametrize("place", ["account", "group"])
def test_delivery_whose_policy_is_deleted_works_again(stack: Deployed, place: str) -> None:
    """The policy of the account, in which API Gateway had the permission before 2026, or that of the log group."""
    sandbox, logs = stack.sandbox, stack.sandbox.client("logs")
    with turned(sandbox, log_delivery_policy=place):
        api_id = make_http_stage(sandbox)
        wait_until_logged(stack, api_id, "$default")
        stack.wait_until_quiet()
    group = f"/aws/vendedlogs/apigatewayv2/{api_id}/.default"
    if place == "account":
        logs.delete_resource_policy(policyName=log_delivery.ACCOUNT_POLICY)
    else:
        logs.delete_resource_policy(resourceArn=LOGS + group, expectedRevisionId="1")
    assert not log_delivery.reaches(sandbox, "us-east-1", group)
    sandbox.wait_until(lambda: log_delivery.reaches(sandbox, "us-east-1", group))
    assert stack.wait_until_quiet() == 0


def test_missing_destination_of_the_owner_is_awaited(stack: Deployed) -> None:
    """API Gateway takes and keeps a destination that does not exist. This one has no format either."""
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    patch_stage(
        stack.sandbox,
        api_id,
        ("remove", "/accessLogSettings"),
        ("replace", "/accessLogSettings/destinationArn", f"{LOGS}team/shop"),
    )
    stack.sandbox.wait_until(lambda: "format" in get_stage(stack.sandbox, api_id)["accessLogSettings"])
    assert get_stage(stack.sandbox, api_id)["accessLogSettings"] == {
        "destinationArn": f"{LOGS}team/shop",
        "format": FORMATS[Protocol.REST],
    }
    stack.wait_until_quiet()
    assert "team/shop" not in log_groups(stack.sandbox)


def test_format_that_names_no_request_is_replaced(stack: Deployed) -> None:
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    # As AWS did: such stages are still there.
    with stack.sandbox.lock, turned(stack.sandbox, accepts_formats_without_request_id=True):
        patch_stage(stack.sandbox, api_id, ("replace", "/accessLogSettings/format", "$context.status"))
    stack.sandbox.wait_until(
        lambda: get_stage(stack.sandbox, api_id)["accessLogSettings"]["format"] == FORMATS[Protocol.REST]
    )


def test_deleted_firehose_stream_is_a_finding(stack: Deployed) -> None:
    """Only the owner creates it again; the destination stays."""
    api_id = make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    stream = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/amazon-apigateway-gone"
    patch_stage(stack.sandbox, api_id, ("replace", "/accessLogSettings/destinationArn", stream))
    stack.wait_until_logged("non-compliant", api_id, "amazon-apigateway-gone")
    assert get_stage(stack.sandbox, api_id)["accessLogSettings"]["destinationArn"] == stream


HTTP_API = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Web:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefinitionBody:
        openapi: 3.0.1
        info: {title: web, version: "1"}
        paths: {}
Outputs:
  ApiId:
    Value: !Ref Web
"""


def test_change_to_a_stage_that_sam_deployed_names_its_owner(stack: Deployed, tmp_path: Path) -> None:
    (tmp_path / "template.yaml").write_text(HTTP_API)
    deployment.run(
        stack.sandbox,
        *("sam", "deploy", "--template-file", "template.yaml", "--stack-name", "website", "--resolve-s3"),
        *("--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
        folder=tmp_path,
    )
    outputs = stack.sandbox.client("cloudformation").describe_stacks(StackName="website")["Stacks"][0]["Outputs"]
    api_id = outputs[0]["OutputValue"]
    wait_until_logged(stack, api_id, "$default")
    line = stack.wait_until_logged("remediated", api_id, '"owner":"website"')
    assert json.loads(line)["stage"]["protocol"] == "HTTP"


def test_nothing_was_lost(stack: Deployed) -> None:
    assert stack.wait_until_quiet() == 0
    assert not [line for line in stack.log() if "AccessDenied" in line]


def test_lines_of_all_log_groups_are_forwarded_and_deleted_filters_are_restored(stack: Deployed) -> None:
    """By the record of the deletion; and by the sweep, if there is no record."""
    sandbox, logs = stack.sandbox, stack.sandbox.client("logs")
    rest, http, websocket = make_rest_stage(sandbox), make_http_stage(sandbox), make_websocket_stage(sandbox)
    groups = [
        f"API-Gateway-Execution-Logs_{rest}/prod",
        f"/aws/vendedlogs/apigateway/{rest}/prod",
        f"/aws/vendedlogs/apigatewayv2/{http}/.default",
        f"/aws/vendedlogs/apigatewayv2/{websocket}/prod",
        f"/aws/apigateway/{websocket}/prod",
    ]

    def filters(group: str) -> list[str]:
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        found = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
        return [each["filterName"] for each in found]

    def are_forwarded() -> bool:
        return all(filters(group) == ["log-keeper"] for group in groups)

    sandbox.wait_until(are_forwarded)
    stack.wait_until_compliant(rest)
    write_access_log(sandbox, rest, "prod", requestId="r-1", extendedRequestId="e-1")
    write_execution_log(sandbox, rest, "prod", "(r-1) Method completed with status: 500")
    for receiver, group, word in ((sandbox, groups[1], "r-1"), (sandbox.accounts.get(OTHER), groups[0], "status: 500")):
        assert receiver is not None
        [record] = [each for each in stream_records(receiver) if each["logGroup"] == group]
        assert (record["owner"], record["subscriptionFilters"]) == (sandbox.account_id, ["log-keeper"])
        assert word in record["logEvents"][0]["message"]
    for group in groups:
        logs.delete_subscription_filter(logGroupName=group, filterName="log-keeper")
    sandbox.wait_until(are_forwarded)
    stack.wait_until_quiet()
    for group in groups:
        subscription_filters.of_group(logs_backends[sandbox.account_id]["us-east-1"].groups[group]).clear()
    sweep(stack)
    sandbox.wait_until(are_forwarded)
    assert stack.wait_until_quiet() == 0
