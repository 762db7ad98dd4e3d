"""Any input for the readers and the plan, and what must be true of them whatever it was.

The claims are in ``claims``; Hypothesis tries them in tests/unit, and ``make fuzz`` under a coverage-guided fuzzer.
"""
