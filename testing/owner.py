"""The account's owner, who deploys APIs while Log Keeper works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from botocore.exceptions import ClientError

from sandbox.core.call import Caller
from sandbox.simulation import caller_of_new_role
from testing.accounts import make_rest_api
from testing.world import World

if TYPE_CHECKING:
    from mypy_boto3_apigateway.client import APIGatewayClient
    from mypy_boto3_apigateway.type_defs import PatchOperationTypeDef

#: Seconds from the start of one deployment to the start of the next.
DEPLOYS_EVERY = 5.0


_DESCRIPTION: PatchOperationTypeDef = {"op": "replace", "path": "/description", "value": "deployed"}


@dataclass
class Owner:
    """Deploy a stage every few seconds with the calls of a deployment tool, without retries.

    ``calls``, ``throttled``: how many calls were made, and how many of them were throttled. ``every``: seconds from the
    start of one deployment to the start of the next.
    """

    here: World
    caller: Caller
    api_id: str
    calls: int = 0
    throttled: int = 0
    every: float = DEPLOYS_EVERY

    @classmethod
    def of(cls, here: World) -> Self:
        """Return an owner who has a new API with a deployed stage."""
        api_id = make_rest_api(here.sandbox)
        here.sandbox.client("apigateway").create_deployment(restApiId=api_id, stageName="prod")
        return cls(here, caller_of_new_role(here.sandbox, "Owner"), api_id)

    def deploy_repeatedly(self) -> None:
        """Deploy every few seconds; never return."""
        while True:
            began = self.here.time.monotonic()
            self._deploy()
            self.here.time.sleep(self.every - (self.here.time.monotonic() - began))

    def _deploy(self) -> None:
        client = self.here.sandbox.client("apigateway", caller=self.caller)
        for call in self._calls_of_a_deployment(client):
            self.calls += 1
            try:
                call()
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 429:
                    raise
                self.throttled += 1

    def _calls_of_a_deployment(self, client: APIGatewayClient) -> list[Callable[[], object]]:
        """Return the calls that deploy the stage once."""
        api, stage = self.api_id, "prod"
        return [
            partial(client.get_rest_api, restApiId=api),
            partial(client.get_stage, restApiId=api, stageName=stage),
            partial(client.create_deployment, restApiId=api, stageName=stage),
            partial(client.get_deployments, restApiId=api),
            partial(client.update_stage, restApiId=api, stageName=stage, patchOperations=[_DESCRIPTION]),
            partial(client.get_stage, restApiId=api, stageName=stage),
        ]

    @property
    def share(self) -> float:
        """Return the share of calls that were throttled, from 0 to 1."""
        return self.throttled / self.calls
