"""Trails: who sees them, what they log, and what CloudTrail requires of their buckets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.assembly import Sandbox
from testing.accounts import make_rest_stage
from testing.clients import client, refusal
from testing.cloudformation import create, history, template
from testing.iam import role

ORGANIZATION = "210987654321"


@pytest.fixture
def bare() -> Any:
    """An account without any trail."""
    with Sandbox(iam_propagation_seconds=0, has_trail=False) as sandbox:
        yield sandbox


def bucket(sandbox: Sandbox, name: str = "logs", *, policy: bool = True) -> str:
    s3 = client(sandbox, "s3")
    s3.create_bucket(Bucket=name)
    if policy:
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(bucket_policy(name)))
    return name


def bucket_policy(name: str) -> dict[str, Any]:
    cloudtrail = {"Service": "cloudtrail.amazonaws.com"}
    arn = f"arn:aws:s3:::{name}"
    acl = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": cloudtrail, "Action": "s3:GetBucketAcl", "Resource": arn},
            {
                "Effect": "Allow",
                "Principal": cloudtrail,
                "Action": "s3:PutObject",
                "Resource": f"{arn}/AWSLogs/123456789012/*",
                "Condition": acl,
            },
        ],
    }


@pytest.mark.parametrize("sends", [False, True])
def test_bucket_policy_conditioned_on_the_source_account(*, sends: bool) -> None:
    """Unlike one conditioned on the trail's ARN, it works only if CloudTrail sends that key."""
    with Sandbox(has_trail=False, trails_send_source_account=sends) as sandbox:
        name = bucket(sandbox)
        cloudtrail, s3 = client(sandbox, "cloudtrail"), client(sandbox, "s3")
        policy = bucket_policy(name)
        arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/one"
        for key, value, is_taken in (("aws:SourceAccount", "123456789012", sends), ("aws:SourceArn", arn, True)):
            policy["Statement"][0]["Condition"] = {"StringEquals": {key: value}}
            s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
            if is_taken:
                cloudtrail.create_trail(Name="one", S3BucketName=name)
                cloudtrail.delete_trail(Name="one")
            else:
                code, _ = refusal(lambda: cloudtrail.create_trail(Name="one", S3BucketName=name))
                assert code == "InsufficientS3BucketPolicyException"


def listen(sandbox: Sandbox, region: str) -> Any:
    """Return a function that returns the names of the CloudTrail events on the region's default bus."""
    logs, events = client(sandbox, "logs", region), client(sandbox, "events", region)
    group = "/aws/events/all"
    logs.create_log_group(logGroupName=group)
    events.put_rule(Name="all", EventPattern=json.dumps({"detail-type": ["AWS API Call via CloudTrail"]}))
    arn = f"arn:aws:logs:{region}:123456789012:log-group:{group}"
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])

    def names() -> list[str]:
        found = logs.filter_log_events(logGroupName=group)["events"]
        return [json.loads(event["message"])["detail"]["eventName"] for event in found]

    return names


def test_organizations_trail_is_seen_in_every_region(sandbox: Sandbox) -> None:
    for region in ("us-east-1", "eu-west-1"):
        cloudtrail = client(sandbox, "cloudtrail", region)
        (trail,) = cloudtrail.describe_trails()["trailList"]
        assert (trail["IsMultiRegionTrail"], trail["IsOrganizationTrail"], trail["HomeRegion"]) == (
            True,
            True,
            "us-east-1",
        )
        assert cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
        (selector,) = cloudtrail.get_event_selectors(TrailName=trail["TrailARN"])["EventSelectors"]
        assert (selector["ReadWriteType"], selector["IncludeManagementEvents"]) == ("All", True)
    assert client(sandbox, "cloudtrail", "eu-west-1").describe_trails(includeShadowTrails=False)["trailList"] == []


def test_member_sees_the_organizations_trail_and_may_not_ask_about_it() -> None:
    with Sandbox(iam_propagation_seconds=0, trail_account_id=ORGANIZATION) as sandbox:
        cloudtrail = client(sandbox, "cloudtrail", "eu-west-1")
        (trail,) = cloudtrail.describe_trails()["trailList"]
        arn = trail["TrailARN"]
        assert arn == f"arn:aws:cloudtrail:us-east-1:{ORGANIZATION}:trail/organization"
        wrong = "AccountID in ARN is wrong, you can only access resources with AccountID 123456789012."
        for call in (
            lambda: cloudtrail.get_trail_status(Name=arn),
            lambda: cloudtrail.get_event_selectors(TrailName=arn),
        ):
            assert refusal(call) == ("CloudTrailARNInvalidException", wrong)
        code, message = refusal(lambda: cloudtrail.get_trail_status(Name="organization"))
        assert code == "TrailNotFoundException"
        assert message.startswith("Unknown trail: arn:aws:cloudtrail:eu-west-1:123456789012:trail/organization")
        names = listen(sandbox, "eu-west-1")
        make_rest_stage(sandbox, region="eu-west-1")
        assert "CreateDeployment" in names()


