"""``make stop``: what it does if somebody has chosen a reserved concurrency, or if Lambda takes its time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tools.aws_session import ToolError
from tools.stop import Switch


class Lambda:
    """A client. Its mapping has one of ``states`` at each reading; the last one stays until ``after`` an update."""

    def __init__(self, *states: str, concurrency: int | None = None, after: str = "") -> None:
        self.states, self.concurrency, self.after = [*states], concurrency, after
        self.calls: list[str] = []

    def list_event_source_mappings(self, **_: object) -> dict[str, list[dict[str, str]]]:
        queues = {"theirs": "somebody-elses", "mapping": "stages"}
        arn = "arn:aws:sqs:eu-west-1:123456789012"
        return {
            "EventSourceMappings": [{"UUID": key, "EventSourceArn": f"{arn}:{name}"} for key, name in queues.items()]
        }

    def get_event_source_mapping(self, **given: object) -> dict[str, str]:
        assert given == {"UUID": "mapping"}
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def update_event_source_mapping(self, **given: object) -> None:
        assert not self.states[0].endswith("ing")  # Lambda refuses it otherwise
        self.states = [self.after]
        self.calls.append(f"enabled={given['Enabled']}")

    def get_function_concurrency(self, **_: object) -> dict[str, int]:
        return {} if self.concurrency is None else {"ReservedConcurrentExecutions": self.concurrency}

    def put_function_concurrency(self, **given: object) -> None:
        self.calls.append(f"concurrency={given['ReservedConcurrentExecutions']}")

    def delete_function_concurrency(self, **_: object) -> None:
        self.calls.append("no concurrency")


def switch(client: Any) -> Switch:
    return Switch(client, "enforce", "stages")


def no_pause(_: float) -> None: ...


@pytest.mark.parametrize("concurrency", [None, 5])
def test_stop_returns_the_reserved_concurrency_that_it_replaces(concurrency: int | None) -> None:
    client = Lambda("Enabled", concurrency=concurrency)
    assert switch(client).stop() == concurrency
    assert client.calls == ["concurrency=0"]


def test_stop_of_what_is_stopped_changes_nothing() -> None:
    client = Lambda("Disabled", concurrency=0)
    switch(client).stop()
    switch(client).poll(no_pause, enabled=False)
    assert client.calls == []


@pytest.mark.parametrize(("concurrency", "calls"), [(0, ["no concurrency"]), (5, []), (None, [])])
def test_resume_deletes_no_concurrency_that_somebody_else_chose(concurrency: int | None, calls: list[str]) -> None:
    client = Lambda("Disabled", concurrency=concurrency)
    switch(client).resume()
    assert client.calls == calls


def test_change_waits_for_the_change_before() -> None:
    client = Lambda("Disabling", "Disabling", "Disabled", after="Enabled")
    switch(client).poll(no_pause, enabled=True)
    assert client.calls == ["enabled=True"]


def test_mapping_that_never_settles_is_an_error() -> None:
    with pytest.raises(ToolError, match="mapping is still Updating after two minutes"):
        switch(Lambda("Updating")).poll(no_pause, enabled=True)


def test_mapping_that_does_not_get_the_state_is_an_error() -> None:
    with pytest.raises(ToolError, match="mapping is Disabled, not Enabled"):
        switch(Lambda("Disabled", after="Disabled")).poll(no_pause, enabled=True)


def test_missing_mapping_does_not_keep_the_function_from_being_stopped() -> None:
    client = Lambda("Enabled")
    of_another_queue = Switch(cast(Any, client), "enforce", "gone")
    of_another_queue.stop()
    assert client.calls == ["concurrency=0"]
    with pytest.raises(ToolError, match="has no event source mapping of gone"):
        of_another_queue.poll(no_pause, enabled=False)
