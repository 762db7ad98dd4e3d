"""Switches for behaviour of AWS that no recording shows. Each switch chooses how the sandbox behaves.

Behaviour that is recorded has no switch: the sandbox does as AWS did, and the rule's docstring names the source.
``docs/aws-behaviour.md`` is generated from this module; ``make worlds`` runs the product's tests in every position.

To add a switch: add a field here (of API Gateway: in ``behaviour_api_gateway.py``), read ``sandbox.behaviour.NAME`` in
the rule that it controls, add a test that changes it, and generate the page again (``python -m tools.behaviour_page``).
When the behaviour is recorded, change the rule to what AWS did and delete the switch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from sandbox.core.behaviour_api_gateway import ApiGatewayBehaviour
from sandbox.core.behaviour_points import Point, Position, point_of, switch


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour(ApiGatewayBehaviour):
    """How AWS behaves where no recording shows it. Raise ValueError for a value that a switch does not have."""

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
    missing_log_destination: Literal["ResourceNotFoundException", "InvalidParameterException"] = switch(
        "ResourceNotFoundException",
        "With which code is a subscription filter to a CloudWatch Logs destination refused that does not exist?",
        positions={
            "ResourceNotFoundException": "Tells it from a missing log group by the text, and reports it.",
            "InvalidParameterException": "Reports it, as any other destination that refuses.",
        },
        harsher="ResourceNotFoundException",
        reason="The model of the operation has both codes; a missing function or stream has the second one.",
        source="botocore's model of PutSubscriptionFilter; radkawar/stackd testdata/aws/logs",
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
    nested_stacks_need_auto_expand: bool = switch(
        False,
        "Must CAPABILITY_AUTO_EXPAND be given for a nested stack without a transform, if its parent has one?",
        positions={False: "Is deployed with the capability, which is then more than it needs.", True: "Has it."},
        harsher=True,
        reason="The recorded refusals are of nested stacks whose own template has a transform.",
        source='lumigo-io/SAR-Logging issue 31; AWS SAM developer guide, "sam deploy" (speaks of nested applications)',
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
