"""``make logs`` reads a stage of a sandbox account, in this process."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from logs import __main__ as command
from logs import reading
from logs.permissions import READING
from sandbox.assembly import Sandbox
from testing.accounts import (
    give_log_role,
    make_delivery,
    make_http_stage,
    make_rest_stage,
    make_websocket_stage,
    patch_stage,
)
from testing.execution_logs import THROTTLED, TIMED_OUT, TIMED_OUT_LINES, put_lines
from testing.logged_requests import ACCESS, FORMAT, HOSTILE, NOW, SUCCEEDED, access_line, make_logged_requests

ROOT = Path(__file__).resolve().parents[3]

type Run = Callable[..., tuple[int, str, str]]


def test_lines_of_each_request_stand_together_with_the_access_log_line_first(api_id: str, run: Run) -> None:
    code, output, errors = run("--api", "shop", "--stage", "prod")
    assert (code, errors) == (0, "")
    lines = output.splitlines()
    first, second, third = (number for number, line in enumerate(lines) if "GET /prod/echo" in line)
    assert "502" in lines[first]
    assert "11040 ms" in lines[first]
    assert "integration 11029 ms" in lines[first]
    assert TIMED_OUT in lines[first + 1]
    assert 'with a "quoted" agent' in lines[first + 1]
    assert lines[first + 2] == "    Error: The Lambda function ended at its own timeout of 10.00 seconds."
    timeline = lines[first + 3 : second - 1]
    assert len(timeline) == len(TIMED_OUT_LINES)
    assert timeline[0].split() == ["0", "ms", "request", "Extended", "Request", "Id:", "Vwc2MGFUrPEFV_g="]
    assert timeline[-1].startswith("   11033 ms")
    assert [lines[number].split("  ")[2] for number in (second, third)] == ["200", "429"]
    assert "HTTP Method: GET" in lines[third - 2]
    assert "4 requests between" in output
    assert "2 failed" in output
    assert "\x1b" not in output


def test_errors_are_the_failed_requests(api_id: str, run: Run) -> None:
    _, output, _ = run("--api", api_id, "--errors", "--json")
    found = json.loads(output)
    assert [request["requestId"] for request in found["requests"]] == [TIMED_OUT, THROTTLED]
    assert found["requests"][1]["errors"] == [
        "The request was throttled: the limit is 1.00 requests per second, with a burst of 1."
    ]
    assert found["isComplete"]


@pytest.mark.parametrize(
    "text",
    [TIMED_OUT, "Vwc2MGFUrPEFV_g=", "71952965-d5cc-4974-ae08-6e2138b2275c"],
    ids=["id", "extended", "function's"],
)
def test_one_request_is_found_by_each_of_its_ids(api_id: str, run: Run, text: str) -> None:
    _, output, _ = run("--api", "shop", "--request-id", text, "--json")
    (request,) = json.loads(output)["requests"]
    assert request["requestId"] == TIMED_OUT
    assert request["status"] == 502
    assert len(request["executionLog"]) == len(TIMED_OUT_LINES)


def test_search_is_limited_to_its_time(api_id: str, run: Run) -> None:
    _, output, _ = run("--api", "shop", "--since", "2m")
    assert "0 requests between" in output
    _, output, _ = run("--api", "shop", "--since", "10m", "--until", "6m")
    assert "0 requests between" in output


def test_search_that_reaches_a_limit_says_so(api_id: str, run: Run) -> None:
    code, output, _ = run("--api", "shop", "--most-pages", "1")
    assert code == command.INCOMPLETE
    assert "The search ended early, at --most-pages 1" in output
    code, output, _ = run("--api", "shop", "--most-requests", "1", "--json")
    found = json.loads(output)
    assert [request["requestId"] for request in found["requests"]] == [HOSTILE]
    assert any(note.startswith("3 earlier requests are left out") for note in found["notes"])


def arn(sandbox: Sandbox, group: str) -> str:
    return f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{group}"


def make_stage_with_access_logs(sandbox: Sandbox, destination: str) -> str:
    """Create a REST stage whose access logs go to the destination. Return the API's id."""
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/accessLogSettings/destinationArn", destination),
        ("replace", "/accessLogSettings/format", FORMAT),
    )
    return api_id


