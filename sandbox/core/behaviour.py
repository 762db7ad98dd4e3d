"""Switches for behaviour of AWS that no recording shows. Each switch chooses how the sandbox behaves.

Behaviour that is recorded has no switch: the sandbox does as AWS did, and the rule's docstring names the source.
``docs/aws-behaviour.md`` is generated from this module; ``make worlds`` runs the product's tests in every position.

To add a switch: add a field here, read ``sandbox.behaviour.NAME`` in the rule that it controls, add a test that
changes it, and generate the page again (``python -m tools.behaviour_page``). When the behaviour is recorded, change
the rule to what AWS did and delete the switch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from sandbox.core.behaviour_points import Point, Position, point_of, switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How AWS behaves where no recording shows it. Raise ValueError for a value that a switch does not have."""

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

    # ---- CloudWatch Logs

    refuses_missing_log_groups: bool = switch(
        False,
        "Does DescribeLogGroups by identifiers fail where one of the groups is missing?",
        positions={
            False: "Reads up to fifty groups in one call.",
            True: "Reads the groups of that call again, each by its prefix.",
        },
        harsher=True,
        reason="The model calls the identifiers a filter, and names no such error.",
        source="botocore's model of DescribeLogGroups",
    )
    identifiers_hide_retention: bool = switch(
        False,
        "Does DescribeLogGroups by identifiers leave out the retention, as it does by a name pattern?",
        positions={
            False: "Reads the retention from the answer.",
            True: "Takes an answer without sizes as incomplete and reads each group by its prefix.",
        },
        harsher=True,
        reason="The API reference says so of patterns alone.",
        source="botocore's model of DescribeLogGroups; aws/aws-sdk issues 448 and 608",
    )
    log_delivery_policy: Literal["group", "account"] = switch(
        "group",
        "Where does AWS allow log delivery to write to a group: in the group's policy, or in the account's?",
        positions={
            "group": "Restores the permission after the group was deleted and created again.",
            "account": "Restores the account's policy if it was deleted.",
        },
        harsher="group",
        reason="The group's in 2026-09 (one account); the account's until 2025 at least.",
        source="radkawar/stackd testdata/aws/apigateway/http_log_settings.json; anomalyco/sst issues 125 and 6231",
    )
    unchanged_update_runs_log_delivery_admission: bool = switch(
        True,
        "Does UpdateStage of an HTTP API allow log delivery again where the access log settings stay as they are?",
        positions={
            True: "Restores a lost permission by sending the settings again.",
            False: "Sees that this was not enough, and puts the permission into the group's policy itself.",
        },
        harsher=False,
        reason="Each recorded call with access log settings did; none was without a change.",
        source="radkawar/stackd testdata/aws/apigateway/http_log_settings.json",
    )
    resource_policies_without_arn: Literal["all", "none", "refused"] = switch(
        "all",
        "What does DescribeResourcePolicies of scope RESOURCE answer without the ARN of a log group?",
        positions={
            "all": "Reads a region's policies in one list.",
            "none": "Reads the policy of each group that the list does not show.",
            "refused": "Reads the policy of each group.",
        },
        harsher="refused",
        reason="The model does not require the ARN; every recorded call names one.",
        source="botocore's model of DescribeResourcePolicies; radkawar/stackd http_log_settings.json",
    )
    resource_policy_limit: int = switch(
        51_200,
        "How many characters may a resource policy of CloudWatch Logs have?",
        positions={
            51_200: "Uses one prefix for all its log groups, which AWS allows with a single entry when space runs out.",
            5_120: "The same.",
        },
        harsher=5_120,
        reason="In use since 2025-11; documented as 5,120 for long.",
        source="anomalyco/sst issue 6231",
    )
    takes_delivery_sources_without_account: bool = switch(
        False,
        "Does PutDeliverySource accept the ARN of a REST stage without the account's id?",
        positions={
            False: "Recognizes a stage's deliveries by the documented ARN.",
            True: "Recognizes both forms.",
        },
        harsher=True,
        reason="The form with the id is documented.",
        source='API Gateway developer guide, "Create a log delivery for REST API execution logs"',
    )

    # ---- CloudTrail, EventBridge, CloudFormation

    trails_send_source_account: bool = switch(
        False,
        "Does CloudTrail send aws:SourceAccount beside aws:SourceArn to its bucket?",
        positions={
            False: "The bucket's policy names the trail's ARN alone.",
            True: "The same.",
        },
        harsher=False,
        reason="Only aws:SourceArn is documented.",
        source='CloudTrail user guide, "Amazon S3 bucket policy for CloudTrail"',
    )
    tagging_api_shows_service_calls: bool = switch(
        False,
        "Does a call of the Resource Groups Tagging API also leave a record of API Gateway's own TagResource?",
        positions={
            False: "Evaluates each stage that the record of tagging.amazonaws.com names.",
            True: "The same; the second record finds the stage compliant.",
        },
        harsher=False,
        reason="Only the record of tagging.amazonaws.com is documented.",
        source='Tagging user guide, "Logging Tagging API calls with AWS CloudTrail"',
    )
    cross_region_buses_elsewhere: Literal["refused", "lost"] = switch(
        "refused",
        "What becomes of a rule's target in another region in China and GovCloud?",
        positions={
            "refused": "Forwards nothing there: one stack for each region.",
            "lost": "The same.",
        },
        harsher="lost",
        reason="Such routing is announced for all regions but these; PutTargets' answer is not recorded.",
        source='AWS Compute Blog, "Expanding cross-Region event routing" (2022)',
    )
    rules_see_their_stack_created: bool = switch(
        True,
        "Does a rule get the event of its own stack's CREATE_COMPLETE?",
        positions={
            True: "The first sweep begins with the deployment.",
            False: "A schedule begins the first sweep a quarter of an hour later; a member account that joins later, "
            "and is not enforced, is swept with the next daily sweep.",
        },
        harsher=False,
        reason="The rule is created long before the stack ends; a new rule may take a while to match.",
        source="botocore's model of PutRule",
    )
    stack_sets_read_all_stacks: bool = switch(
        True,
        "Must a stack set's execution role be allowed to read all stacks?",
        positions={
            True: "The role may read all stacks.",
            False: "The same, which is then more than it needs.",
        },
        harsher=True,
        reason="AWS's managed policy for such a role allows it.",
        source="AWSQuickSetupPatchPolicyDeploymentRolePolicy v2 (2026-09)",
    )
    stack_set_arn_of_administrator: Literal["management", "administrator"] = switch(
        "management",
        "Which account is in the ARN of an organization's stack set when a delegated administrator's call is checked?",
        positions={
            "management": "Its policy names these stack sets in any account.",
            "administrator": "The same.",
        },
        harsher="management",
        reason="The stack set belongs to the management account.",
        source='CloudFormation user guide, "Register a delegated administrator" (says nothing about ARNs)',
    )
    reads_of_stack_sets_list_administrators: bool = switch(
        True,
        "Do a delegated administrator's reads of stack sets need organizations:ListDelegatedAdministrators?",
        positions={True: "Has the permission.", False: "The same, which is then more than it needs."},
        harsher=True,
        reason="Calls that create stack sets need it, and reads refuse other accounts with the same text.",
        source="hashicorp/terraform-provider-aws pull request 37069",
    )
    automatic_deployment_keeps_account_filters: bool = switch(
        True,
        "Does automatic deployment leave out the accounts that the stack set's account filter leaves out?",
        positions={
            True: "An excluded account gets no roles.",
            False: "An excluded account is not governed although it has the roles.",
        },
        harsher=False,
        reason="The filter belongs to the deployment target, which automatic deployment follows.",
        source='CloudFormation user guide, "Account level targets for service-managed StackSets" (no such case)',
    )
    leaving_accounts_keep_stacks: bool = switch(
        True,
        "Does an account that leaves the organization keep the stacks of automatic deployment?",
        positions={True: "The bus refuses the events of its rules.", False: "It has no rules and no roles."},
        harsher=True,
        reason="CloudFormation has no access to it any more. The API reference says that stacks are deleted.",
        source='CloudFormation user guide, "Manage automatic deployments"; botocore\'s model of AutoDeployment',
    )
    refuses_past_schedules: bool = switch(
        False,
        "Does EventBridge Scheduler refuse a one-time schedule for a time in the past?",
        positions={
            False: "A check whose time has passed takes place at once.",
            True: "The refusal brings the message back, and the stage is checked then.",
        },
        harsher=True,
        reason="Its user guide names no such error.",
        source='EventBridge Scheduler user guide, "Schedule types"',
    )

    def __post_init__(self) -> None:
        for name, point in POINTS.items():
            if not point.accepts(getattr(self, name)):
                positions = ", ".join(repr(position) for position in point.positions)
                raise ValueError(f"{name} is {getattr(self, name)!r}; its positions are {positions}")

    def positions(self) -> dict[str, Any]:
        """Return the position of every switch by name."""
        return {name: getattr(self, name) for name in POINTS}


#: Name of the switch -> what is known about it, in the order of the page.
POINTS: dict[str, Point] = {each.name: point_of(each) for each in fields(Behaviour)}
DEFAULTS: dict[str, Position] = Behaviour().positions()


def other_positions(name: str) -> list[Position]:
    """Return every position of the switch but the default."""
    return [position for position in POINTS[name].positions if position != DEFAULTS[name]]


def harshest() -> Behaviour:
    """Return the behaviour with every switch in its harsher position."""
    harsher: dict[str, Any] = {name: point.harsher for name, point in POINTS.items()}
    return Behaviour(**harsher)
