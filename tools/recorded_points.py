"""The most important facts about AWS that are recorded or documented, for ``docs/aws-behaviour.md``.

The sandbox does the same in each. Sources of all other facts are in the docstrings of the sandbox's rules.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recorded:
    """One fact: what AWS does, where that was recorded, and the consequence for Log Keeper."""

    fact: str
    source: str
    consequence: str


_STACKD = "radkawar/stackd testdata/aws/apigateway"

RECORDED = {
    "Stages": [
        Recorded(
            "UpdateStage (v2) keeps the members of the default route settings and of the access log settings that it "
            "is not sent, and the settings of other routes.",
            f"{_STACKD}/rest_websocket_logs.json, http_log_settings.json (2026-09); go-to-k/cdkd (2026-08)",
            "Only members that change are sent.",
        ),
        Recorded(
            "A REST stage stores a method setting under the path that addressed it: `~1pets/GET` and `pets/GET` are "
            "two entries.",
            f"{_STACKD}/rest_websocket_logs.json; localstack/localstack test_create_update_stages (2024)",
            "Each entry is changed under the key that GetStage shows.",
        ),
        Recorded(
            "A new method entry is a copy of `*/*` as it is then, and does not follow it later.",
            "DianaIonita/serverless-api-gateway-caching pull request 99; hashicorp/terraform-provider-aws issue 13612",
            "Each entry is evaluated by itself.",
        ),
        Recorded(
            "A REST stage refuses an unknown logging level; a WebSocket stage accepts it and stores OFF.",
            f"{_STACKD}/rest_websocket_logs.json (2026-09)",
            "OFF is remediated, whoever set it.",
        ),
        Recorded(
            "An access log format must be one line and name the request; unknown variables are accepted.",
            f"{_STACKD}/rest_websocket_logs.json (2026-09)",
            "Formats of owners stay if they name the request.",
        ),
        Recorded(
            "HTTP APIs refuse a log group that does not exist; REST APIs accept it.",
            f"{_STACKD}/http_logs.json (2026-09); go-to-k/cdkd (2026-02)",
            "Log groups are created before they are set.",
        ),
        Recorded(
            "UpdateStage of a REST stage refuses many operations at once (`Update size too large`); a tool in use "
            "sends at most 80.",
            "DianaIonita/serverless-api-gateway-caching issue 46 (2019), and its code",
            "At most 80 operations are sent in one call.",
        ),
        Recorded(
            "A canary writes its execution log to a log group of its own: the stage's name with `/Canary` behind.",
            'API Gateway developer guide, "Set up an API Gateway canary release deployment"',
            "Both log groups are created with a retention.",
        ),
        Recorded(
            "CloudFormation accepts a destination ARN that ends in `:*`; the stage shows it without.",
            "go-to-k/cdkd apigateway-provider.ts (2026-08)",
            "Both forms are one log group.",
        ),
    ],
    "The account's log role": [
        Recorded(
            "REST and WebSocket stages refuse logging to CloudWatch Logs without a log role in the account settings.",
            "serverless-stack/sst issue 4663",
            "The role comes first.",
        ),
        Recorded(
            "UpdateAccount refuses a role limited to four log groups, and accepts it with the managed policy; a "
            "change in IAM is seen after 33 seconds, and not at once.",
            f"{_STACKD}/rest_websocket_logs.json (2026-09)",
            "A new role is tried after 7, 27 and 47 seconds; then the message comes back.",
        ),
        Recorded(
            "An organization's policy that demands tags on log groups makes UpdateAccount refuse the role for missing "
            "permissions.",
            "a field report (2026-11)",
            "The finding names both causes.",
        ),
        Recorded(
            "GetAccount of an account without a role has no `cloudwatchRoleArn`.",
            "cloud-custodian test_rest_account_rate_limit",
            "No member means no role.",
        ),
    ],
    "CloudWatch Logs": [
        Recorded(
            "The account's policy `AWSLogDeliveryWrite20150319` has one statement for many log groups, and further "
            "statements for one each.",
            f"{_STACKD}/http_log_settings.json (2026-09); anomalyco/sst issue 125 (2021)",
            "Each resource of each statement counts; `make verify` removes only its own.",
        ),
        Recorded(
            "The permission to deliver an HTTP API's access logs is a policy of the log group, is deleted with it, and "
            "stays when the destination moves.",
            f"{_STACKD}/http_log_settings.json; radkawar/stackd docs/logs.md (2026-09)",
            "The permission is restored after a log group was deleted.",
        ),
        Recorded(
            "An execution log group that exists is used; that of a WebSocket stage is `/aws/apigateway/ID/STAGE`.",
            f"{_STACKD}/rest_websocket_logs.json (2026-09)",
            "Execution log groups are created with a retention before anything is logged.",
        ),
        Recorded(
            "While a REST stage has a delivery of EXECUTION_LOGS, nothing is written to its standard log group.",
            'API Gateway developer guide, "Create a log delivery for REST API execution logs" (2026-09)',
            "The standard log group is not created meanwhile.",
        ),
        Recorded(
            "DescribeLogGroups by a name pattern leaves out the retention.",
            "aws/aws-sdk issues 448 and 608",
            "Patterns are not used.",
        ),
        Recorded(
            'Resource policies come back rewritten: `"Service": ["x"]` as `"x"`, a missing version as 2008-10-17.',
            "localstack/localstack logs/test_logs_resource_policies",
            "Policies are compared by what they allow.",
        ),
    ],
    "Events": [
        Recorded(
            "CloudTrail's records of writes reach rules that are ENABLED; those of reads do not.",
            "radkawar/stackd docs/logs.md, docs/eventbridge.md",
            "The rules are for writes.",
        ),
        Recorded(
            "The record of a REST API's call has the labels of the path at the top of its parameters (`restApiId`, "
            "`resourceId`), and the body as `createStageInput`; an HTTP or WebSocket API's has all at the top.",
            f"{_STACKD}/cloudtrail_deployed.json (2026-09); cloud-custodian tests/data/cwe",
            "The stage is read from there.",
        ),
        Recorded(
            "A failed call's record may have null in place of its parameters.",
            "umccr/cloudtrail-parquet-lambda test_input (2020)",
            "Such a record names no stage and is skipped.",
        ),
        Recorded(
            "A hop to another region replaces an event's id and time, and keeps its account and region; a second such "
            "hop fails.",
            "radkawar/stackd docs/eventbridge.md",
            "The region of an event is where its stage is.",
        ),
        Recorded(
            "`[{exists: false}, {anything-but: [...]}]` matches where the member's parent is missing.",
            "localstack/localstack event_pattern_templates/or-exists-parent.json5",
            "Log Keeper's own calls are left out of its rule.",
        ),
        Recorded(
            "API Gateway answers some throttled calls without an error code.",
            "awslabs/nx-plugin-for-aws pull request 924",
            "Status 429 is enough to try again.",
        ),
    ],
}

#: Unknown, and without effect: what AWS does, and why it does not matter.
WITHOUT_EFFECT = {
    "Does the record of UpdateStage name a REST stage where the records of its other calls name what they change?": (
        "A stage that a record does not name is remediated by the next sweep; `make verify` with "
        "`--minutes-for-cloudtrail` finds out."
    ),
    "Does a REST method entry without a level of its own log at the level of `*/*`?": "Every entry gets a level.",
    "Which of two entries for one method, in two spellings, counts?": "Both get the same settings.",
    "How long does CloudTrail delay its records under load?": "A late record is read like any other.",
    "What does GetRestApis do with a limit above 500?": "500 is sent.",
    "What becomes of execution logs whose delivery leads to a missing log group?": "It is a finding in any case.",
    "How full must the account's resource policy be for AWS to allow all of /aws/vendedlogs/?": (
        "All log groups that Log Keeper creates have that prefix."
    ),
    "Which permissions of other services does PutDeliverySource ask for?": "Log Keeper creates no deliveries.",
    "In which words does AWS refuse calls (where the sandbox says that its wording is not recorded)?": (
        "Error codes are read; the few texts that are read too are ones that users of AWS quote."
    ),
    "Which calls do the handlers of CloudFormation's resource types make for the forwarding rules?": (
        "The role is allowed the calls of PutRule's and PutTargets' recorded permissions; an instance that fails is a "
        "finding with its remedy."
    ),
}
