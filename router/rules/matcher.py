"""Matcher: all rules of a configuration, in order.

Owns order, `final`, and that a sink gets an event once. Must not know what a rule asks for.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from router.delivery import Route
from router.event import Event
from router.rules.index import Index
from router.rules.rule import Rule, Verdict
from router.template.template import Template


class Matcher:
    """The rules as loaded. `text` is their written form, kept by the journal under `digest`."""

    def __init__(self, rules: Sequence[Rule], text: str = "") -> None:
        self.rules = tuple(rules)
        self.text = text
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self._index = Index(self.rules)
        self._messages = {rule.name: rule.message for rule in self.rules}

    def match(self, event: Event) -> list[Route]:
        """The routes of an event, in file order: each sink once, under the first rule that names it."""
        rules: dict[str, str] = {}
        for rule in self.candidates(event):
            verdict = rule.evaluate(event, brief=True)
            if not verdict.matched:
                continue
            for sink in verdict.to:
                rules.setdefault(sink, verdict.rule)
            if verdict.final:
                break
        return [Route(rule, sink) for sink, rule in rules.items()]

    def explain(self, event: Event) -> list[Verdict]:
        """One verdict per rule, in file order; those behind a final match are not reached."""
        verdicts: list[Verdict] = []
        named: set[str] = set()
        ended_by: str | None = None
        for rule in self.rules:
            if ended_by is not None:
                verdicts.append(
                    Verdict(rule=rule.name, matched=False, final=rule.final, to=rule.to, ended_by=ended_by)
                )
                continue
            verdict = rule.evaluate(event)
            if verdict.matched:
                repeated = tuple(sink for sink in rule.to if sink in named)
                verdict = msgspec.structs.replace(verdict, repeated=repeated)
                named.update(rule.to)
                ended_by = rule.name if rule.final else None
            verdicts.append(verdict)
        return verdicts

    def candidates(self, event: Event) -> list[Rule]:
        """A superset of the rules that match, in file order."""
        return [self.rules[number] for number in self._index.candidates(event)]

    def message(self, rule: str) -> Template | None:
        """The text that a rule prescribes for its deliveries; None if it has none or is no longer there."""
        return self._messages.get(rule)
