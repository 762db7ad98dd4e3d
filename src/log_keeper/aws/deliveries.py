"""Log deliveries of execution logs of one region: two lists, and each destination that is in use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from log_keeper.aws.clients import Clients
from log_keeper.aws.errors import error_code
from log_keeper.aws.streams import has_stream
from log_keeper.events.hints import DeliveryNamed
from log_keeper.events.stage_arns import stage_of_source
from log_keeper.policy.execution_logs import Delivery, destination_name, log_group_of, stream_of
from log_keeper.stages import Account, StageRef

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import DeliveryTypeDef


class DeliveryReader:
    """Reads the deliveries of one region when they are first needed, and keeps them. Methods raise ClientError.

    It reads the lists of the whole region, in pages of 50. A filter for one stage needs the stage's ARN, which has two
    possible forms.
    """

    def __init__(self, clients: Clients, account: Account, region: str) -> None:
        self._clients = clients
        self._account = account
        self._region = region

    def read(self) -> Mapping[StageRef, tuple[Delivery, ...]]:
        """Return the deliveries of each REST stage that has any: one call if no stage has a source."""
        return self._by_stage

    def stages_of(self, named: DeliveryNamed) -> list[StageRef]:
        """Return the stages that an event about a delivery may concern.

        The event about a deleted delivery has only its id, which no list contains any more. The delivery may have been
        that of any stage whose source has no delivery now. If its source was deleted too, the sweep finds the stage.
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
        """Return the stages that have a source, by the name of the source."""
        account, found = self._account.account_id, {}
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
        """Return the deliveries of these sources."""
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
        """Return the receiver behind a destination. A receiver in another account counts as existing."""
        account, region = self._account.account_id, self._region
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
        group = log_group_of(receiver, partition=self._account.partition, account=account, region=region)
        stream = stream_of(receiver, account=account, region=region)
        return Delivery(
            receiver, group, is_lost=stream is not None and not has_stream(self._clients.firehose(region), stream)
        )
