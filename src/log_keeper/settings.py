"""The parameters of the template, read from the function's environment: the policy, and how Log Keeper is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.access_log_format import FormatName
from log_keeper.policy.log_group_tags import read_copied_keys, read_tags
from log_keeper.policy.policy import LogGroupClass, Policy
from log_keeper.stages import Account, Protocol
from log_keeper.variables import Variables

#: For how long after a read a stage is written to, at most, in seconds. A write names only what has to change, so that
#: everything else that its owner changes meanwhile stays. What the owner changes of that is replaced, as it is by every
#: write. The event about it comes SettleSeconds after the change, and must come so many seconds later than the write,
#: so that the stage is evaluated again. If less time than the third number is left, each stage is read alone.
_WRITTEN_FOR, _MARGIN, _SHORTEST = 10, 5, 5


# Named tuples, because a cold start creates these classes: creating a frozen data class takes six times as long.
class LogRoleSettings(NamedTuple):
    """The CloudWatch log role that Log Keeper sets where the account's is invalid.

    ``arn``: of a role that the owner created; None: ``name`` is created and repaired as needed, on ``path``.
    ``boundary_arn``: of the permissions boundary that a new role gets; None: no boundary.
    """

    arn: str | None
    name: str
    path: str = "/"
    boundary_arn: str | None = None


class Queues(NamedTuple):
    """The queues of the stack, in the stack's own region."""

    stage_queue_arn: str
    stage_queue_url: str
    sweep_queue_url: str


class ScheduleSettings(NamedTuple):
    """The schedule group of one-time schedules, and the role with which they send to StageQueue."""

    group: str
    role_arn: str


class Forwarding(NamedTuple):
    """What sends events of other regions to the stack's own region.

    ``rules``: names of the rules in each other region; empty where EventBridge has no cross-region event buses.
    ``queue``: the name of the queue in each other region for events that the rules could not deliver.
    ``stack_set``: the name of the stack set that creates both.
    """

    rules: tuple[str, ...]
    queue: str
    stack_set: str


class Organization(NamedTuple):
    """The organization whose member accounts are governed, besides the stack's own account.

    ``units``: IDs of the organizational units, or of the root, whose accounts are governed.
    ``excluded_accounts``: those of them that are not.
    ``member_read_role``, ``member_remediate_role``: path and name of the roles in each member account. Only the second
    may change anything.
    ``members_stack_set``, ``enforce_stack_set``: the stack sets that create these roles; the second is None if no
    account is enforced.
    ``rules``: names of the rules in each managed region of a member account.
    """

    units: tuple[str, ...]
    excluded_accounts: tuple[str, ...]
    member_read_role: str
    member_remediate_role: str
    members_stack_set: str
    enforce_stack_set: str | None
    rules: tuple[str, ...]


class Deployment(NamedTuple):
    """How Log Keeper is deployed in the account.

    ``regions``: the managed regions, the stack's own region first. ``own_role_arn``: the role of this function.
    ``is_audit``: nothing is changed; stages are read, evaluated and reported.
    ``sweep_rate``: API Gateway calls per second. ``settle_seconds``: from a change to the evaluation that follows it.
    ``missing_log_group_minutes``: for how long a destination that its owner chose can be missing until it is replaced.
    ``organization``: None if Log Keeper governs its own account only. ``environments``: the execution environments of
    the Enforce function that run at once (MaximumConcurrency in the template) and share the rate.
    ``is_member``: ``account`` is a member account; the stack is in another one, the hub.
    ``sweep_role_id``: the unique id of the Sweep function's role, which SQS names as the sender of its messages.
    """

    account: Account
    regions: tuple[str, ...]
    own_role_arn: str
    is_audit: bool
    log_role: LogRoleSettings
    queues: Queues
    schedules: ScheduleSettings
    forwarding: Forwarding
    sweep_rate: int
    settle_seconds: int
    missing_log_group_minutes: int
    organization: Organization | None = None
    environments: int = 2
    is_member: bool = False
    sweep_role_id: str = ""

    @property
    def written_for(self) -> int:
        """Return for how many seconds after they were read together the stages of an API are written to.

        0: each stage is read alone, since the events about what its owner changes meanwhile could come too early.
        """
        seconds = min(_WRITTEN_FOR, self.settle_seconds - _MARGIN)
        return seconds if seconds >= _SHORTEST else 0

    def in_member(self, organization: Organization, member: Account, *, is_audit: bool) -> Deployment:
        """Return the deployment as it is for a member account. Queues and schedules stay those of the hub.

        A log role that the owner created exists in the hub's account only, so each member account gets one of its own.
        A permissions boundary of the hub's account is the one of the same name in the member account.
        """
        hub, account_id = self.account.account_id, member.account_id
        boundary_arn = _in_account(self.log_role.boundary_arn, hub, account_id)
        log_role = self.log_role._replace(arn=None, boundary_arn=boundary_arn)
        return self._replace(
            account=member,
            own_role_arn=f"arn:{member.partition}:iam::{account_id}:role{organization.member_remediate_role}",
            is_audit=is_audit,
            log_role=log_role,
            forwarding=self.forwarding._replace(rules=organization.rules),
            is_member=True,
        )


