"""The one error tree.

Every class carries a stable ``code`` (never changed, never reused), a message
template and whether trying again later can help.  HTTP statuses are decided
in ``api/middleware.py`` only.  This module imports nothing.
"""


class EscalatorError(Exception):
    """Root of everything Escalator raises on purpose.

    :cvar code: stable text that users and other services may act upon.
    :cvar template: message with named fields, filled from the keywords.
    :cvar retryable: True if the same request may succeed later.
    """

    code = "escalator.error"
    template = "An error occurred."
    retryable = False

    def __init__(self, message: str | None = None, **fields: object) -> None:
        self.fields = fields
        if message is None:
            message = self.template.format_map(_Gaps(fields))
        super().__init__(message)


class _Gaps(dict[str, object]):
    """Leave an unknown field of a template readable instead of failing."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


class NotFound(EscalatorError):
    code = "escalator.not_found"
    template = "No {kind} {id} exists."


class Conflict(EscalatorError):
    code = "escalator.conflict"
    template = "The {kind} {id} was changed by somebody else; read it again."
    retryable = True


class IllegalMove(EscalatorError):
    code = "escalator.illegal_move"
    template = "A {kind} in state {state} cannot become {to}; allowed: {allowed}."


class InvalidInput(EscalatorError):
    """A document that is refused whole.

    :param findings: one mapping per finding with ``rule`` (stable id),
        ``pointer`` (RFC 6901), ``line`` (1-based or None), ``detail`` and
        ``remedy``.
    """

    code = "escalator.invalid_input"
    template = "The {kind} was refused: {summary}"

    def __init__(
        self,
        message: str | None = None,
        findings: tuple[dict[str, object], ...] = (),
        **fields: object,
    ) -> None:
        super().__init__(message, **fields)
        self.findings = findings


class Forbidden(EscalatorError):
    code = "escalator.forbidden"
    template = "Policy does not allow {action}."


class BusUnavailable(EscalatorError):
    code = "escalator.bus.unavailable"
    template = "The message bus did not take the message within {timeout_s} s: {reason}"
    retryable = True


class NobodyListens(EscalatorError):
    code = "escalator.bus.nobody_listens"
    template = "Nobody receives on {target}."
    retryable = True


class CallTimeout(EscalatorError):
    code = "escalator.bus.call_timeout"
    template = "{method} on {target} did not answer within {timeout_s} s."
    retryable = True


class RemoteFailure(EscalatorError):
    code = "escalator.bus.remote_failure"
    template = "{method} on {target} failed: {reason}"


class VersionMismatch(EscalatorError):
    """The other side is of a release that does not know the call."""

    code = "escalator.bus.version_mismatch"
    template = "{target} does not take {method} in version {version}."
    retryable = True


class BadMessage(EscalatorError):
    code = "escalator.bus.bad_message"
    template = "A message on {topic} was refused: {reason}"


class StaleFence(EscalatorError):
    code = "escalator.step.stale_fence"
    template = "Step {step_id} was ordered with fence {fence}, but {seen} was seen."


class ActionFailed(EscalatorError):
    """A step's action did not reach its goal.

    :ivar failure_class: selects the rung of the recovery ladder:
        ``transient``, ``permanent``, ``verification``, ``timeout``; and
        ``interrupted``, which an agent reports as an unknown outcome.
    """

    code = "escalator.action.failed"
    template = "{action} failed: {reason}"

    def __init__(
        self,
        message: str | None = None,
        failure_class: str = "permanent",
        result: dict[str, object] | None = None,
        **fields: object,
    ) -> None:
        super().__init__(message, **fields)
        self.failure_class = failure_class
        self.result = result or {}


class VimUnavailable(EscalatorError):
    code = "escalator.vim.unavailable"
    template = "The VIM did not carry out {call} within {timeout_s} s: {reason}"
    retryable = True


class DatabaseUnavailable(EscalatorError):
    """The database does not answer, or refuses us."""

    code = "database_unavailable"
    template = "The database does not answer: {reason}"
    retryable = True


class NoSuchDriver(EscalatorError):
    code = "escalator.driver.unknown"
    template = "No driver {name} in {namespace}; installed: {installed}."


class UnsafeUrl(EscalatorError):
    code = "escalator.webhook.unsafe_url"
    template = "The webhook {url} is refused: {reason}"


class NoSchedule(EscalatorError):
    code = "escalator.schedule.none"
    template = "No conflict-free time exists: {reason}"


class ConfigError(EscalatorError):
    code = "escalator.config"
    template = "Option [{group}]/{option}: {reason}"


class DoctorTestFailed(EscalatorError):
    code = "escalator.doctor_test.failed"
    template = "{step}: {reason}"
