"""Environment variables, read and checked one by one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping


class SettingsError(ValueError):
    """An environment variable is missing or has a wrong value; the message names it and the values that it can have."""


class Variables:
    """Reads environment variables. Each method raises SettingsError for a variable that is missing or wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        if not (value := self._environment.get(name, "").strip()):
            raise SettingsError(
                f"environment variable {name} is missing: deploy the function with the template's Environment"
            )
        return value

    def number(self, name: str) -> int:
        if not (value := self.text(name)).isdecimal():
            raise SettingsError(f"environment variable {name} is {value!r}: it must be a whole number")
        return int(value)

    def choice(self, name: str, *choices: str) -> str:
        if (value := self.text(name)) not in choices:
            raise SettingsError(f"environment variable {name} is {value!r}: it must be {' or '.join(choices)}")
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names in a list with commas, without blanks and repetitions."""
        self.text(name)  # raises the error if the variable is missing
        return self.optional_names(name)

    def optional_names(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, map(str.strip, self._environment.get(name, "").split(",")))))

    def parts(self, name: str, number: int) -> list[str]:
        """Return so many parts of a value with commas. Parts can be empty; the last one can contain commas."""
        parts = self.text(name).split(",", number - 1)
        if len(parts) != number:
            raise SettingsError(f"environment variable {name} is {','.join(parts)!r}: it must have {number} parts")
        return parts

    def read[Value](self, name: str, read: Callable[[tuple[str, ...]], Value]) -> Value:
        """Return what ``read`` returns for the names in a list that may be empty; its ValueError says what is wrong."""
        try:
            return read(self.optional_names(name))
        except ValueError as error:
            raise SettingsError(f"environment variable {name}: {error}") from None

    def read_text[Value](self, name: str, read: Callable[[str], Value]) -> Value:
        """Return what ``read`` returns for a text that may be empty; its ValueError says what is wrong."""
        try:
            return read(self.optional(name) or "")
        except ValueError as error:
            raise SettingsError(f"environment variable {name}: {error}") from None

    def optional(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None
