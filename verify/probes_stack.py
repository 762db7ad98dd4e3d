"""Whether the stack that is deployed does its work: new stages become compliant, and their requests are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.bench import STAGE, Bench
from verify.points import NotTriedError, Point, UnclearError, Value
from verify.traffic import has_line, request

type Protocol = Literal["REST", "HTTP", "WebSocket"]

#: Seconds that a line may take from its request to its log group, and between two requests meanwhile.
_PATIENCE, _PAUSE = 240, 20


class Stages:
    """The stages that the stack is to find, one of each protocol, created together. All are opted in to INFO."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        parameters = self._parameters()
        if not {"Mode", "InfoTagKey"} & parameters.keys():
            raise NotTriedError(
                f"the stack {bench.options.stack_name} is not Log Keeper's: name the one that is with --stack-name"
            )
        if parameters.get("Mode", "Enforce") != "Enforce":
            raise NotTriedError(f"the stack's Mode is {parameters['Mode']}: it changes nothing")
        tags = {parameters.get("InfoTagKey", "execution-logs"): "INFO"}
        name = f"{bench.name}-stack"
        self._ids: dict[Protocol, str] = {
            "REST": bench.new_rest_api(f"{name}-rest", tags),
            "HTTP": bench.new_http_api(f"{name}-http", tags),
            "WebSocket": bench.new_websocket_api(f"{name}-websocket", tags),
        }
        #: Where each stage's access log goes, once that is known.
        self._destinations: dict[Protocol, str] = {}

    def _parameters(self) -> dict[str, str]:
        name = self._bench.options.stack_name
        try:
            [stack] = self._bench.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            raise NotTriedError(
                f"there is no stack {name} in this region: deploy it, or name it with --stack-name"
            ) from error
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}

    def become_compliant(self, protocol: Protocol) -> bool:
        """Return whether the stage has an access log and, where it can have one, an execution log at INFO, in time."""
        minutes = self._bench.options.minutes_for_stack
        return self._bench.account.until(lambda: self._is_compliant(protocol), minutes * 60, 10)

    def _is_compliant(self, protocol: Protocol) -> bool:
        api_id = self._ids[protocol]
        if protocol == "REST":
            stage = self._bench.client("apigateway").get_stage(restApiId=api_id, stageName=STAGE)
            destination = stage.get("accessLogSettings", {}).get("destinationArn")
            level = stage.get("methodSettings", {}).get("*/*", {}).get("loggingLevel")
        else:
            client = self._bench.client("apigatewayv2")
            stage = client.get_stage(ApiId=api_id, StageName=self._stage(protocol))
            destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
            level = stage.get("DefaultRouteSettings", {}).get("LoggingLevel")
        if destination:
            self._destinations[protocol] = destination.split(":log-group:", 1)[-1].removesuffix(":*")
        return bool(destination) and (protocol == "HTTP" or level == "INFO")

    def logs_access(self, protocol: Protocol) -> bool:
        """Return whether a request is a line of the stage's access log."""
        return self._has_line(protocol, self._destinations.get(protocol, ""))

    def logs_execution(self, protocol: Protocol) -> bool:
        """Return whether a request is a line of the stage's execution log."""
        before = "API-Gateway-Execution-Logs_" if protocol == "REST" else "/aws/apigateway/"
        return self._has_line(protocol, f"{before}{self._ids[protocol]}/{STAGE}")

    def _has_line(self, protocol: Protocol, group: str) -> bool:
        if protocol not in self._destinations:
            raise UnclearError("the stage has no access log, so that no request was sent")
        marks: list[str] = []

        def ask() -> bool:
            api_id, stage = self._ids[protocol], self._stage(protocol)
            marks.extend(request(self._bench, api_id, stage, is_websocket=protocol == "WebSocket"))
            return self._bench.account.until(lambda: has_line(self._bench, group, tuple(marks)), _PAUSE, 5)

        return self._bench.account.until(ask, _PATIENCE, 0)

    @staticmethod
    def _stage(protocol: Protocol) -> str:
        return "$default" if protocol == "HTTP" else STAGE


def _probe(ask: Callable[[Stages, Protocol], bool], protocol: Protocol) -> Callable[[Bench], Value]:
    def probe(bench: Bench) -> Value:
        stages = bench.shared.get("stages")
        if stages is None:
            try:
                stages = Stages(bench)
            except NotTriedError as error:
                stages = error
            bench.shared["stages"] = stages
        if not isinstance(stages, Stages):
            assert isinstance(stages, NotTriedError)
            raise NotTriedError(str(stages))
        return ask(stages, protocol)

    return probe


def _points() -> list[Point]:
    words: dict[Value, str] = {True: "yes", False: "no"}
    protocols: tuple[Protocol, ...] = ("REST", "HTTP", "WebSocket")
    points = []
    for protocol in protocols:
        name = protocol.lower()
        points.append(
            Point(
                f"stack-{name}-compliant",
                f"Log Keeper remediates a new stage of a {protocol} API",
                None,
                True,
                words,
                _probe(Stages.become_compliant, protocol),
            )
        )
    for protocol in protocols:
        name = protocol.lower()
        points.append(
            Point(
                f"stack-{name}-access-log",
                f"A request to it is a line of its access log ({protocol})",
                None,
                True,
                words,
                _probe(Stages.logs_access, protocol),
            )
        )
        if protocol != "HTTP":
            points.append(
                Point(
                    f"stack-{name}-execution-log",
                    f"A request to it is a line of its execution log ({protocol})",
                    None,
                    True,
                    words,
                    _probe(Stages.logs_execution, protocol),
                )
            )
    return points


POINTS = tuple(_points())
