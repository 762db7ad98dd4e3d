"""The names of log groups for access logs that Log Keeper creates: usual ones, or by the owner's pattern. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from log_keeper.stages import DEFAULT_STAGE, ApiVersion, StageRef, access_log_group, stage_of_log_group

#: A pattern that gives no two stages the same name. Letters, digits and ``_./-``, which API Gateway accepts in a
#: destination, at first up to a slash; then placeholders, each once, with a slash between any two of them, since no
#: value contains one; and a placeholder at the end. Not among AWS's own names, and not among the usual ones, whatever
#: the API's name is.
#: *Source*: API Gateway's "Access log destination must only contain characters a-z, A-Z, 0-9, '_', '-', '/', '.'"
#: (serverless/serverless, issue 6304); botocore's model of CreateLogGroup.
PATTERN = (
    r"(?![aA][wW][sS]/)(?!/[aA][wW][sS]/(?!vendedlogs/))(?!/aws/vendedlogs/apigateway(v2)?/)"
    r"(?!/aws/vendedlogs/[A-Za-z0-9_.-]*\$\{apiName\})"
    r"(?=.*\$\{apiId\})(?=.*\$\{stage\})(?!.*(\$\{[a-zA-Z]+\}).*\2)"
    r"/?[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*\$\{(apiId|apiName|stage|accountId)\}"
    r"([A-Za-z0-9_.-]*/[A-Za-z0-9_./-]*\$\{(apiId|apiName|stage|accountId)\})*"
)
#: With the longest values of the other placeholders, at least 83 characters are left for the API's name.
LONGEST_PATTERN = 256
#: Of a log group. *Source*: botocore's model of CreateLogGroup.
LONGEST_NAME = 512
_CANARY = "/Canary"
_API_NAME = "${apiName}"
#: Replaced in an API's name. A log group's name could have ``#`` and a slash too, but a destination cannot have the
#: first, and a slash would make parts of the name.
_REPLACED = re.compile(r"[^A-Za-z0-9_.-]")
_VALUES = {
    "apiId": "(?P<api_id>[a-z0-9]{1,64})",
    "apiName": "(?P<api_name>[A-Za-z0-9_.-]+)",
    "stage": rf"(?P<stage_name>[A-Za-z0-9_-]{{1,128}}|{re.escape(DEFAULT_STAGE)})",
    "accountId": "(?P<account>[0-9]{12})",
}
_PLACEHOLDER = re.compile(r"\$\{([a-zA-Z]+)\}")


class AccessLogNames(NamedTuple):
    """The names of the log groups that Log Keeper creates for access logs. ``pattern``: empty for the usual names.

    A log group with a usual name stays Log Keeper's own when there is a pattern: stages log to it from before.
    """

    pattern: str = ""

    @classmethod
    def read(cls, text: str) -> AccessLogNames:
        """Return the names by this pattern. Raises ValueError if it is not one, or could give two stages one name."""
        if text and (len(text) > LONGEST_PATTERN or not re.fullmatch(PATTERN, text)):
            raise ValueError(
                f"{text!r} is no pattern of names: it must be a path of at most {LONGEST_PATTERN} letters, digits and "
                "'_./-' with ${apiId} and ${stage}, with a slash between them, before them, and nothing behind; "
                "${apiName} not in the first part after /aws/vendedlogs/"
            )
        return cls(text)

    def needs_api_name(self, api_name: str | None) -> bool:
        """Return whether names need the API's name, and it is not known."""
        return api_name is None and _API_NAME in self.pattern

    def name_of(self, ref: StageRef, api_name: str | None) -> str:
        """Return the name of the log group that Log Keeper creates for a stage without a destination.

        ``api_name``: given by the API's owner. Each character that the name of a destination cannot have, and each
        slash, is replaced by ``-``; then it is cut, so that a canary's log group fits into ``LONGEST_NAME`` too. None
        if it is not known: the result then has ``${apiName}`` in its place, which no log group can have.
        """
        if not self.pattern:
            return access_log_group(ref)
        values = {
            "apiId": ref.api_id,
            "stage": ref.stage_name.replace("$default", DEFAULT_STAGE),
            "accountId": ref.account,
        }
        name = _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), self.pattern)
        if api_name is None:
            return name
        left = LONGEST_NAME - len(_CANARY) - len(name.replace(_API_NAME, ""))
        return name.replace(_API_NAME, _REPLACED.sub("-", api_name)[:left] or "-")

    def is_own(self, name: str, ref: StageRef) -> bool:
        """Return whether Log Keeper creates, or created before it had the pattern, a log group of this name for it.

        A name with any name of the API is its own: the API may have had that name before.
        """
        if name == access_log_group(ref):
            return True
        found = self._parsed(name)
        return found is not None and name == self.name_of(ref, found.groupdict().get("api_name", ""))

    def follows_pattern(self, name: str) -> bool:
        """Return whether the name, or that of a canary, is one by the owner's pattern, of any stage."""
        return self._parsed(name) is not None

    def stage_of(self, name: str, account: str, region: str, version: ApiVersion) -> StageRef | None:
        """Return the stage whose log group has this name, its canary's included; None for any other name.

        ``version``: for a name by the owner's pattern, which does not say it.
        """
        if (found := self._parsed(name)) is None:
            return stage_of_log_group(name, account, region)
        values = found.groupdict()
        if values.get("account", account) != account:
            return None
        stage_name = values["stage_name"].replace(DEFAULT_STAGE, "$default")
        if stage_name == "$default":
            version = ApiVersion.V2
        return StageRef(account, region, version, values["api_id"], stage_name)

    def _parsed(self, name: str) -> re.Match[str] | None:
        return _expression(self.pattern).fullmatch(name) if self.pattern else None


@lru_cache(maxsize=4)
def _expression(pattern: str) -> re.Pattern[str]:
    literals = _PLACEHOLDER.split(pattern)
    texts = [re.escape(text) if place % 2 == 0 else _VALUES[text] for place, text in enumerate(literals)]
    return re.compile(f"{''.join(texts)}(?:{_CANARY})?")
