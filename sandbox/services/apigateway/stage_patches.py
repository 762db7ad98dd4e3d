"""The patch operations of UpdateStage on REST stages: what they accept, refuse and do.

*Source*, if no other one is named: recordings of AWS in localstack/localstack,
``tests/aws/services/apigateway/test_apigateway_{api,common}.snapshot.json``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.apigateway.models import Stage, apigateway_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.services.apigateway import canaries
from sandbox.services.apigateway.checks import method_of_key
from sandbox.services.logs import classes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.core.account import Account


#: The list of paths in API Gateway's refusal, with its spelling errors.
_PATHS = (
    "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, "
    "/accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, "
    "/{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, "
    "/{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, "
    "/{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, "
    "/{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, "
    "/*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit "
    "/*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, "
    "/*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, "
    "/variables/{variable_name}, /tracingEnabled"
)

#: A new ``*/*`` entry. It has no ``loggingLevel``.
DEFAULT_METHOD_SETTINGS: dict[str, Any] = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}

#: End of a method setting's path -> field and type.
_SETTINGS: dict[str, tuple[str, type]] = {
    "metrics/enabled": ("metricsEnabled", bool),
    "logging/loglevel": ("loggingLevel", str),
    "logging/dataTrace": ("dataTraceEnabled", bool),
    "throttling/burstLimit": ("throttlingBurstLimit", int),
    "throttling/rateLimit": ("throttlingRateLimit", float),
    "caching/enabled": ("cachingEnabled", bool),
    "caching/ttlInSeconds": ("cacheTtlInSeconds", int),
    "caching/dataEncrypted": ("cacheDataEncrypted", bool),
    "caching/requireAuthorizationForCacheControl": ("requireAuthorizationForCacheControl", bool),
    "caching/unauthorizedCacheControlHeaderStrategy": ("unauthorizedCacheControlHeaderStrategy", str),
}

# The method ANY is refused, and the only wildcard is */*.
# Source: measured on AWS on 2026-08-14 by the authors of a CDK application (verbs and ANY, {proxy+}, several depths).
_ENTRY = r"/(?P<key>\*/\*|.*/(?:GET|PUT|POST|DELETE|PATCH|HEAD|OPTIONS))"

_ENTRY_PATH = re.compile(_ENTRY)

# A path that is not valid for a stage variable is that of a method of a resource "variables". AWS's answer is not
# recorded.
# Source: of the names: API Gateway developer guide, "Amazon API Gateway stage variables reference".
_VARIABLE_PATH = re.compile(r"/variables/(?P<name>[A-Za-z0-9_]+)")

_SETTING_PATH = re.compile(_ENTRY + f"/(?P<setting>{'|'.join(map(re.escape, _SETTINGS))})")

_REQUEST_IDS = ("$context.requestId", "$context.extendedRequestId")

_NO_ROLE = "CloudWatch Logs role ARN must be set in account settings to enable logging"


@dataclass(slots=True)
class StageExtras:
    """Members of a stage that moto's Stage does not have."""

    created: datetime
    updated: datetime
    canary: dict[str, Any] | None = None
    client_certificate_id: str | None = None
    documentation_version: str | None = None


