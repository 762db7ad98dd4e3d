"""Whether CloudTrail records the changes of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail.client import CloudTrailClient


def has_trail(client: CloudTrailClient) -> bool:
    """Whether a trail logs the region's management write events, without which EventBridge hears of no change.

    An organisation's trail shows here too, but its selectors may be closed to this account: it is then believed.
    """
    for trail in client.describe_trails(includeShadowTrails=True)["trailList"]:
        name = trail["TrailARN"]
        try:
            if not client.get_trail_status(Name=name)["IsLogging"]:
                continue
            selectors = client.get_event_selectors(TrailName=name)
        except ClientError as error:
            # Of an organisation's trail its members see the name only (turbot/steampipe-plugin-aws, issue 577).
            if error_code(error) in (
                "CloudTrailARNInvalidException",
                "TrailNotFoundException",
                "AccessDeniedException",
            ):
                if trail.get("IsOrganizationTrail"):
                    return True
                continue
            raise
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
