"""AWS's managed policies: all accounts of a process share their documents, and each counts its own attachments."""

from __future__ import annotations

import json

from sandbox.assembly import Sandbox
from testing.iam import role
from testing.organizations import new_member, new_organization

POLICY = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
MEMBER = "111111111111"


def attachments(account: Sandbox) -> int:
    return int(account.client("iam").get_policy(PolicyArn=POLICY)["Policy"]["AttachmentCount"])


def attached(account: Sandbox) -> list[str]:
    return [each["PolicyName"] for each in account.client("iam").list_policies(OnlyAttached=True)["Policies"]]


def test_attachments_are_counted_in_their_account(sandbox: Sandbox) -> None:
    organization = new_organization(sandbox)
    member = new_member(sandbox, organization, MEMBER, organization.root_id).client("iam")
    iam = sandbox.client("iam")
    for name in ("first", "second"):
        role(sandbox, name)
        iam.attach_role_policy(RoleName=name, PolicyArn=POLICY)
    assert attachments(sandbox) == 2
    assert attached(sandbox) == ["AmazonAPIGatewayPushToCloudWatchLogs"]
    assert member.get_policy(PolicyArn=POLICY)["Policy"]["AttachmentCount"] == 0
    assert member.list_policies(OnlyAttached=True)["Policies"] == []
    iam.detach_role_policy(RoleName="first", PolicyArn=POLICY)
    assert attachments(sandbox) == 1
    listed = iam.list_attached_role_policies(RoleName="second")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in listed] == [POLICY]


def test_next_account_has_no_attachments() -> None:
    with Sandbox(iam_propagation_seconds=0) as first:
        role(first, "first")
        first.client("iam").attach_role_policy(RoleName="first", PolicyArn=POLICY)
    with Sandbox(iam_propagation_seconds=0) as second:
        assert attachments(second) == 0
        version = second.client("iam").get_policy_version(PolicyArn=POLICY, VersionId="v1")["PolicyVersion"]
        document = version["Document"]
        assert "logs:CreateLogGroup" in json.dumps(document)
