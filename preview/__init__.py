"""Show what Log Keeper would do in an account. A command that people run with their own credentials; not deployed."""
