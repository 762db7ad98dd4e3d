"""Try the points one after the other; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws_session import explain
from verify.points import NotTriedError, Point, Result, Status, UnclearError
from verify.run import Run

#: Called before and after each point: with its number, the number of all points, the point, and its result or None.
type Report = Callable[[int, int, Point, Result | None], None]


def try_points(run: Run, points: Iterable[Point], report: Report) -> list[Result]:
    """Try each point and return the results. Raise StoppedError if the user stops the run."""
    results: list[Result] = []
    all_points = tuple(points)
    for number, point in enumerate(all_points, start=1):
        report(number, len(all_points), point, None)
        result = _try(run, point)
        results.append(result)
        report(number, len(all_points), point, result)
    return results


def _try(run: Run, point: Point) -> Result:
    try:
        answer = point.probe(run)
    except NotTriedError as error:
        return Result(point, Status.NOT_TRIED, why=str(error))
    except UnclearError as error:
        return Result(point, Status.UNCLEAR, why=str(error))
    except (BotoCoreError, ClientError) as error:
        return Result(point, Status.UNCLEAR, why=explain(error))
    return Result(point, Status.SAME if answer == point.expected else Status.DIFFERENT, answer)
