"""Log groups of the sandbox: names, retention, keys, and searches by name."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto.core.utils import get_service_model

from sandbox.assembly import Sandbox
from sandbox.services.logs.operations import RETENTIONS
from testing.accounts import make_log_key
from testing.clients import client, refusal


def groups(sandbox: Sandbox, **criteria: Any) -> list[str]:
    found = client(sandbox, "logs").describe_log_groups(**criteria)["logGroups"]
    return [group["logGroupName"] for group in found]


def make(sandbox: Sandbox, *names: str) -> None:
    for name in names:
        client(sandbox, "logs").create_log_group(logGroupName=name)


def test_log_group_is_described_with_these_members(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    key = make_log_key(sandbox)
    logs.create_log_group(logGroupName="/g", kmsKeyId=key, tags={"a": "b"})
    logs.put_retention_policy(logGroupName="/g", retentionInDays=365)
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["arn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g:*"
    assert group["logGroupArn"] == "arn:aws:logs:us-east-1:123456789012:log-group:/g"
    assert (group["retentionInDays"], group["kmsKeyId"]) == (365, key)
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "b"}
    logs.disassociate_kms_key(logGroupName="/g")
    logs.delete_retention_policy(logGroupName="/g")
    (group,) = logs.describe_log_groups()["logGroups"]
    assert "retentionInDays" not in group
    assert "kmsKeyId" not in group


@pytest.mark.parametrize("kind", ["absent", "disabled", "closed"])
def test_key_that_cloudwatch_logs_cannot_use_is_refused(sandbox: Sandbox, kind: str) -> None:
    """*Source* of the text: hashicorp/terraform-provider-aws issue 29282."""
    kms, logs = client(sandbox, "kms"), client(sandbox, "logs")
    key = make_log_key(sandbox)
    logs.create_log_group(logGroupName="/old")
    if kind == "absent":
        key = f"{key[:-4]}0000"
    elif kind == "disabled":
        kms.disable_key(KeyId=key.rsplit("/", 1)[-1])
    else:
        root = {"AWS": "arn:aws:iam::123456789012:root"}
        statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps({"Statement": [statement]}))

    def refused(name: str) -> tuple[str, str]:
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        message = f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
        return "AccessDeniedException", message

    assert refusal(lambda: logs.create_log_group(logGroupName="/g", kmsKeyId=key)) == refused("/g")
    assert refusal(lambda: logs.associate_kms_key(logGroupName="/old", kmsKeyId=key)) == refused("/old")
    assert groups(sandbox) == ["/old"]


def test_wrong_names_and_retentions_are_refused(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    assert refusal(lambda: make(sandbox, "with$dollar"))[0] == "InvalidParameterException"
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    refused = refusal(lambda: logs.create_log_group(logGroupName="/g", kmsKeyId=key))
    assert refused == ("InvalidParameterException", "The specified KMS Key Id could not be found. '/g'")
    make(sandbox, "/g")
    assert refusal(lambda: make(sandbox, "/g"))[0] == "ResourceAlreadyExistsException"
    put = logs.put_retention_policy
    assert refusal(lambda: put(logGroupName="/g", retentionInDays=31))[0] == "InvalidParameterException"
    assert refusal(lambda: put(logGroupName="/nope", retentionInDays=30))[0] == "ResourceNotFoundException"


def test_groups_are_found_by_prefix_and_pattern(sandbox: Sandbox) -> None:
    make(sandbox, "/b/one", "/a/two", "/a/Three")
    assert groups(sandbox) == ["/a/Three", "/a/two", "/b/one"]
    assert groups(sandbox, logGroupNamePrefix="/a") == ["/a/Three", "/a/two"]
    assert groups(sandbox, logGroupNamePattern="Three") == ["/a/Three"]
    assert groups(sandbox, logGroupNamePattern="THREE") == []
    assert groups(sandbox, logGroupIdentifiers=["/b/one", "/a/two", "/nope"]) == ["/a/two", "/b/one"]
    pages = client(sandbox, "logs").get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["logGroups"]) for page in pages] == [2, 1]


def test_identifiers_are_names_and_exclude_other_filters(sandbox: Sandbox) -> None:
    make(sandbox, "/a")
    both = {"logGroupIdentifiers": ["/a"], "logGroupNamePrefix": "/a"}
    assert refusal(lambda: groups(sandbox, **both))[0] == "InvalidParameterException"
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/a"
    assert refusal(lambda: groups(sandbox, logGroupIdentifiers=[arn]))[0] == "InvalidParameterException"


#: Members of a group found by pattern, as AWS answered (localstack/localstack test_logs_groups.snapshot.json).
BY_PATTERN = {"arn", "creationTime", "logGroupArn", "logGroupClass", "logGroupName", "metricFilterCount"}


def test_groups_found_by_pattern_show_neither_retention_nor_size(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    make(sandbox, "/pets/a", "/pets/b")
    logs.put_retention_policy(logGroupName="/pets/a", retentionInDays=30)
    answer = logs.describe_log_groups(logGroupNamePattern="pets")
    assert [set(group) for group in answer["logGroups"]] == [BY_PATTERN, BY_PATTERN]
    rest = logs.describe_log_groups(logGroupNamePattern="pets", nextToken=answer["nextToken"])
    assert (rest["logGroups"], rest.get("nextToken")) == ([], None)
    by_prefix = logs.describe_log_groups(logGroupNamePrefix="/pets/a")["logGroups"][0]
    assert (by_prefix["retentionInDays"], by_prefix["storedBytes"]) == (30, 0)


@pytest.mark.parametrize("hidden", [False, True])
def test_identifiers_may_show_as_little_as_a_pattern(hidden: bool) -> None:
    with Sandbox(identifiers_hide_retention=hidden) as sandbox:
        logs = client(sandbox, "logs")
        make(sandbox, "/g")
        logs.put_retention_policy(logGroupName="/g", retentionInDays=30)
        (group,) = logs.describe_log_groups(logGroupIdentifiers=["/g"])["logGroups"]
        assert (group.get("retentionInDays"), group.get("storedBytes")) == ((None, None) if hidden else (30, 0))
        assert (set(group) == BY_PATTERN) is hidden


def test_log_group_class_can_mean_two_classes(sandbox: Sandbox) -> None:
    """*Source:* botocore's documentation of DescribeLogGroups."""
    logs = client(sandbox, "logs")
    make(sandbox, "/standard")
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    assert groups(sandbox, logGroupClass="ESSENTIALS") == ["/rare"]
    assert groups(sandbox, logGroupClass="STANDARD") == ["/standard"]


