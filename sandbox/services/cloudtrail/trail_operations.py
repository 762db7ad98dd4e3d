"""CloudTrail's operations on trails, and their checks of the bucket, the key and names.

*Source:* https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/ and botocore's service model; refusals for a
member of an organization: turbot/steampipe-plugin-aws issue 577, joshlarsen/aws-recon issue 22.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from moto.kms.models import kms_backends
from moto.s3.models import s3_backends

from sandbox.core.call import AwsError
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.core.registry import rule
from sandbox.services.cloudtrail.trails import DEFAULT_SELECTORS, Trail, Trails

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

PRINCIPAL = "cloudtrail.amazonaws.com"

_LIMIT = 5  # trails of one region

_SETTINGS = (
    "S3BucketName", "S3KeyPrefix", "SnsTopicName", "IncludeGlobalServiceEvents", "IsMultiRegionTrail",
    "EnableLogFileValidation", "CloudWatchLogsLogGroupArn", "CloudWatchLogsRoleArn", "KmsKeyId", "IsOrganizationTrail",
)  # fmt: skip


@rule("cloudtrail", "CreateTrail")
def create_trail(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Create the trail, which does not log yet."""
    trails, name = account.service(Trails), call.params["Name"]
    _check_name(name)
    trail = Trail(name, account.account_id, call.region, {"IncludeGlobalServiceEvents": True})
    _configure(account, trail, call.params)
    here = [each for each in trails if each.home == call.region and each.account == account.account_id]
    if any(each.name == name for each in here):
        message = f"Trail {name} already exists for customer: {account.account_id}"
        raise AwsError("TrailAlreadyExistsException", message)
    if len(here) >= _LIMIT:
        message = f"User: {account.account_id} already has {_LIMIT} trails in {call.region}."
        raise AwsError("MaximumNumberOfTrailsExceededException", message)
    if call.params.get("TagsList"):
        account.client("cloudtrail", call.region).add_tags(ResourceId=trail.arn, TagsList=call.params["TagsList"])
    trails.add(trail)
    return _settings_answer(trail)


