"""What the parameters choose: formats, metrics, exemptions and data trace, in the deployed stack."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.stages import Protocol
from sandbox.assembly import Sandbox
from sandbox.services.apigatewayv2 import log_delivery
from testing.accounts import (
    described_log_groups,
    get_stage,
    levels,
    log_group_tags,
    log_groups,
    make_http_stage,
    make_rest_api,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
    turned,
    v2_stage,
)
from testing.stacks import Deployed

OWN = {
    Protocol.REST: '{"id":"$context.extendedRequestId","route":"$context.resourcePath"}',
    Protocol.HTTP: '{"id":"$context.requestId","route":"$context.routeKey"}',
}


@pytest.fixture(scope="module")
def stack(account: Sandbox, deploy: Callable[..., Deployed]) -> Deployed:
    account.client("ssm").put_parameter(Name="/log-keeper/formats/rest", Value=f"{OWN[Protocol.REST]}\n", Type="String")
    is_refused = account.behaviour.refuses_infrequent_access_destinations
    return deploy(
        AccessLogFormat="CSV",
        RestAccessLogFormat="/log-keeper/formats/rest",
        HttpAccessLogFormat=OWN[Protocol.HTTP],
        DetailedMetrics="Yes",
        ExemptTagKey="hands-off",
        AllowDataTrace="Yes",
        LogGroupTags="team=unknown,env=x",
        CopyTagKeys="team",
        AccessLogClass="Standard" if is_refused else "InfrequentAccess",
        ExecutionLogClass="InfrequentAccess",
        LogGroupDeletionProtection="Yes",
        AccessLogGroupName="/access-logs/${apiName}/${apiId}/${stage}",
    )


def test_format_is_right_for_each_protocol(stack: Deployed) -> None:
    """REST APIs get the one in the SSM parameter, HTTP APIs that of their parameter, WebSocket APIs that of all."""
    formats = {**access_log_formats(FormatName.CSV), **OWN}
    rest, http, websocket = (
        make_rest_stage(stack.sandbox),
        make_http_stage(stack.sandbox),
        make_websocket_stage(stack.sandbox),
    )
    stack.wait_until_compliant(rest)
    stack.wait_until_logged("remediated", http)
    stack.wait_until_logged("remediated", websocket)
    assert get_stage(stack.sandbox, rest)["accessLogSettings"]["format"] == formats[Protocol.REST]
    assert v2_stage(stack.sandbox, http, "$default")["AccessLogSettings"]["Format"] == formats[Protocol.HTTP]
    assert v2_stage(stack.sandbox, websocket)["AccessLogSettings"]["Format"] == formats[Protocol.WEBSOCKET]


def test_new_log_groups_are_as_the_parameters_and_the_tags_of_their_stage_say(stack: Deployed) -> None:
    client, api_id = stack.sandbox.client("apigateway"), make_rest_api(stack.sandbox)
    deployment_id = client.create_deployment(restApiId=api_id)["id"]
    client.create_stage(
        restApiId=api_id,
        stageName="prod",
        deploymentId=deployment_id,
        canarySettings={"percentTraffic": 10},
        tags={"team": "shop"},
    )
    http = make_http_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    stack.wait_until_logged("remediated", http)
    usual = {"created-by": "log-keeper", "team": "unknown", "env": "x"}
    tags = log_group_tags(stack.sandbox)
    assert [tags[name] for name in tags if api_id in name] == [usual | {"team": "shop"}] * 4
    assert tags[f"/access-logs/web/{http}/.default"] == usual
    described = described_log_groups(stack.sandbox)
    is_refused = stack.sandbox.behaviour.refuses_infrequent_access_destinations
    classes = {name: group["logGroupClass"] for name, group in described.items() if api_id in name or http in name}
    assert len(classes) == 5
    assert all(described[name]["deletionProtectionEnabled"] for name in classes)
    for name, log_class in classes.items():
        is_standard = is_refused and not name.startswith("API-Gateway-Execution-Logs_")
        assert log_class == ("STANDARD" if is_standard else "INFREQUENT_ACCESS")


def test_log_group_with_a_name_by_the_pattern_and_its_policy_are_created_again(stack: Deployed) -> None:
    """The events name the stage by that name alone, and it does not say that the stage is of an HTTP API."""
    sandbox, logs = stack.sandbox, stack.sandbox.client("logs")
    with turned(sandbox, log_delivery_policy="group"):
        http = make_http_stage(sandbox)
        stack.wait_until_logged("remediated", http)
        stack.wait_until_quiet()
        group = f"/access-logs/web/{http}/.default"
        destination = v2_stage(sandbox, http, "$default")["AccessLogSettings"]["DestinationArn"]
        assert destination.endswith(f":log-group:{group}")
        logs.put_log_group_deletion_protection(logGroupIdentifier=group, deletionProtectionEnabled=False)
        logs.delete_log_group(logGroupName=group)
        sandbox.wait_until(lambda: log_groups(sandbox).get(group) == 365)
        sandbox.wait_until(lambda: log_delivery.reaches(sandbox, "us-east-1", group))
        stack.wait_until_quiet()
        logs.delete_resource_policy(resourceArn=destination, expectedRevisionId="1")
        sandbox.wait_until(lambda: log_delivery.reaches(sandbox, "us-east-1", group))
        assert stack.wait_until_quiet() == 0


def test_log_group_with_an_earlier_name_of_the_api_stays_and_is_created_again(stack: Deployed) -> None:
    sandbox, logs = stack.sandbox, stack.sandbox.client("logs")
    client, api_id = sandbox.client("apigateway"), make_rest_stage(sandbox)
    stack.wait_until_compliant(api_id)
    client.update_rest_api(restApiId=api_id, patchOperations=[{"op": "replace", "path": "/name", "value": "Store / 2"}])
    client.create_deployment(restApiId=api_id, stageName="qa")
    earlier, new = f"/access-logs/shop/{api_id}/prod", f"/access-logs/Store---2/{api_id}/qa"
    sandbox.wait_until(lambda: log_groups(sandbox).get(new) == 365)
    stack.wait_until_quiet()
    assert get_stage(sandbox, api_id)["accessLogSettings"]["destinationArn"].endswith(f":log-group:{earlier}")
    assert get_stage(sandbox, api_id, "qa")["accessLogSettings"]["destinationArn"].endswith(f":log-group:{new}")
    logs.put_log_group_deletion_protection(logGroupIdentifier=earlier, deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName=earlier)
    sandbox.wait_until(lambda: log_groups(sandbox).get(earlier) == 365)
    assert stack.wait_until_quiet() == 0


def test_detailed_metrics_are_on(stack: Deployed) -> None:
    rest, http = make_rest_stage(stack.sandbox), make_http_stage(stack.sandbox)
    stack.wait_until_compliant(rest)
    stack.wait_until_logged("remediated", http)
    assert get_stage(stack.sandbox, rest)["methodSettings"]["*/*"]["metricsEnabled"]
    assert v2_stage(stack.sandbox, http, "$default")["DefaultRouteSettings"]["DetailedMetricsEnabled"]


def test_exempt_stage_is_reported_and_left(stack: Deployed) -> None:
    client, api_id = stack.sandbox.client("apigateway"), make_rest_stage(stack.sandbox)
    stack.wait_until_compliant(api_id)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    client.tag_resource(resourceArn=arn, tags={"hands-off": "audited by hand"})
    patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/loglevel", "OFF"))
    stack.wait_until_logged("exempt", api_id, '"from":"OFF"')
    assert stack.wait_until_quiet() == 0
    assert levels(get_stage(stack.sandbox, api_id)) == {"*/*": "OFF"}
    client.untag_resource(resourceArn=arn, tagKeys=["hands-off"])
    stack.wait_until_compliant(api_id)


def test_data_trace_stays_where_the_tag_and_the_parameter_allow_it(stack: Deployed) -> None:
    client, api_id = stack.sandbox.client("apigateway"), make_rest_stage(stack.sandbox)
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod"
    client.tag_resource(resourceArn=arn, tags={"execution-logs": "INFO", "execution-logs-data-trace": "true"})
    stack.wait_until_compliant(api_id, level="INFO")
    stack.wait_until_quiet()
    before = stack.invocations()
    patch_stage(stack.sandbox, api_id, ("replace", "/*/*/logging/dataTrace", "true"))
    stack.sandbox.wait_until(lambda: stack.invocations() > before)
    stack.wait_until_quiet()
    assert get_stage(stack.sandbox, api_id)["methodSettings"]["*/*"]["dataTraceEnabled"]
    client.untag_resource(resourceArn=arn, tagKeys=["execution-logs"])
    stack.wait_until_compliant(api_id)
