"""``make verify``: find out in a real AWS account what AWS does at each point that nobody has recorded."""
