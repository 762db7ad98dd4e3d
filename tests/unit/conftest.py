"""How many examples Hypothesis tries: enough for each run of the tests, and more in ``make fuzz``."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fuzz", max_examples=1_000, deadline=None)
