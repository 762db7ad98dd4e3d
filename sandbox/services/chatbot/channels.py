"""Configurations of chat channels: they are stored, and nothing is sent to a channel.

*Source:* Amazon Q Developer in chat applications API reference, SlackChannelConfiguration and
TeamsChannelConfiguration. Whether AWS checks that the topics and the role exist is not recorded: nothing is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed


class Channels(dict[str, dict[str, Any]]):
    """The configurations of an account, by ARN. They belong to no region."""


def _create(account: Account, call: Call, platform: str) -> dict[str, Any]:
    name = call.params["ConfigurationName"]
    arn = f"arn:aws:chatbot::{account.account_id}:chat-configuration/{platform}/{name}"
    if arn in account.state(Channels):
        raise AwsError("ConflictException", f"There is a configuration {name} already.", 409)
    account.state(Channels)[arn] = {**call.params, "ChatConfigurationArn": arn}
    return {"ChannelConfiguration": account.state(Channels)[arn]}


def _existing(account: Account, call: Call) -> dict[str, Any]:
    arn = call.params["ChatConfigurationArn"]
    if arn not in account.state(Channels):
        raise AwsError("ResourceNotFoundException", f"There is no configuration {arn}.", 404)
    return account.state(Channels)[arn]


def _update(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    found = _existing(account, call)
    found.update(call.params)
    return {"ChannelConfiguration": found}


def _delete(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    del account.state(Channels)[_existing(account, call)["ChatConfigurationArn"]]
    return {}


@rule("chatbot", "CreateSlackChannelConfiguration")
def _create_slack(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return _create(account, call, "slack-channel")


@rule("chatbot", "CreateMicrosoftTeamsChannelConfiguration")
def _create_teams(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    return _create(account, call, "microsoft-teams-channel")


for _platform in ("Slack", "MicrosoftTeams"):
    rule("chatbot", f"Update{_platform}ChannelConfiguration")(_update)
    rule("chatbot", f"Delete{_platform}ChannelConfiguration")(_delete)


@rule("chatbot", "DescribeSlackChannelConfigurations")
def _describe_slack(account: Account, _: Call, __: Proceed) -> dict[str, Any]:
    return {"SlackChannelConfigurations": [each for each in account.state(Channels).values() if "SlackTeamId" in each]}


@rule("chatbot", "ListMicrosoftTeamsChannelConfigurations")
def _list_teams(account: Account, _: Call, __: Proceed) -> dict[str, Any]:
    return {"TeamChannelConfigurations": [each for each in account.state(Channels).values() if "TenantId" in each]}
