"""Applications of other deployment tools, which tests deploy next to Log Keeper."""
