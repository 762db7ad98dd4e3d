"""The benchmarks, which compare each figure with a minimum, a baseline or another tool. They write RESULTS.md."""
