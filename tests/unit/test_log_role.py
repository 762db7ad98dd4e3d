"""A stage is compliant only if the log role may write to its log groups."""

from __future__ import annotations

from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.evaluation import Facts, evaluate
from log_keeper.policy.findings import Finding, Problem
from log_keeper.policy.log_groups import LogGroup, LogGroupFacts, log_groups_of
from log_keeper.policy.log_role import PROBES, LogRoleFacts, granted_groups, in_words, probe_of
from log_keeper.stages import Protocol, Stage
from testing.builders import ACCOUNT, POLICY, V2_REF, rest_stage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Theirs"
GROUPS = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
ACCESS = "/aws/vendedlogs/apigateway/a1b2c3d4e5/prod"
WRITES = ("logs:CreateLogStream", "logs:PutLogEvents")


def facts(stage: Stage, denied: dict[str, tuple[str, ...]]) -> Facts:
    existing = {group.name: LogGroupFacts(NOW, expires=True) for group in log_groups_of(stage, POLICY)}
    return Facts(existing, LogRoleFacts(ROLE, denied))


def test_stage_whose_role_may_write_is_compliant() -> None:
    stage = rest_stage()
    found = evaluate(stage, POLICY, facts(stage, {}), NOW)
    assert found.is_compliant
    assert found.findings == ()


def test_stage_whose_role_may_not_write_is_not_compliant_and_requires_no_change() -> None:
    stage = rest_stage()
    found = evaluate(stage, POLICY, facts(stage, {ACCESS: WRITES}), NOW)
    assert not found.is_compliant
    assert not found.requires_changes
    assert found.findings == (
        Finding(
            Problem.LIMITED_LOG_ROLE,
            f"{ROLE} needs logs:CreateLogStream, logs:PutLogEvents on {GROUPS}{ACCESS}:*",
        ),
    )


def test_stage_whose_role_may_not_write_requires_its_other_changes() -> None:
    stage = rest_stage("OFF")
    found = evaluate(stage, POLICY, facts(stage, {ACCESS: WRITES}), NOW)
    assert found.requires_changes
    assert found.is_silenced


def test_role_that_may_not_write_another_stages_groups_does_not_matter() -> None:
    stage = rest_stage()
    assert evaluate(stage, POLICY, facts(stage, {"/aws/vendedlogs/apigateway/other/prod": WRITES}), NOW).is_compliant


def test_http_stage_does_not_write_with_the_role() -> None:
    group = "/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default"
    stage = replace(
        rest_stage(protocol=Protocol.HTTP, ref=V2_REF, destination=f"{GROUPS}{group}"),
        settings=rest_stage("OFF").settings,
    )
    found = evaluate(stage, POLICY, facts(stage, {group: WRITES}), NOW)
    assert not found.is_silenced
    assert Problem.LIMITED_LOG_ROLE not in [finding.problem for finding in found.findings]


def test_stage_is_compliant_if_the_role_is_unknown() -> None:
    stage = rest_stage()
    assert evaluate(stage, POLICY, replace(facts(stage, {ACCESS: WRITES}), log_role=None), NOW).is_compliant


@pytest.mark.parametrize(
    ("name", "probe"),
    [
        ("API-Gateway-Execution-Logs_a1b2c3d4e5/prod", PROBES[0]),
        ("API-Gateway-Execution-Logs_a1b2c3d4e5/prod/Canary", PROBES[0]),
        (ACCESS, PROBES[1]),
        ("/aws/apigateway/a1b2c3d4e5/prod", PROBES[2]),
        ("/aws/vendedlogs/apigatewayv2/a1b2c3d4e5/.default", PROBES[3]),
        ("mine", None),
    ],
)
def test_each_type_of_log_group_has_a_probe(name: str, probe: str | None) -> None:
    assert probe_of(LogGroup(name, 1, None), AccessLogNames()) == probe


def test_permission_for_an_owners_group_is_tested_with_its_own_name() -> None:
    """Also if it has a standard name: a vendor has REST APIs log to groups below /aws/apigateway/."""
    assert probe_of(LogGroup("/aws/apigateway/a1b2c3d4e5/prod", 1, None, is_owners=True), AccessLogNames()) is None


def test_finding_names_all_groups_that_a_probe_stands_for() -> None:
    assert in_words(
        ROLE, {PROBES[1]: WRITES, PROBES[3]: WRITES, "mine": ("logs:PutLogEvents",)}, region="eu-west-1"
    ) == (
        f"{ROLE} needs logs:CreateLogStream, logs:PutLogEvents on "
        f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/vendedlogs/apigateway/*, "
        f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/aws/vendedlogs/apigatewayv2/*; "
        f"logs:PutLogEvents on arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:mine:*"
    )


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ({"Action": "logs:PutLogEvents", "Resource": f"{GROUPS}mine:*"}, ["mine"]),
        (
            {"Action": ["LOGS:Put*"], "Resource": [f"{GROUPS}mine", f"{GROUPS}/shop/*:log-stream:*"]},
            ["mine", "/shop/x"],
        ),
        ({"Action": "*", "Resource": "*"}, ["x"]),
        ({"NotAction": "iam:*", "Resource": f"{GROUPS}mine:*"}, ["mine"]),
        ({"Action": "logs:*", "NotResource": f"{GROUPS}secret:*"}, ["x"]),
        ({"Action": "logs:CreateLogGroup", "Resource": "*"}, []),
        ({"Effect": "Deny", "Action": "*", "Resource": "*"}, []),
        ({"Action": "logs:*", "Resource": f"{GROUPS}/aws/apigateway/welcome:*"}, []),
        ({"Action": "s3:*", "Resource": "arn:aws:s3:::bucket"}, []),
        ({"Action": "logs:*", "Resource": "arn:aws:s3:::bucket"}, []),
    ],
)
def test_groups_that_a_policy_may_allow(statement: dict[str, Any], names: list[str]) -> None:
    assert granted_groups([{"Statement": [{"Effect": "Allow", **statement}]}]) == names
    assert granted_groups([{"Statement": {"Effect": "Allow", **statement}}]) == names
