"""Applications of deployment tools, for the tests that deploy Log Keeper beside them."""
