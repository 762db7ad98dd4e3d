"""S3: an explicit deny of a bucket's policy applies if its conditions hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.s3.models import s3_backends

from sandbox.core.call import AwsError
from sandbox.core.iam import authorization
from sandbox.core.iam.policies import Decision, evaluate, load
from sandbox.core.registry import hook

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call


@hook
def _bucket_policy(account: Account, call: Call) -> None:
    """Refuse the call if the bucket's policy denies it explicitly. Such a deny applies to every caller of the account.

    *Source:* https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
    """
    if call.service != "s3" or "Bucket" not in call.params:
        return
    bucket = s3_backends[account.account_id]["aws"].buckets.get(call.params["Bucket"])
    if bucket is None or not bucket.policy:
        return
    policy = load(bucket.policy.decode())
    principal = {"AWS": call.caller.role_arn or call.caller.arn}
    for need in authorization.needs(account, call):
        context = {**authorization.request_context(account, call), **need.context}
        if evaluate([policy], need.action, need.resource, context, principal) is Decision.EXPLICIT_DENY:
            raise AwsError("AccessDenied", "Access Denied", 403)
