"""Applications as teams deploy them, by the tools that they use, in an account where Log Keeper works."""
