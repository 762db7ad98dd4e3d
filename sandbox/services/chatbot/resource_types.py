"""CloudFormation types of Amazon Q Developer in chat applications. Their properties have other names than the API's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sandbox.core.resource_types import Context, Made, Properties, ResourceType, key_values, resource_type, shaped

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Channel(ResourceType):
    #: Parts of the names of the API's operations.
    platform: ClassVar[str]
    #: The API's names of properties that have other names in CloudFormation.
    renamed: ClassVar[Mapping[str, str]]

    def create(self, context: Context, properties: Properties) -> Made:
        tags = [
            {"TagKey": tag["Key"], "TagValue": tag["Value"]}
            for tag in key_values(context.tags(properties, system=False))
        ]
        answer = self._call(context, "create", {**self._api_names(properties), **({"Tags": tags} if tags else {})})
        arn = answer["ChannelConfiguration"]["ChatConfigurationArn"]
        return Made(arn, {"Arn": arn})

    def update(self, context: Context, physical_id: str, old: Properties, new: Properties) -> Properties:
        wanted = {key: value for key, value in self._api_names(new).items() if key not in self._fixed()}
        self._call(context, "update", {**wanted, "ChatConfigurationArn": physical_id})
        return {}

    def delete(self, context: Context, physical_id: str, properties: Properties) -> None:
        self._call(context, "delete", {"ChatConfigurationArn": physical_id})

    def _fixed(self) -> set[str]:
        """Return the API's names of the properties whose change replaces the resource."""
        names: Properties = dict.fromkeys(self.replaced_by)
        return set(self._api_names(names))

    def _api_names(self, properties: Properties) -> Properties:
        return {self.renamed.get(key, key): value for key, value in properties.items() if key != "Tags"}

    def _call(self, context: Context, verb: str, parameters: Properties) -> Any:
        client, method = context.client("chatbot"), f"{verb}_{self.platform}_channel_configuration"
        return getattr(client, method)(**shaped(client, method, parameters))


@resource_type
class SlackChannel(_Channel):
    name = "AWS::Chatbot::SlackChannelConfiguration"
    platform = "slack"
    renamed: ClassVar[Mapping[str, str]] = {
        "SlackWorkspaceId": "SlackTeamId",
        "GuardrailPolicies": "GuardrailPolicyArns",
        "UserRoleRequired": "UserAuthorizationRequired",
    }


@resource_type
class TeamsChannel(_Channel):
    name = "AWS::Chatbot::MicrosoftTeamsChannelConfiguration"
    platform = "microsoft_teams"
    renamed: ClassVar[Mapping[str, str]] = {
        "TeamsChannelId": "ChannelId",
        "TeamsTenantId": "TenantId",
        "GuardrailPolicies": "GuardrailPolicyArns",
        "UserRoleRequired": "UserAuthorizationRequired",
    }
