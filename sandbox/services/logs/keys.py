"""Checks of the KMS keys of log groups: a key must exist, be enabled, and allow CloudWatch Logs in its policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.kms.models import kms_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.iam.policies import Decision, evaluate, load

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call

#: Actions that the key's policy must allow. *Source:* Amazon CloudWatch Logs user guide, "Encrypt log data in
#: CloudWatch Logs using AWS Key Management Service"; that AWS checks each of them is inferred.
_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:DescribeKey")


def check(account: Account, call: Call, group_name: str, key_arn: str) -> None:
    """Raise AwsError unless CloudWatch Logs can use the key for the group. Keys of other accounts are all accepted.

    *Source:* of the first text, of a key that is not found: hashicorp/terraform issue 24194, here for keys of other
    regions; of the second: hashicorp/terraform-provider-aws issue 29282, ministryofjustice/modernisation-platform
    issue 7870, both of 2024.
    """
    arn = Arn.parse(key_arn)
    if (arn.service, arn.region) != ("kms", call.region):
        message = f"The specified KMS Key Id could not be found. '{group_name}'"
        raise AwsError("InvalidParameterException", message)
    if arn.account != account.account_id:
        return
    group_arn = f"arn:aws:logs:{call.region}:{account.account_id}:log-group:{group_name}"
    key = kms_backends[account.account_id][call.region].keys.get(arn.name)
    if key is None or not key.enabled or not _lets_in(account, call.region, key, group_arn):
        message = f"The specified KMS key does not exist or is not allowed to be used with Arn '{group_arn}'"
        raise AwsError("AccessDeniedException", message)


def _lets_in(account: Account, region: str, key: Any, group_arn: str) -> bool:
    context = {
        "aws:SourceAccount": account.account_id,
        "aws:SourceArn": group_arn,
        "kms:EncryptionContext:aws:logs:arn": group_arn,
    }
    who = {"Service": f"logs.{region}.amazonaws.com"}
    return all(evaluate([load(key.policy)], each, key.arn, context, who) is Decision.ALLOWED for each in _ACTIONS)
