"""Reads the logs of one API Gateway stage, and shows the lines of each request together."""
