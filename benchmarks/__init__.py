"""What is measured, each figure beside its floor or its peer from the same run: ``make bench`` writes RESULTS.md."""
