"""Reads the lines of log groups with FilterLogEvents, within limits.

The call is free of charge. *Source:* CloudWatch pricing, which has no price for FilterLogEvents; Logs Insights costs by
the GB that a query scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code, error_message
from logs.model import LogLine
from logs.options import Limits

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

#: Called after each page with the name of the log group, and the numbers of pages, bytes and lines read so far.
type ShowProgress = Callable[[str, int, int, int], None]
#: Returns the lines of a log group between two times that contain the text, as ``Reader.read`` does; and the limit that
#: ended the search early, or None.
type ReadOtherwise = Callable[[str, int, int, str | None], tuple[list[LogLine], str | None]]
#: The most lines of a page. *Source:* CloudWatch Logs API reference, FilterLogEvents.
PAGE = 10_000


class Reader:
    """Reads log groups. ``take_turn``: waits until the next call may be made. ``clock``: seconds that never decrease.

    ``missing``: the log groups that do not exist. ``unreadable``: those that FilterLogEvents does not read, with
    the answer of CloudWatch Logs that says why. ``stopped_by``: which limit ended a search early; None if none did.
    """

    def __init__(
        self,
        client: CloudWatchLogsClient,
        limits: Limits,
        take_turn: Callable[[], None],
        clock: Callable[[], float],
        show_progress: ShowProgress,
    ) -> None:
        self._client = client
        self._limits = limits
        self.take_turn = take_turn
        self._clock = clock
        self._show_progress = show_progress
        self.missing: set[str] = set()
        self.unreadable: dict[str, str] = {}
        #: Reads a log group that FilterLogEvents does not read; None: it is not read.
        self.read_otherwise: ReadOtherwise | None = None
        self.stopped_by: str | None = None
        self.start()

    def start(self) -> None:
        """Begin a new search: none of the limits is used up."""
        self._pages = self._bytes = self._lines = 0
        self._begin = self._clock()
        self.stopped_by = None

    def read(self, groups: Iterable[str], since: int, until: int, text: str | None = None) -> list[LogLine]:
        """Return the lines of the log groups between two times, in milliseconds since 1970.

        ``text``: only lines that contain it. Raises BotoCoreError and ClientError; a missing log group is no error.
        """
        return [line for name in groups for line in self._read_group(name, since, until, text)]

    def _read_group(self, name: str, since: int, until: int, text: str | None) -> list[LogLine]:
        found: dict[str, LogLine] = {}
        request: dict[str, Any] = {"logGroupName": name, "startTime": since, "endTime": until, "limit": PAGE}
        # The latest first, so that a limit leaves out the earliest.
        request["startFromHead"] = False
        if text is not None:
            # A quoted phrase: the line contains it.
            request["filterPattern"] = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        # A page can be empty although more follow. Source: CloudWatch Logs API reference, FilterLogEvents.
        while self._may_continue():
            self.take_turn()
            try:
                answer = self._client.filter_log_events(**request)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    self.missing.add(name)
                elif error_code(error) == "InvalidOperationException":
                    # Of a class such as INFREQUENT_ACCESS. Source: aws/karpenter-provider-aws, pull request 9567.
                    if self.read_otherwise is not None:
                        lines, limit = self.read_otherwise(name, since, until, text)
                        self.stopped_by = limit or self.stopped_by
                        return lines
                    self.unreadable[name] = error_message(error)
                else:
                    raise
                break
            for event in answer["events"]:
                message = event["message"]
                if text is None or text in message:
                    line = LogLine(event["timestamp"], message, name, event["logStreamName"], event["eventId"])
                    found[event["eventId"]] = line
                self._bytes += len(message)
            self._pages += 1
            self._lines += len(answer["events"])
            self._show_progress(name, self._pages, self._bytes, self._lines)
            if not answer.get("nextToken"):
                break
            request["nextToken"] = answer["nextToken"]
        return list(found.values())

    def _may_continue(self) -> bool:
        """Return whether no limit is reached."""
        for used, limit, what in (
            (self._pages, self._limits.pages, f"--most-pages {self._limits.pages}"),
            (self._bytes, self._limits.bytes, f"--most-megabytes {self._limits.bytes >> 20}"),
            (self._clock() - self._begin, self._limits.seconds, f"--most-seconds {self._limits.seconds:g}"),
        ):
            if used >= limit:
                self.stopped_by = what
                return False
        return True
