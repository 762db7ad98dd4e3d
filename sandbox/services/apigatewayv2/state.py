"""State of HTTP and WebSocket APIs that moto does not have: stages, deployments, parts that API Gateway manages."""

from __future__ import annotations

import base64
import random
import string
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.apigatewayv2.models import apigatewayv2_backends

from sandbox.core.call import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from sandbox.core.account import Account
    from sandbox.core.call import Call

#: Default and highest number of items on a page of GetApis, GetStages and others. Not documented: those of v1.
PAGE, LONGEST_PAGE = 25, 500


@dataclass(slots=True)
class Stage:
    """A stage of an HTTP or WebSocket API. Settings have the names of the SDK."""

    name: str
    created: datetime
    updated: datetime
    is_managed: bool = False
    #: None if no caller has set it: then answers do not have it.
    auto_deploy: bool | None = None
    deployment_id: str | None = None
    deployment_message: str | None = None
    description: str | None = None
    client_certificate_id: str | None = None
    access_log: dict[str, str] = field(default_factory=dict)
    default_route_settings: dict[str, Any] = field(default_factory=dict)
    route_settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    id: str
    created: datetime
    is_automatic: bool
    description: str = ""


@dataclass(slots=True)
class ApiExtras:
    """Members of an API that moto's Api does not have."""

    created: datetime
    ip_address_type: str = "ipv4"
    deployments: dict[str, Deployment] = field(default_factory=dict)
    #: Ids of the route and integration of quick create.
    managed: set[str] = field(default_factory=set)


def extras(account: Account, api: Any) -> ApiExtras:
    found = vars(api).get("sandbox_extras")
    if not isinstance(found, ApiExtras):
        found = vars(api)["sandbox_extras"] = ApiExtras(created=now(account))
    return found


def backend_of(account: Account, region: str) -> Any:
    return apigatewayv2_backends[account.account_id][region]


def api_of(account: Account, call: Call) -> Any:
    """Return moto's API that the call names. Raise AwsError if it does not exist."""
    return api_by_id(account, call.region, call.params["ApiId"])


def api_by_id(account: Account, region: str, api_id: str) -> Any:
    """Return moto's API with the id. Raise AwsError. *Source* of its text: aws/aws-sam-cli issue 7030."""
    api = backend_of(account, region).apis.get(api_id)
    if api is None:
        raise AwsError("NotFoundException", f"Invalid API identifier specified {account.account_id}:{api_id}", 404)
    return api


def stage_of(account: Account, call: Call) -> Stage:
    return stage_by_name(api_of(account, call), call.params["StageName"])


def stage_by_name(api: Any, name: str) -> Stage:
    """Return the stage of the name. Raise AwsError if it does not exist.

    *Source* of its text: that of REST APIs (hashicorp/terraform-provider-aws issue 12756); not recorded for these.
    """
    stage = api.stages.get(name)
    if stage is None:
        raise AwsError("NotFoundException", "Invalid stage identifier specified", 404)
    assert isinstance(stage, Stage)
    return stage


def page[T](items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str]) -> tuple[list[T], dict[str, str]]:
    """Return one page of the items, sorted by key, and ``NextToken`` for the answer if there are more.

    ``MaxResults`` is text in this API. The wording of the refusals is not recorded.
    """
    asked = params.get("MaxResults")
    if asked is not None and not (asked.isdigit() and 1 <= int(asked) <= LONGEST_PAGE):
        raise AwsError("BadRequestException", f"Invalid value for maxResults: {asked}")
    limit = int(asked) if asked else PAGE
    after = ""
    if params.get("NextToken"):
        try:
            after = base64.urlsafe_b64decode(params["NextToken"]).decode()
        except ValueError as error:
            raise AwsError("BadRequestException", "Invalid value for nextToken") from error
    rest = sorted((item for item in items if key(item) > after), key=key)
    shown = rest[:limit]
    if len(rest) <= limit:
        return shown, {}
    return shown, {"NextToken": base64.urlsafe_b64encode(key(shown[-1]).encode()).decode()}


def now(account: Account) -> datetime:
    """Return the time in whole seconds, as these APIs have it."""
    return account.now().replace(microsecond=0)


def new_id(length: int) -> str:
    """Return an identifier like those of API Gateway: lower case letters and digits."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))  # noqa: S311 -- a name, no secret


def bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