def test_error_level_is_explained_with_the_command_for_this_very_stage(sandbox: Sandbox, run: Run) -> None:
    give_log_role(sandbox)
    api_id = make_rest_stage(sandbox)
    patch_stage(sandbox, api_id, ("replace", "/*/*/logging/loglevel", "ERROR"))
    _, output, _ = run("--api", api_id, "--info-tag-key", "details", "--json")
    (note,) = [note for note in json.loads(output)["notes"] if "ERROR" in note]
    assert "lines of failed requests only" in note
    command_line = note[note.index("aws apigateway tag-resource") :]
    words = shlex.split(command_line)
    given = dict(zip(words[3::2], words[4::2], strict=True))
    key, _, value = given["--tags"].partition("=")
    # The command does what it says.
    sandbox.client("apigateway", given["--region"]).tag_resource(resourceArn=given["--resource-arn"], tags={key: value})
    stage = sandbox.client("apigateway").get_stage(restApiId=api_id, stageName="prod")
    assert stage["tags"] == {"details": "INFO"}


def test_stage_without_logs_is_explained(sandbox: Sandbox, run: Run) -> None:
    make_rest_stage(sandbox)
    code, output, _ = run("--api", "shop")
    assert code == command.COMPLETE
    assert "The stage has no access logs: they are off." in output
    assert "Execution logs of the stage are OFF" in output
    assert "Lines arrive some seconds after their request" in output
    _, output, _ = run("--api", "shop", "--until", "5m")
    assert "Lines arrive some seconds after their request" not in output


def test_http_api_has_access_log_lines_only(sandbox: Sandbox, run: Run) -> None:
    api_id = make_http_stage(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=ACCESS)
    log_format = "$context.identity.sourceIp $context.requestId $context.status $context.requestTimeEpoch"
    sandbox.client("apigatewayv2").update_stage(
        ApiId=api_id,
        StageName="$default",
        AccessLogSettings={"DestinationArn": arn(sandbox, ACCESS), "Format": log_format},
    )
    # HTTP APIs write seconds.
    begin = NOW - timedelta(minutes=1, milliseconds=77)
    put_lines(sandbox, ACCESS, [(begin, f"203.0.113.9 JKJaXmPLvHcESHA= 404 {int(begin.timestamp())}")])
    _, output, _ = run("--api", "web", "--json")
    found = json.loads(output)
    (request,) = found["requests"]
    assert (request["requestId"], request["status"], request["isFailed"]) == ("JKJaXmPLvHcESHA=", 404, True)
    assert request["time"] == f"{begin:%Y-%m-%d %H:%M:%S}.923Z"
    assert any("HTTP APIs have no execution logs" in note for note in found["notes"])
    assert found["executionLogGroups"] == []


def test_websocket_api_has_both(sandbox: Sandbox, run: Run) -> None:
    give_log_role(sandbox)
    sandbox.client("logs").create_log_group(logGroupName=ACCESS)
    api_id = make_websocket_stage(
        sandbox,
        AccessLogSettings={"DestinationArn": arn(sandbox, ACCESS), "Format": "$context.requestId $context.eventType"},
        DefaultRouteSettings={"LoggingLevel": "ERROR"},
    )
    put_lines(sandbox, ACCESS, [(NOW - timedelta(seconds=9), "gAbc= MESSAGE")])
    put_lines(
        sandbox,
        f"/aws/apigateway/{api_id}/prod",
        [(NOW - timedelta(seconds=8), "(gAbc=) Execution failed: Internal server error")],
    )
    _, output, _ = run("--api", "chat", "--errors", "--json")
    found = json.loads(output)
    (request,) = found["requests"]
    assert (request["method"], request["executionLog"][0]["milliseconds"]) == ("MESSAGE", 1000)
    assert request["errors"] == ["API Gateway says: Execution failed: Internal server error"]
    assert any("aws apigatewayv2 tag-resource" in note for note in found["notes"])


def test_delivered_execution_logs_and_those_of_a_canary_are_read(api_id: str, sandbox: Sandbox, run: Run) -> None:
    sandbox.client("logs").create_log_group(logGroupName="/teams/execution")
    make_delivery(sandbox, api_id, arn(sandbox, "/teams/execution"))
    deployment = sandbox.client("apigateway").get_stage(restApiId=api_id, stageName="prod")["deploymentId"]
    patch_stage(
        sandbox,
        api_id,
        ("replace", "/canarySettings/percentTraffic", "10"),
        ("replace", "/canarySettings/deploymentId", deployment),
    )
    put_lines(sandbox, "/teams/execution", [(NOW - timedelta(minutes=5), f"({HOSTILE}) Starting execution")])
    put_lines(sandbox, f"{ACCESS}/Canary", [(NOW, access_line("canary", "c=", "200", NOW))])
    _, output, _ = run("--api", "shop", "--json")
    found = json.loads(output)
    assert found["accessLogGroups"] == [ACCESS, f"{ACCESS}/Canary"]
    assert "/teams/execution" in found["executionLogGroups"]
    by_id = {request["requestId"]: request for request in found["requests"]}
    assert by_id[HOSTILE]["executionLog"][0]["text"] == "Starting execution"
    assert by_id["canary"]["status"] == 200


