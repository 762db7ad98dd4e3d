"""Whether CloudTrail records the changes in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient
    from mypy_boto3_cloudtrail.type_defs import GetEventSelectorsResponseTypeDef, TrailTypeDef

_NOT_READABLE = ("AccessDeniedException", "CloudTrailARNInvalidException", "TrailNotFoundException")


def has_trail(client: CloudTrailClient) -> bool:
    """Return whether a trail logs the region's management write events; EventBridge receives no changes otherwise.

    Raises ClientError.
    """
    return any(_logs_changes(client, trail) for trail in client.describe_trails(includeShadowTrails=True)["trailList"])


def _logs_changes(client: CloudTrailClient, trail: TrailTypeDef) -> bool:
    """Return whether the trail is switched on and logs management write events.

    A trail of the organization counts, even if this account is not allowed to read it: members may see only the name
    (turbot/steampipe-plugin-aws, issue 577).
    """
    name = trail["TrailARN"]
    try:
        if not client.get_trail_status(Name=name)["IsLogging"]:
            return False
        selectors = client.get_event_selectors(TrailName=name)
    except ClientError as error:
        if error_code(error) in _NOT_READABLE:
            return bool(trail.get("IsOrganizationTrail"))
        raise
    return _selects_changes(selectors)


def _selects_changes(selectors: GetEventSelectorsResponseTypeDef) -> bool:
    """Return whether the trail's event selectors, basic or advanced, include management write events."""
    if any(
        selector.get("IncludeManagementEvents", True) and selector.get("ReadWriteType", "All") != "ReadOnly"
        for selector in selectors.get("EventSelectors", [])
    ):
        return True
    for advanced in selectors.get("AdvancedEventSelectors", []):
        wanted = {field["Field"]: field.get("Equals", []) for field in advanced["FieldSelectors"]}
        if "Management" in wanted.get("eventCategory", []) and "true" not in wanted.get("readOnly", []):
            return True
    return False
