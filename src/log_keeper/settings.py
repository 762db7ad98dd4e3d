"""What the owner of the account chose when they deployed: read once from the function's environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """An environment variable is missing or wrong; the message names it and what it may be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of the template, under their own names.

    ``regions``: whose stages are looked after. ``own_role_arn``: the role this function runs with.
    ``log_role_arn``: of a role that the owner made; None: ``log_role_name`` is made and mended as needed, with
    ``log_role_boundary_arn`` as its permissions boundary if there is one. Retentions are in days.
    """

    account: str
    partition: str
    regions: tuple[str, ...]
    own_role_arn: str
    log_role_name: str
    log_role_arn: str | None
    log_role_boundary_arn: str | None
    info_tag_key: str
    access_log_retention: int
    execution_log_retention: int
    log_group_kms_key_arn: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """The settings that the template put into the function's environment; raises SettingsError."""

        def text(name: str) -> str:
            if not (value := environment.get(name, "").strip()):
                raise SettingsError(
                    f"environment variable {name} is missing: deploy with the template's own Environment"
                )
            return value

        def days(name: str) -> int:
            if not (value := text(name)).isdecimal():
                raise SettingsError(f"environment variable {name} is {value!r}: it must be a number of days")
            return int(value)

        def optional(name: str) -> str | None:
            return environment.get(name, "").strip() or None

        return cls(
            account=text("ACCOUNT_ID"),
            partition=text("PARTITION"),
            regions=tuple(text("REGIONS").split(",")),
            own_role_arn=text("OWN_ROLE_ARN"),
            log_role_name=text("LOG_ROLE_NAME"),
            log_role_arn=optional("LOG_ROLE_ARN"),
            log_role_boundary_arn=optional("LOG_ROLE_BOUNDARY_ARN"),
            info_tag_key=text("INFO_TAG_KEY"),
            access_log_retention=days("ACCESS_LOG_RETENTION_DAYS"),
            execution_log_retention=days("EXECUTION_LOG_RETENTION_DAYS"),
            log_group_kms_key_arn=optional("LOG_GROUP_KMS_KEY_ARN"),
        )
