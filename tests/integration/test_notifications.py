"""The examples for mail and chat channels, deployed in the sandbox, with the events that Log Keeper publishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from log_keeper.aws.event_bus import put_events
from log_keeper.events.hints import Cause
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.plan import Setting
from log_keeper.policy.results import Outcome, Result
from log_keeper.stages import Account, Protocol
from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.builders import ACCOUNT, REF, updated
from testing.clients import client
from testing.cloudformation import create, physical
from testing.deliveries import Deliver

EXAMPLES = Path(__file__).parents[2] / "examples" / "notifications"
#: The members of a custom notification that AWS documents; others are not known to be accepted.
#: *Source:* Amazon Q Developer in chat applications administrator guide, "Custom notifications", event schema.
MEMBERS = {"version", "source", "id", "content", "metadata"}
CONTENT = {"textType", "title", "description", "nextSteps", "keywords"}
METADATA = {"threadId", "summary", "eventType", "relatedResources", "additionalContext"}

type Messages = Callable[[], list[str]]


def deploy(sandbox: Sandbox, example: str, **parameters: str) -> Messages:
    """Deploy an example. Return a function that returns the new messages of its topic."""
    given = [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]
    described = create(sandbox, (EXAMPLES / example).read_text(), example.removesuffix(".yaml"), Parameters=given)
    assert described["StackStatus"] == "CREATE_COMPLETE", described
    topic = physical(sandbox, example.removesuffix(".yaml"))["Topic"]
    sqs = client(sandbox, "sqs")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    client(sandbox, "sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:us-east-1:{ACCOUNT}:inbox")

    def messages() -> list[str]:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for each in got:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        return [json.loads(each["Body"])["Message"] for each in got]

    return messages


def tagged_stage(sandbox: Sandbox) -> str:
    """Create a REST stage that requires changes, and has a tag that is a finding. Return the API's id."""
    api_id = make_rest_stage(sandbox)
    sandbox.client("apigateway").tag_resource(
        resourceArn=f"arn:aws:apigateway:us-east-1::/restapis/{api_id}/stages/prod",
        tags={"execution-logs": "INFO", "execution-logs-until": "soon"},
    )
    return api_id


def check_notification(text: str) -> dict[str, Any]:
    """Return the message. Fail unless it is a custom notification as AWS documents it."""
    message: dict[str, Any] = json.loads(text)
    assert message.keys() <= MEMBERS
    assert (message["version"], message["source"]) == ("1.0", "custom")
    assert message["content"].keys() <= CONTENT
    assert message["content"]["textType"] == "client-markdown"
    assert message["metadata"].keys() <= METADATA
    strings = [message["content"]["title"], message["content"]["description"], *message["content"]["nextSteps"]]
    strings += [message["metadata"][name] for name in ("threadId", "summary", "eventType")]
    strings += message["metadata"]["additionalContext"].values()
    assert all(isinstance(each, str) for each in strings)
    return message


def test_mails_tell_what_was_remediated_and_found(sandbox: Sandbox, deliver: Deliver) -> None:
    mails = deploy(sandbox, "mail.yaml", Email="ops@example.com")
    api_id = tagged_stage(sandbox)
    assert deliver(updated(api_id)) == []
    remediation, finding = sorted(map(json.loads, mails()), key=lambda mail: "finding" in mail)
    stage = {
        "account": ACCOUNT,
        "accountName": "",
        "region": "us-east-1",
        "protocol": "REST",
        "api": api_id,
        "stage": "prod",
        "owner": None,
        "evaluatedBecauseOf": "UpdateStage",
    }
    assert finding == {"finding": Problem.UNREADABLE_TAG, "about": "execution-logs-until", **stage}
    settings = ["access log destination", "access log format", "execution logging level"]
    assert remediation.pop("remediated") == settings
    assert [change["setting"] for change in remediation.pop("changes")] == settings
    group = f"/aws/vendedlogs/apigateway/{api_id}/prod"
    assert remediation.pop("logGroups") == {group: "created", f"API-Gateway-Execution-Logs_{api_id}/prod": "created"}
    assert remediation == stage


