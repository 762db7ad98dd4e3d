"""Who signed a call: an access key becomes a Caller with CloudTrail's ``userIdentity``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from sandbox.core.call import AwsError, Caller

if TYPE_CHECKING:
    from sandbox.core.account import Account, Accounts

#: Services of the query and REST-XML protocols name an unknown key differently from the JSON ones.
_QUERY_SERVICES = frozenset({"iam", "sts", "cloudformation", "sns", "sqs"})


def root(account: Account) -> Caller:
    """The account's root user, as a console session would be recorded."""
    arn = f"arn:aws:iam::{account.account_id}:root"
    identity = {
        "type": "Root",
        "principalId": account.account_id,
        "arn": arn,
        "accountId": account.account_id,
        "accessKeyId": "ASIASANDBOXROOTUSER0",
        "sessionContext": {"attributes": {"creationDate": _second(account), "mfaAuthenticated": "true"}},
    }
    return Caller(account.account_id, arn, None, identity, is_trusted=True)


def service(account: Account, principal: str) -> Caller:
    """An AWS service acting in its own name; it has neither ARN nor account in CloudTrail."""
    identity = {"type": "AWSService", "invokedBy": principal}
    return Caller(account.account_id, principal, None, identity, is_trusted=True)


def caller(accounts: Accounts, access_key: str, called_service: str) -> Caller:
    """Return the owner of ``access_key`` in any account: the administrator, an IAM user, or an assumed role's session.

    Refuse a key that nobody owns, as AWS does.
    """
    for account in accounts:
        if (found := _owner(account, access_key)) is not None:
            return found
    raise unknown_key(called_service)


def _owner(account: Account, access_key: str) -> Caller | None:
    """Return the owner of the key in this account, or None."""
    if access_key == account.access_key:
        return account.administrator
    account_id = account.account_id
    for session in sts_backends[account_id]["aws"].assumed_roles:
        if session.access_key_id == access_key:
            return assumed_role(account, session)
    user = iam_backends[account_id]["aws"].get_user_from_access_key_id(access_key)
    if user is None:
        return None
    identity = {
        "type": "IAMUser",
        "principalId": user.id,
        "arn": user.arn,
        "accountId": account_id,
        "accessKeyId": access_key,
        "userName": user.name,
    }
    return Caller(account_id, user.arn, None, identity)


def new_session(account: Account, role_arn: str, name: str, region: str = "us-east-1") -> Any:
    """Open a session of the role as a service does: nobody asks the role's trust. Return moto's session."""
    with account.lock:
        return sts_backends[account.account_id]["aws"].assume_role(
            region_name=region, role_session_name=name, role_arn=role_arn, policy="", duration=3600, external_id=""
        )


def credentials_of_role(account: Account, role_arn: str, session_name: str) -> dict[str, str]:
    """Return credentials of a new session of the role: AccessKeyId, SecretAccessKey, SessionToken.

    The role's trust policy is not checked: it is AWS's service (Lambda, API Gateway) that assumes the role.
    """
    session = new_session(account, role_arn, session_name)
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
    }


def caller_of_key(account: Account, access_key: str) -> Caller:
    """Return the Caller that signs with ``access_key``, to be handed to ``account.client``."""
    with account.lock:
        return caller(account.accounts, access_key, "sts")


def unknown_key(called_service: str) -> AwsError:
    """How a service refuses a key that it does not know, and every key in a region that the account has not enabled.

    *Source:* https://repost.aws/knowledge-center/iam-validate-access-credentials ("The AWS Region isn't enabled").
    """
    code = "InvalidClientTokenId" if called_service in _QUERY_SERVICES else "UnrecognizedClientException"
    return AwsError(code, "The security token included in the request is invalid.", 403)


def assumed_role(account: Account, session: Any) -> Caller:
    """The caller behind one of moto's STS sessions. The STS ARN drops the role's path, sessionIssuer keeps it."""
    account_id = account.account_id
    role_name = session.role_arn.split("/")[-1]
    principal = session.user_id
    identity = {
        "type": "AssumedRole",
        "principalId": principal,
        "arn": f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session.session_name}",
        "accountId": account_id,
        "accessKeyId": session.access_key_id,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal.split(":")[0],
                "arn": session.role_arn,
                "accountId": account_id,
                "userName": role_name,
            },
            "webIdFederationData": {},
            "attributes": {"creationDate": _second(account), "mfaAuthenticated": "false"},
        },
    }
    return Caller(account_id, identity["arn"], session.role_arn, identity, session_policy=session.policy or None)


def _second(account: Account) -> str:
    return account.now().strftime("%Y-%m-%dT%H:%M:%SZ")
