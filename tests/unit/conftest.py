"""How many examples Hypothesis tries: enough for each run of the tests, and more in ``make fuzz``."""

from __future__ import annotations

from hypothesis import settings

# No deadline: the first example loads botocore's models, which takes its time on a busy machine.
settings.register_profile("default", deadline=None)
settings.register_profile("fuzz", max_examples=1_000, deadline=None)
