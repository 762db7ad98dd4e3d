"""Lists of a region with more APIs than fit in a page."""

from __future__ import annotations

import time
from typing import Any

from moto.apigateway.models import apigateway_backends
from moto.apigatewayv2.models import apigatewayv2_backends

from sandbox.assembly import Sandbox
from testing.clients import client

REST, HTTP = 1320, 600
#: Each list takes a tenth of that; what is quadratic takes longer.
ENOUGH_SECONDS = 5.0


def test_every_api_and_its_stages_are_listed_in_pages(sandbox: Sandbox) -> None:
    rest = apigateway_backends[sandbox.account_id]["us-east-1"]
    for number in range(REST):
        rest.create_rest_api(f"rest-{number}", "")
    v2 = apigatewayv2_backends[sandbox.account_id]["us-east-1"]
    for number in range(HTTP):
        client(sandbox, "apigatewayv2").create_api(Name=f"http-{number}", ProtocolType="HTTP")
    assert (len(rest.apis), len(v2.apis)) == (REST, HTTP)
    started = time.monotonic()
    rest_ids = pages(client(sandbox, "apigateway").get_rest_apis, "items", "position", "id", limit=500)
    v2_ids = pages(client(sandbox, "apigatewayv2").get_apis, "Items", "NextToken", "ApiId", MaxResults="500")
    assert (len(set(rest_ids)), len(set(v2_ids))) == (REST, HTTP)
    for api_id in rest_ids[:200]:
        assert client(sandbox, "apigateway").get_stages(restApiId=api_id)["item"] == []
    assert time.monotonic() - started < ENOUGH_SECONDS


def pages(call: Any, items: str, token: str, identity: str, **parameters: Any) -> list[str]:
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        answer = call(**parameters, **after)
        found += [item[identity] for item in answer[items]]
        if token not in answer:
            return found
        after = {token: answer[token]}
