"""STS: who a caller is, and sessions of roles.

*Source*, where nothing else is said: localstack/localstack ``test_sts.snapshot.json`` of 2025-07; of who may assume
a role: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sandbox.core.arn import Arn
from sandbox.core.call import AwsError, Need
from sandbox.core.iam import authorization, trust
from sandbox.core.iam.policies import Decision
from sandbox.core.registry import rule

if TYPE_CHECKING:
    from sandbox.core.account import Account
    from sandbox.core.call import Call
    from sandbox.core.registry import Proceed

_SESSION_NAME = re.compile(r"[\w+=,.@-]*", re.ASCII)
_SHORTEST, _LONGEST, _LONGEST_CHAINED = 900, 43_200, 3600


@rule("sts", "GetCallerIdentity")
def _caller_identity(_: Account, call: Call, __: Proceed) -> dict[str, Any]:
    identity = call.caller.user_identity
    return {"UserId": identity.get("principalId", ""), "Account": call.caller.account, "Arn": call.caller.arn}


@rule("sts", "AssumeRole")
def _assume_role(account: Account, call: Call, proceed: Proceed) -> dict[str, Any]:
    """Open a session for a caller whom the role trusts. A role that does not exist is denied as one that does not.

    The answer has the size of the session's policies only where there are some.

    *Source:* of the durations' texts: FormidableLabs, pix4d and others who met them; of the denial: hundreds of them.
    """
    _check_parameters(call)
    arn = call.params["RoleArn"]
    owner = account.accounts.get(Arn.parse(arn).account)
    role = None if owner is None else authorization.role_by_arn(owner, arn)
    if role is None or owner is None or not owner.is_propagated(role.name):
        raise _denied(call, arn)
    _authorise(account, call, role, owner)
    asked = call.params.get("DurationSeconds")
    if asked is not None and call.caller.role_arn and asked > _LONGEST_CHAINED:
        raise _invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if asked is not None and asked > int(role.max_session_duration or _LONGEST_CHAINED):
        raise _invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    answer = proceed()
    if not any(call.params.get(given) for given in ("Policy", "PolicyArns", "Tags")):
        del answer["PackedPolicySize"]
    return answer


def _check_parameters(call: Call) -> None:
    arn, name, seconds = (call.params.get(key) for key in ("RoleArn", "RoleSessionName", "DurationSeconds"))
    if not _SESSION_NAME.fullmatch(name or ""):
        raise _constraint(f"'{name}' at 'roleSessionName'", r"satisfy regular expression pattern: [\w+=,.@-]*")
    for bad, bound in (
        (len(name or "") < 2, "greater than or equal to 2"),
        (len(name or "") > 64, "less than or equal to 64"),
    ):
        if bad:
            raise _constraint(f"'{name}' at 'roleSessionName'", f"have length {bound}")
    if len(arn or "") < 20:
        raise _constraint(f"'{arn}' at 'roleArn'", "have length greater than or equal to 20")
    parsed = Arn.parse(str(arn))
    if not all((parsed.partition, parsed.service, parsed.resource)):
        raise _invalid(f"{arn} is invalid")
    if seconds is not None and seconds < _SHORTEST:
        raise _constraint(f"'{seconds}' at 'durationSeconds'", f"have value greater than or equal to {_SHORTEST}")
    if seconds is not None and seconds > _LONGEST:
        raise _constraint(f"'{seconds}' at 'durationSeconds'", f"have value less than or equal to {_LONGEST}")


def _authorise(account: Account, call: Call, role: Any, owner: Account) -> None:
    """Refuse a caller whom the role does not trust, or whose own policies do not allow the call.

    In one account a trust policy that names the caller itself is enough. Across accounts both must allow the call.

    *Source:* IAM user guide, "Cross-account policy evaluation logic"
    """
    caller = call.caller
    need = Need("sts:AssumeRole", role.arn, {"sts:RoleSessionName": call.params["RoleSessionName"]})
    need = authorization.of_owner(account, need)
    if call.params.get("ExternalId"):
        need.context["sts:ExternalId"] = call.params["ExternalId"]
    call.further_needs.append(need)
    context = {**authorization.request_context(account, call), **need.context}
    own = [caller.arn, *([caller.role_arn] if caller.role_arn else [])]
    if trust.decide(role, own, context) is not Decision.ALLOWED:
        raise _denied(call, role.arn)
    if caller.is_trusted:
        return
    policies = authorization.policies_of(account, caller)
    held = policies.decide(need.action, need.resource, context)
    by_organization = policies.organization_decides(need.action, need.resource, context)
    may_be_enough = owner is account and held is Decision.IMPLICIT_DENY and by_organization is Decision.ALLOWED
    if held is not Decision.ALLOWED and not (may_be_enough and trust.names(role, own, context)):
        raise _denied(call, role.arn, f" {policies.refusal(need.action, need.resource, context)}")


def _denied(call: Call, arn: str, why: str = "") -> AwsError:
    message = f"User: {call.caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}{why}"
    return AwsError("AccessDenied", message, 403)


def _constraint(value: str, rule_: str) -> AwsError:
    return _invalid(f"1 validation error detected: Value {value} failed to satisfy constraint: Member must {rule_}")


def _invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)
