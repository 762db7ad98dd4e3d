"""Points that need requests to the run's REST API, and a log role."""

from __future__ import annotations

from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value
from verify.resource_types import LOG_GROUP
from verify.run import STAGE, Run
from verify.traffic import has_line, lines, request

#: Seconds that a line may take from its request to its log group, and between two requests meanwhile.
_PATIENCE, _PAUSE = 240, 20
#: A User-Agent's characters that a JSON string must escape, between two marks. The last is a tab.
_QUOTED, _TABBED = 'a"b\\c', "a\tb"


def log_to(run: Run, name: str, log_format: str) -> str:
    """Send the REST stage's access log to a new log group. Return the group."""
    group = run.log_group(name)
    run.update_rest_stage(
        ("replace", "/accessLogSettings/destinationArn", run.log_group_arn(group)),
        ("replace", "/accessLogSettings/format", log_format),
    )
    return group


def stop_logging(run: Run) -> None:
    """Remove the REST stage's access log, so that no line is written after its group is deleted."""
    run.update_rest_stage(("remove", "/accessLogSettings", ""))


def is_logged(run: Run, group: str, agent: str = "") -> bool:
    """Send requests until a line of one is in the group, or the time is over. Return whether there is one."""
    marks: list[str] = []

    def ask() -> bool:
        marks.extend(request(run, run.rest_api, STAGE, agent=agent))
        return run.account.until(lambda: has_line(run, group, tuple(marks)), _PAUSE, 5)

    return run.account.until(ask, _PATIENCE, 0)


def needs_lines(run: Run, group: str) -> None:
    """Raise UnclearError if no request is logged in the group: then missing lines would prove nothing."""
    if not is_logged(run, group):
        stop_logging(run)
        raise UnclearError("no request was logged: is the account's log role valid?")


def _missing_group_is_created(run: Run) -> Value:
    needs_log_role(run)
    group = log_to(run, "requests", "$context.requestId")
    needs_lines(run, group)
    LOG_GROUP.delete(run.account, group)

    def ask() -> bool:
        request(run, run.rest_api, STAGE)
        return run.account.until(lambda: run.has_log_group(group), _PAUSE, 5)

    created = run.account.until(ask, _PATIENCE, 0)
    stop_logging(run)
    return created


def _escaping(run: Run) -> Value:
    needs_log_role(run)
    group = log_to(run, "escaping", '{"id":"$context.requestId","agent":"<$context.identity.userAgent>"}')
    needs_lines(run, group)
    quoted = _agent_as_logged(run, group, _QUOTED)
    tabbed = _agent_as_logged(run, group, _TABBED)
    stop_logging(run)
    if quoted == _QUOTED:
        return "nothing"
    if quoted != 'a\\"b\\\\c':
        raise UnclearError(f"the user agent {_QUOTED} was logged as {quoted}")
    if tabbed == _TABBED:
        return "quotes"
    if tabbed not in ("a\\tb", "a\\u0009b"):
        raise UnclearError(f"a tab in the user agent was logged as {tabbed}")
    return "json"


def _agent_as_logged(run: Run, group: str, agent: str) -> str:
    """Send a request with the User-Agent. Return the User-Agent as it is in the log."""
    known = set(lines(run, group))
    if not is_logged(run, group, agent):
        raise UnclearError(f"no request with the user agent {agent!r} was logged")
    new = [line for line in lines(run, group) if line not in known and "<" in line]
    found = [line.split("<", 1)[1].split(">", 1)[0] for line in new]
    # Lines of earlier requests can arrive late.
    own = [each for each in found if not each.startswith(run.name)]
    if not own:
        raise UnclearError("the line of the request was not found")
    return own[0]


POINTS = (
    Point(
        "missing-rest-log-group",
        "The next request to a REST stage whose access log group was deleted",
        "recreates_rest_access_log_groups",
        True,
        {True: "creates it", False: "is not logged"},
        _missing_group_is_created,
    ),
    Point(
        "access-log-escaping",
        "What API Gateway escapes in the values of an access log line",
        "access_log_escaping",
        "quotes",
        {"nothing": "nothing", "quotes": "quotes and backslashes", "json": "control characters too"},
        _escaping,
    ),
)
