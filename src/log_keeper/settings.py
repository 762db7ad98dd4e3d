"""What the owner of the account chose when they deployed: read once from the function's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.policy.policy import Policy


class SettingsError(ValueError):
    """An environment variable is missing or wrong; the message names it and what it may be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of the template, under their own names.

    ``regions``: the managed regions, the stack's own first. ``forwarding_rules``: the names of the rules that send the
    changes of each other region to the stack's own, none where there can be no such rules; ``forwarding_queue``: of the
    queue there with the events that they could not deliver; ``forwarding_stack_set``: of the stack set that creates
    both. ``own_role_arn``: the role this function runs with. ``log_role_arn``: of a role that the owner made; None:
    ``log_role_name`` is created and repaired as needed, on ``log_role_path`` and with ``log_role_boundary_arn`` as its
    permissions boundary if there is one. Retentions are in days. ``is_audit``: everything is read, planned and
    reported, and nothing is changed. ``schedule_group``, ``schedule_role_arn``: of the schedules that end opt-ins; they
    send to ``stage_queue_arn``. ``sweep_rate``: API Gateway calls a second.
    ``missing_log_group_minutes``: how long an access log destination that its owner chose may be missing before it is
    replaced.
    """

    account: str
    partition: str
    regions: tuple[str, ...]
    own_role_arn: str
    log_role_name: str
    log_role_arn: str | None
    log_role_path: str
    log_role_boundary_arn: str | None
    info_tag_key: str
    access_log_retention: int
    execution_log_retention: int
    log_group_kms_key_arn: str | None
    access_log_format: FormatName
    allows_data_trace: bool
    wants_detailed_metrics: bool
    is_audit: bool
    exempt_tag_key: str | None
    schedule_group: str
    schedule_role_arn: str
    forwarding_rules: tuple[str, ...]
    forwarding_queue: str
    forwarding_stack_set: str
    stage_queue_arn: str
    stage_queue_url: str
    sweep_queue_url: str
    sweep_rate: int
    missing_log_group_minutes: int
    #: What every stage is held against: made of the rest once, since each look at a stage asks for it several times.
    policy: Policy = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        policy = Policy(
            info_tag_key=self.info_tag_key,
            access_log_formats=access_log_formats(self.access_log_format),
            partition=self.partition,
            allows_data_trace=self.allows_data_trace,
            wants_detailed_metrics=self.wants_detailed_metrics,
            exempt_tag_key=self.exempt_tag_key,
        )
        object.__setattr__(self, "policy", policy)  # frozen for all others

    def log_group_key(self, region: str) -> str | None:
        """ARN of the KMS key of the log groups that are made in the region; None where there is none.

        CloudWatch Logs takes keys of a group's own region only. A multi-Region key goes by the same id in each region
        that it was replicated to. *Source:* AWS KMS developer guide, "How multi-Region keys work".
        """
        key = self.log_group_kms_key_arn
        if key is None:
            return None
        home = key.split(":")[3]
        if home == region or ":key/mrk-" in key:
            return key.replace(f":{home}:", f":{region}:", 1)
        return None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that the template put into the function's environment; raises SettingsError."""

        def text(name: str) -> str:
            if not (value := environment.get(name, "").strip()):
                raise SettingsError(
                    f"environment variable {name} is missing: deploy with the template's own Environment"
                )
            return value

        def number(name: str) -> int:
            if not (value := text(name)).isdecimal():
                raise SettingsError(f"environment variable {name} is {value!r}: it must be a whole number")
            return int(value)

        def choice(name: str, *choices: str) -> str:
            if (value := text(name)) not in choices:
                raise SettingsError(f"environment variable {name} is {value!r}: it must be {' or '.join(choices)}")
            return value

        def names(name: str) -> tuple[str, ...]:
            return tuple(dict.fromkeys(filter(None, map(str.strip, text(name).split(",")))))

        def optional(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        return cls(
            account=text("ACCOUNT_ID"),
            partition=text("PARTITION"),
            regions=names("REGIONS"),
            own_role_arn=text("OWN_ROLE_ARN"),
            log_role_name=text("LOG_ROLE_NAME"),
            log_role_arn=optional("LOG_ROLE_ARN"),
            log_role_path=text("LOG_ROLE_PATH"),
            log_role_boundary_arn=optional("LOG_ROLE_BOUNDARY_ARN"),
            info_tag_key=text("INFO_TAG_KEY"),
            access_log_retention=number("ACCESS_LOG_RETENTION_DAYS"),
            execution_log_retention=number("EXECUTION_LOG_RETENTION_DAYS"),
            log_group_kms_key_arn=optional("LOG_GROUP_KMS_KEY_ARN"),
            access_log_format=FormatName(choice("ACCESS_LOG_FORMAT", *FormatName)),
            allows_data_trace=choice("ALLOW_DATA_TRACE", "Yes", "No") == "Yes",
            wants_detailed_metrics=choice("DETAILED_METRICS", "Yes", "No") == "Yes",
            is_audit=choice("MODE", "Audit", "Enforce") == "Audit",
            exempt_tag_key=optional("EXEMPT_TAG_KEY"),
            schedule_group=text("SCHEDULE_GROUP"),
            schedule_role_arn=text("SCHEDULE_ROLE_ARN"),
            forwarding_rules=names("FORWARDING_RULES") if choice("FORWARDS", "true", "false") == "true" else (),
            forwarding_queue=text("FORWARDING_QUEUE"),
            forwarding_stack_set=text("FORWARDING_STACK_SET"),
            stage_queue_arn=text("STAGE_QUEUE_ARN"),
            stage_queue_url=text("STAGE_QUEUE_URL"),
            sweep_queue_url=text("SWEEP_QUEUE_URL"),
            sweep_rate=number("SWEEP_RATE"),
            missing_log_group_minutes=number("MISSING_LOG_GROUP_MINUTES"),
        )
