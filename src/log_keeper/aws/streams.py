"""Firehose streams that receive logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, is_region_unavailable

if TYPE_CHECKING:
    from mypy_boto3_firehose.client import FirehoseClient


def has_stream(client: FirehoseClient, name: str) -> bool:
    """Return whether the Firehose stream exists; True if Log Keeper is not allowed to read it. Raises ClientError."""
    try:
        client.describe_delivery_stream(DeliveryStreamName=name)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return False
        if not is_region_unavailable(error):
            raise
    return True
