"""Parameters of Systems Manager, which keep what is too long for the environment of a function."""

from __future__ import annotations

from log_keeper.aws.clients import Clients


def read_parameter(clients: Clients, name: str) -> str:
    """Return the value of the parameter.

    Raises ClientError if it does not exist, or may not be read; ValueError if its value is encrypted.
    """
    parameter = clients.ssm().get_parameter(Name=name)["Parameter"]
    if parameter["Type"] == "SecureString":
        raise ValueError(
            "it is of the type SecureString, and must be of the type String: delete it and create it again"
        )
    value: str = parameter["Value"]
    return value
