"""The policy: all that an evaluation compares a stage with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from log_keeper.log_group_names import AccessLogNames
from log_keeper.policy.access_log_format import FormatName, access_log_formats
from log_keeper.policy.log_group_tags import tags_of
from log_keeper.stages import Protocol, Stage

_STACK_TAG = "aws:cloudformation:stack-name"

#: The classes of log groups that Log Keeper creates, in the words of CloudWatch Logs.
type LogGroupClass = Literal["STANDARD", "INFREQUENT_ACCESS"]


class Policy(NamedTuple):
    """What every stage of the account should look like.

    ``partition``: of the ARNs of log groups: ``aws``, ``aws-cn``, ``aws-us-gov``.
    ``info_tag_key``: a stage whose tag of this key is INFO, in any case, is opted in to execution logs at INFO.
    ``access_log_format``: of stages without a usable format. ``own_formats``: by protocol, what such stages get
    instead: the owner's format, or the name of the SSM parameter that contains it.
    ``access_log_retention``, ``execution_log_retention``: days, for log groups that never expire.
    ``log_group_kms_key_arn``: the key of the log groups that Log Keeper creates; None: CloudWatch Logs' own key.
    ``allows_data_trace``: whether a tag can keep request and response bodies in the execution logs.
    ``wants_detailed_metrics``: whether detailed metrics are switched on; otherwise each stage keeps its setting.
    ``exempt_tag_key``: stages with a tag of this key are not changed; None: no stage is exempt.
    ``owner_tag_key``: the tag that names a stage's owner; None: the CloudFormation stack that created it.
    ``log_group_tags``: of the log groups that Log Keeper creates. ``copied_tag_keys``: a stage's tags of these keys are
    copied to them. ``access_log_class``, ``execution_log_class``: of these log groups; nobody can change it later.
    ``access_log_names``: of those for access logs. ``protects_log_groups``: whether these log groups cannot be deleted
    until somebody lifts the protection.
    ``forward_access_logs_to``, ``forward_execution_logs_to``: ARNs of destinations; None: lines are not forwarded.
    ``forward_role_arn``: the role with which CloudWatch Logs writes to a stream; None: no role.
    ``filter_name``: of the subscription filters of Log Keeper.
    ``own_account``: the account of the stack; None if it is not known.
    """

    partition: str
    info_tag_key: str
    access_log_format: FormatName = FormatName.JSON
    access_log_retention: int = 365
    execution_log_retention: int = 30
    log_group_kms_key_arn: str | None = None
    allows_data_trace: bool = False
    wants_detailed_metrics: bool = False
    exempt_tag_key: str | None = None
    owner_tag_key: str | None = None
    log_group_tags: tuple[tuple[str, str], ...] = ()
    copied_tag_keys: tuple[str, ...] = ()
    own_formats: Mapping[Protocol, str] = MappingProxyType({})
    access_log_class: LogGroupClass = "STANDARD"
    execution_log_class: LogGroupClass = "STANDARD"
    protects_log_groups: bool = False
    forward_access_logs_to: str | None = None
    forward_execution_logs_to: str | None = None
    forward_role_arn: str | None = None
    filter_name: str = "log-keeper"
    access_log_names: AccessLogNames = AccessLogNames()
    own_account: str | None = None

    @property
    def until_tag_key(self) -> str:
        """Return the key of the tag that says when an opt-in to INFO ends."""
        return f"{self.info_tag_key}-until"

    @property
    def data_trace_tag_key(self) -> str:
        """Return the key of the tag that keeps request and response bodies in the logs of an opted-in stage."""
        return f"{self.info_tag_key}-data-trace"

    @property
    def exempt_until_tag_key(self) -> str:
        """Return the key of the tag that says when an exemption ends."""
        return f"{self.exempt_tag_key}-until"

    @property
    def exempt_reason_tag_key(self) -> str:
        """Return the key of the tag that gives the reason of an exemption."""
        return f"{self.exempt_tag_key}-reason"

    def owner_of(self, stage: Stage) -> str | None:
        """Return the owner that the stage's tag names, or else the CloudFormation stack that created the stage."""
        named = "" if self.owner_tag_key is None else stage.tags.get(self.owner_tag_key, "").strip()
        return named or stage.tags.get(_STACK_TAG)

    def log_group_tags_of(self, stage: Stage) -> tuple[tuple[str, str], ...]:
        """Return the tags of log groups that are created for the stage, besides the tag that names their creator."""
        return tags_of(stage.tags, self.log_group_tags, self.copied_tag_keys)

    @property
    def forwards_logs(self) -> bool:
        """Return whether lines of some log groups are forwarded."""
        return self.forward_access_logs_to is not None or self.forward_execution_logs_to is not None

    @property
    def access_log_formats(self) -> Mapping[Protocol, str]:
        """Return the access log format of each protocol: one line, or the name of the SSM parameter that has it."""
        return {**access_log_formats(self.access_log_format), **self.own_formats}

    def log_group_key(self, region: str) -> str | None:
        """Return the ARN of the KMS key for log groups created in the region; None: CloudWatch Logs' own key.

        CloudWatch Logs accepts only keys of the log group's region. A multi-Region key has the same id in each region
        that it is replicated to. *Source:* AWS KMS developer guide, "How multi-Region keys work".
        """
        key = self.log_group_kms_key_arn
        if key is None:
            return None
        home = key.split(":")[3]
        if home == region or ":key/mrk-" in key:
            return key.replace(f":{home}:", f":{region}:", 1)
        return None
