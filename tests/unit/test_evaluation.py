"""Which log groups and streams the evaluation of a stage reads: only valid names in its own account and region."""

from __future__ import annotations

import pytest

from log_keeper.policy.log_groups import firehose_stream_of, log_groups_of
from testing.builders import ACCOUNT, POLICY, rest_stage

GROUP = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:"
STREAM = f"arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/"


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        (f"{GROUP}mine", "mine"),
        (f"{GROUP}mine:*", "mine"),
        (f"{GROUP}/my/own_group.of-1#2", "/my/own_group.of-1#2"),
        (GROUP, None),
        (f"{GROUP}:*", None),
        (f"{GROUP}{'x' * 513}", None),
        (f"{GROUP}mine:log-stream:x", None),
        (f"{GROUP}my group", None),
        (f"{GROUP}mine\n", None),
        (f"{GROUP}aws/mine", None),
        (f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:mine", None),
        ("arn:aws:logs:us-east-1:999999999999:log-group:mine", None),
        (f"arn:aws-cn:logs:us-east-1:{ACCOUNT}:log-group:mine", None),
        (f"{STREAM}amazon-apigateway-x", None),
        ("mine", None),
    ],
)
def test_owners_log_group_is_read_only_if_it_can_exist_here(destination: str, name: str | None) -> None:
    """A sweep reads the groups of many stages in one call, which CloudWatch Logs refuses for one invalid name."""
    groups = log_groups_of(rest_stage(destination=destination), POLICY)
    assert [group.name for group in groups if group.is_owners] == ([] if name is None else [name])


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        (f"{STREAM}amazon-apigateway-x", "amazon-apigateway-x"),
        (STREAM, None),
        (f"{STREAM}mine", None),
        (f"{STREAM}amazon-apigateway-{'x' * 47}", None),
        (f"{STREAM}amazon-apigateway-x/y", None),
        (f"arn:aws:firehose:eu-west-1:{ACCOUNT}:deliverystream/amazon-apigateway-x", None),
        ("arn:aws:firehose:us-east-1:999999999999:deliverystream/amazon-apigateway-x", None),
        (f"{GROUP}mine", None),
    ],
)
def test_stream_is_read_only_if_it_can_exist_here(destination: str, name: str | None) -> None:
    assert firehose_stream_of(rest_stage(destination=destination)) == name
