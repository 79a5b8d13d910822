"""Regex: regular expressions that run in linear time.

The only module that knows the engine (pyre2). Branch names and titles come from strangers, so an expression
that needs backtracking is refused when the configuration loads, and the value's length is bounded.
"""

import re2

# Without this pyre2 quietly hands what it cannot do to Python's `re`, which backtracks.
re2.set_fallback_notification(re2.FALLBACK_EXCEPTION)

# Bytes of UTF-8. A longer value matches no expression.
LIMIT = 4096

_LOOKS_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


class Regex:
    """A regular expression for the whole value, in RE2's syntax."""

    __slots__ = ("_pattern", "source")

    def __init__(self, source: str) -> None:
        """Compile.

        Raises:
            ValueError: the reason, without the fix: the caller knows how the expression was written.
        """
        self.source = source
        try:
            self._pattern = re2.compile(source)
        except (re2.error, UnicodeEncodeError) as error:
            raise ValueError(_reason(source, str(error))) from None

    def matches(self, value: str) -> bool:
        """Whether the whole value matches; a value over LIMIT, or one that is no valid Unicode, does not."""
        try:
            return len(value) <= LIMIT >= len(value.encode()) and self._pattern.fullmatch(value) is not None
        except UnicodeEncodeError:
            return False


def _reason(source: str, message: str) -> str:
    """What is wrong, in the operator's words where the engine's are its own."""
    if "perl operator" in message and any(operator in source for operator in _LOOKS_AROUND):
        return "it looks ahead or behind, which cannot run in linear time"
    if "Backreferences" in message or "(?P=" in source:
        return "it refers back to a group, which cannot run in linear time"
    return message
