"""Requests to deployed APIs of API Gateway."""
