"""``make verify`` against the sandbox reports each switch in another position, and leaves no resource behind."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from sandbox.core.behaviour import DEFAULTS, Behaviour, other_positions
from sandbox.core.behaviour_points import Position
from sandbox.core.faults import Fault, FaultType
from testing.accounts import make_role, set_log_role
from testing.verify_account import traces
from verify.__main__ import main
from verify.catalog import POINTS
from verify.resource_types import PREFIX

#: Switches that no call of the program can find out.
NEVER = {
    "api_versions_share_quota",
    "automatic_deployment_keeps_account_filters",
    "cross_region_buses_elsewhere",
    "leaving_accounts_keep_stacks",
    "nested_stacks_need_auto_expand",
    "reads_of_stack_sets_list_administrators",
    "rules_see_their_stack_created",
    "stack_set_arn_of_administrator",
    "stack_sets_read_all_stacks",
    "throttled_calls_use_quota",
    "throttles_without_code",
}
#: Switches that it finds out if it may set other log roles, and one that takes a wait for CloudTrail.
WITH_ACCOUNT_SETTINGS = {
    "log_role_needs_create_log_group",
    "retests_log_role_that_is_set",
    "update_account_tests_all_groups",
}
WITH_CLOUDTRAIL = {"tagging_api_shows_service_calls"}
EVERYTHING = ("--with-account-settings", "--minutes-for-cloudtrail", "1")
#: All switches that it finds out.
DECIDED = tuple(sorted({point.switch for point in POINTS if point.switch} - NEVER))


def verify(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], *arguments: str, session: Any = None
) -> tuple[int, dict[str, Any]]:
    """Run it in this process. Return its exit code and its JSON."""
    with pytest.MonkeyPatch.context() as patch:
        # Requests to APIs go to this address; calls of AWS stay in this process.
        patch.setenv("AWS_ENDPOINT_URL", sandbox.endpoint)
        code = main(["--yes", "--json", *arguments], session or sandbox.session(), rate=10_000, patience=0.001)
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, answer


def switches(answer: dict[str, Any], status: str) -> set[str | None]:
    """Return the switches of the points with that result."""
    return {each["switch"] for each in answer["points"] if each["status"] == status}


def deny(sandbox: Sandbox, service: str, operation: str) -> None:
    """Deny the operation to everybody until the denial is removed."""
    sandbox.faults.add(Fault(FaultType.ACCESS_DENIED, service, operation, times=None, of=lambda _: True))


def test_sandbox_agrees_with_itself_and_is_left_as_it_was(
    with_log_role: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traces(with_log_role)
    code, answer = verify(with_log_role, capsys, *EVERYTHING)
    assert switches(answer, "same") == {*DECIDED, None}
    assert switches(answer, "not tried") == NEVER | {None}  # there is no stack of Log Keeper's
    assert code == 0
    assert traces(with_log_role) == before


def test_record_of_update_stage_that_names_no_stage_is_reported(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_the_body(call: Any, _: Any) -> dict[str, Any]:
        return {"restApiId": call.params.get("restApiId"), "body": {"stageName": call.params.get("stageName")}}

    monkeypatch.setattr("sandbox.services.cloudtrail.records._v1_parameters", in_the_body)
    code, answer = verify(sandbox, capsys, "--minutes-for-cloudtrail", "1", "--only", "update-stage-record")
    assert [(each["status"], each["aws"]) for each in answer["points"]] == [("different", False)]
    assert code == 3


def test_account_settings_are_not_touched_unless_allowed(
    with_log_role: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = len(with_log_role.calls)
    code, answer = verify(with_log_role, capsys)
    assert code == 0
    assert switches(answer, "not tried") - NEVER == {None} | WITH_ACCOUNT_SETTINGS | WITH_CLOUDTRAIL
    assert "UpdateAccount" not in {record.call.operation for record in with_log_role.calls[calls:]}


def test_account_without_log_role_has_none_again(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = verify(sandbox, capsys, *EVERYTHING)
    assert switches(answer, "same") == {*DECIDED, None}
    assert code == 0
    assert traces(sandbox)["account"] == [None]
    assert traces(sandbox)["roles"] == []


def test_points_that_need_a_log_role_are_not_tried_without_one(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = verify(sandbox, capsys)
    assert code == 0
    assert switches(answer, "not tried") - NEVER - WITH_ACCOUNT_SETTINGS - WITH_CLOUDTRAIL == {
        None,
        "access_log_escaping",
        "recreates_rest_access_log_groups",
        "refuses_missing_websocket_log_groups",
        "accepts_formats_without_request_id",
        "takes_delivery_sources_without_account",
    }
    reasons = {each["switch"]: each["why"] for each in answer["points"]}
    assert "log role" in reasons["accepts_formats_without_request_id"]


def test_every_switch_of_the_sandbox_is_a_point_with_its_default() -> None:
    assert {point.switch: point.expected for point in POINTS if point.switch} == DEFAULTS


@pytest.mark.parametrize(
    ("switch", "position"), [(switch, position) for switch in DECIDED for position in other_positions(switch)]
)
def test_turned_switch_is_reported_and_no_other(
    switch: str, position: Position, capsys: pytest.CaptureFixture[str]
) -> None:
    turned: dict[str, Any] = {switch: position}
    with Sandbox(iam_propagation_seconds=0, behaviour=Behaviour(**turned)) as sandbox:
        set_log_role(sandbox, make_role(sandbox))
        before = traces(sandbox)
        more = EVERYTHING if switch in WITH_ACCOUNT_SETTINGS | WITH_CLOUDTRAIL else ()
        code, answer = verify(sandbox, capsys, *more)
        assert traces(sandbox) == before
    assert {each["switch"]: each["aws"] for each in answer["points"] if each["status"] == "different"} == turned
    assert switches(answer, "could not tell") == set()
    assert code == 3


def test_other_resources_are_not_touched(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    gateway, tags = sandbox.client("apigateway"), {PREFIX: "a tag of theirs"}
    gateway.create_rest_api(name=f"{PREFIX}-01234567")  # without the tag
    gateway.create_rest_api(name=f"{PREFIX}-of-somebody", tags=tags)
    sandbox.client("apigatewayv2").create_api(Name=f"my-{PREFIX}-01234567", ProtocolType="HTTP", Tags=tags)
    for group in ("/theirs", f"{PREFIX}-results", f"{PREFIX}-0123456789/lines", f"/{PREFIX}-01234567/lines"):
        sandbox.client("logs").create_log_group(logGroupName=group)
    sandbox.client("s3").create_bucket(Bucket=f"{PREFIX}-results-us-east-1")
    make_role(sandbox, f"{PREFIX}-admins-us-east-1")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = make_role(sandbox, "Scheduler", trust={"Version": "2012-10-17", "Statement": [trust]})
    sandbox.client("scheduler").create_schedule(
        Name=f"{PREFIX}-nightly",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": f"arn:aws:sqs:us-east-1:{sandbox.account_id}:x", "RoleArn": role},
    )
    before = traces(sandbox)
    verify(sandbox, capsys)
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    assert traces(sandbox) == before


def test_documented_policy_is_enough(with_log_role: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    policy = (Path(__file__).resolve().parents[3] / "docs" / "verify-policy.json").read_text()
    arn = make_role(with_log_role, "Owner", policy=None)
    with_log_role.client("iam").put_role_policy(RoleName="Owner", PolicyName="verify", PolicyDocument=policy)
    before = traces(with_log_role)
    key = with_log_role.caller_of_role(arn, "somebody")["AccessKeyId"]
    session = with_log_role.session(with_log_role.caller_of_key(key))
    code, answer = verify(with_log_role, capsys, *EVERYTHING, session=session)
    assert (code, switches(answer, "same")) == (0, {*DECIDED, None}), answer
    assert main(["--yes", "--clean-up"], session, rate=10_000, patience=0.001) == 0
    assert traces(with_log_role) == before


def test_refused_call_is_one_unclear_point(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    deny(sandbox, "scheduler", "CreateSchedule")
    code, answer = verify(sandbox, capsys)
    assert switches(answer, "could not tell") == {"refuses_past_schedules"}
    assert code == 1


def test_what_cannot_be_deleted_is_listed_with_the_command_and_deleted_by_a_later_clean_up(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traces(sandbox)
    deny(sandbox, "apigatewayv2", "DeleteApi")
    code, answer = verify(sandbox, capsys, "--only", "partial-route-settings")
    sandbox.faults.lift()
    [api] = sandbox.client("apigatewayv2").get_apis()["Items"]
    assert [each["byHand"] for each in answer["leftovers"]] == [
        f"aws apigatewayv2 delete-api --api-id {api['ApiId']} --region us-east-1"
    ]
    assert code == 1
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    assert traces(sandbox) == before


def test_run_without_a_terminal_requires_yes_and_creates_nothing(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # which is no terminal
    assert main([], sandbox.session()) == 1
    assert "--yes" in capsys.readouterr().err
    assert [record.call.operation for record in sandbox.calls] == ["GetCallerIdentity"]


def test_run_of_all_points_announces_its_calls(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())  # which is no terminal: the run ends before it begins
    assert main([], sandbox.session()) == 1
    assert "makes 150 to 400 calls in about 5 minutes" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("n", 1), ("", 1)])
def test_run_at_a_terminal_asks_first(
    answer: str, code: int, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(f"{answer}\n"))
    ended = main(["--only", "retention-by-identifier"], sandbox.session(), rate=10_000, patience=0.001)
    said = capsys.readouterr()
    assert f"account {sandbox.account_id}, region us-east-1" in said.err
    assert re.search(r"It tries 1 of \d+ points: .* All points together take 150 to 400 calls", said.err)
    assert "0.01 USD" in said.err
    assert ended == code
    assert any(record.call.operation == "CreateLogGroup" for record in sandbox.calls) == (code == 0)


def test_api_whose_answer_was_lost_is_deleted_too(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    before = traces(sandbox)
    sandbox.faults.add(Fault(FaultType.DROPPED_AFTER, "apigateway", "CreateRestApi", of=lambda _: True))
    verify(sandbox, capsys, "--only", "method-setting-keys")
    assert sum(record.call.operation == "CreateRestApi" for record in sandbox.calls) == 2
    assert traces(sandbox) == before


def test_entry_that_aws_added_to_a_policy_of_the_account_is_removed_and_others_stay(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox.turn(log_delivery_policy="account")
    theirs = sandbox.client("apigatewayv2").create_api(Name="theirs", ProtocolType="HTTP")["ApiId"]
    sandbox.client("apigatewayv2").create_stage(ApiId=theirs, StageName="$default")
    sandbox.client("logs").create_log_group(logGroupName="/theirs")
    sandbox.client("apigatewayv2").update_stage(
        ApiId=theirs,
        StageName="$default",
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:/theirs",
            "Format": "$context.requestId",
        },
    )
    [before] = traces(sandbox)["policies"]
    verify(sandbox, capsys, "--only", "log-delivery-policy")
    [after] = traces(sandbox)["policies"]
    assert json.loads(after["policyDocument"]) == json.loads(before["policyDocument"])
    assert "/theirs" in after["policyDocument"]


def entries(*groups: str) -> dict[str, Any]:
    """Return a statement that lists several log groups, as AWS wrote them."""
    return {
        "Sid": "AWSLogDeliveryWrite",
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [f"arn:aws:logs:us-east-1:123456789012:log-group:{group}:log-stream:*" for group in groups],
    }


def documents(policies: list[dict[str, Any]]) -> dict[str, Any]:
    """Return each policy's document by its name."""
    return {each["policyName"]: json.loads(each["policyDocument"]) for each in policies}