def test_no_event_is_delivered_without_a_trail(bare: Sandbox) -> None:
    names = listen(bare, "us-east-1")
    make_rest_stage(bare)
    assert names() == []
    assert client(bare, "cloudtrail").describe_trails()["trailList"] == []
    assert any(record["eventName"] == "CreateDeployment" for record in bare.trail)  # but the event history has it


def test_trail_of_one_region_logs_only_that_region(bare: Sandbox) -> None:
    here, there = listen(bare, "us-east-1"), listen(bare, "eu-west-1")
    cloudtrail = client(bare, "cloudtrail")
    cloudtrail.create_trail(Name="one", S3BucketName=bucket(bare))
    make_rest_stage(bare)
    assert here() == []  # it is not logging yet
    assert cloudtrail.get_trail_status(Name="one")["IsLogging"] is False
    cloudtrail.start_logging(Name="one")
    make_rest_stage(bare)
    make_rest_stage(bare, region="eu-west-1")
    assert "CreateDeployment" in here()
    assert there() == []
    assert client(bare, "cloudtrail", "eu-west-1").describe_trails()["trailList"] == []
    cloudtrail.update_trail(Name="one", IsMultiRegionTrail=True)
    make_rest_stage(bare, region="eu-west-1")
    assert "CreateDeployment" in there()
    abroad = client(bare, "cloudtrail", "eu-west-1")
    arn = abroad.describe_trails()["trailList"][0]["TrailARN"]
    assert refusal(lambda: abroad.stop_logging(Name=arn))[0] == "InvalidHomeRegionException"
    assert refusal(lambda: abroad.get_trail_status(Name="one"))[0] == "TrailNotFoundException"
    cloudtrail.stop_logging(Name="one")
    seen = len(here())
    make_rest_stage(bare)
    assert len(here()) == seen
    cloudtrail.delete_trail(Name="one")
    assert abroad.describe_trails()["trailList"] == []


WRITES = {"Name": "w", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}


@pytest.mark.parametrize(
    ("selectors", "logs"),
    [
        ({"EventSelectors": [{"ReadWriteType": "WriteOnly"}]}, True),
        ({"EventSelectors": [{"ReadWriteType": "ReadOnly"}]}, False),
        ({"EventSelectors": [{"IncludeManagementEvents": False}]}, False),
        ({"EventSelectors": [{"ExcludeManagementEventSources": ["kms.amazonaws.com"]}]}, True),
        ({"AdvancedEventSelectors": [WRITES]}, True),
        (
            {
                "AdvancedEventSelectors": [
                    {"FieldSelectors": [*WRITES["FieldSelectors"], {"Field": "readOnly", "Equals": ["true"]}]}
                ]
            },
            False,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            *WRITES["FieldSelectors"],
                            {"Field": "eventSource", "NotEquals": ["apigateway.amazonaws.com"]},
                        ]
                    }
                ]
            },
            False,
        ),
        (
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Data"]},
                            {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                        ]
                    }
                ]
            },
            False,
        ),
    ],
)
def test_event_selectors_decide_what_is_logged(bare: Sandbox, selectors: dict[str, Any], logs: bool) -> None:
    names = listen(bare, "us-east-1")
    cloudtrail = client(bare, "cloudtrail")
    cloudtrail.create_trail(Name="one", S3BucketName=bucket(bare))
    cloudtrail.start_logging(Name="one")
    cloudtrail.put_event_selectors(TrailName="one", **selectors)
    (kind,) = selectors
    assert kind in cloudtrail.get_event_selectors(TrailName="one")
    client(bare, "apigateway").create_rest_api(name="shop")
    assert ("CreateRestApi" in names()) is logs


