"""The behaviour switches of API Gateway: see ``behaviour.py``, which has all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sandbox.core.behaviour_points import switch


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiGatewayBehaviour:
    """How API Gateway behaves where no recording shows it."""

    # ---- API Gateway: access logs

    recreates_rest_access_log_groups: bool = switch(
        True,
        "Does API Gateway create a REST stage's missing access log group again at the next request?",
        positions={
            True: "Leaves an owner's group that is there again, and reports what it lost.",
            False: "Sends the access logs to its own log group after MissingLogGroupMinutes.",
        },
        harsher=True,
        reason="Users reported it, and such a group never expires.",
        source="serverless/serverless issue 6906 (2020); aws/serverless-application-model issue 2502",
    )
    accepts_formats_without_request_id: bool = switch(
        False,
        "Do REST APIs accept an access log format that names no request?",
        positions={
            False: "Replaces such a format, which is older than AWS's check, where it finds one.",
            True: "Replaces such a format at the record of the change.",
        },
        harsher=True,
        reason="AWS refused it in 2026-09; stages from before may still have one.",
        source="radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json",
    )
    accepts_missing_http_log_groups: bool = switch(
        False,
        "Do HTTP APIs accept a log group that does not exist as access log destination?",
        positions={
            False: "Creates its log group before it sets the destination; waits for an owner's missing group.",
            True: "The same: it never sets a destination that does not exist.",
        },
        harsher=False,
        reason="AWS refused it in 2026-09 (one account, one region).",
        source="radkawar/stackd testdata/aws/apigateway/http_log_settings.json",
    )
    refuses_missing_websocket_log_groups: bool = switch(
        False,
        "Do WebSocket APIs refuse a log group that does not exist as access log destination?",
        positions={
            False: "Creates its log group before it sets the destination; waits for an owner's missing group.",
            True: "The same; an owner's format is set once the group is there.",
        },
        harsher=True,
        reason="REST APIs, which log in the same manner, accepted one in 2026-02.",
        source="go-to-k/cdkd apigateway-provider.ts, for REST APIs",
    )
    refuses_infrequent_access_destinations: bool = switch(
        False,
        "Does UpdateStage refuse a log group of the class Infrequent Access as access log destination?",
        positions={
            False: "With AccessLogClass InfrequentAccess, the access logs go to a log group of that class.",
            True: "Makes the other changes of the stage, and reports the refusal with what to do about it.",
        },
        harsher=True,
        reason="Services write lines by the same calls, whatever the class.",
        source="none: searched in AWS's documentation and in public issues in 2026-11",
    )
    access_log_escaping: Literal["nothing", "quotes", "json"] = switch(
        "quotes",
        "What does API Gateway escape in the values of an access log line?",
        positions={
            "nothing": "A client's quote can make a JSON line unreadable, and forges no field of API Gateway's own.",
            "quotes": "A JSON line can be read unless a value has a control character.",
            "json": "Each JSON line can be read.",
        },
        harsher="nothing",
        reason="Recorded for the user agent of a REST API in a JSON format, and for nothing else.",
        source="DataBiosphere/azul issue 4348 (2024-07-10)",
    )

    # ---- API Gateway: stages and account settings

    partial_route_settings: Literal["keeps", "resets"] = switch(
        "keeps",
        "Does UpdateStage (v2) keep the members of a route's own settings that it is not sent?",
        positions={
            "keeps": "Sends the members that change, and nothing else.",
            "resets": "Reads the answer, sends the lost members once more, and reports what it could not restore.",
        },
        harsher="resets",
        reason="AWS keeps the members of the default route settings and of the access log settings.",
        source="radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json, http_log_settings.json",
    )
    unifies_method_keys: bool = switch(
        False,
        "Does UpdateStage of a REST stage write to the entry that is there under the other spelling of its method?",
        positions={
            False: "Writes to each entry under the key that GetStage shows.",
            True: "The same; there is one entry for each method.",
        },
        harsher=False,
        reason="AWS stores each key as it was addressed; whether it also accepts the other spelling was never tried.",
        source="localstack/localstack snapshot of test_create_update_stages; radkawar/stackd rest_websocket_logs.json",
    )
    managed_stage_is_locked: bool = switch(
        False,
        "Does UpdateStage refuse the stage that quick create made?",
        positions={
            False: "Remediates the stage like any other.",
            True: "Reports the refusal as a finding, at each sweep again.",
        },
        harsher=True,
        reason="Users set access logs on one by hand; the model's sentence is older.",
        source="hashicorp/terraform-provider-aws issue 24852; aws/aws-cdk issue 29220; botocore's model of UpdateStage",
    )
    update_account_tests_all_groups: bool = switch(
        False,
        "Which log groups must the account's role be allowed to write, for UpdateAccount to accept it?",
        positions={
            False: "Sets a role that may write the welcome group and some others.",
            True: "Reports the refusal of such a role with what AWS's test needs.",
        },
        harsher=True,
        reason="A role limited to its own groups and the welcome group is in use.",
        source="dod-iac/terraform-aws-api-gateway-cloudwatch-role; radkawar/stackd rest_websocket_logs.json (2026-09)",
    )
    retests_log_role_that_is_set: bool = switch(
        True,
        "Does UpdateAccount test a role that is set already?",
        positions={
            True: "Waits until IAM has spread a repaired role before it sets it again.",
            False: "The same.",
        },
        harsher=True,
        reason="The only implementation written against AWS validates any value.",
        source="radkawar/stackd (code, no recording)",
    )
    log_role_needs_create_log_group: bool = switch(
        True,
        "Are lines lost where the log role may not create log groups, although the group exists?",
        positions={
            True: "Calls a role without logs:CreateLogGroup limited, and its stages non-compliant.",
            False: "The same, which is then too strict.",
        },
        harsher=True,
        reason="AWS lists the action among those that the role needs.",
        source='API Gateway developer guide, "Set up CloudWatch logging for REST APIs"',
    )
    api_versions_share_quota: bool = switch(
        True,
        "Do the calls of REST APIs and of HTTP and WebSocket APIs share the ten calls a second?",
        positions={
            True: "Keeps one pace for both, at four of the ten.",
            False: "The same, and leaves the owner more than it must.",
        },
        harsher=True,
        reason="The quota's text speaks of all operations of the control plane.",
        source='API Gateway developer guide, "Amazon API Gateway quotas"',
    )
    throttled_calls_use_quota: bool = switch(
        False,
        "Does a call that was throttled count against the quota?",
        positions={
            False: "Waits and tries again, five times; then the message comes back.",
            True: "The same.",
        },
        harsher=True,
        reason="A throttled UpdateAccount did not delay the next one.",
        source="radkawar/stackd testdata/aws/apigateway/rest_websocket_logs.json (one observation)",
    )
    throttles_without_code: Literal["every other", "all", "none"] = switch(
        "every other",
        "Which throttled calls of API Gateway are answered without an error code?",
        positions={
            "every other": "Retries either answer.",
            "all": "Retries by the status, 429.",
            "none": "Retries by the code, as boto3 does.",
        },
        harsher="all",
        reason="Both answers were seen; when which is given is not recorded.",
        source="awslabs/nx-plugin-for-aws pull request 924",
    )
