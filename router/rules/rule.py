"""Rule: what the YAML says of one rule, and its one evaluation with two views: matched or not, and why.

Must not know the other rules: their order, `final` and shared sinks are the matcher's.
"""

from collections.abc import Sequence
from functools import cached_property

import msgspec

from router.event import Event
from router.rules.field import Read, Several, check_field, is_payload, reader
from router.rules.pattern import Patterns, text_of
from router.template.template import Template

Scalar = str | int | float | bool | None

_SHOWN = 200  # characters of a value in an explanation
_SHOWN_VALUES = 5  # values of a path with `*` in an explanation


class Finding(msgspec.Struct, frozen=True):
    """What one field was asked and what was seen.

    `seen` is None if absent; a long text is cut and ends in `…`, an object is `(object)`, a list `(list)`.
    Where a path has several values, it is the first that was meant, or else some of them joined.
    """

    field: str
    wanted: str
    seen: Scalar
    held: bool

    def __str__(self) -> str:
        """`branch is 'main', wanted release/**`: on one line, whatever the sender wrote."""
        if self.seen is None:
            return f"{self.field} is absent, wanted {self.wanted}"
        seen = repr(self.seen) if isinstance(self.seen, str) else text_of(self.seen)
        return f"{self.field} is {seen}, wanted {self.wanted}"


class Checked(msgspec.Struct, frozen=True):
    """One condition: whether it held, and each of its fields."""

    held: bool
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        """The fields that decided: all where it held, else those that failed."""
        return " and ".join(str(finding) for finding in self.findings if finding.held == self.held)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule says of one event, ready for JSON.

    `to` are the sinks the rule names; `repeated` those of them that an earlier rule had named already.
    `ended_by` is the final rule that matched before this one, of which then nothing was checked.
    """

    rule: str
    matched: bool
    final: bool
    to: tuple[str, ...]
    when: tuple[Checked, ...] = ()
    unless: tuple[Checked, ...] = ()
    repeated: tuple[str, ...] = ()
    ended_by: str | None = None

    @property
    def reached(self) -> bool:
        """Whether no final rule ended the evaluation before."""
        return self.ended_by is None

    @property
    def reason(self) -> str:
        """Why, on one line: the fields that failed, or those of an `unless` that held."""
        if self.ended_by is not None:
            return f"not reached: '{self.ended_by}' is final"
        if self.matched and self.repeated:
            return f"matched; an earlier rule already named {', '.join(self.repeated)}"
        if self.matched:
            return "matched"
        if self.when and not any(checked.held for checked in self.when):
            return "; or ".join(str(checked) for checked in self.when)
        return "unless " + "; or ".join(str(checked) for checked in self.unless if checked.held)


class Condition(msgspec.Struct, frozen=True, dict=True):
    """Fields that must all hold, with the patterns for each. `ValueError` for an unknown field."""

    fields: tuple[tuple[str, Patterns], ...]

    def __post_init__(self) -> None:
        """Unknown fields do not wait for the first event."""
        for field, _ in self.fields:
            check_field(field)

    @cached_property
    def _readers(self) -> tuple[tuple[str, Patterns, Read], ...]:
        """In the order of checking: the payload last, so that it is not decoded when another field fails."""
        ordered = sorted(self.fields, key=lambda pair: is_payload(pair[0]))
        return tuple((field, patterns, reader(field)) for field, patterns in ordered)

    def holds(self, event: Event, findings: list[Finding] | None = None) -> bool:
        """Whether all fields hold. A path with `*` holds if any of its values is meant.

        With a list for `findings` all fields are checked and told; without, the first that fails ends it.
        """
        all_held = True
        for field, patterns, read in self._readers:
            value = read(event)
            held = any(map(patterns.matches, value)) if type(value) is Several else patterns.matches(value)
            if findings is not None:
                findings.append(Finding(field, patterns.text, _seen(value, patterns), held))
            elif not held:
                return False
            all_held = all_held and held
        return all_held


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Events like this go to these sinks.

    It matches if any condition of `when` holds (none given: always) and none of `unless` does. After a match
    that is `final` no further rule is looked at. `message` overrides the sinks' text.
    """

    name: str
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    to: tuple[str, ...] = ()
    final: bool = False
    message: Template | None = None

    def evaluate(self, event: Event, *, brief: bool = False) -> Verdict:
        """What the rule says of an event. `brief`: stops once the answer is known and tells no findings."""
        when: list[Checked] | None = None if brief else []
        unless: list[Checked] | None = None if brief else []
        wanted = not self.when or _any(self.when, event, when)
        excepted = (wanted or not brief) and _any(self.unless, event, unless)
        return Verdict(
            rule=self.name,
            matched=wanted and not excepted,
            final=self.final,
            to=self.to,
            when=tuple(when or ()),
            unless=tuple(unless or ()),
        )


def _any(conditions: Sequence[Condition], event: Event, checked: list[Checked] | None) -> bool:
    """Whether any condition holds.

    With a list for `checked` all of them are checked and told; without, the first that holds ends it.
    """
    any_held = False
    for condition in conditions:
        if checked is None:
            if condition.holds(event):
                return True
            continue
        findings: list[Finding] = []
        held = condition.holds(event, findings)
        checked.append(Checked(held, tuple(findings)))
        any_held = any_held or held
    return any_held


def _seen(value: object, patterns: Patterns) -> Scalar:
    """The value of one field, for an explanation."""
    if type(value) is not Several:
        return _shown(value)
    for each in filter(patterns.matches, value):
        return _shown(each)
    some = [text_of(_shown(each)) for each in value[:_SHOWN_VALUES]]
    more = ["…"] if len(value) > _SHOWN_VALUES else []
    return ", ".join(["null" if text is None else text for text in some] + more)


def _shown(value: object) -> Scalar:
    """One value as a JSON scalar of bounded length."""
    if isinstance(value, int) and value.bit_length() > 63:
        value = str(value)  # a JSON encoder refuses it as a number
    if isinstance(value, str):
        return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    if value is None or isinstance(value, bool | int | float):
        return value
    return "(object)" if isinstance(value, dict) else "(list)"
