"""What the benchmarks in simulated time share: the simulated account of the tests, and functions that fill it."""

from __future__ import annotations

import contextlib
import io
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from testing.accounts import make_rest_api, make_role, set_log_role
from testing.world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.assembly import Sandbox
    from sandbox.core.call import CallRecord

__all__ = ["World", "calls_by_service", "give_log_role", "make_http_apis", "make_rest_apis", "quiet", "world"]

_SERVICES = {"apigateway": "API Gateway", "apigatewayv2": "API Gateway", "logs": "Logs", "iam": "IAM"}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop the log and the metrics of the functions, which go to standard output."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def calls_by_service(records: Iterable[CallRecord]) -> Counter[str]:
    """Return the numbers of calls to API Gateway, Logs, IAM and other services."""
    return Counter(_SERVICES.get(record.call.service, "others") for record in records)


def give_log_role(here: World) -> None:
    """Set a valid log role that has existed for a while."""
    arn = make_role(here.sandbox, "Logs")
    here.time.sleep(60)
    set_log_role(here.sandbox, arn)


def make_rest_apis(sandbox: Sandbox, apis: int, stages: int) -> list[tuple[str, str]]:
    """Create so many REST APIs with so many stages each, none compliant. Return (API id, name) of each stage."""
    client = sandbox.client("apigateway")
    made = []
    for _ in range(apis):
        api_id = make_rest_api(sandbox)
        deployment = client.create_deployment(restApiId=api_id)["id"]
        for number in range(stages):
            client.create_stage(restApiId=api_id, stageName=f"s{number}", deploymentId=deployment)
            made.append((api_id, f"s{number}"))
    return made


def make_http_apis(sandbox: Sandbox, apis: int, stages: int) -> list[tuple[str, str]]:
    """Create so many HTTP APIs with so many stages each, none compliant. Return (API id, name) of each stage."""
    client = sandbox.client("apigatewayv2")
    made = []
    for _ in range(apis):
        api_id: Any = client.create_api(Name="web", ProtocolType="HTTP")["ApiId"]
        for number in range(stages):
            client.create_stage(ApiId=api_id, StageName=f"s{number}")
            made.append((api_id, f"s{number}"))
    return made
