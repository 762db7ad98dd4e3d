"""ARNs, taken apart."""

from __future__ import annotations

import pytest

from sandbox.core.arn import Arn


@pytest.mark.parametrize(
    ("text", "service", "region", "name"),
    [
        ("arn:aws:iam::123456789012:role/path/logs", "iam", "", "logs"),
        ("arn:aws:sqs:us-east-1:123456789012:stages", "sqs", "us-east-1", "stages"),
        ("arn:aws-cn:events:cn-north-1:123456789012:event-bus/default", "events", "cn-north-1", "default"),
        ("arn:aws:lambda:us-east-1:123456789012:function:enforce", "lambda", "us-east-1", "enforce"),
        ("a-name", "", "", "a-name"),
        ("arn:aws:sqs:us-east-1", "", "", "us-east-1"),
    ],
)
def test_parts(text: str, service: str, region: str, name: str) -> None:
    arn = Arn.parse(text)
    assert (arn.service, arn.region, arn.name) == (service, region, name)


@pytest.mark.parametrize("suffix", ["", ":*"])
def test_log_group(suffix: str) -> None:
    assert Arn.parse(f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/enforce{suffix}").log_group == (
        "/aws/lambda/enforce"
    )


def test_arn_is_written_as_it_was_read() -> None:
    text = "arn:aws:logs:us-east-1:123456789012:log-group:shop:*"
    assert str(Arn.parse(text)) == text
