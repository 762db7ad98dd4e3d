"""Read an account and evaluate its stages, with the code of the sweep and the caller's own credentials.

Nothing is changed and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoRegionError,
)

from log_keeper.aws.account_role import check_role
from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code, error_message, is_region_unavailable
from log_keeper.aws.trails import has_trail
from log_keeper.inventory import Inventory
from log_keeper.policy.policy import Policy
from log_keeper.policy.results import Outcome
from log_keeper.stages import Account, Api, Protocol
from preview.model import Preview, RegionPreview, StagePreview
from preview.words import printable
from tools import aws_session
from tools.aws_session import one_line

if TYPE_CHECKING:
    import boto3

#: Called while a region is read, with its name, the number of its APIs read so far, and the number of all its APIs
#: (None before they are listed).
type ShowProgress = Callable[[str, int, int | None], None]


def show_no_progress(region: str, done: int, of: int | None) -> None:
    """Do nothing: for callers that show no progress."""


def identify(clients: Clients, regions: Iterable[str]) -> tuple[Account, str]:
    """Return the caller's account, and the first region that answers.

    GetCallerIdentity needs no permission. *Source:* AWS STS API reference, GetCallerIdentity.

    Raises NoRegionError without regions, and the error of the last region if none answers.
    """
    failure: BotoCoreError | ClientError | None = None
    for region in regions:
        try:
            answer = clients.sts(region).get_caller_identity()
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            failure = error
        except ClientError as error:
            if not is_region_unavailable(error):
                raise
            failure = error
        else:
            return Account(answer["Account"], answer["Arn"].split(":")[1]), region
    raise failure or NoRegionError()


def enabled_regions(
    clients: Clients, session: boto3.Session, partition: str, show_progress: ShowProgress
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the regions that the account has enabled, and those that it has not.

    Calls GetCallerIdentity in each region with API Gateway that botocore knows: a region that is not enabled refuses
    the credentials. Unlike account:ListRegions and ec2:DescribeRegions, that call needs no permission.
    """
    enabled, not_enabled = [], []
    for region in session.get_available_regions("apigateway", partition):
        show_progress(region, 0, None)
        try:
            clients.sts(region).get_caller_identity()
        except ClientError as error:
            # Any other error is reported when the region is read.
            if is_region_unavailable(error):
                not_enabled.append(region)
                continue
        except (EndpointConnectionError, ConnectTimeoutError):
            pass
        enabled.append(region)
    return tuple(enabled), tuple(not_enabled)


def read_account(
    new_clients: Callable[[], Clients],
    session: boto3.Session,
    account: Account,
    regions: tuple[str, ...],
    policy: Policy,
    show_progress: ShowProgress,
) -> Preview:
    """Return what could be read of the account.

    ``new_clients``: returns the clients for one region. ``regions``: none for all that the account has enabled.

    Raises BotoCoreError and ClientError if it cannot be found out which regions are enabled.
    """
    not_enabled: tuple[str, ...] = ()
    if not regions:
        regions, not_enabled = enabled_regions(new_clients(), session, account.partition, show_progress)
    read = tuple(
        read_region(Inventory(new_clients(), account, region, policy), lambda: datetime.now(UTC), show_progress)
        for region in regions
    )
    return Preview(account, policy, datetime.now(UTC), read, not_enabled)


def read_region(inventory: Inventory, now: Callable[[], datetime], show_progress: ShowProgress) -> RegionPreview:
    """Read the region of the inventory. What cannot be read is in ``errors`` of the result; the rest is still read."""
    region, clients = inventory.region, inventory.clients
    show_progress(region, 0, None)
    try:
        apis = inventory.list_apis()
    except (BotoCoreError, ClientError) as error:
        return RegionPreview(region, errors=(f"{region} could not be read: {explain(error)}",))

    def counted() -> Iterator[Api]:
        for number, api in enumerate(apis):
            show_progress(region, number, len(apis))
            yield api
        show_progress(region, len(apis), len(apis))

    errors: list[str] = []
    stages: list[StagePreview] = []

    def attempt[Found](what: str, read: Callable[[], Found]) -> Found | None:
        try:
            return read()
        except (BotoCoreError, ClientError) as error:
            errors.append(f"{region}: {what} could not be read: {explain(error)}")
            return None

    role = attempt("the account's log role", lambda: check_role(clients, inventory.account, region))
    log_role = None if role is None else role.log_role
    try:
        for api, evaluations in inventory.evaluate_all(counted(), now, log_role):
            if isinstance(evaluations, Exception):
                errors.append(f"{region}: the stages of {api.api_id} could not be read: {explain(evaluations)}")
            else:
                stages += [StagePreview(printable(api.name), evaluation) for evaluation in evaluations]
    except (BotoCoreError, ClientError) as error:
        errors.append(f"{region}: not all stages could be read: {explain(error)}")

    trail = attempt("the CloudTrail trails", lambda: has_trail(clients.cloudtrail(region)))
    needs_role = any(api.protocol is not Protocol.HTTP for api in apis)
    return RegionPreview(region, tuple(sorted(stages, key=_rank)), role, needs_role, trail, tuple(errors))


def _rank(stage: StagePreview) -> tuple[bool, bool, str, str, str]:
    """Return a sort key: stages that would be remediated first, compliant stages last, then by API and stage name."""
    ref, outcome = stage.stage.ref, stage.outcome
    is_last = outcome is Outcome.COMPLIANT
    return (is_last, outcome is not Outcome.WOULD_BE_REMEDIATED, stage.api_name.lower(), ref.api_id, ref.stage_name)


def explain(error: Exception) -> str:
    """Return the error and what to do about it, in one line."""
    match error:
        case ClientError() if error_code(error) in ("AccessDenied", "AccessDeniedException"):
            message = one_line(error_message(error)).rstrip(".")
            return f"access is denied to these credentials: allow the call, or leave the region out. {message}."
        case ClientError() if is_region_unavailable(error):
            message = one_line(error_message(error)).rstrip(".")
            return (
                "the region is not enabled for the account, or these credentials are not valid there: enable it, leave "
                f"it out, or log in again. {message}."
            )
        case _:
            return aws_session.explain(error)
