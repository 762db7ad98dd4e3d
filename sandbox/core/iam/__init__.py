"""Who calls, which permissions a call needs, and whether the caller's policies grant them."""
