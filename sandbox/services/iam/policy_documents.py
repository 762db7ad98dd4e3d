"""IAM's checks of policy documents, their sizes, and the entities that calls name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from moto.iam.models import iam_backends

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError
from sandbox.core.iam import policy_grammar as grammar
from sandbox.core.registry import hook

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call

#: The default quota of managed policies of a role, user or group.
#: *Source:* https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_MOST_ATTACHED = 10
_KINDS = ("role", "user", "group")


@hook
def _check(account: Account, call: Call) -> None:
    if call.service != "iam":
        return
    _check_entity(account, call)
    operation, params = call.operation, call.params
    if operation in ("CreateRole", "UpdateAssumeRolePolicy"):
        text = params["AssumeRolePolicyDocument" if operation == "CreateRole" else "PolicyDocument"]
        _refuse(grammar.trust_refusal(text, lambda arn: _exists(account, arn)))
        if grammar.size(text) > grammar.LONGEST_TRUST:
            raise _limit(f"Cannot exceed quota for ACLSizePerRole: {grammar.LONGEST_TRUST}")
    elif operation in ("CreatePolicy", "CreatePolicyVersion"):
        text = params["PolicyDocument"]
        _refuse(grammar.identity_refusal(text))
        if _is_json(text) and '"2012-10-17"' not in text:
            # This check is for managed policies only. An inline policy without Version has the version 2008-10-17.
            _refuse("Policy document must be version 2012-10-17 or greater.")
        if grammar.size(text) > grammar.LONGEST_MANAGED:
            raise _limit(f"Cannot exceed quota for PolicySize: {grammar.LONGEST_MANAGED}")
    elif operation in ("PutRolePolicy", "PutUserPolicy", "PutGroupPolicy"):
        _refuse(grammar.identity_refusal(params["PolicyDocument"]))
        _check_inline_size(account, call)
    elif operation.startswith("Attach"):
        _check_attachment(account, call)


def _check_entity(account: Account, call: Call) -> None:
    """Refuse a call about a role, user or group that does not exist, and the read of an inline policy that does not.

    *Source* of the text: radkawar/stackd ``testdata/aws/iam/role_acquisition.json``, localstack/localstack
    ``test_iam.snapshot.json``.
    """
    for kind in _KINDS:
        name = call.params.get(f"{kind.capitalize()}Name")
        if not name or call.operation == f"Create{kind.capitalize()}":
            continue
        found, policy = _entity(account, kind, name), call.params.get("PolicyName")
        if found is None:
            raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
        if call.operation == f"Get{kind.capitalize()}Policy" and policy not in found.policies:
            raise AwsError("NoSuchEntity", f"The {kind} policy with name {policy} cannot be found.", 404)


def _check_inline_size(account: Account, call: Call) -> None:
    """Refuse an inline policy that exceeds the limit for all inline policies of a role, user or group together.

    *Source* of the text: serverless/serverless issue 12167, awslabs/aws-deployment-framework issue 474.
    """
    kind = call.operation.removeprefix("Put").removesuffix("Policy").lower()
    name = call.params[f"{kind.capitalize()}Name"]
    others = {**_held(account, kind, name).policies, call.params["PolicyName"]: call.params["PolicyDocument"]}
    limit = grammar.LONGEST_INLINE[kind]
    if sum(grammar.size(text if isinstance(text, str) else json.dumps(text)) for text in others.values()) > limit:
        raise _limit(f"Maximum policy size of {limit} bytes exceeded for {kind} {name}")


def _check_attachment(account: Account, call: Call) -> None:
    """Refuse the attachment of a wrong ARN, or of more policies than the quota allows.

    *Source* of the texts: localstack/localstack ``test_iam.snapshot.json``;
    ministryofjustice/cloud-platform-environments pull request 14118 (the quota).
    """
    arn = call.params["PolicyArn"]
    if not re.fullmatch(r"arn:[^:]+:iam::[^:]*:.+", arn):
        raise AwsError("ValidationError", "Invalid ARN:  Could not be parsed!")
    kind = call.operation.removeprefix("Attach").removesuffix("Policy").lower()
    attached = _held(account, kind, call.params[f"{kind.capitalize()}Name"]).managed_policies
    if arn not in attached and len(attached) >= _MOST_ATTACHED:
        raise _limit(f"Cannot exceed quota for PoliciesPer{kind.capitalize()}: {_MOST_ATTACHED}")


def _entity(account: Account, kind: str, name: str) -> Any | None:
    backend = iam_backends[account.account_id]["aws"]
    if kind == "role":
        return next((role for role in backend.get_roles() if role.name == name), None)
    return (backend.users if kind == "user" else backend.groups).get(name)


def _held(account: Account, kind: str, name: str) -> Any:
    """Return moto's role, user or group. It exists, since the call was refused otherwise."""
    return _entity(account, kind, name)


def _exists(account: Account, arn: str) -> bool:
    """Tell whether the role or user exists.

    Those of other accounts, which the sandbox does not know, count as existing.
    """
    parsed = Arn.parse(arn)
    kind, _, path = parsed.resource.partition("/")
    if arn == account.administrator.arn:
        return True
    if parsed.service != "iam" or parsed.account != account.account_id or kind not in ("role", "user"):
        return True
    found = _entity(account, kind, path.rsplit("/", 1)[-1])
    return found is not None and found.arn == arn


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


def _refuse(message: str | None) -> None:
    if message is not None:
        raise AwsError("MalformedPolicyDocument", message)


def _limit(message: str) -> AwsError:
    return AwsError("LimitExceeded", message, 409)
