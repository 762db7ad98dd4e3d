"""Try the points one after the other; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from botocore.exceptions import BotoCoreError, ClientError

from tools.aws_session import explain
from verify.bench import Bench
from verify.points import NotTriedError, Point, Result, Status, UnclearError

type Told = Callable[[int, int, Point, Result | None], None]


def try_points(bench: Bench, points: Iterable[Point], tell: Told) -> list[Result]:
    """Return what came of each point. ``tell``: hears of each, before it is tried and after. Raise StoppedError."""
    results: list[Result] = []
    all_points = tuple(points)
    for number, point in enumerate(all_points, start=1):
        tell(number, len(all_points), point, None)
        result = _try(bench, point)
        results.append(result)
        tell(number, len(all_points), point, result)
    return results


def _try(bench: Bench, point: Point) -> Result:
    try:
        answer = point.probe(bench)
    except NotTriedError as error:
        return Result(point, Status.NOT_TRIED, why=str(error))
    except UnclearError as error:
        return Result(point, Status.UNCLEAR, why=str(error))
    except (BotoCoreError, ClientError) as error:
        return Result(point, Status.UNCLEAR, why=explain(error))
    return Result(point, Status.SAME if answer == point.expected else Status.DIFFERENT, answer)