def test_entry_is_removed_from_a_statement_that_lists_other_log_groups(sandbox: Sandbox) -> None:
    """*Source:* radkawar/stackd testdata/aws/apigateway/http_log_settings.json (2026-09): one statement for many."""
    logs, own = sandbox.client("logs"), f"{PREFIX}-01234567"
    theirs = ["/aws/vendedlogs/states/theirs", f"{PREFIX}-results"]

    def put(name: str, *statements: dict[str, Any]) -> None:
        document = {"Version": "2012-10-17", "Statement": statements}
        logs.put_resource_policy(policyName=name, policyDocument=json.dumps(document))

    put("AWSLogDeliveryWrite20150319", entries(*theirs))
    put("other", entries(theirs[0]))
    before = traces(sandbox)["policies"]
    put("AWSLogDeliveryWrite20150319", entries(theirs[0], f"{own}/http", theirs[1]), entries(f"{own}/quick"))
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    assert documents(traces(sandbox)["policies"]) == documents(before)


def test_entry_of_another_run_in_a_policy_stays(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    sandbox.turn(log_delivery_policy="account")
    document = {"Version": "2012-10-17", "Statement": [entries(f"{PREFIX}-01234567/http")]}
    policy = {"policyName": "AWSLogDeliveryWrite20150319", "policyDocument": json.dumps(document)}
    sandbox.client("logs").put_resource_policy(**policy)
    before = traces(sandbox)["policies"]
    verify(sandbox, capsys, "--only", "log-delivery-policy")
    assert documents(traces(sandbox)["policies"]) == documents(before)


class ClosingPipe(io.StringIO):
    """A stderr whose reader ends after so many writes."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self._left = writes

    def write(self, text: str) -> int:
        self._left -= 1
        if self._left < 0:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("writes", range(4, 20, 3))
def test_nothing_remains_if_nobody_reads_stderr_any_more(
    writes: int, sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = traces(sandbox)
    monkeypatch.setattr("sys.stderr", ClosingPipe(writes))
    code, _ = verify(sandbox, capsys, "--only", "partial-route-settings", "--only", "past-schedule")
    assert code in (0, 1)
    assert traces(sandbox) == before


def test_stack_that_is_not_log_keepers_is_not_waited_for(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    sandbox.client("cloudformation").create_stack(StackName="other", TemplateBody=json.dumps(template))
    code, answer = verify(sandbox, capsys, "--only", "stack-*", "--stack-name", "other")
    assert {each["status"] for each in answer["points"]} == {"not tried"}
    assert "is not Log Keeper's" in answer["points"][0]["why"]
    assert code == 0


def test_answer_that_cannot_be_read_does_not_stop_the_deleting(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = traces(sandbox)

    def delete(*_: object) -> None:
        raise KeyError("Schedules")

    with monkeypatch.context() as patch:
        patch.setattr("verify.resource_types.ResourceType.delete", delete)
        code, answer = verify(sandbox, capsys, "--only", "past-schedule", "--only", "partial-route-settings")
    assert code == 1
    assert len(answer["leftovers"]) == 4
    assert main(["--yes", "--clean-up"], sandbox.session(), rate=10_000) == 0
    assert traces(sandbox) == before


@pytest.mark.parametrize("minutes", ["nan", "-1", "inf", "ten"])
@pytest.mark.parametrize("option", ["--minutes-for-stack", "--minutes-for-cloudtrail"])
def test_minutes_that_never_end_are_wrong_usage(option: str, minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"{option}={minutes}"])
    assert ended.value.code == 2
    assert "minutes" in capsys.readouterr().err


@pytest.mark.parametrize("operation", ["GetRestApis", "DeleteRestApi", "DescribeLogGroups"])
@pytest.mark.parametrize("kind", [FaultType.THROTTLED, FaultType.THROTTLED_WITHOUT_CODE])
def test_everything_is_deleted_although_calls_are_throttled(
    kind: FaultType,
    operation: str,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = traces(sandbox)
    # Seconds, which this run takes by the thousandth; boto3's own pauses are over at once.
    monkeypatch.setattr("verify.resource_types._PATIENCE", 60_000)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
    service = "logs" if operation == "DescribeLogGroups" else "apigateway"
    # More often than boto3 tries again.
    sandbox.faults.add(Fault(kind, service, operation, times=6, of=lambda _: True))
    code, answer = verify(sandbox, capsys, "--only", "method-setting-keys")
    assert (code, answer["leftovers"]) == (0, [])
    assert traces(sandbox) == before
