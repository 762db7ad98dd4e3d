"""AWS Identity and Access Management: its operations. ``core.iam`` checks the permissions of calls."""
