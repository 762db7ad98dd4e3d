"""Destinations of log forwarding for tests: a function, a Kinesis stream, a Firehose stream, and what they received."""

from __future__ import annotations

import gzip
import json
from typing import Any

from sandbox.core.account import Account
from testing.accounts import make_role
from testing.functions import LOGS, function
from testing.world import trust_of

NAME = "siem"
ROLE_NAME = "ForwardLogs"
#: Writes each line that it receives to its own log.
_CODE = """
import base64, gzip, json

def handler(event, context):
    for line in json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))["logEvents"]:
        print("received", line["message"])
"""


def make_siem_function(sandbox: Any, *, is_allowed: bool = True) -> str:
    """Create a function that receives lines. Return its ARN. ``is_allowed``: CloudWatch Logs may invoke it."""
    arn = function(sandbox, _CODE, policy=LOGS, name=NAME)
    if is_allowed:
        allow_logs(sandbox)
    return arn


def allow_logs(sandbox: Account, group: str = "*", source_account: str | None = None) -> None:
    """Allow CloudWatch Logs to invoke the function for log groups of the account."""
    sandbox.client("lambda").add_permission(
        FunctionName=NAME,
        StatementId=f"logs-{len(group)}",
        Action="lambda:InvokeFunction",
        Principal="logs.amazonaws.com",
        SourceArn=f"arn:aws:logs:us-east-1:{sandbox.account_id}:log-group:{group}",
        SourceAccount=source_account or sandbox.account_id,
    )


def received(sandbox: Account) -> list[str]:
    """Return the lines that the function has received."""
    logs = sandbox.client("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{NAME}")["logGroups"]:
        return []
    events = logs.filter_log_events(logGroupName=f"/aws/lambda/{NAME}")["events"]
    return [
        event["message"].removeprefix("received ").rstrip("\n")
        for event in events
        if event["message"].startswith("received ")
    ]


def make_siem_stream(sandbox: Account, region: str = "us-east-1") -> str:
    """Create a Kinesis stream. Return its ARN."""
    kinesis = sandbox.client("kinesis", region)
    kinesis.create_stream(StreamName=NAME, ShardCount=1)
    arn: str = kinesis.describe_stream(StreamName=NAME)["StreamDescription"]["StreamARN"]
    return arn


def make_forward_role(sandbox: Account, *actions: str) -> str:
    """Create the role with which CloudWatch Logs writes to a stream. Return its ARN. ``actions``: that it may do."""
    arn = make_role(sandbox, ROLE_NAME, trust=trust_of("logs"), policy=None)
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
    if actions:
        sandbox.client("iam").put_role_policy(
            RoleName=ROLE_NAME, PolicyName="write", PolicyDocument=json.dumps(document)
        )
    return arn


def stream_records(sandbox: Account, region: str = "us-east-1") -> list[dict[str, Any]]:
    """Return what the Kinesis stream has received: a test message, and envelopes of lines."""
    kinesis = sandbox.client("kinesis", region)
    shard = kinesis.describe_stream(StreamName=NAME)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=NAME, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return [json.loads(gzip.decompress(record["Data"])) for record in records]


def make_siem_firehose(sandbox: Account) -> str:
    """Create a Firehose stream to a bucket, which gets each record at once. Return its ARN."""
    sandbox.client("s3").create_bucket(Bucket="siem-lines")
    arn: str = sandbox.client("firehose").create_delivery_stream(
        DeliveryStreamName=NAME,
        ExtendedS3DestinationConfiguration={
            "RoleARN": make_role(sandbox, "Firehose", trust=trust_of("firehose"), policy=None),
            "BucketARN": "arn:aws:s3:::siem-lines",
        },
    )["DeliveryStreamARN"]
    return arn


def bucket_records(sandbox: Account) -> list[dict[str, Any]]:
    """Return what the Firehose stream has put into the bucket, in no order."""
    s3 = sandbox.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="siem-lines").get("Contents", [])]
    bodies = [s3.get_object(Bucket="siem-lines", Key=key)["Body"].read() for key in keys]
    return [json.loads(gzip.decompress(body)) for body in bodies]


def make_logs_destination(sandbox: Account, sender: str) -> str:
    """Create a destination of CloudWatch Logs for the account ``sender``, with a Kinesis stream. Return its ARN."""
    role = make_forward_role(sandbox, "kinesis:PutRecord")
    return _make_logs_destination(sandbox, role, "us-east-1", {"Principal": {"AWS": sender}})


def make_destinations_of_organization(sandbox: Account, organization_id: str, *regions: str) -> str:
    """Create a destination for all accounts of an organization in each region. Return the ARN in the first one."""
    role = make_forward_role(sandbox, "kinesis:PutRecord")
    condition = {"StringEquals": {"aws:PrincipalOrgID": organization_id}}
    allowed = {"Principal": "*", "Condition": condition}
    first, *_ = [_make_logs_destination(sandbox, role, region, allowed) for region in regions]
    return first


def _make_logs_destination(sandbox: Account, role: str, region: str, allowed: dict[str, Any]) -> str:
    stream, logs = make_siem_stream(sandbox, region), sandbox.client("logs", region)
    arn: str = logs.put_destination(destinationName=NAME, targetArn=stream, roleArn=role)["destination"]["arn"]
    statement = {"Effect": "Allow", "Action": "logs:PutSubscriptionFilter", "Resource": arn, **allowed}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    logs.put_destination_policy(destinationName=NAME, accessPolicy=json.dumps(document))
    return arn