class Draft:
    """The stage as it is after the operations so far. It replaces the stage if AWS accepts all of them."""

    def __init__(
        self, account: Account, region: str, stage: Stage, more: StageExtras, deployments: Mapping[str, Any]
    ) -> None:
        self._account, self._region = account, region
        self.stage = stage
        self.more = more
        self._backend = apigateway_backends[account.account_id][region]
        self._deployments = deployments

    def apply(self, operation: dict[str, Any]) -> None:
        op, path, value = operation.get("op", ""), operation.get("path", ""), operation.get("value")
        if op not in ("add", "replace", "remove", "copy"):
            # The wording is not recorded.
            raise _bad(f"Invalid patch operation specified. Must be one of: [add, remove, replace, copy]: {op}")
        if op == "copy":
            self._promote(path, operation.get("from", ""))
        elif path == "/accessLogSettings" or path.startswith("/accessLogSettings/"):
            self._access_log(op, path, value)
        elif path == "/canarySettings" or path.startswith("/canarySettings/"):
            self._canary(op, path, value)
        elif variable := _VARIABLE_PATH.fullmatch(path):
            if op == "remove":
                self.stage.variables.pop(variable["name"], None)
            else:
                self.stage.variables[variable["name"]] = value or ""
        elif path in _PLAIN:
            self._plain(op, path, value)
        else:
            self._method_setting(op, path, value)

    def _promote(self, path: str, source: str) -> None:
        copied = canaries.promoted(self.more.canary, path, source)
        if path == "/deploymentId":
            self.stage.deployment_id = copied
        else:
            self.stage.variables = {**self.stage.variables, **copied}

    def _canary(self, op: str, path: str, value: Any) -> None:
        is_known = canaries.is_setting(op, path) and not (op == "remove" and self.more.canary is None)
        if not is_known:
            raise _no_entry(path) if op == "remove" else _no_path(path)
        self.more.canary = canaries.patched(
            self.more.canary, op, path, value, self.stage.deployment_id, self._deployments
        )

    def _plain(self, op: str, path: str, value: Any) -> None:
        value = None if op == "remove" else value
        match path:
            case "/description":
                self.stage.description = value or ""
            case "/deploymentId":
                if value not in self._deployments:
                    raise _bad("Deployment id does not exist")
                self.stage.deployment_id = value
            case "/cacheClusterEnabled":
                self.stage.cache_cluster_enabled = _typed(value, bool)
            case "/cacheClusterSize":
                self.stage.cache_cluster_size = value
            case "/tracingEnabled":
                self.stage.tracing_enabled = _typed(value, bool)
            case "/clientCertificateId":
                self.more.client_certificate_id = value
            case "/documentationVersion":
                self.more.documentation_version = value
            case "/webAclArn":
                self.stage.web_acl_arn = value

    # ---- access log

    def _access_log(self, op: str, path: str, value: Any) -> None:
        if path == "/accessLogSettings" and op == "remove":
            self.stage.access_log_settings = None
            return
        if op == "remove":
            raise _no_entry(path)
        leaf = path.removeprefix("/accessLogSettings/")
        if leaf not in ("destinationArn", "format"):
            raise _bad(
                "Invalid accessLogSettings path. Must be one of : "
                "[/accessLogSettings/destinationArn, /accessLogSettings/format]"
            )
        if not value:
            raise _bad("Access Log value must not be empty")
        if leaf == "destinationArn":
            self._check_destination(value)
        elif "\n" in value.rstrip("\n"):
            # The wording is not recorded. The developer guide says that the format is one line (SetUpLogging).
            raise _bad(f"Access Log format must be single line, new line character is allowed only at end: {value}")
        elif not (
            self._account.behaviour.accepts_formats_without_request_id or any(name in value for name in _REQUEST_IDS)
        ):
            # Source: radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json.
            raise _bad(
                f"Access Log format must include either $context.requestId or $context.extendedRequestId : '{value}'"
            )
        self.stage.access_log_settings = (self.stage.access_log_settings or {}) | {leaf: value}

    def _check_destination(self, arn: str) -> None:
        """Refuse a destination that is not a valid ARN of a log group or a delivery stream.

        Do not check whether the log group exists: AWS accepts any name, and then writes no logs.
        """
        parsed = Arn.parse(arn)
        if not parsed.partition:
            # Source: radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json.
            raise _bad(f"Invalid ARN specified in the request. ARNs must start with 'arn:': {arn}")
        if parsed.service == "logs":
            # The quoted text is the part of the ARN after the account. Source: serverless/serverless issue 6304.
            if not re.fullmatch(r"log-group:[A-Za-z0-9_\-/.]+", parsed.resource):
                raise _bad(
                    "Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.': "
                    f"'{parsed.resource}'"
                )
            self._needs_role()
            classes.check_destination(self._account, self._region, parsed.resource.removeprefix("log-group:"))

    def _needs_role(self) -> None:
        """Refuse logging to CloudWatch while the account has no log role in the region.

        *Source* of the text: serverless-stack/sst issue 4663.
        """
        if not self._backend.account.cloudwatch_role_arn:
            raise _bad(_NO_ROLE)

    # ---- method settings

    def _method_setting(self, op: str, path: str, value: Any) -> None:
        settings = self.stage.method_settings
        whole = _ENTRY_PATH.fullmatch(path)
        if op == "remove":
            # Only a whole entry can be removed. For a field, AWS answers that the entry does not exist.
            # Source: go-to-k/cdkd, verified against AWS in 2026-07.
            if whole and path[1:] in settings:
                del settings[path[1:]]
                return
            if whole or _SETTING_PATH.fullmatch(path):
                raise _no_entry(path)
        found = _SETTING_PATH.fullmatch(path)
        if found is None:
            raise _no_path(path)
        # The key is the path in the call without its first slash: ~1pets/GET and pets/GET are two entries.
        # Source: radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json (~1quiet/GET), localstack's snapshot
        # of test_create_update_stages (test/GET), hashicorp/terraform-provider-aws issue 9738 (/tenant/.../GET).
        key, (name, kind) = found["key"], _SETTINGS[found["setting"]]
        if name == "loggingLevel":
            # Lower case is accepted and stored in upper case. Source: cloud-custodian's recording
            # test_rest_stage_update.
            operation_value, value = value, str(value).upper()
            if value not in ("OFF", "ERROR", "INFO"):
                # Source: radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json; for no value at all:
                # DianaIonita/serverless-api-gateway-caching issue 123.
                raise _bad(f"Invalid logging level specified: {operation_value or 'null'}")
            if value != "OFF":
                self._needs_role()
        if key not in settings and self._account.behaviour.unifies_method_keys:
            key = next((there for there in settings if method_of_key(there) == method_of_key(key)), key)
        if key not in settings:
            # A new entry is a copy of the current */* entry. Later changes of */* do not affect it.
            # Source: DianaIonita/serverless-api-gateway-caching pull request 99;
            # hashicorp/terraform-provider-aws issue 13612.
            settings[key] = dict(settings.get("*/*", DEFAULT_METHOD_SETTINGS))
        typed = _typed(value, kind)
        if name.startswith("throttling") and typed == -1:  # -1 means: back to the account's own limit
            typed = DEFAULT_METHOD_SETTINGS[name]
        settings[key][name] = typed


_PLAIN = frozenset(
    {
        "/description",
        "/deploymentId",
        "/cacheClusterEnabled",
        "/cacheClusterSize",
        "/tracingEnabled",
        "/clientCertificateId",
        "/documentationVersion",
        "/webAclArn",
    }
)


def _typed(value: Any, kind: type) -> Any:
    if kind is bool:
        return str(value).lower() == "true"
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise _bad(f"Invalid value specified: {value}") from None  # the wording is not recorded


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)


def _no_path(path: str) -> AwsError:
    return _bad(f"Invalid method setting path: {path}. Must be one of: [{_PATHS}]")


def _no_entry(path: str) -> AwsError:
    # The space at the end is in AWS's text.
    name = path.removeprefix("/")
    return _bad(f"Cannot remove method setting {name} because there is no method setting for this method ")