def test_logs_in_another_place_are_named(sandbox: Sandbox, run: Run) -> None:
    elsewhere = "arn:aws:logs:us-east-1:999999999999:log-group:central"
    api_id = make_stage_with_access_logs(sandbox, elsewhere)
    _, output, _ = run("--api", api_id)
    assert f"Access logs go to {elsewhere}, which this command does not read." in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--api", "none"), "there is no API none in us-east-1; there are: shop ("),
        (("--api", "shop", "--stage", "beta"), "has no stage beta; its stages: prod"),
        (("--api", "shop", "--region", "nowhere"), "nowhere"),
    ],
)
def test_what_does_not_exist_is_one_sentence(api_id: str, run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, output, errors = run(*arguments)
    assert (code, output) == (1, "")
    assert said in errors
    assert errors.count("\n") == 1


def test_ambiguous_names_are_listed(sandbox: Sandbox, run: Run) -> None:
    ids = [make_rest_stage(sandbox), make_rest_stage(sandbox)]
    _, _, errors = run("--api", "shop")
    assert all(api_id in errors for api_id in ids)
    sandbox.client("apigateway").create_deployment(restApiId=ids[0], stageName="beta")
    _, _, errors = run("--api", ids[0])
    assert "use --stage with one of" in errors


def test_documented_permissions_are_enough(
    api_id: str, sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = re.search(r"```json\n(.*?)```", (ROOT / "docs" / "logs.md").read_text(), re.DOTALL)
    assert policy is not None
    actions = json.loads(policy[1])["Statement"][0]["Action"]
    assert actions == [action for group in READING.values() for action in group]
    iam = sandbox.client("iam")
    iam.create_user(UserName="reader")
    iam.put_user_policy(UserName="reader", PolicyName="read", PolicyDocument=policy[1])
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    sandbox.client("logs").create_log_group(logGroupName="/teams/execution")
    make_delivery(sandbox, api_id, arn(sandbox, "/teams/execution"))
    code, output, errors = run("--api", "shop")
    assert (code, errors) == (0, "")
    assert "4 requests between" in output
    monkeypatch.undo()


def test_new_requests_are_followed(sandbox: Sandbox, run: Run) -> None:
    """Each is shown once, when its lines are complete, and only if it failed. Ctrl-C ends the command."""
    api_id = make_logged_requests(sandbox, NOW - timedelta(minutes=5))
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    passed = timedelta()

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += timedelta(seconds=seconds)
        begin = NOW + timedelta(seconds=5)
        if passed == timedelta(seconds=6):
            put_lines(sandbox, ACCESS, [(begin, access_line("new", "n=", "500", begin))], stream="later")
            put_lines(sandbox, ACCESS, [(begin, access_line("fine", "f=", "200", begin))], stream="later")
        if passed == timedelta(seconds=9):
            put_lines(sandbox, group, [(begin, "(new) Execution failed due to a timeout error")], stream="later")
        if passed > timedelta(seconds=60):
            raise KeyboardInterrupt

    code, output, errors = run(
        "--api", api_id, "--follow", "--errors", "--json", clock=lambda: NOW + passed, sleep=sleep
    )
    assert (code, errors) == (command.COMPLETE, "")
    (request,) = map(json.loads, output.splitlines())
    assert request["requestId"] == "new"
    assert request["errors"] == ["The integration did not answer within its timeout."]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--follow", "--html", "page.html"),
        ("--follow", "--request-id", "a"),
        ("--follow", "--insights"),
        ("--json", "--html", "-"),
        ("--since", "yesterday"),
        ("--since", "5m", "--until", "10m"),
        ("--most-pages", "0"),
        ("--request-id", "two words"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("--api", "shop", *arguments)[0] == 2


def test_requests_of_a_slow_integration_and_late_lines_are_followed(sandbox: Sandbox, run: Run) -> None:
    """All lines of a request can arrive when it ends; a request of which more lines come later is shown again."""
    api_id = make_logged_requests(sandbox, NOW - timedelta(minutes=5))
    group = f"API-Gateway-Execution-Logs_{api_id}/prod"
    begin, passed = NOW + timedelta(seconds=3), timedelta()

    def sleep(seconds: float) -> None:
        nonlocal passed
        passed += timedelta(seconds=seconds)
        if passed == timedelta(seconds=36):
            put_lines(sandbox, ACCESS, [(begin, access_line("slow", "s=", "200", begin))], stream="later")
        if passed == timedelta(seconds=60):
            put_lines(sandbox, group, [(begin, "(slow) Extended Request Id: s=")], stream="later")
        if passed > timedelta(minutes=8):
            raise KeyboardInterrupt

    _, output, _ = run("--api", api_id, "--follow", "--json", clock=lambda: NOW + passed, sleep=sleep)
    first, second = map(json.loads, output.splitlines())
    assert (first["requestId"], second["requestId"]) == ("slow", "slow")
    assert [len(each["executionLog"]) for each in (first, second)] == [0, 1]


def test_limit_leaves_out_the_earliest_lines_and_keeps_the_order_of_the_others(
    api_id: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 3)
    code, output, _ = run("--api", "shop", "--most-pages", "1", "--json")
    found = json.loads(output)
    assert code == command.INCOMPLETE
    assert [each["requestId"] for each in found["requests"]] == [SUCCEEDED, THROTTLED, HOSTILE]
    monkeypatch.setattr(reading, "PAGE", 7)
    _, output, _ = run("--api", "shop", "--json")
    timed_out = json.loads(output)["requests"][0]
    assert [step["text"].strip() for step in timed_out["executionLog"]] == [text.strip() for _, text in TIMED_OUT_LINES]


def test_log_group_that_only_logs_insights_reads_is_named_with_the_price(sandbox: Sandbox, run: Run) -> None:
    sandbox.client("logs").create_log_group(logGroupName=ACCESS, logGroupClass="INFREQUENT_ACCESS")
    api_id = make_stage_with_access_logs(sandbox, arn(sandbox, ACCESS))
    code, output, errors = run("--api", api_id, "--json")
    assert (code, errors) == (command.COMPLETE, "")
    (note,) = [note for note in json.loads(output)["notes"] if "INFREQUENT_ACCESS" in note]
    assert "0.005 USD for each GB" in note
    # The command that it names is accepted.
    words = shlex.split(note[note.index("aws logs start-query") : note.index(", then aws")])
    given = {name.removeprefix("--"): value for name, value in zip(words[3::2], words[4::2], strict=True)}
    sandbox.client("logs", given["region"]).start_query(
        logGroupName=given["log-group-name"],
        startTime=int(given["start-time"]),
        endTime=int(given["end-time"]),
        queryString=given["query-string"],
    )


class Keyboard(io.StringIO):
    """A terminal at which somebody has typed an answer."""

    def isatty(self) -> bool:
        return True


def test_log_group_is_read_with_logs_insights_once_its_cost_is_agreed_to(
    sandbox: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.client("logs").create_log_group(logGroupName=ACCESS, logGroupClass="INFREQUENT_ACCESS")
    api_id = make_stage_with_access_logs(sandbox, arn(sandbox, ACCESS))
    begin = NOW - timedelta(minutes=1, milliseconds=77)
    times = {"one": begin, "other": begin + timedelta(milliseconds=1)}
    put_lines(sandbox, ACCESS, [(at, access_line(text, f"{text}=", "500", at)) for text, at in times.items()])

    for keyboard, said in ((io.StringIO(), "use --yes"), (Keyboard("n\n"), "no query was started")):
        monkeypatch.setattr("sys.stdin", keyboard)
        code, output, errors = run("--api", api_id, "--insights")
        assert (code, output) == (1, "")
        assert "0.005 USD for each GB" in errors
        assert said in errors
    assert not [each for each in sandbox.calls if each.call.operation == "StartQuery"]

    monkeypatch.setattr("sys.stdin", Keyboard("y\n"))
    code, output, errors = run("--api", api_id, "--insights", "--json")
    assert code == command.COMPLETE
    assert "0.005 USD for each GB" in errors
    assert [each["requestId"] for each in json.loads(output)["requests"]] == ["one", "other"]
    assert json.loads(output)["requests"][0]["time"] == f"{begin:%Y-%m-%d %H:%M:%S}.923Z"
    _, output, _ = run("--api", api_id, "--insights", "--yes", "--json", "--request-id", "other=")
    assert [each["requestId"] for each in json.loads(output)["requests"]] == ["other"]
