"""Serves requests to REST APIs: finds the method, runs its integration, and writes the lines of both logs.

*Source* of the execution log lines: recordings of 2018-09 (tmobile/jazz, tests of its log streamer), 2019-02
(API-Gateway-Execution-Logs_uwe3g5jm54/Prod and _h733q2j6gb/Prod, in the tests of a subscriber named ship-logs); which
lines data trace adds and which an ERROR level keeps: radkawar/stackd, internal/services/apigatewayexec/http_logging.go,
after recordings of 2026-09. Not known: what ERROR with data trace writes (here, as ERROR), and whether a request that
fits no method is in the access log (here it is).
"""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

from sandbox.core.call import Answer
from sandbox.services.apigateway.request_logs import write_access_log, write_execution_lines
from sandbox.services.apigateway.stages import extras
from sandbox.services.execute_api import integrations
from sandbox.services.execute_api.admission import Asked, admit
from sandbox.services.execute_api.exchanges import Incoming, Outcome, Target, in_braces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.core.account import Account


_NO_KEY = "Request will not contribute to throttle or quota limits"


def serve(account: Account, region: str, api: Any, stage: Any, incoming: Incoming) -> Answer:
    """Answer the request, and write its lines."""
    found = _find(api, incoming)
    if found is None:
        outcome = Outcome(0).fail(403, "", "Missing Authentication Token", "MISSING_AUTHENTICATION_TOKEN")
        outcome.integration_error = None
        _log(account, region, api, stage, incoming, outcome, None)
        return _answer(incoming, outcome)
    path, method, parameters = found
    integration = method.method_integration
    target = Target(
        account,
        region,
        api.id,
        stage.name,
        path,
        integration.integration_type,
        integration.uri or "",
        integration.http_method or "",
        integration.request_templates or {},
        int(integration.timeout_in_millis or 29_000) / 1000,
        parameters,
        has_credentials=bool(integration.credentials),
    )
    begun = account.now()
    admission = admit(Asked(account, region, api, stage.name, path, incoming), method)
    outcome = admission.refusal or integrations.run(target, incoming)
    level, data_trace = _level(stage, path, incoming.method)
    is_traced = data_trace and level == "INFO"
    lines = _lines(target, method.http_method, incoming, outcome, begun, is_traced=is_traced)
    admitting = [(begun, text) for text, needs_trace in admission.lines if is_traced or not needs_trace]
    lines[1:1] = admitting
    if admission.refusal is not None:
        failure = [] if outcome.error is None else [(account.now(), outcome.error)]
        lines = [lines[0], *admitting, *failure]
    if level == "ERROR":
        lines = [line for line in lines if outcome.error is not None and line[1] in _at_error(outcome)]
    suffix = _suffix(account, stage)
    if level != "OFF" and lines:
        texts = [(time, f"({incoming.request_id}) {text}") for time, text in lines]
        write_execution_lines(account, api.id, stage.name, texts, region=region, suffix=suffix)
    _log(account, region, api, stage, incoming, outcome, path, suffix, admission.values)
    return _answer(incoming, outcome)


def _find(api: Any, incoming: Incoming) -> tuple[str, Any, dict[str, str]] | None:
    """Return the path of the resource, the method and the path parameters; None if there is no such method.

    A resource without variables comes before one with, and a greedy variable comes last.
    *Source:* API Gateway developer guide, "Set up a proxy resource with the proxy integration".
    """
    candidates = []
    for resource in api.resources.values():
        path = resource.get_path()
        if (match := _pattern(path).fullmatch(incoming.path)) is not None:
            method = resource.resource_methods.get(incoming.method) or resource.resource_methods.get("ANY")
            if method is not None and method.method_integration is not None:
                candidates.append((path.count("+}"), path.count("{"), path, method, match.groupdict()))
    if not candidates:
        return None
    _, _, path, method, parameters = min(candidates, key=lambda each: each[:3])
    return path, method, parameters


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(\+?)\}", path)
    text = re.escape(parts[0])
    for name, greedy, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        text += f"(?P<{name}>{'.+' if greedy else '[^/]+'}){re.escape(rest)}"
    return re.compile(text)


def _level(stage: Any, path: str, method: str) -> tuple[str, bool]:
    """Return level and data trace of the method: its own entry, under either spelling of its key, else that of all."""
    settings = stage.method_settings or {}
    keys = (f"{path.replace('/', '~1')}/{method}", f"{path.lstrip('/')}/{method}", "*/*")
    entry: dict[str, Any] = next((settings[key] for key in keys if key in settings), {})
    return (entry.get("loggingLevel") or "OFF").upper(), bool(entry.get("dataTraceEnabled"))


def _suffix(account: Account, stage: Any) -> str:
    """Return the suffix of the log groups of a request that the canary serves; empty for the others."""
    canary = extras(account, stage).canary
    is_of_canary = canary is not None and random.random() * 100 < float(canary.get("percentTraffic", 0))  # noqa: S311
    return "/Canary" if is_of_canary else ""


