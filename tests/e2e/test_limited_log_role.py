"""A log role that its owner keeps narrow is left by the deployed functions, which read its policies to know."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from log_keeper.policy.findings import Problem
from testing.accounts import PUSH_POLICY, log_role, make_rest_stage
from testing.builders import ACCOUNT
from testing.stacks import Deployed
from testing.sweeps import sweep, sweep_log

LONG_THERE = f"arn:aws:iam::{ACCOUNT}:role/LongThere"


@pytest.fixture(scope="module")
def stack(deploy: Callable[..., Deployed]) -> Deployed:
    """Its log role may write to one log group of its owner, by an inline policy, and has another one attached."""
    deployed = deploy()
    iam = deployed.sandbox.client("iam")
    group = f"arn:aws:logs:*:{ACCOUNT}:log-group:/shop/*"
    for name, resource in (("own", group), ("other", "arn:aws:s3:::shop")):
        statement = {"Effect": "Allow", "Action": ["logs:*", "s3:*"], "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        if name == "own":
            iam.put_role_policy(RoleName="LongThere", PolicyName=name, PolicyDocument=document)
        else:
            arn = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
            iam.attach_role_policy(RoleName="LongThere", PolicyArn=arn)
    iam.attach_role_policy(RoleName="LongThere", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    iam.detach_role_policy(RoleName="LongThere", PolicyArn=PUSH_POLICY)
    return deployed


def test_stage_is_remediated_and_the_role_is_left(stack: Deployed) -> None:
    stack.wait_until_compliant(make_rest_stage(stack.sandbox))
    assert stack.wait_until_quiet() == 0
    assert log_role(stack.sandbox) == LONG_THERE


def test_sweep_reports_the_stage_and_leaves_both(stack: Deployed) -> None:
    invocations = stack.invocations()
    sweep(stack)
    lines = [json.loads(line) for line in sweep_log(stack) if line.startswith("{")]
    # The deployment led to a sweep as well, before or after there was the stage.
    assert {line["roleArn"] for line in lines if line.get("message") == "Log role limited"} == {LONG_THERE}
    [detail] = {line["detail"] for line in lines if line.get("problem") == Problem.LIMITED_LOG_ROLE}
    assert detail.startswith(f"{LONG_THERE} needs logs:CreateLogGroup")
    assert stack.invocations() == invocations
    assert log_role(stack.sandbox) == LONG_THERE
