"""Points that take requests to the run's own REST API, and a log role that is set."""

from __future__ import annotations

from verify.bench import STAGE, Bench
from verify.kinds import LOG_GROUP
from verify.log_role import needs_log_role
from verify.points import Point, UnclearError, Value
from verify.traffic import has_line, lines, request

#: Seconds that a line may take from its request to its log group, and between two requests meanwhile.
_PATIENCE, _PAUSE = 240, 20
#: A User-Agent's characters that a JSON string must escape, between two marks. The last is a tab.
_QUOTED, _TABBED = 'a"b\\c', "a\tb"


def log_to(bench: Bench, name: str, log_format: str) -> str:
    """Send the REST stage's access log to a new log group. Return the group."""
    group = bench.log_group(name)
    bench.update_rest_stage(
        ("replace", "/accessLogSettings/destinationArn", bench.log_group_arn(group)),
        ("replace", "/accessLogSettings/format", log_format),
    )
    return group


def stop_logging(bench: Bench) -> None:
    """Take the REST stage's access log away, so that no line is written after its group was deleted."""
    bench.update_rest_stage(("remove", "/accessLogSettings", ""))


def is_logged(bench: Bench, group: str, agent: str = "") -> bool:
    """Send requests until one is a line of the group, or the time is over. Return whether one is."""
    marks: list[str] = []

    def ask() -> bool:
        marks.extend(request(bench, bench.rest_api, STAGE, agent=agent))
        return bench.account.until(lambda: has_line(bench, group, tuple(marks)), _PAUSE, 5)

    return bench.account.until(ask, _PATIENCE, 0)


def needs_lines(bench: Bench, group: str) -> None:
    """Raise UnclearError if no request is a line of the group, so that nothing can be told from lines."""
    if not is_logged(bench, group):
        stop_logging(bench)
        raise UnclearError("no request was logged: is the account's log role valid?")


def _missing_group_is_created(bench: Bench) -> Value:
    needs_log_role(bench)
    group = log_to(bench, "requests", "$context.requestId")
    needs_lines(bench, group)
    LOG_GROUP.delete(bench.account, group)

    def ask() -> bool:
        request(bench, bench.rest_api, STAGE)
        return bench.account.until(lambda: bench.has_log_group(group), _PAUSE, 5)

    created = bench.account.until(ask, _PATIENCE, 0)
    stop_logging(bench)
    return created


def _escaping(bench: Bench) -> Value:
    needs_log_role(bench)
    group = log_to(bench, "escaping", '{"id":"$context.requestId","agent":"<$context.identity.userAgent>"}')
    needs_lines(bench, group)
    quoted = _agent_as_logged(bench, group, _QUOTED)
    tabbed = _agent_as_logged(bench, group, _TABBED)
    stop_logging(bench)
    if quoted == _QUOTED:
        return "nothing"
    if quoted != 'a\\"b\\\\c':
        raise UnclearError(f"the user agent {_QUOTED} was logged as {quoted}")
    if tabbed == _TABBED:
        return "quotes"
    if tabbed not in ("a\\tb", "a\\u0009b"):
        raise UnclearError(f"a tab in the user agent was logged as {tabbed}")
    return "json"


def _agent_as_logged(bench: Bench, group: str, agent: str) -> str:
    """Send a request with the User-Agent. Return what the log has of it."""
    known = set(lines(bench, group))
    if not is_logged(bench, group, agent):
        raise UnclearError(f"no request with the user agent {agent!r} was logged")
    new = [line for line in lines(bench, group) if line not in known and "<" in line]
    found = [line.split("<", 1)[1].split(">", 1)[0] for line in new]
    # Lines of earlier requests may come late.
    own = [each for each in found if not each.startswith(bench.name)]
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
