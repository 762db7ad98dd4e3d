"""The account's owner, who deploys APIs while Log Keeper works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from botocore.exceptions import ClientError

from sandbox.core.call import Caller
from sandbox.simulation import caller_of_new_role
from testing.accounts import make_rest_api
from testing.world import World

#: Seconds between one deployment and the next.
DEPLOYS_EVERY = 5.0


@dataclass
class Owner:
    """Deploy a stage every few seconds with the calls of a deployment tool, without retries.

    ``calls``, ``throttled``: how many calls were made, and how many of them were throttled.
    """

    here: World
    caller: Caller
    api_id: str
    calls: int = 0
    throttled: int = 0

    @classmethod
    def of(cls, here: World) -> Self:
        """Return an owner who has a new API with a deployed stage."""
        api_id = make_rest_api(here.sandbox)
        here.sandbox.client("apigateway").create_deployment(restApiId=api_id, stageName="prod")
        return cls(here, caller_of_new_role(here.sandbox, "Owner"), api_id)

    def deploy_repeatedly(self) -> None:
        """Deploy every DEPLOYS_EVERY seconds; never return."""
        while True:
            began = self.here.time.monotonic()
            self._deploy()
            self.here.time.sleep(DEPLOYS_EVERY - (self.here.time.monotonic() - began))

    def _deploy(self) -> None:
        client = self.here.sandbox.client("apigateway", caller=self.caller)
        named = {"restApiId": self.api_id}
        for call, more in (
            (client.get_rest_api, {}),
            (client.get_stage, {"stageName": "prod"}),
            (client.create_deployment, {"stageName": "prod"}),
            (client.get_deployments, {}),
            (
                client.update_stage,
                {
                    "stageName": "prod",
                    "patchOperations": [{"op": "replace", "path": "/description", "value": "deployed"}],
                },
            ),
            (client.get_stage, {"stageName": "prod"}),
        ):
            self.calls += 1
            try:
                call(**named, **more)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 429:
                    raise
                self.throttled += 1

    @property
    def share(self) -> float:
        """Return the share of calls that were throttled, from 0 to 1."""
        return self.throttled / self.calls
