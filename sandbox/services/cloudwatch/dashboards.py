"""Dashboards, and the checks of their definitions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import cloudwatch_backends

from sandbox.core.call import AwsError
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_TYPES = frozenset({"metric", "text", "log", "alarm", "explorer", "custom"})
_LIMIT = 500  # widgets
_COLUMNS = 24


@rule("cloudwatch", "PutDashboard")
def put_dashboard(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create or replace the dashboard. Raise AwsError that lists the faults of its body.

    *Source:* https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    (structure; the wording of single faults is not recorded), hashicorp/terraform-provider-aws (the error's code).
    """
    text = call.params["DashboardBody"]
    try:
        body: Any = json.loads(text)
    except ValueError:
        faults = [{"DataPath": "", "Message": "The field DashboardBody must be a valid JSON object"}]
    else:
        faults = [{"DataPath": path, "Message": message} for path, message in _faults(body)]
    if faults:
        message = f"The dashboard body is invalid, there are {len(faults)} validation errors: {json.dumps(faults)}"
        raise AwsError("InvalidParameterInput", message)
    cloudwatch_backends[account.account_id][call.region].put_dashboard(name=call.params["DashboardName"], body=text)
    return {"DashboardValidationMessages": []}


def _faults(body: Any) -> Iterator[tuple[str, str]]:
    """Yield (path, fault) for everything that CloudWatch would refuse."""
    widgets = body.get("widgets") if isinstance(body, dict) else None
    if not isinstance(widgets, list):
        yield "/", "Should have required property 'widgets'"
        return
    if len(widgets) > _LIMIT:
        yield "/widgets", f"Should NOT have more than {_LIMIT} items"
    for index, widget in enumerate(widgets):
        path = f"/widgets/{index}"
        if not isinstance(widget, dict) or widget.get("type") not in _TYPES:
            yield f"{path}/type", f"Should be one of {', '.join(sorted(_TYPES))}"
            continue
        x, width = widget.get("x", 0), widget.get("width", 6)
        for name, least, most in (("x", 0, 23), ("y", 0, 9999), ("width", 1, _COLUMNS), ("height", 1, 1000)):
            value = widget.get(name, least)
            if not isinstance(value, int) or not least <= value <= most:
                yield f"{path}/{name}", f"Should be an integer from {least} to {most}"
            elif name == "width" and isinstance(x, int) and x + width > _COLUMNS:
                yield f"{path}/{name}", f"The widget reaches beyond the {_COLUMNS} columns"
        properties = widget.get("properties")
        if not isinstance(properties, dict):
            yield path, "Should have required property 'properties'"
            continue
        yield from _property_faults(widget["type"], f"{path}/properties", properties)


def _property_faults(kind: str, path: str, properties: dict[str, Any]) -> Iterator[tuple[str, str]]:
    required = {"text": ["markdown"], "log": ["region", "query"], "alarm": ["alarms"], "custom": ["endpoint"]}
    for name in required.get(kind, []):
        if name not in properties:
            yield path, f"Should have required property '{name}'"
    if kind != "metric":
        return
    if "region" not in properties:
        yield path, "Should have required property 'region'"
    metrics, annotations = properties.get("metrics"), properties.get("annotations")
    if metrics is None and not (isinstance(annotations, dict) and annotations.get("alarms")):
        yield path, "Should have metrics, or an alarm among its annotations"
    for index, metric in enumerate(metrics if isinstance(metrics, list) else []):
        words = [each for each in metric if not isinstance(each, dict)] if isinstance(metric, list) else None
        if words is None or (words and (len(words) < 2 or len(words) % 2)):
            yield f"{path}/metrics/{index}", "Should be a namespace, a name, and pairs of dimensions"
        elif not words and not any("expression" in each or "insightRule" in json.dumps(each) for each in metric):
            yield f"{path}/metrics/{index}", "Should have an expression"
