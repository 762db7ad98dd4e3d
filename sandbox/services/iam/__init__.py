"""AWS Identity and Access Management: its own operations. How permissions are checked is in ``core.iam``."""