def test_messages_for_chat_channels_have_the_documented_format(sandbox: Sandbox, deliver: Deliver) -> None:
    messages = deploy(sandbox, "chat.yaml")
    api_id = tagged_stage(sandbox)
    assert deliver(updated(api_id)) == []
    found = {each["metadata"]["eventType"]: each for each in map(check_notification, messages())}
    finding, remediation = found["Stage Logging Finding"], found["Stage Logging Remediated"]
    assert finding["content"]["title"] == f"Log Keeper: {Problem.UNREADABLE_TAG}"
    assert finding["content"]["description"] == "execution-logs-until"
    where = f"stage prod of the REST API {api_id}, region us-east-1, account {ACCOUNT}"
    assert finding["content"]["nextSteps"][0].startswith(f"Check the {where}. Owner: []. Evaluated because of: Update")
    assert remediation["content"]["title"] == f"Log Keeper remediated the stage prod of {api_id}"
    assert remediation["content"]["description"].splitlines() == [
        f"Stage prod of the REST API {api_id}, region us-east-1, account {ACCOUNT}",
        "Changed: [access log destination] [access log format] [execution logging level] []",
        "Reason of the first: access logs are always on (APIGateway.9)",
        "Owner: []. Evaluated because of: UpdateStage.",
    ]
    # Both are in one thread, and differ in their ids.
    assert {each["metadata"]["threadId"] for each in found.values()} == {f"{ACCOUNT}/us-east-1/{api_id}/prod"}
    assert len({each["id"] for each in found.values()}) == 2


@pytest.mark.parametrize(("example", "given"), [("mail.yaml", {"Email": "ops@example.com"}), ("chat.yaml", {})])
def test_remediations_can_be_left_out(sandbox: Sandbox, deliver: Deliver, example: str, given: dict[str, str]) -> None:
    messages = deploy(sandbox, example, Remediations="No", **given)
    api_id = tagged_stage(sandbox)
    assert deliver(updated(api_id)) == []
    (only,) = messages()
    assert Problem.UNREADABLE_TAG in only


@pytest.mark.parametrize(("example", "given"), [("mail.yaml", {"Email": "ops@example.com"}), ("chat.yaml", {})])
def test_any_text_of_a_finding_arrives(sandbox: Sandbox, example: str, given: dict[str, str]) -> None:
    """Answers of AWS have quotes, backslashes and line breaks; names of accounts have quotes too."""
    messages = deploy(sandbox, example, **given)
    hostile = 'AccessDenied: "role" \\ <problem>\n\tüñ'
    finding = Finding(Problem.CHANGE_FAILED, hostile)
    result = Result(REF, Outcome.NON_COMPLIANT, Protocol.REST, "team: shop-1_a/b@c", findings=(finding,))
    account = Account("111111111111", "aws", 'Team "A" \\', "ou-ab12-11111111")
    put_events(lambda: sandbox.client("events"), account, result, Cause("UpdateStage", "id", None))
    assert sandbox.dropped_events == []
    (text,) = messages()
    if example == "mail.yaml":
        mail = json.loads(text)
        assert (mail["about"], mail["accountName"], mail["owner"]) == (hostile, account.name, result.owner)
    else:
        message = check_notification(text)
        assert message["content"]["description"] == hostile
        assert message["metadata"]["additionalContext"]["accountName"] == account.name
        assert message["metadata"]["additionalContext"]["owner"] == result.owner


@pytest.mark.parametrize("text", [*Problem, *Setting])
def test_texts_within_quotes_need_no_escapes(text: str) -> None:
    assert json.dumps(text, ensure_ascii=False) == f'"{text}"'


def test_channels_get_the_topic_and_may_do_nothing(sandbox: Sandbox) -> None:
    ids = {
        "SlackWorkspaceId": "T01234567",
        "SlackChannelId": "C01234567",
        "TeamsTenantId": "00000000-0000-4000-8000-000000000002",
        "TeamsTeamId": "00000000-0000-4000-8000-000000000001",
        "TeamsChannelId": "19%3aabc%40thread.tacv2",
    }
    deploy(sandbox, "chat.yaml", **ids)
    made, chatbot = physical(sandbox, "chat"), sandbox.client("chatbot")
    (slack,) = chatbot.describe_slack_channel_configurations()["SlackChannelConfigurations"]
    (teams,) = chatbot.list_microsoft_teams_channel_configurations()["TeamChannelConfigurations"]
    assert (slack["SlackTeamId"], slack["SlackChannelId"]) == ("T01234567", "C01234567")
    assert (teams["TeamId"], teams["ChannelId"]) == (ids["TeamsTeamId"], ids["TeamsChannelId"])
    for channel in (slack, teams):
        assert channel["SnsTopicArns"] == [made["Topic"]]
        assert channel["IamRoleArn"].endswith(made["ChannelRole"])
    iam = sandbox.client("iam")
    assert iam.list_role_policies(RoleName=made["ChannelRole"])["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName=made["ChannelRole"])["AttachedPolicies"] == []
