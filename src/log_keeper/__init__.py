"""Keeps every API Gateway stage of an account logging as the policy says."""
