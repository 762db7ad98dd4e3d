"""Helpers of tests, fuzzer, benchmarks and demo: accounts with stages, events, scenarios, readers of results."""
