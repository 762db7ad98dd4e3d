"""The time of one invocation is enough for a log role that IAM takes as long to spread as AWS was seen to."""

from __future__ import annotations

import pytest

from testing.accounts import log_role, make_rest_stage
from testing.builders import MADE_ROLE, updated
from testing.world import world


# Recorded: refused 17 s after the change of the role, by the rate of the call, and accepted after 33 s.
@pytest.mark.parametrize(("seconds", "tries"), [(6, 1), (20, 2), (34, 3), (45, 3)])
def test_slow_role_is_set_in_the_same_invocation(seconds: float, tries: int) -> None:
    with world(iam_propagation_seconds=seconds) as here:
        here.send(updated(make_rest_stage(here.sandbox)))
        here.settle()
        assert log_role(here.sandbox) == MADE_ROLE
        assert (here.enforce.invocations, here.enforce.cut_off, here.dead_letters()) == (1, 0, 0)
        assert [made.call.operation for made in here.calls()].count("UpdateAccount") == tries
