"""Errors: all that the package raises on purpose, in one tree.

    RouterError
    ├── ConfigError              the configuration is wrong: .problems, each with its place and its fix
    ├── IntakeError              a request is refused: .status, and .retry_after where waiting helps
    │   ├── Undecodable          400
    │   ├── BadToken             401
    │   ├── BadSignature         401  the reason is for our log, never for the answer
    │   ├── UnknownSource        404
    │   ├── MethodNotAllowed     405
    │   ├── BodyTimeout          408
    │   ├── TooLarge             413
    │   ├── EncodedBody          415
    │   ├── RateLimited          429
    │   └── Unavailable          503  the journal cannot write, too much in flight, shutting down
    ├── DeliveryError            an attempt failed before there was an answer: .reason
    │   ├── Unreachable          network, TLS, time limit
    │   ├── ForbiddenAddress              the destination address is not allowed
    │   └── Unrenderable         a template failed and so did the built-in text
    ├── Unknown                  no event, refused request or sink of that name
    ├── Rejected                 an operator's request cannot be done: .status, .fix
    │   └── NoDaemon             the daemon does not answer
    └── JournalError
        ├── JournalUnavailable   cannot write now (disk full, database away); may heal
        │   └── Halfway          that came up when part of the work was done
        ├── JournalBroken        a sync failed: what is on disk is unknown; the process must end
        ├── JournalLocked        another daemon owns it
        └── SchemaMismatch       written by a newer release

A class's docstring is its default message.
"""

import msgspec


class RouterError(Exception):
    """visual-router failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().rstrip("."))


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a configuration, with its place (counted from 1) and its fix."""

    path: str
    line: int
    column: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        """`file:line:column: message`, the form editors jump to."""
        kind = "warning: " if self.warning else ""
        return f"{self.path}:{self.line}:{self.column}: {kind}{self.message}"


class ConfigError(RouterError):
    """The configuration has problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class IntakeError(RouterError):
    """The request is refused."""

    status = 400
    retry_after: int | None = None


class Undecodable(IntakeError):
    """The body is not a JSON object."""


class BadToken(IntakeError):
    """The token is missing or wrong, or the peer is not in allow_from."""

    status = 401


class BadSignature(IntakeError):
    """The signature is missing or wrong."""

    status = 401


class UnknownSource(IntakeError):
    """No such hook."""

    status = 404


class MethodNotAllowed(IntakeError):
    """Only POST."""

    status = 405


class BodyTimeout(IntakeError):
    """The body did not arrive in time."""

    status = 408


class TooLarge(IntakeError):
    """The body is too large."""

    status = 413


class EncodedBody(IntakeError):
    """A Content-Encoding is not accepted."""

    status = 415


class RateLimited(IntakeError):
    """The source is over its rate."""

    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class Unavailable(IntakeError):
    """Not now."""

    status = 503

    def __init__(self, message: str | None = None, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeliveryError(RouterError):
    """The attempt failed before there was an answer."""

    @property
    def reason(self) -> str:
        """The message: short, free of secrets, safe to store."""
        return str(self)


class Unreachable(DeliveryError):
    """The destination could not be reached."""

    def __init__(self, message: str, *, tls: bool = False) -> None:
        super().__init__(message)
        self.tls = tls


class ForbiddenAddress(DeliveryError):
    """The destination address is not allowed."""


class Unrenderable(DeliveryError):
    """The text could not be rendered."""


class Unknown(RouterError):
    """There is no such thing."""


class Rejected(RouterError):
    """The request cannot be done."""

    def __init__(self, message: str, fix: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.fix = fix
        self.status = status


class NoDaemon(Rejected):
    """The daemon does not answer."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message, fix, 503)


class JournalError(RouterError):
    """The journal failed."""


class JournalUnavailable(JournalError):
    """The journal cannot write now."""


class Halfway(JournalUnavailable):
    """The journal could not write the rest; what was done before stays done."""

    def __init__(self, trouble: JournalUnavailable, done: int) -> None:
        super().__init__(f"{trouble}; {done:,} were changed before that")


class JournalBroken(JournalError):
    """A sync of the journal failed; what is on disk is unknown until the next start checks it."""


class JournalLocked(JournalError):
    """Another daemon owns the journal."""


class SchemaMismatch(JournalError):
    """The journal was written by a newer release."""
