"""CloudTrail's trails: which regions have one, which callers see it, and whether it logs a call.

EventBridge gets "AWS API Call via CloudTrail" in a region only where a trail logs management events there. moto
gives every region every trail, and checks neither bucket nor key; so only its tags are used, not its trails.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.registry import SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sandbox.core.account import Account
    from sandbox.core.call import Call


#: Name and home region of the trail that ``Sandbox(has_trail=True)`` has.
ORGANIZATION_TRAIL, ORGANIZATION_HOME = "organization", "us-east-1"

#: Event selectors of a trail for which nobody has set any.
DEFAULT_SELECTORS: list[dict[str, Any]] = [
    {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [], "ExcludeManagementEventSources": []}
]


@dataclass(slots=True)
class Trail:
    """A trail."""

    name: str
    account: str
    home: str
    #: Parameters of CreateTrail and UpdateTrail, by name.
    settings: dict[str, Any]
    is_logging: bool = False
    selectors: list[dict[str, Any]] = field(default_factory=lambda: [dict(each) for each in DEFAULT_SELECTORS])
    advanced_selectors: list[dict[str, Any]] = field(default_factory=list)
    has_custom_selectors: bool = False
    started: datetime | None = None
    stopped: datetime | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:cloudtrail:{self.home}:{self.account}:trail/{self.name}"

    @property
    def is_multi_region(self) -> bool:
        return bool(self.settings.get("IsMultiRegionTrail"))

    @property
    def logs_global_services(self) -> bool:
        return bool(self.settings.get("IncludeGlobalServiceEvents", True))

    def covers(self, region: str) -> bool:
        """Return whether the region has the trail, or a shadow of it."""
        return self.is_multi_region or region == self.home

    def logs(self, record: dict[str, Any]) -> bool:
        """Return whether the trail logs this record of a management event, by its region and event selectors."""
        if not self.is_logging or not self.covers(record["awsRegion"]):
            return False
        if record["eventSource"] == "iam.amazonaws.com" and not self.logs_global_services:
            return False
        if self.advanced_selectors:
            return any(_selects(selector, record) for selector in self.advanced_selectors)
        wanted = {"All", "ReadOnly" if record["readOnly"] else "WriteOnly"}
        return any(
            selector.get("IncludeManagementEvents", True)
            and selector.get("ReadWriteType", "All") in wanted
            and record["eventSource"] not in selector.get("ExcludeManagementEventSources", [])
            for selector in self.selectors
        )


def _selects(selector: dict[str, Any], record: dict[str, Any]) -> bool:
    """Return whether the event selector selects the record.

    *Source:* https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
    """
    return all(_field_fits(each, _field(record, each["Field"])) for each in selector["FieldSelectors"])


def _field(record: dict[str, Any], name: str) -> str:
    node: Any = record
    for part in name.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if isinstance(node, bool):
        return "true" if node else "false"
    return "" if node is None else str(node)


def _field_fits(selector: dict[str, Any], value: str) -> bool:
    tests: dict[str, Callable[[str, str], bool]] = {
        "Equals": operator.eq,
        "StartsWith": str.startswith,
        "EndsWith": str.endswith,
    }
    for operation, test in tests.items():
        for is_negated, name in ((False, operation), (True, f"Not{operation}")):
            wanted = selector.get(name)
            if wanted and any(test(value, each) for each in wanted) is is_negated:
                return False
    return True


class Trails:
    """The trails that the account has, and those of its organization that it sees."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._trails: dict[str, Trail] = {}

    def start(self) -> None:
        """Start with no trail, or with the one of ``has_trail``."""
        self._trails.clear()
        if not self.account.has_trail:
            return
        settings = {
            "S3BucketName": "organization-trail",
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": True,
            "IsOrganizationTrail": True,
            "EnableLogFileValidation": True,
        }
        trail = Trail(ORGANIZATION_TRAIL, self.account.trail_account_id, ORGANIZATION_HOME, settings, is_logging=True)
        trail.started = self.account.now()
        self._trails[trail.arn] = trail

    def stop(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Trail]:
        return iter(list(self._trails.values()))

    def add(self, trail: Trail) -> None:
        """Add the trail to the account."""
        self._trails[trail.arn] = trail

    def remove(self, trail: Trail) -> None:
        """Remove the trail from the account."""
        self._trails.pop(trail.arn, None)

    def log(self, record: dict[str, Any]) -> bool:
        """Return whether a trail logs the record."""
        return any(trail.logs(record) for trail in self)

    def named(self, call: Call, name_or_arn: str) -> Trail:
        """Return the trail that the call may read: by ARN in each region that it covers, by name in its home region.

        AWS refuses the trail of an organization to a member by the account in the ARN, whatever its permissions.
        """
        account_id = self.account.account_id
        arn = name_or_arn
        if name_or_arn.startswith("arn:"):
            if not re.fullmatch(r"arn:[^:]+:cloudtrail:[^:]+:\d{12}:trail/[^/]+", arn):
                raise AwsError("CloudTrailARNInvalidException", f"Invalid ARN {arn}")  # the wording is not recorded
            if Arn.parse(arn).account != account_id:
                message = f"AccountID in ARN is wrong, you can only access resources with AccountID {account_id}."
                raise AwsError("CloudTrailARNInvalidException", message)
        else:
            arn = f"arn:aws:cloudtrail:{call.region}:{account_id}:trail/{name_or_arn}"
        trail = self._trails.get(arn)
        if trail is None or not trail.covers(call.region):
            raise AwsError("TrailNotFoundException", f"Unknown trail: {arn} for the user: {account_id}")
        return trail

    def own(self, call: Call, name_or_arn: str) -> Trail:
        """Return the trail that the call may change. Raise AwsError outside its home region."""
        trail = self.named(call, name_or_arn)
        if trail.home != call.region:
            message = f"The trail {trail.arn} can only be changed in its home region {trail.home}."
            raise AwsError("InvalidHomeRegionException", message)  # the wording is not recorded
        return trail


SERVICES.append(Trails)