def _lines(
    target: Target, method: str, incoming: Incoming, outcome: Outcome, begun: datetime, *, is_traced: bool
) -> list[tuple[datetime, str]]:
    """Return the lines at INFO, without the id."""
    path, place = target.route, f"{target.api_id}/{target.stage}"
    texts = [
        f"Extended Request Id: {incoming.extended_id}",
        f"Verifying Usage Plan for request: {incoming.request_id}. API Key:  API Stage: {place}",
        f"API Key  authorized because method '{method} {path}' does not require API Key. {_NO_KEY}",
        f"Usage Plan check succeeded for API Key  and API Stage {place}",
        f"Starting execution for request: {incoming.request_id}",
        f"HTTP Method: {incoming.method}, Resource Path: {incoming.path}",
    ]
    lines = [(incoming.started if number == 0 else begun, text) for number, text in enumerate(texts)]
    if is_traced:
        body = incoming.body.decode(errors="replace")
        lines += [
            (begun, f"Method request path: {in_braces(target.path_parameters)}"),
            (begun, f"Method request query string: {in_braces(incoming.parameters)}"),
            (begun, f"Method request headers: {in_braces(incoming.headers)}"),
            (begun, f"Method request body before transformations: {body}"),
            *outcome.trace,
        ]
    end = target.now()
    if is_traced and outcome.error is None:
        lines += [
            (end, f"Method response body after transformations: {outcome.body.decode(errors='replace')}"),
            (end, f"Method response headers: {in_braces(outcome.headers)}"),
        ]
    last = [*_at_error(outcome)] if outcome.error is not None else []
    if not last:
        last = ["Successfully completed execution", *_ending(outcome)]
    return lines + [(end, text) for text in last]


def _at_error(outcome: Outcome) -> list[str]:
    """Return the lines of a failure, which ERROR keeps."""
    return [outcome.error or "", *_ending(outcome)]


def _ending(outcome: Outcome) -> list[str]:
    ending = [f"Method completed with status: {outcome.status}"]
    if outcome.endpoint_request_id is not None:
        ending.append(f"AWS Integration Endpoint RequestId : {outcome.endpoint_request_id}")
    return ending


def _log(
    account: Account,
    region: str,
    api: Any,
    stage: Any,
    incoming: Incoming,
    outcome: Outcome,
    resource_path: str | None,
    suffix: str = "",
    more: Mapping[str, str] | None = None,
) -> None:
    host = f"{api.id}.execute-api.{region}.amazonaws.com"
    values = values_of(account, incoming, outcome, host) | {
        "apiId": api.id,
        "stage": stage.name,
        "path": f"/{stage.name}{incoming.path}",
        "requestTimeEpoch": str(int(incoming.started.timestamp() * 1000)),
        # Clients reach the sandbox without TLS. Source: the documentation has these names of a version and a cipher.
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
    }
    if resource_path is not None:
        values["resourcePath"] = resource_path
    values |= more or {}
    write_access_log(account, api.id, stage.name, region=region, begun=incoming.started, suffix=suffix, **values)


def values_of(account: Account, incoming: Incoming, outcome: Outcome, host: str) -> dict[str, str]:
    """Return the values of ``$context`` that REST and HTTP APIs have in common, without those that are absent.

    *Source:* radkawar/stackd, internal/services/apigatewayexec/http_logging.go.
    """
    given: dict[str, object] = {
        "accountId": account.account_id,
        "requestId": incoming.request_id,
        "extendedRequestId": incoming.extended_id,
        "domainName": host,
        "domainPrefix": host.partition(".")[0],
        "httpMethod": incoming.method,
        "protocol": "HTTP/1.1",
        "requestTime": f"{incoming.started:%d/%b/%Y:%H:%M:%S +0000}",
        "responseLatency": int((account.now() - incoming.started).total_seconds() * 1000),
        "responseLength": len(outcome.body),
        "status": outcome.status,
        "identity.sourceIp": incoming.source_ip,
        "identity.userAgent": incoming.user_agent,
        "error.message": outcome.message,
        "error.responseType": outcome.response_type,
        "integration.error": outcome.integration_error,
        "integrationErrorMessage": outcome.integration_error,
        "integration.latency": outcome.latency,
        "integrationLatency": outcome.latency,
        "integration.integrationStatus": outcome.integration_status,
        "integrationStatus": outcome.integration_status,
        "integration.status": outcome.backend_status,
        "integration.requestId": outcome.endpoint_request_id,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _answer(incoming: Incoming, outcome: Outcome) -> Answer:
    headers = {name: value for name, value in outcome.headers.items() if name.lower() not in HOP_BY_HOP}
    headers |= {"x-amzn-RequestId": incoming.request_id, "x-amz-apigw-id": incoming.extended_id}
    return Answer(outcome.status, list(headers.items()), outcome.body)


#: Headers of the integration's answer that are not passed on.
HOP_BY_HOP = frozenset({"connection", "content-length", "date", "server", "transfer-encoding", "x-amzn-requestid"})