def test_protected_group_cannot_be_deleted_until_its_protection_ends(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    logs.create_log_group(logGroupName="/g", deletionProtectionEnabled=True)
    assert refusal(lambda: logs.delete_log_group(logGroupName="/g"))[0] == "ValidationException"
    (group,) = logs.describe_log_groups()["logGroups"]
    assert group["deletionProtectionEnabled"] is True
    logs.put_log_group_deletion_protection(logGroupIdentifier=group["logGroupArn"], deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="/g")
    assert groups(sandbox) == []
    missing = refusal(lambda: logs.delete_log_group(logGroupName="/g"))
    assert missing == ("ResourceNotFoundException", "The specified log group does not exist.")


def test_metric_filters_are_deleted_with_their_group(sandbox: Sandbox) -> None:
    """*Source* of the members: localstack/localstack test_logs_metric_filters.snapshot.json."""
    logs = client(sandbox, "logs")
    make(sandbox, "/g", "/other")
    counted = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
    put = {"filterName": "errors", "filterPattern": "ERROR", "metricTransformations": [counted]}
    for name in ("/g", "/other"):
        logs.put_metric_filter(logGroupName=name, **{**put, "filterPattern": "WARN"})
        logs.put_metric_filter(logGroupName=name, **put)
    (found,) = logs.describe_metric_filters(logGroupName="/g")["metricFilters"]
    assert found.pop("creationTime") > 0
    assert found == {**put, "logGroupName": "/g", "applyOnTransformedLogs": False}
    assert [group["metricFilterCount"] for group in logs.describe_log_groups()["logGroups"]] == [1, 1]
    logs.delete_log_group(logGroupName="/g")
    missing = ("ResourceNotFoundException", "The specified log group does not exist.")
    assert refusal(lambda: logs.describe_metric_filters(logGroupName="/g")) == missing
    assert refusal(lambda: logs.put_metric_filter(logGroupName="/g", **put)) == missing
    make(sandbox, "/g")
    assert [group["metricFilterCount"] for group in logs.describe_log_groups()["logGroups"]] == [0, 1]
    assert logs.describe_metric_filters(logGroupName="/g")["metricFilters"] == []


def test_invalid_names_and_tags_are_refused(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    long = refusal(lambda: over_the_wire(sandbox, logGroupName="x" * 513))
    text = "Invalid LogGroup or LogStream, both must have length less than or equal to 512."
    assert long == ("InvalidParameterException", text)
    for tags in ({}, {"aws:owner": "x"}, {"a|b": "x"}, {str(number): "x" for number in range(51)}):
        refused = refusal(lambda tags=tags: over_the_wire(sandbox, logGroupName="/g", tags=tags))  # type: ignore[misc]
        assert refused[0] == "InvalidParameterException"
    assert groups(sandbox) == []
    logs.create_log_group(logGroupName="/g", tags={"Team: a/b": ""})


def over_the_wire(sandbox: Sandbox, **parameters: Any) -> None:
    """Create a log group with parameters that the SDK itself would refuse."""
    logs = boto3.client(
        "logs",
        region_name="us-east-1",
        endpoint_url=sandbox.endpoint,
        aws_access_key_id=sandbox.access_key,
        aws_secret_access_key=sandbox.secret_key,
        config=Config(parameter_validation=False),
    )
    logs.create_log_group(**parameters)


def test_missing_identifier_may_be_refused() -> None:
    with Sandbox(refuses_missing_log_groups=True) as sandbox:
        make(sandbox, "/a")
        assert groups(sandbox, logGroupIdentifiers=["/a"]) == ["/a"]
        missing = {"logGroupIdentifiers": ["/a", "/nope"]}
        assert refusal(lambda: groups(sandbox, **missing))[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("mode", ["RETROACTIVE", "NEW_ONLY"])
def test_retention_of_the_account_overrides_the_groups(sandbox: Sandbox, mode: str) -> None:
    logs = client(sandbox, "logs")
    make(sandbox, "/old")
    logs.put_retention_policy(logGroupName="/old", retentionInDays=7)
    logs.put_account_policy(
        policyName="house",
        policyType="RETENTION_POLICY",
        policyDocument=json.dumps({"retentionInDays": 90, "enforcementMode": mode}),
    )
    make(sandbox, "/young")
    found = {
        group["logGroupName"]: (group.get("retentionInDays"), group.get("retentionPolicyName"))
        for group in logs.describe_log_groups()["logGroups"]
    }
    assert found["/young"] == (90, "house")
    assert found["/old"] == ((90, "house") if mode == "RETROACTIVE" else (7, None))
    logs.delete_account_policy(policyName="house", policyType="RETENTION_POLICY")
    assert logs.describe_log_groups(logGroupNamePrefix="/old")["logGroups"][0]["retentionInDays"] == 7


def test_retentions_are_those_of_the_service_model() -> None:
    text = get_service_model("logs").shape_for("Days").documentation
    listed = re.search(r"Possible values are: ([0-9, and]+)", text)
    assert listed is not None
    assert {int(each) for each in re.findall(r"[0-9]+", listed[1])} == RETENTIONS
