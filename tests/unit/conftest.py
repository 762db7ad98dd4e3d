"""Profiles of Hypothesis: how many examples it tries in ``make test``, and in ``make fuzz``."""

from __future__ import annotations

from hypothesis import settings

# No deadline: the first example loads botocore's models, which is slow on a busy machine.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", max_examples=1_000, deadline=None)