def test_bucket_that_cloudtrail_may_not_write_to_is_refused(bare: Sandbox) -> None:
    cloudtrail = client(bare, "cloudtrail")
    assert refusal(lambda: cloudtrail.create_trail(Name="one", S3BucketName="none")) == (
        "S3BucketDoesNotExistException",
        "S3 bucket none does not exist!",
    )
    bucket(bare, "closed", policy=False)
    assert refusal(lambda: cloudtrail.create_trail(Name="one", S3BucketName="closed")) == (
        "InsufficientS3BucketPolicyException",
        "Incorrect S3 bucket policy is detected for bucket: closed",
    )


def test_calls_about_trails_need_their_permissions(sandbox: Sandbox) -> None:
    arn = "arn:aws:cloudtrail:us-east-1:123456789012:trail/organization"
    statements = [
        {"Effect": "Allow", "Action": "cloudtrail:DescribeTrails", "Resource": "*"},
        {"Effect": "Allow", "Action": "cloudtrail:GetTrailStatus", "Resource": arn},
    ]
    reader = role(sandbox, "reader", policy=json.dumps({"Statement": statements}))
    keys = sandbox.caller_of_role(reader, "me")
    cloudtrail = client(sandbox, "cloudtrail", "eu-west-1", credentials=keys)
    assert cloudtrail.describe_trails()["trailList"]
    assert cloudtrail.get_trail_status(Name=arn)["IsLogging"]
    code, message = refusal(lambda: cloudtrail.get_event_selectors(TrailName=arn))
    assert code == "AccessDeniedException"
    assert message.startswith("User: arn:aws:sts::123456789012:assumed-role/reader/me is not authorized to perform: ")
    assert f"cloudtrail:GetEventSelectors on resource: {arn}" in message


def trail_stack(**trail: Any) -> str:
    name = {"Ref": "Bucket"}
    policy = json.loads(json.dumps(bucket_policy("@")))
    for statement in policy["Statement"]:
        statement["Resource"] = {"Fn::Sub": statement["Resource"].replace("@", "${Bucket}")}
    return template(
        {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "Properties": {
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                        ]
                    },
                    "PublicAccessBlockConfiguration": dict.fromkeys(
                        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
                    ),
                    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                    "LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "ExpirationInDays": 90}]},
                },
            },
            "BucketPolicy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": name, "PolicyDocument": policy},
            },
            "Trail": {
                "Type": "AWS::CloudTrail::Trail",
                "DependsOn": "BucketPolicy",
                "Properties": {
                    "S3BucketName": name,
                    "IsLogging": True,
                    "IsMultiRegionTrail": True,
                    "EnableLogFileValidation": True,
                    "EventSelectors": [{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}],
                    **trail,
                },
            },
        },
        Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Trail", "Arn"]}}, "Name": {"Value": {"Ref": "Trail"}}},
    )


def test_stack_creates_and_deletes_a_trail(bare: Sandbox) -> None:
    described = create(bare, trail_stack())
    assert described["StackStatus"] == "CREATE_COMPLETE", described.get("StackStatusReason")
    cloudtrail = client(bare, "cloudtrail", "eu-west-1")
    (trail,) = cloudtrail.describe_trails()["trailList"]
    assert trail["HasCustomEventSelectors"]
    assert trail["LogFileValidationEnabled"]
    assert cloudtrail.get_trail_status(Name=trail["TrailARN"])["IsLogging"]
    names = listen(bare, "eu-west-1")
    make_rest_stage(bare, region="eu-west-1")
    assert "CreateDeployment" in names()
    client(bare, "cloudformation").delete_stack(StackName="tiny")
    assert cloudtrail.describe_trails()["trailList"] == []
    assert trail["S3BucketName"] in [each["Name"] for each in client(bare, "s3").list_buckets()["Buckets"]]


def test_stack_whose_bucket_policy_does_not_fit_the_trail_fails(bare: Sandbox) -> None:
    described = create(bare, trail_stack(S3KeyPrefix="elsewhere"))
    assert described["StackStatus"] == "ROLLBACK_COMPLETE"
    assert ("Trail", "CREATE_FAILED") in history(bare)


def test_calls_in_a_disabled_region_are_refused() -> None:
    with Sandbox(iam_propagation_seconds=0, disabled_regions={"ap-east-1"}) as sandbox:
        invalid = "The security token included in the request is invalid."
        rest = client(sandbox, "apigateway", "ap-east-1")
        assert refusal(rest.get_rest_apis) == ("UnrecognizedClientException", invalid)
        stacks = client(sandbox, "cloudformation", "ap-east-1")
        assert refusal(stacks.describe_stacks) == ("InvalidClientTokenId", invalid)
        sandbox.disabled_regions.clear()
        assert rest.get_rest_apis()["items"] == []