@rule("cloudtrail", "UpdateTrail")
def update_trail(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Change the settings that the call names, and keep the others."""
    trail = account.service(Trails).own(call, call.params["Name"])
    _configure(account, trail, call.params)
    return _settings_answer(trail)


@rule("cloudtrail", "DeleteTrail")
def delete_trail(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Delete the trail. Its bucket and the objects in it stay."""
    trails = account.service(Trails)
    trails.remove(trails.own(call, call.params["Name"]))
    return {}


@rule("cloudtrail", "StartLogging")
def start_logging(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Start logging, and put an object into the bucket: a stack cannot delete a bucket that is not empty."""
    trail = account.service(Trails).own(call, call.params["Name"])
    if not trail.is_logging:
        trail.is_logging, trail.started = True, account.now()
        s3_backends[account.account_id]["aws"].put_object(
            trail.settings["S3BucketName"], f"{_prefix(trail)}AWSLogs/{account.account_id}/CloudTrail/", b""
        )
    return {}


@rule("cloudtrail", "StopLogging")
def stop_logging(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Stop logging."""
    trail = account.service(Trails).own(call, call.params["Name"])
    trail.is_logging, trail.stopped = False, account.now()
    return {}


@rule("cloudtrail", "DescribeTrails")
def describe_trails(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the trails of the region and, unless the call excludes them, shadow trails of other home regions.

    A name finds only trails with their home here, an ARN any trail. A name without a trail is ignored.
    """
    wanted, here = call.params.get("trailNameList") or [], call.region
    shadows = call.params.get("includeShadowTrails", True)
    found = []
    for trail in account.service(Trails):
        is_own = trail.home == here and trail.account == account.account_id
        if not trail.covers(here) or not (is_own or shadows or trail.arn in wanted):
            continue
        if not wanted or trail.arn in wanted or (is_own and trail.name in wanted):
            found.append(_described(trail))
    return {"trailList": found}


@rule("cloudtrail", "ListTrails")
def list_trails(account: Account, __: Call, _: Proceed) -> dict[str, Any]:
    """Return all trails of all regions, on one page."""
    trails = [{"TrailARN": each.arn, "Name": each.name, "HomeRegion": each.home} for each in account.service(Trails)]
    return {"Trails": trails}


@rule("cloudtrail", "GetTrail")
def get_trail(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the settings of one trail."""
    return {"Trail": _described(account.service(Trails).named(call, call.params["Name"]))}


@rule("cloudtrail", "GetTrailStatus")
def get_trail_status(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return whether the trail logs, and since when."""
    trail = account.service(Trails).named(call, call.params["Name"])
    times = {"StartLoggingTime": trail.started, "StopLoggingTime": trail.stopped}
    return {"IsLogging": trail.is_logging, **{name: time for name, time in times.items() if time is not None}}


@rule("cloudtrail", "GetEventSelectors")
def get_event_selectors(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Return the trail's event selectors, basic or advanced."""
    return _selectors(account.service(Trails).named(call, call.params["TrailName"]))


@rule("cloudtrail", "PutEventSelectors")
def put_event_selectors(account: Account, call: Call, _: Proceed) -> dict[str, Any]:
    """Replace the trail's event selectors."""
    trail = account.service(Trails).own(call, call.params["TrailName"])
    basic, advanced = call.params.get("EventSelectors"), call.params.get("AdvancedEventSelectors")
    if bool(basic) == bool(advanced) or len(basic or []) > 5:
        message = "Specify up to five EventSelectors, or AdvancedEventSelectors, and not both."
        raise AwsError("InvalidEventSelectorsException", message)  # the wording is not recorded
    for each in basic or []:
        if each.get("ReadWriteType", "All") not in ("All", "ReadOnly", "WriteOnly"):
            raise AwsError("InvalidEventSelectorsException", f"Invalid ReadWriteType: {each['ReadWriteType']}")
    for each in advanced or []:
        if not any(selector["Field"] == "eventCategory" for selector in each["FieldSelectors"]):
            message = "Advanced event selectors must have the field eventCategory."
            raise AwsError("InvalidEventSelectorsException", message)  # the wording is not recorded
    trail.selectors = [DEFAULT_SELECTORS[0] | each for each in basic or []]
    trail.advanced_selectors = list(advanced or [])
    trail.has_custom_selectors = bool(advanced) or trail.selectors != DEFAULT_SELECTORS
    return _selectors(trail)


def _selectors(trail: Trail) -> dict[str, Any]:
    if trail.advanced_selectors:
        return {"TrailARN": trail.arn, "AdvancedEventSelectors": trail.advanced_selectors}
    return {"TrailARN": trail.arn, "EventSelectors": trail.selectors}


def _settings_answer(trail: Trail) -> dict[str, Any]:
    return {key: value for key, value in _described(trail).items() if not key.startswith(("Has", "Home"))}


def _described(trail: Trail) -> dict[str, Any]:
    settings = dict(trail.settings)
    validated = bool(settings.pop("EnableLogFileValidation", False))
    defaults = {"IncludeGlobalServiceEvents": True, "IsMultiRegionTrail": False, "IsOrganizationTrail": False}
    return {
        **defaults,
        **settings,
        "Name": trail.name,
        "TrailARN": trail.arn,
        "HomeRegion": trail.home,
        "LogFileValidationEnabled": validated,
        "HasCustomEventSelectors": trail.has_custom_selectors,
        "HasInsightSelectors": False,
    }


def _check_name(name: str) -> None:
    """Refuse an invalid name of a trail.

    *Source:* https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html
    """
    if not re.fullmatch(r"[A-Za-z0-9](?:[._-]?[A-Za-z0-9])*", name) or not 3 <= len(name) <= 128:
        raise AwsError("InvalidTrailNameException", f"Trail name is not valid: {name}")  # the wording is not recorded


def _configure(account: Account, trail: Trail, params: dict[str, Any]) -> None:
    """Set the settings of the trail. Raise AwsError if AWS would refuse them."""
    settings = {**trail.settings, **{name: params[name] for name in _SETTINGS if name in params}}
    if settings.get("IsMultiRegionTrail") and not settings.get("IncludeGlobalServiceEvents", True):
        message = "Multi-Region trail must include global service events."
        raise AwsError("InvalidParameterCombinationException", message)
    if settings.get("IsOrganizationTrail"):
        raise AwsError("OrganizationsNotInUseException", "The account is not a member of an organization.")
    _check_bucket(account, trail, settings)
    if settings.get("KmsKeyId"):
        settings["KmsKeyId"] = _checked_key(account, trail, settings)
    trail.settings = settings


def _prefix(trail: Trail) -> str:
    prefix = trail.settings.get("S3KeyPrefix")
    return f"{prefix}/" if prefix else ""


def _check_bucket(account: Account, trail: Trail, settings: dict[str, Any]) -> None:
    """Check that the bucket exists, and that its policy allows CloudTrail to read its ACL and to write logs to it.

    AWS's page conditions such a policy on ``aws:SourceArn``, the trail's ARN. Whether CloudTrail sends
    ``aws:SourceAccount`` too is not recorded: ``Behaviour.trails_send_source_account``.

    *Source:* https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html ;
    the refusals: hashicorp/terraform-provider-aws and getmoto/moto quote them.
    """
    name = settings["S3BucketName"]
    bucket = s3_backends[account.account_id]["aws"].buckets.get(name)
    if bucket is None:
        raise AwsError("S3BucketDoesNotExistException", f"S3 bucket {name} does not exist!")
    documents = [load(bucket.policy.decode())] if bucket.policy else []
    context = {
        "aws:SourceArn": trail.arn,
        "aws:SecureTransport": "true",
        "aws:PrincipalIsAWSService": "true",
        "aws:PrincipalServiceName": PRINCIPAL,
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    if account.behaviour.trails_send_source_account:
        context["aws:SourceAccount"] = account.account_id
    prefix = f"{settings['S3KeyPrefix']}/" if settings.get("S3KeyPrefix") else ""
    wanted = {
        "s3:GetBucketAcl": f"arn:aws:s3:::{name}",
        "s3:PutObject": f"arn:aws:s3:::{name}/{prefix}AWSLogs/{account.account_id}/CloudTrail/{trail.home}/log.json.gz",
    }
    for action, resource in wanted.items():
        if evaluate(documents, action, resource, context, {"Service": PRINCIPAL}) is not Decision.ALLOWED:
            message = f"Incorrect S3 bucket policy is detected for bucket: {name}"
            raise AwsError("InsufficientS3BucketPolicyException", message)


def _checked_key(account: Account, trail: Trail, settings: dict[str, Any]) -> str:
    """Return the ARN of the key. Raise AwsError unless its policy allows CloudTrail to encrypt logs of the trail.

    *Source:* .../userguide/create-kms-key-policy-for-cloudtrail.html beside the page on buckets.
    """
    keys = kms_backends[account.account_id][trail.home]
    given = settings["KmsKeyId"]
    key_id = keys.get_key_id_from_alias(given) if "alias/" in given else given.rsplit("/", 1)[-1]
    key = keys.keys.get(key_id or "")
    if key is None:
        raise AwsError("KmsKeyNotFoundException", f"KMS key {given} does not exist.")  # the wording is not recorded
    context = {
        "aws:SourceArn": trail.arn,
        "kms:EncryptionContext:aws:cloudtrail:arn": trail.arn,
    }
    if account.behaviour.trails_send_source_account:
        context["aws:SourceAccount"] = account.account_id
    decision = evaluate([load(key.policy)], "kms:GenerateDataKey", key.arn, context, {"Service": PRINCIPAL})
    if decision is not Decision.ALLOWED:
        message = f"Insufficient permissions to access S3 bucket {settings['S3BucketName']} or KMS key {key.arn}."
        raise AwsError("InsufficientEncryptionPolicyException", message)
    return str(key.arn)
