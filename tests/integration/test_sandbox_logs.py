"""Log groups of the sandbox: names, retention, keys, and finding them by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.account import Sandbox
from tests.integration.sandbox_support import client, refusal


def groups(sandbox: Sandbox, **criteria: Any) -> list[str]:
    found = client(sandbox, "logs").describe_log_groups(**criteria)["logGroups"]
    return [group["logGroupName"] for group in found]


def make(sandbox: Sandbox, *names: str) -> None:
    for name in names:
        client(sandbox, "logs").create_log_group(logGroupName=name)


def test_a_group_as_it_is_described(sandbox: Sandbox) -> None:
    logs = client(sandbox, "logs")
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
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


def test_finding_groups(sandbox: Sandbox) -> None:
    make(sandbox, "/b/one", "/a/two", "/a/Three")
    assert groups(sandbox) == ["/a/Three", "/a/two", "/b/one"]
    assert groups(sandbox, logGroupNamePrefix="/a") == ["/a/Three", "/a/two"]
    assert groups(sandbox, logGroupNamePattern="THREE") == ["/a/Three"]
    assert groups(sandbox, logGroupIdentifiers=["/b/one", "/a/two", "/nope"]) == ["/a/two", "/b/one"]
    pages = client(sandbox, "logs").get_paginator("describe_log_groups").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["logGroups"]) for page in pages] == [2, 1]


def test_identifiers_stand_alone_and_are_names(sandbox: Sandbox) -> None:
    make(sandbox, "/a")
    both = {"logGroupIdentifiers": ["/a"], "logGroupNamePrefix": "/a"}
    assert refusal(lambda: groups(sandbox, **both))[0] == "InvalidParameterException"
    arn = "arn:aws:logs:us-east-1:123456789012:log-group:/a"
    assert refusal(lambda: groups(sandbox, logGroupIdentifiers=[arn]))[0] == "InvalidParameterException"


def test_a_missing_identifier_may_be_refused() -> None:
    with Sandbox(refuses_missing_log_groups=True) as sandbox:
        make(sandbox, "/a")
        assert groups(sandbox, logGroupIdentifiers=["/a"]) == ["/a"]
        missing = {"logGroupIdentifiers": ["/a", "/nope"]}
        assert refusal(lambda: groups(sandbox, **missing))[0] == "ResourceNotFoundException"


@pytest.mark.parametrize("mode", ["RETROACTIVE", "NEW_ONLY"])
def test_an_accounts_retention_overrides_a_groups(sandbox: Sandbox, mode: str) -> None:
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
