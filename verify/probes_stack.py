"""Points about a deployed Log Keeper: new stages become compliant, and their requests are logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from botocore.exceptions import ClientError

from log_keeper.aws.errors import error_code
from verify.points import NotTriedError, Point, UnclearError, Value
from verify.run import STAGE, Run
from verify.traffic import has_line, request

type Protocol = Literal["REST", "HTTP", "WebSocket"]

#: Seconds that a line may take from its request to its log group, and between two requests meanwhile.
_PATIENCE, _PAUSE = 240, 20


class Stages:
    """Stages that the deployed stack should remediate, one of each protocol, opted in to INFO, created together."""

    def __init__(self, run: Run) -> None:
        self._run = run
        parameters = self._parameters()
        if not {"Mode", "InfoTagKey"} & parameters.keys():
            raise NotTriedError(
                f"the stack {run.options.stack_name} is not Log Keeper's: name the one that is with --stack-name"
            )
        if parameters.get("Mode", "Enforce") != "Enforce":
            raise NotTriedError(f"the stack's Mode is {parameters['Mode']}: it changes nothing")
        tags = {parameters.get("InfoTagKey", "execution-logs"): "INFO"}
        name = f"{run.name}-stack"
        self._ids: dict[Protocol, str] = {
            "REST": run.new_rest_api(f"{name}-rest", tags),
            "HTTP": run.new_http_api(f"{name}-http", tags),
            "WebSocket": run.new_websocket_api(f"{name}-websocket", tags),
        }
        #: The log group of each stage's access log, as soon as it is known.
        self._destinations: dict[Protocol, str] = {}

    def _parameters(self) -> dict[str, str]:
        name = self._run.options.stack_name
        try:
            [stack] = self._run.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if error_code(error) != "ValidationError":
                raise
            raise NotTriedError(
                f"there is no stack {name} in this region: deploy it, or name it with --stack-name"
            ) from error
        return {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", [])}

    def become_compliant(self, protocol: Protocol) -> bool:
        """Return whether the stage has an access log and, where it can have one, an execution log at INFO, in time."""
        minutes = self._run.options.minutes_for_stack
        return self._run.account.until(lambda: self._is_compliant(protocol), minutes * 60, 10)

    def _is_compliant(self, protocol: Protocol) -> bool:
        api_id = self._ids[protocol]
        if protocol == "REST":
            stage = self._run.client("apigateway").get_stage(restApiId=api_id, stageName=STAGE)
            destination = stage.get("accessLogSettings", {}).get("destinationArn")
            level = stage.get("methodSettings", {}).get("*/*", {}).get("loggingLevel")
        else:
            client = self._run.client("apigatewayv2")
            stage = client.get_stage(ApiId=api_id, StageName=self._stage(protocol))
            destination = stage.get("AccessLogSettings", {}).get("DestinationArn")
            level = stage.get("DefaultRouteSettings", {}).get("LoggingLevel")
        if destination:
            self._destinations[protocol] = destination.split(":log-group:", 1)[-1].removesuffix(":*")
        return bool(destination) and (protocol == "HTTP" or level == "INFO")

    def logs_access(self, protocol: Protocol) -> bool:
        """Return whether the stage's access log gets a line for a request."""
        return self._has_line(protocol, self._destinations.get(protocol, ""))

    def logs_execution(self, protocol: Protocol) -> bool:
        """Return whether the stage's execution log gets a line for a request."""
        before = "API-Gateway-Execution-Logs_" if protocol == "REST" else "/aws/apigateway/"
        return self._has_line(protocol, f"{before}{self._ids[protocol]}/{STAGE}")

    def _has_line(self, protocol: Protocol, group: str) -> bool:
        if protocol not in self._destinations:
            raise UnclearError("the stage has no access log, so no request was sent")
        marks: list[str] = []

        def ask() -> bool:
            api_id, stage = self._ids[protocol], self._stage(protocol)
            marks.extend(request(self._run, api_id, stage, is_websocket=protocol == "WebSocket"))
            return self._run.account.until(lambda: has_line(self._run, group, tuple(marks)), _PAUSE, 5)

        return self._run.account.until(ask, _PATIENCE, 0)

    @staticmethod
    def _stage(protocol: Protocol) -> str:
        return "$default" if protocol == "HTTP" else STAGE


def _probe(ask: Callable[[Stages, Protocol], bool], protocol: Protocol) -> Callable[[Run], Value]:
    def probe(run: Run) -> Value:
        stages = run.shared.get("stages")
        if stages is None:
            try:
                stages = Stages(run)
            except NotTriedError as error:
                stages = error
            run.shared["stages"] = stages
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
                f"Log Keeper remediates a new stage of {'an' if protocol == 'HTTP' else 'a'} {protocol} API",
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
                f"The stage's access log gets a line for a request ({protocol})",
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
                    f"The stage's execution log gets a line for a request ({protocol})",
                    None,
                    True,
                    words,
                    _probe(Stages.logs_execution, protocol),
                )
            )
    return points


POINTS = tuple(_points())
