"""One call and its answer.

interposers (faults, quotas) -> permissions -> hooks -> rule, or moto -> recorders (CloudTrail)
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.core import moto_app, wire
from sandbox.core.call import Answer, AwsError, Call, CallRecord
from sandbox.core.iam import authorization
from sandbox.core.registry import HOOKS, RECORDERS, RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.core.account import Account
    from sandbox.core.call import Need

log = logging.getLogger(__name__)


class Exchange:
    """Answers one call, and records it."""

    def __init__(self, account: Account, call: Call, request: moto_app.Request) -> None:
        self._account = account
        self._call = call
        self._request = request
        self._rule = RULES.get((call.service, call.operation))
        self._needs: tuple[Need, ...] = ()
        #: moto's last answer, None as long as moto was not asked.
        self._moto_answer: Answer | None = None

    def answer(self) -> Answer:
        """Return the answer of the account or of an interposer. Raise NoAnswerError for a call without an answer."""
        through: Callable[[], Answer] = self._answer_and_record
        for interposer in reversed(self._account.interposers):
            through = partial(interposer, self._account, self._call, through)
        try:
            return through()
        except AwsError as error:
            return self._record(self._refusal(error))

    def _answer_and_record(self) -> Answer:
        try:
            answer = self._answer()
        except AwsError as error:
            answer = self._refusal(error)
        except Exception as error:  # its fault must be an answer that says so, never a client that hangs
            log.exception("The sandbox failed in %s %s", self._call.service, self._call.operation)
            message = f"The sandbox failed in {self._call.service} {self._call.operation}: {error!r}"
            answer = self._refusal(AwsError("NotImplemented", message, 501))
        return self._record(answer)

    def _answer(self) -> Answer:
        with self._account.lock:
            self._needs = authorization.needs(self._account, self._call)
            authorization.authorise(self._account, self._call, self._needs)
            for check in (*HOOKS, *self._account.hooks):
                check(self._account, self._call)
            if self._rule is None or not self._rule.blocking:
                result = self._result()
        if self._rule is not None and self._rule.blocking:
            result = self._result()
        if isinstance(result, Answer):
            return result
        return wire.result_answer(self._request.protocol, self._request.operation, result, self._call.request_id)

    def _result(self) -> dict[str, Any] | Answer:
        """Return what the rule gives; moto's answer if there is no rule, or if the rule leaves the answer to moto."""
        result = self._rule.answer(self._account, self._call, self._proceed) if self._rule else None
        if result is not None:
            return result
        if self._moto_answer is None:
            self._proceed()
        assert self._moto_answer is not None
        return self._moto_answer

    def _proceed(self, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return moto's answer to the call, or to the call with other parameters. Raise AwsError if moto refuses it."""
        request = self._request if parameters is None else self._request.with_parameters(parameters)
        with self._account.lock:
            answer = moto_app.ask(self._account.account_id, self._call, request)
        if answer.error:
            raise answer.error
        self._moto_answer = answer
        return answer.result or {}

    def _refusal(self, error: AwsError) -> Answer:
        return wire.error_answer(self._request.protocol, error, self._call.request_id)

    def _record(self, answer: Answer) -> Answer:
        with self._account.lock:
            record = CallRecord(
                call=self._call,
                time=self._account.now(),
                status=answer.status,
                error_code=answer.error.code if answer.error else None,
                needs=(*self._needs, *self._call.further_needs),
            )
            self._account.calls.append(record)
            for recorder in RECORDERS:
                recorder(self._account, record, answer.result, answer.error)
        return answer