def _in_account(arn: str | None, hub: str, account_id: str) -> str | None:
    """Return the ARN with the member account in place of the hub's. ARNs of AWS's own policies stay as they are."""
    return None if arn is None else arn.replace(f":{hub}:", f":{account_id}:", 1)


class Settings(NamedTuple):
    """All parameters of the template that a function needs."""

    policy: Policy
    deployment: Deployment

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings that the template has put into the function's environment. Raises SettingsError."""
        variables = Variables(environment)
        return cls(_policy(variables), _deployment(variables))


def _policy(variables: Variables) -> Policy:
    access_logs_to, execution_logs_to, filter_name, forward_role_arn = variables.parts("FORWARD_LOGS", 4)
    return Policy(
        partition=variables.text("PARTITION"),
        info_tag_key=variables.text("INFO_TAG_KEY"),
        access_log_format=FormatName(variables.choice("ACCESS_LOG_FORMAT", *FormatName)),
        own_formats={each: text for each in Protocol if (text := variables.optional(f"{each}_ACCESS_LOG_FORMAT"))},
        access_log_retention=variables.number("ACCESS_LOG_RETENTION_DAYS"),
        execution_log_retention=variables.number("EXECUTION_LOG_RETENTION_DAYS"),
        log_group_kms_key_arn=variables.optional("LOG_GROUP_KMS_KEY_ARN"),
        allows_data_trace=variables.choice("ALLOW_DATA_TRACE", "Yes", "No") == "Yes",
        wants_detailed_metrics=variables.choice("DETAILED_METRICS", "Yes", "No") == "Yes",
        exempt_tag_key=variables.optional("EXEMPT_TAG_KEY"),
        owner_tag_key=variables.optional("OWNER_TAG_KEY"),
        log_group_tags=variables.read("LOG_GROUP_TAGS", read_tags),
        copied_tag_keys=variables.read("COPY_TAG_KEYS", read_copied_keys),
        access_log_class=_log_group_class(variables, "ACCESS_LOG_CLASS"),
        execution_log_class=_log_group_class(variables, "EXECUTION_LOG_CLASS"),
        access_log_names=variables.read_text("ACCESS_LOG_GROUP_NAME", AccessLogNames.read),
        protects_log_groups=variables.choice("PROTECT_LOG_GROUPS", "Yes", "No") == "Yes",
        forward_access_logs_to=access_logs_to or None,
        forward_execution_logs_to=execution_logs_to or None,
        forward_role_arn=forward_role_arn or None,
        filter_name=filter_name,
        own_account=variables.text("ACCOUNT_ID"),
    )


def _log_group_class(variables: Variables, name: str) -> LogGroupClass:
    return "STANDARD" if variables.choice(name, "Standard", "InfrequentAccess") == "Standard" else "INFREQUENT_ACCESS"


def _deployment(variables: Variables) -> Deployment:
    forwards = variables.choice("FORWARDS", "true", "false") == "true"
    return Deployment(
        account=Account(variables.text("ACCOUNT_ID"), variables.text("PARTITION")),
        regions=variables.names("REGIONS"),
        own_role_arn=variables.text("OWN_ROLE_ARN"),
        is_audit=variables.choice("MODE", "Audit", "Enforce") == "Audit",
        log_role=LogRoleSettings(
            arn=variables.optional("LOG_ROLE_ARN"),
            name=variables.text("LOG_ROLE_NAME"),
            path=variables.text("LOG_ROLE_PATH"),
            boundary_arn=variables.optional("LOG_ROLE_BOUNDARY_ARN"),
        ),
        queues=Queues(
            stage_queue_arn=variables.text("STAGE_QUEUE_ARN"),
            stage_queue_url=variables.text("STAGE_QUEUE_URL"),
            sweep_queue_url=variables.text("SWEEP_QUEUE_URL"),
        ),
        schedules=ScheduleSettings(variables.text("SCHEDULE_GROUP"), variables.text("SCHEDULE_ROLE_ARN")),
        forwarding=Forwarding(
            rules=variables.names("FORWARDING_RULES") if forwards else (),
            queue=variables.text("FORWARDING_QUEUE"),
            stack_set=variables.text("FORWARDING_STACK_SET"),
        ),
        sweep_rate=variables.number("SWEEP_RATE"),
        settle_seconds=variables.number("SETTLE_SECONDS"),
        missing_log_group_minutes=variables.number("MISSING_LOG_GROUP_MINUTES"),
        organization=_organization(variables),
        environments=variables.number("ENVIRONMENTS"),
        sweep_role_id=variables.text("SWEEP_ROLE_ID"),
    )


def _organization(variables: Variables) -> Organization | None:
    if variables.optional("ORGANIZATION_ID") is None:
        return None
    return Organization(
        units=variables.names("MEMBER_OUS"),
        excluded_accounts=variables.optional_names("EXCLUDED_ACCOUNTS"),
        member_read_role=variables.text("MEMBER_READ_ROLE"),
        member_remediate_role=variables.text("MEMBER_REMEDIATE_ROLE"),
        members_stack_set=variables.text("MEMBERS_STACK_SET"),
        enforce_stack_set=variables.optional("ENFORCE_STACK_SET"),
        rules=variables.names("FORWARDING_RULES"),
    )
