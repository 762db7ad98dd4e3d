"""What tests, fuzzing and benchmarks share: accounts with stages, events, scenarios, and readers of what was done."""
