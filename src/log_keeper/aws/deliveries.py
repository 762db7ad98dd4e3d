"""Reads the deliveries of execution logs of one region: two lists, and each destination that is in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code, is_region_unavailable
from log_keeper.events.hints import DeliveryNamed
from log_keeper.events.stage_arns import stage_of_source
from log_keeper.policy.execution_logs import Delivery, destination_name, log_group_of, stream_of
from log_keeper.settings import Settings
from log_keeper.stages import StageRef

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import DeliveryTypeDef


class DeliveryReader:
    """Reads the deliveries of one region once, when they are first asked for, and keeps them.

    Whole lists are read, in pages of 50, and not those of one stage: CloudWatch Logs filters by the stage's ARN, of
    which two forms are possible. All that is read raises ClientError.
    """

    def __init__(self, clients: Clients, settings: Settings, region: str) -> None:
        self._clients = clients
        self._settings = settings
        self._region = region

    def read(self) -> Mapping[StageRef, tuple[Delivery, ...]]:
        """Return the deliveries of each REST stage that has any: one call where no stage has a source."""
        return self._by_stage

    def stages_of(self, named: DeliveryNamed) -> list[StageRef]:
        """Return the stages that an event about a delivery may concern.

        A deleted delivery is named by its id alone, of which no list tells any more: it may have been that of each
        stage whose source has no delivery now. The stage of a source that was deleted too is left to the sweep.
        """
        if named.source is not None:
            return [ref for name, ref in self._sources.items() if name == named.source]
        in_use = {delivery["deliverySourceName"] for delivery in self._deliveries}
        if named.destination is None:
            return [ref for name, ref in self._sources.items() if name not in in_use]
        suffix = f":delivery-destination:{named.destination}"
        names = {
            delivery["deliverySourceName"]
            for delivery in self._deliveries
            if delivery["deliveryDestinationArn"].endswith(suffix)
        }
        return [ref for name, ref in self._sources.items() if name in names]

    @cached_property
    def _sources(self) -> dict[str, StageRef]:
        """The stages that have a source, by its name."""
        account, found = self._settings.account, {}
        for page in self._clients.logs(self._region).get_paginator("describe_delivery_sources").paginate():
            for source in page.get("deliverySources", []):
                # "Currently, only one ARN can be in the array". Source: botocore's model.
                arn = next(iter(source.get("resourceArns", [])), None)
                ref = stage_of_source(arn, source.get("logType"), account=account, region=self._region)
                if ref is not None:
                    found[source["name"]] = ref
        return found

    @cached_property
    def _deliveries(self) -> list[DeliveryTypeDef]:
        """The deliveries of these sources."""
        if not self._sources:
            return []
        pages = self._clients.logs(self._region).get_paginator("describe_deliveries").paginate()
        found = [delivery for page in pages for delivery in page.get("deliveries", [])]
        return [delivery for delivery in found if delivery["deliverySourceName"] in self._sources]

    @cached_property
    def _by_stage(self) -> Mapping[StageRef, tuple[Delivery, ...]]:
        arns = {delivery["deliveryDestinationArn"] for delivery in self._deliveries}
        destinations = {arn: self._read_destination(arn) for arn in sorted(arns)}
        found: dict[StageRef, tuple[Delivery, ...]] = defaultdict(tuple)
        for delivery in self._deliveries:
            found[self._sources[delivery["deliverySourceName"]]] += (destinations[delivery["deliveryDestinationArn"]],)
        return found

    def _read_destination(self, arn: str) -> Delivery:
        """Return where a destination of deliveries leads. That of another account is taken for one that exists."""
        account, region = self._settings.account, self._region
        name = destination_name(arn, account=account, region=region)
        if name is None:
            return Delivery(arn)
        try:
            answer = self._clients.logs(region).get_delivery_destination(name=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return Delivery(arn, is_lost=True)
            raise
        configuration = answer["deliveryDestination"].get("deliveryDestinationConfiguration")
        if configuration is None:
            return Delivery(arn)
        receiver = configuration["destinationResourceArn"]
        group = log_group_of(receiver, partition=self._settings.partition, account=account, region=region)
        stream = stream_of(receiver, account=account, region=region)
        return Delivery(receiver, group, is_lost=stream is not None and not self._has_stream(stream))

    def _has_stream(self, name: str) -> bool:
        """Return whether the Firehose stream exists; True where that may not be read."""
        try:
            self._clients.firehose(self._region).describe_delivery_stream(DeliveryStreamName=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return False
            if not is_region_unavailable(error):
                raise
        return True
