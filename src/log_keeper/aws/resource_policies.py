"""Resource policies of CloudWatch Logs: whether log delivery is allowed to write to log groups."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from log_keeper.policy.log_delivery import DeliveryFacts, DeliveryPermission, may_deliver, with_delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import ResourcePolicyTypeDef

#: The policies of up to this many log groups are read one by one; for more, those of the whole region are listed, 50 in
#: one call.
_ONE_BY_ONE = 3


class _GroupPolicy(NamedTuple):
    document: str | None = None
    revision: str | None = None

    @property
    def documents(self) -> list[str]:
        return [] if self.document is None else [self.document]


class ResourcePolicies:
    """Reads the resource policies of one region. Keeps the answers of lists as long as the object exists."""

    def __init__(self, client: CloudWatchLogsClient) -> None:
        self._client = client
        self._account: list[str] | None = None
        self._groups: dict[str, _GroupPolicy] | None = None
        self._asked = 0

    def read(self, log_group_arns: Collection[str], *, missing: Collection[str]) -> dict[str, DeliveryFacts]:
        """Return the facts about log delivery to each log group, by its ARN.

        ``missing``: those log groups that do not exist, so that only the account's policies can name them.

        A few log groups cost one call each if the log group's own policy allows log delivery, as API Gateway sets it;
        the account's policies are then not read, and the sweep finds a denial in them. Many log groups cost one call
        for each 50 policies of the region and one for the account's. If that list does not allow log delivery to a log
        group, its policy is read by its ARN: whether the list is complete is not documented.

        Raises ClientError.
        """
        self._asked += len(set(log_group_arns) - set(missing))
        return {arn: self._facts(arn, exists=arn not in missing) for arn in sorted(set(log_group_arns))}

    def _facts(self, arn: str, *, exists: bool) -> DeliveryFacts:
        own = _GroupPolicy()
        if exists and self._asked <= _ONE_BY_ONE:
            own = self._of_group(arn)
            if may_deliver(own.documents, arn) is DeliveryPermission.ALLOWED:
                return DeliveryFacts(arn, DeliveryPermission.ALLOWED, own.document, own.revision)
        elif exists:
            own = self._of_all_groups().get(arn, own)
            if self._evaluate(own, arn) is DeliveryPermission.MISSING:
                own = self._of_group(arn)
        return DeliveryFacts(arn, self._evaluate(own, arn), own.document, own.revision)

    def _evaluate(self, own: _GroupPolicy, arn: str) -> DeliveryPermission:
        if self._account is None:
            self._account = [policy["policyDocument"] for policy in self._policies(policyScope="ACCOUNT")]
        return may_deliver([*self._account, *own.documents], arn)

    def _of_group(self, arn: str) -> _GroupPolicy:
        try:
            found = [_of(policy) for policy in self._policies(policyScope="RESOURCE", resourceArn=arn)]
        except ClientError as error:
            # The log group was deleted a moment ago. No recording shows whether CloudWatch Logs answers this.
            if error_code(error) != "ResourceNotFoundException":
                raise
            found = []
        return found[0] if found else _GroupPolicy()

    def _of_all_groups(self) -> dict[str, _GroupPolicy]:
        if self._groups is None:
            try:
                policies = list(self._policies(policyScope="RESOURCE"))
            except ClientError as error:
                # CloudWatch Logs wants the ARN of a log group. No recording shows whether it does.
                if error_code(error) != "InvalidParameterException":
                    raise
                policies = []
            self._groups = {policy["resourceArn"]: _of(policy) for policy in policies if "resourceArn" in policy}
        return self._groups

    def _policies(self, **criteria: str) -> Iterator[ResourcePolicyTypeDef]:
        pages = self._client.get_paginator("describe_resource_policies").paginate(**criteria)  # type: ignore[arg-type]
        for page in pages:
            yield from page["resourcePolicies"]


def _of(policy: ResourcePolicyTypeDef) -> _GroupPolicy:
    return _GroupPolicy(policy.get("policyDocument"), policy.get("revisionId"))


def allow_delivery(client: CloudWatchLogsClient, facts: DeliveryFacts) -> None:
    """Allow log delivery to the log group, in the log group's own resource policy. Its other statements stay.

    Raises ClientError: OperationAbortedException if somebody changed the policy in the meantime. Raises ValueError
    if the policy is not a JSON object.
    """
    document = with_delivery(facts.document, facts.log_group_arn)
    if facts.revision is None:
        client.put_resource_policy(resourceArn=facts.log_group_arn, policyDocument=document)
    else:
        client.put_resource_policy(
            resourceArn=facts.log_group_arn, policyDocument=document, expectedRevisionId=facts.revision
        )
