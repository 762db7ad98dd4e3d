"""The parameters of the template, read from the function's environment: the policy, and how Log Keeper is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from log_keeper.policy.access_log_format import FormatName
from log_keeper.policy.policy import Policy
from log_keeper.stages import Account


class SettingsError(ValueError):
    """An environment variable is missing or has a wrong value; the message names it and the values that it can have."""


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


class Deployment(NamedTuple):
    """How Log Keeper is deployed in the account.

    ``regions``: the managed regions, the stack's own region first. ``own_role_arn``: the role of this function.
    ``is_audit``: nothing is changed; stages are read, evaluated and reported.
    ``sweep_rate``: API Gateway calls per second.
    ``missing_log_group_minutes``: for how long an access log destination that its owner chose can be missing before it
    is replaced.
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
    missing_log_group_minutes: int


class Settings(NamedTuple):
    """All parameters of the template that a function needs."""

    policy: Policy
    deployment: Deployment

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings that the template has put into the function's environment. Raises SettingsError."""
        variables = _Variables(environment)
        return cls(_policy(variables), _deployment(variables))


def _policy(variables: _Variables) -> Policy:
    return Policy(
        partition=variables.text("PARTITION"),
        info_tag_key=variables.text("INFO_TAG_KEY"),
        access_log_format=FormatName(variables.choice("ACCESS_LOG_FORMAT", *FormatName)),
        access_log_retention=variables.number("ACCESS_LOG_RETENTION_DAYS"),
        execution_log_retention=variables.number("EXECUTION_LOG_RETENTION_DAYS"),
        log_group_kms_key_arn=variables.optional("LOG_GROUP_KMS_KEY_ARN"),
        allows_data_trace=variables.choice("ALLOW_DATA_TRACE", "Yes", "No") == "Yes",
        wants_detailed_metrics=variables.choice("DETAILED_METRICS", "Yes", "No") == "Yes",
        exempt_tag_key=variables.optional("EXEMPT_TAG_KEY"),
    )


def _deployment(variables: _Variables) -> Deployment:
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
        missing_log_group_minutes=variables.number("MISSING_LOG_GROUP_MINUTES"),
    )


class _Variables:
    """Reads environment variables. Each method raises SettingsError for a variable that is missing or wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        if not (value := self._environment.get(name, "").strip()):
            raise SettingsError(
                f"environment variable {name} is missing: deploy the function with the template's Environment"
            )
        return value

    def number(self, name: str) -> int:
        if not (value := self.text(name)).isdecimal():
            raise SettingsError(f"environment variable {name} is {value!r}: it must be a whole number")
        return int(value)

    def choice(self, name: str, *choices: str) -> str:
        if (value := self.text(name)) not in choices:
            raise SettingsError(f"environment variable {name} is {value!r}: it must be {' or '.join(choices)}")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names in a list with commas, without blanks and repetitions."""
        return tuple(dict.fromkeys(filter(None, map(str.strip, self.text(name).split(",")))))

    def optional(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None
