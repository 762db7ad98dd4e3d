"""Canaries of REST stages: creation, change and promotion.

*Source:* recordings of AWS of 2025-05 in localstack/localstack,
``tests/aws/services/apigateway/test_apigateway_canary.snapshot.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.call import AwsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

#: Target of a copy operation -> its source.
_COPIES = {
    "/deploymentId": "/canarySettings/deploymentId",
    "/variables": "/canarySettings/stageVariableOverrides",
}
_OVERRIDES = "stageVariableOverrides/"


def new_canary(deployment_id: str | None, given: Mapping[str, Any], deployments: Collection[str]) -> dict[str, Any]:
    """Return a canary with the given settings. ``deployment_id``: its deployment, unless the settings name one."""
    canary = {"deploymentId": deployment_id, "percentTraffic": 0.0, "useStageCache": False, **given}
    if canary["deploymentId"] not in deployments:
        raise _bad("Deployment id does not exist")
    return canary


def deployed_canary(deployment_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canary that CreateDeployment creates from these settings. It replaces an earlier one completely."""
    return new_canary(deployment_id, given, [deployment_id])


def check_deployment(stage_name: str | None, *, stage_exists: bool, has_canary: bool, given: Mapping[str, Any]) -> None:
    """Refuse a canary deployment without a stage, and a deployment without a canary to a stage that has a canary.

    *Source* of the second refusal: serverless/serverless, issue 11518.
    """
    problem = None
    if given:
        if not stage_name:
            problem = (
                "Non null and non empty stageName must be provided for canary deployment. "
                f"Provided value is {'null' if stage_name is None else stage_name}"
            )
        elif not stage_exists:
            problem = f"Stage {stage_name} must already be created before making a canary release deployment"
    elif has_canary:
        problem = (
            f"Non canary deployment not supported on stage {stage_name} because Canary is enabled. "
            "Provide CanarySettings in deploymentInput."
        )
    if problem:
        raise _bad(f"Invalid deployment content specified.{problem}")  # AWS's text has no space here


def patched(
    canary: dict[str, Any] | None,
    op: str,
    path: str,
    value: Any,
    deployment_id: str | None,
    deployments: Collection[str],
) -> dict[str, Any] | None:
    """Return the canary after one patch operation under ``/canarySettings``, or None if the stage has none.

    The first operation that replaces a setting creates the canary with ``deployment_id``, the deployment of the stage.
    The caller has checked ``op`` and ``path`` with ``is_setting``.
    """
    if op == "add":
        raise _bad(f"Invalid add operation with path: {path}")
    if path == "/canarySettings":  # the operation is remove: nothing else is allowed
        return None
    changed = dict(canary or new_canary(deployment_id, {}, deployments))
    leaf = path.removeprefix("/canarySettings/")
    if leaf.startswith(_OVERRIDES):
        overrides = changed["stageVariableOverrides"] = dict(changed.get("stageVariableOverrides", {}))
        name = leaf.removeprefix(_OVERRIDES)
        if op == "remove":
            overrides.pop(name, None)
        else:
            overrides[name] = value or ""
    else:
        changed[leaf] = _typed(leaf, value)
    return new_canary(deployment_id, changed, deployments)


def is_setting(op: str, path: str) -> bool:
    """Return whether AWS knows the operation on this path under ``/canarySettings``."""
    leaf = path.removeprefix("/canarySettings/")
    if path == "/canarySettings" or leaf in ("percentTraffic", "useStageCache", "deploymentId"):
        return op == "add" or (op == "remove") == (path == "/canarySettings")
    return leaf.startswith(_OVERRIDES) and leaf != _OVERRIDES


def promoted(canary: dict[str, Any] | None, path: str, source: str) -> Any:
    """Return what a ``copy`` operation writes to ``path``: the canary's deployment, or its stage variables.

    The canary itself stays. Another operation removes it.
    """
    if _COPIES.get(path) != source:
        raise _bad(
            f"Invalid copy operation with path: {path} and from {source}. Valid copy:path are "
            f"[{', '.join(_COPIES)}] and valid copy:from are [{', '.join(_COPIES.values())}]"
        )
    if canary is None:
        raise _bad("Promotion not available. Canary does not exist.")
    if path == "/deploymentId":
        return canary["deploymentId"]
    return canary.get("stageVariableOverrides", {})


def _typed(leaf: str, value: Any) -> Any:
    if leaf == "useStageCache":
        return str(value).lower() == "true"
    if leaf == "deploymentId":
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _bad(f"Invalid value specified: {value}") from None  # the wording is not recorded


def _bad(message: str) -> AwsError:
    return AwsError("BadRequestException", message)
