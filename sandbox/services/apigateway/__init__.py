"""REST APIs of Amazon API Gateway."""
