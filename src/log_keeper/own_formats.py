"""Access log formats that the owner keeps in SSM parameters. They are read when a stage is about to get one.

So a change of a parameter counts at once, a wrong parameter hinders only stages that need it, and a start of a function
costs nothing more.
"""

from __future__ import annotations

from dataclasses import replace

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import CALL_ERRORS
from log_keeper.aws.parameters import read_parameter
from log_keeper.policy.evaluation import Evaluation
from log_keeper.policy.own_format import checked, is_parameter
from log_keeper.policy.plan import Setting
from log_keeper.remediation import Failure, Remediation


def with_format(clients: Clients, evaluation: Evaluation, remediation: Remediation) -> Evaluation | None:
    """Return the evaluation with the format in place of the name of the SSM parameter that has it.

    Return None, and add a failure to the remediation, if the parameter cannot be read or its format is unusable.
    """
    plan = evaluation.plan
    named = [
        change.after
        for change in plan.changes
        if change.setting is Setting.ACCESS_LOG_FORMAT and is_parameter(str(change.after))
    ]
    if not named:
        return evaluation
    name = str(named[0])
    try:
        text = checked(read_parameter(clients, name), evaluation.stage.protocol)
    except (*CALL_ERRORS, ValueError) as error:  # UnusableFormatError is a ValueError
        what = f"access log settings could not be changed, because SSM parameter {name} has no usable format"
        remediation.failures.append(Failure(what, error))
        return None
    changes = [
        change._replace(after=text) if change.setting is Setting.ACCESS_LOG_FORMAT else change
        for change in plan.changes
    ]
    return replace(evaluation, plan=replace(plan, changes=tuple(changes)))
