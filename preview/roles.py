"""Sessions of the role that exists in each account of the organization. They can only read."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials

from preview.permissions import session_policy

if TYPE_CHECKING:
    from mypy_boto3_sts.client import STSClient

_SESSION_NAME = "log-keeper-preview"


class RoleSessions:
    """Opens a session of the role in any account. Several threads can use it.

    ``client``: of STS in a region, since the tokens of its global endpoint are not valid in all regions.
    ``role``: path and name, without the first slash. ``profile``: for settings such as the CA bundle.
    """

    def __init__(
        self, client: STSClient, partition: str, role: str, external_id: str | None, profile: str | None
    ) -> None:
        self._client = client
        self._partition = partition
        self._role = role
        self._external_id = external_id
        self._profile = profile
        #: Reads the models of services, which are megabytes: shared by all sessions.
        self._loader = botocore.session.Session(profile=profile).get_component("data_loader")

    def arn(self, account_id: str) -> str:
        """Return the ARN of the role in the account."""
        return f"arn:{self._partition}:iam::{account_id}:role/{self._role}"

    def open(self, account_id: str) -> boto3.Session:
        """Return a session of the role, which assumes it again before its credentials end.

        Raises BotoCoreError and ClientError if the role cannot be assumed.
        """
        assume = partial(self._assume, self.arn(account_id))
        credentials = RefreshableCredentials.create_from_metadata(assume(), assume, "sts-assume-role")
        inner = botocore.session.Session(profile=self._profile)
        inner.register_component("data_loader", self._loader)
        inner.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
        return boto3.Session(botocore_session=inner)

    def _assume(self, arn: str) -> dict[str, str]:
        """Return credentials in the form that botocore refreshes."""
        external: dict[str, Any] = {} if self._external_id is None else {"ExternalId": self._external_id}
        answer = self._client.assume_role(
            RoleArn=arn, RoleSessionName=_SESSION_NAME, Policy=session_policy(), **external
        )
        given = answer["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


class _Given(CredentialProvider):
    """Gives a session these credentials, and no others that it could find."""

    METHOD = "sts-assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        """Return the credentials."""
        return self._credentials
