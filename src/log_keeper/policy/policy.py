"""The policy: what an evaluation compares every stage with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from log_keeper.stages import Protocol


@dataclass(frozen=True, slots=True)
class Policy:
    """What every stage is held against.

    ``info_tag_key``: a stage whose tag of this key says INFO, in any case, is opted in to INFO; the tags with
    ``-until`` and ``-data-trace`` behind this key end that, and allow bodies.
    ``access_log_formats``: one line for each protocol, for a stage that has none.
    ``allows_data_trace``: whether a tag may allow them.
    ``wants_detailed_metrics``: whether detailed metrics are switched on.
    ``exempt_tag_key``: stages with this tag are not changed; None: there is no such tag.
    ``partition``: of the ARNs of log groups: ``aws``, ``aws-cn``, ``aws-us-gov``.
    """

    info_tag_key: str
    access_log_formats: Mapping[Protocol, str]
    partition: str
    allows_data_trace: bool = False
    wants_detailed_metrics: bool = False
    exempt_tag_key: str | None = None

    @property
    def until_tag_key(self) -> str:
        return f"{self.info_tag_key}-until"

    @property
    def data_trace_tag_key(self) -> str:
        return f"{self.info_tag_key}-data-trace"
