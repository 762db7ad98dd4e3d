"""What all AWS services of the sandbox share: calls, rules, the account's state, IAM, faults. Imports no service."""
