"""From what an event is about to the work on stages and log roles, and its reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from botocore.exceptions import BotoCoreError, ClientError

from log_keeper.aws import event_bus, http_websocket
from log_keeper.aws.clients import Clients
from log_keeper.aws.deliveries import DeliveryReader
from log_keeper.aws.errors import is_region_disabled
from log_keeper.enforcement import Enforcer
from log_keeper.events.hints import (
    ApiNamed,
    ApiStagesNamed,
    Cause,
    DeliveryNamed,
    Hint,
    Ignored,
    LogRoleNamed,
    StageNamed,
    StagesTagged,
)
from log_keeper.events.read_stages import StagesAtMoment
from log_keeper.known_stages import KnownStages
from log_keeper.policy.results import Outcome, Result
from log_keeper.reporting import Reporter
from log_keeper.stages import Account, ApiVersion, StageRef, with_other_version
from log_keeper.time_budget import OutOfTimeError


class Follower:
    """Does the work that events of one account lead to, and reports it.

    ``clock``: returns the time now, with its zone.
    """

    def __init__(
        self,
        clients: Clients,
        enforcer: Enforcer,
        reporter: Reporter,
        clock: Callable[[], datetime],
        account: Account,
    ) -> None:
        self._account = account
        self._clients = clients
        self._enforcer = enforcer
        self._reporter = reporter
        self._clock = clock

    def follow(self, hint: Hint, cause: Cause, read: StagesAtMoment | None = None) -> None:
        """Do the work that the event leads to. ``cause``: the event itself, for the reports.

        ``read``: the stages that a sweep names, as it has read them; None if they are to be read.

        Raises the error of a stage or role that could not be made compliant; an ExceptionGroup if there may be several.
        """
        match hint:
            case StageNamed():
                self._enforce(hint, cause)
            case StagesTagged(refs):
                self._enforce_all([StageNamed(ref, tags_changed=True) for ref in refs], cause, "whose tags changed")
            case ApiStagesNamed(refs):
                stages = self._enforcer.known_stages(refs, read)
                self._enforce_all(map(StageNamed, refs), cause, f"of API {refs[0].api_id}", stages)
            case ApiNamed(region, api_id):
                names = http_websocket.list_stage_names(self._clients.apigatewayv2(region), api_id)
                account = self._account.account_id
                refs = tuple(StageRef(account, region, ApiVersion.V2, api_id, name) for name in names)
                self._enforce_all([StageNamed(ref) for ref in refs], cause, f"of API {api_id}")
            case DeliveryNamed():
                # From one or two lists of the region.
                refs = tuple(DeliveryReader(self._clients, self._account, hint.region).stages_of(hint))
                named = [StageNamed(ref, is_about_delivery=True) for ref in refs]
                self._enforce_all(named, cause, "with a log delivery")
            case LogRoleNamed(regions):
                if errors := collect_errors(self._ensure_valid_role, regions):
                    raise ExceptionGroup(
                        f"the log role could not be checked or repaired in {len(errors)} regions", errors
                    )
            case Ignored():
                self._reporter.ignored(hint)
            case _:
                assert_never(hint)

    def expect(self, read: StagesAtMoment) -> None:
        """Note the stages of a message that is followed soon: the facts about them can be read with those of others."""
        self._enforcer.shared_facts.expect(read)

    def _enforce_all(
        self, hints: Iterable[StageNamed], cause: Cause, which: str, stages: KnownStages | None = None
    ) -> None:
        """Make the stages compliant. ``stages``: that are read together; None: each is read alone.

        If some could not be made compliant, all are evaluated again with the message, which costs no writes.
        """
        if errors := collect_errors(lambda hint: self._enforce(hint, cause, stages), hints):
            raise ExceptionGroup(f"{len(errors)} stages {which} could not be made compliant", errors)

    def _enforce(self, hint: StageNamed, cause: Cause, stages: KnownStages | None = None) -> None:
        """Make the stage compliant, and report the result. Raises its errors."""
        ref = hint.ref
        try:
            known = None if stages is None else stages.take(ref)
            result, role = self._enforcer.enforce(hint, known)
            if result.outcome is Outcome.DELETED and hint.is_about_log_group and (other := with_other_version(ref)):
                # The name of a log group does not say for sure which API's stage it belongs to.
                result, role = self._enforcer.enforce(replace(hint, ref=other))
        except Exception:
            self._reporter.stage_failed(ref)
            raise
        if role is not None:
            self._reporter.log_role(ref.region, role, ref.account)
        self._reporter.stage(result, cause, self._clock())
        self._publish(result, cause)
        self._raise_errors(ref, result)

    def _raise_errors(self, ref: StageRef, result: Result) -> None:
        if not result.errors:
            return
        self._reporter.stage_failed(ref)
        if len(result.errors) == 1:
            raise result.errors[0]
        raise ExceptionGroup(f"{ref.api_id}/{ref.stage_name} could not be made compliant", result.errors)

    def _ensure_valid_role(self, region: str) -> None:
        try:
            self._reporter.log_role(region, self._enforcer.log_roles.ensure_valid(region), self._account.account_id)
        except ClientError as error:
            # A disabled region has no stages; the sweep reports it.
            if not is_region_disabled(error):
                raise

    def _publish(self, result: Result, cause: Cause) -> None:
        """Publish the change and the findings on the event bus. If that fails, only log it: the stage is compliant."""
        try:
            event_bus.put_events(self._clients.events, self._account, result, cause)
        except (BotoCoreError, ClientError, OutOfTimeError, event_bus.EventsLostError) as error:
            self._reporter.event_lost(error)


def collect_errors[Thing](process: Callable[[Thing], None], things: Iterable[Thing]) -> list[Exception]:
    """Process each thing, and return the errors that were raised, for the caller to raise: one must not hide others."""
    errors = []
    for thing in things:
        try:
            process(thing)
        except Exception as error:  # noqa: BLE001 - as the docstring says
            errors.append(error)
    return errors
