"""A package, so that the account of its fixture stops after its last test."""
