"""Random input for the parsers of messages, the policy and both functions, and the claims that must hold for any input.

The claims are in ``claims`` and ``functions``. Hypothesis tests them in tests/unit; ``make fuzz`` tests them with a
coverage-guided fuzzer.
"""
