"""Hints: what is allowed and probably not meant. Warnings only."""

import re
from collections.abc import Mapping
from itertools import pairwise

from router.config.draft import Draft, texts_of
from router.config.nodes import Items, Map
from router.config.paths import hint_paths
from router.config.problems import Problems, clip
from router.config.reader import fields_of
from router.config.rules import title
from router.config.texts import hint_texts
from router.rules.elsewhere import advice
from router.rules.field import dotted
from router.rules.rule import Rule
from router.sinks.slack import Slack
from router.sources import SOURCES
from router.sources.source import Defaults

# A condition on one of these lets through neither the `running` of every build nor a provider's `ping`.
_CHOOSING = frozenset(("status", "provider_status", "event", "kind", "changes"))
_MOST_FINAL = 50  # conditions of final rules that later rules are compared with
_EXACT = re.compile(r"!?[A-Za-z0-9._-]+")

# The patterns of each field of a condition, as written.
_Asked = Mapping[str, tuple[str | None, ...]]


def hint(draft: Draft, problems: Problems) -> None:
    """Note what deserves a second look."""
    rules = draft.rule_nodes
    if not problems.errors:  # the sink that seems unused may be the one that was misspelt
        _hint_unused(draft, rules, problems)
        _hint_ended(rules, problems)
    _hint_unreached(rules, problems)
    _hint_open(draft, problems)
    hint_paths(draft, problems)
    hint_texts(draft, problems)
    known = draft.sources.keys() == draft.entries("sources").keys()
    everyone = frozenset(source.provider for source in draft.sources.values() if known)
    for rule in rules:
        _hint_flood(draft, rule, problems)
        _hint_source(draft, rule, problems)
        _hint_event(draft, rule, everyone, problems)
        _hint_absent(draft, rule, everyone, problems)
        _hint_brackets(rule, problems)
        _hint_patterns(rule, problems)


def _hint_unused(draft: Draft, rules: list[Map], problems: Problems) -> None:
    """A sink without a rule gets nothing."""
    used = {name.text for rule in rules for name in texts_of(rule, "to")}
    for name, entry in draft.entries("sinks").items():
        if name not in used:
            problems.warn(
                entry.key, f"no rule uses sink '{clip(name)}'; name it in a rule's 'to', or remove it"
            )


def _hint_unreached(rules: list[Map], problems: Problems) -> None:
    """Nothing comes past a rule that always matches and is final."""
    for rule, behind in pairwise(rules):
        final = texts_of(rule, "final")
        if final and final[0].text == "true" and not {"when", "unless"} & rule.entries.keys() | _odd(rule):
            last = f"{title(rule)} always matches and is final"
            problems.warn(behind, f"no event gets this far: {last}; move it to the end, or give it a 'when'")
            return


def _hint_ended(rules: list[Map], problems: Problems) -> None:
    """A rule all of whose events end at a final one before it."""
    final: list[tuple[_Asked, Map]] = []
    for rule in rules:
        asked = [_asked(condition) for condition in _conditions(rule, "when")]
        before = [next((each for known, each in final if _within(one, known)), None) for one in asked]
        if asked and before[0] is not None and None not in before:
            end = f"what it asks for ends at {title(before[0])}, which is final"
            problems.warn(rule, f"no event gets this far: {end}; move it before that one")
        ends = [text.text for text in texts_of(rule, "final")] == ["true"] and "unless" not in rule.entries
        if ends and len(final) < _MOST_FINAL:
            final += [(one, rule) for one in asked]


def _asked(condition: Map) -> _Asked:
    """The patterns of each field."""
    return {
        field: tuple(None if text.absent else text.text for text in texts_of(condition, field))
        for field in condition.entries
    }


def _within(inner: _Asked, outer: _Asked) -> bool:
    """Whether whatever matches the inner condition matches the outer one; False where that takes thought."""
    return all(
        field in inner
        and (
            inner[field] == patterns
            or (
                {*inner[field]} <= {*patterns}
                and not any(text is not None and text.startswith("!") for text in patterns)
            )
        )
        for field, patterns in outer.items()
    )


def _hint_open(draft: Draft, problems: Problems) -> None:
    """On a public address an unsigned source without a token takes events from anybody."""
    if draft.server.listen.loopback:
        return
    for name, source in draft.sources.items():
        guarded = not all(draft.sound("sources", name, key) for key in ("token", "allow_from"))
        if source.unsigned and source.token is None and not source.allow_from and not guarded:
            message = (
                f"anyone who reaches '{draft.server.listen}' can post to source '{name}': it is unsigned"
            )
            problems.warn(
                draft.entries("sources")[name].key, f"{message}; add token: env:NAME, or allow_from"
            )


def _hint_flood(draft: Draft, rule: Map, problems: Problems) -> None:
    """A channel for people should not get every step of every build."""
    excluded = any(_CHOOSING & condition.entries.keys() for condition in _conditions(rule, "unless"))
    chosen = [_CHOOSING & condition.entries.keys() for condition in _conditions(rule, "when")]
    if excluded or (chosen and all(chosen)) or _odd(rule):
        return
    for name in texts_of(rule, "to"):
        if isinstance(draft.sinks.get(name.text), Slack):
            problems.warn(
                name,
                f"{title(rule)} posts every 'running' and 'ping' to Slack; add a 'status' to its 'when'",
            )


def _hint_source(draft: Draft, rule: Map, problems: Problems) -> None:
    """A rule that waits for a source which is not there."""
    sources = draft.entries("sources")
    for condition in (*_conditions(rule, "when"), *_conditions(rule, "unless")):
        for pattern in texts_of(condition, "source"):
            name = pattern.text.removeprefix("!")
            if _EXACT.fullmatch(pattern.text) and name not in sources:
                near = problems.guess(name, sources)
                meant = f"did you mean '{near}'?" if near else "no event will have it"
                problems.warn(pattern, f"source '{clip(name)}' is not defined; {meant}")


def _hint_event(draft: Draft, rule: Map, everyone: frozenset[str], problems: Problems) -> None:
    """A rule that waits for an event which its provider hardly sends: the name is nearly one of its own."""
    for condition in (*_conditions(rule, "when"), *_conditions(rule, "unless")):
        patterns = texts_of(condition, "event")
        providers = _providers(draft, condition) or everyone if patterns else everyone
        for pattern in patterns:
            name = pattern.text.removeprefix("!")
            events = [event for provider in sorted(providers) for event in SOURCES[provider].events]
            if not _EXACT.fullmatch(pattern.text) or name in events:
                continue
            near = problems.guess(name, events)
            others = [other for other, source in SOURCES.items() if name in source.events]
            if near or others:
                known = f"'{clip(name)}' is no known event of {', '.join(sorted(providers))}"
                meant = f"did you mean '{near}'?" if near else f"it is one of {', '.join(others)}"
                problems.warn(pattern, f"{known}; {meant}")


def _hint_absent(draft: Draft, rule: Map, everyone: frozenset[str], problems: Problems) -> None:
    """A rule that waits for a value which its provider never sends."""
    for condition in _conditions(rule, "when"):
        providers = _providers(draft, condition) or everyone
        named = {text.text for text in texts_of(condition, "source")}
        sources = [
            source
            for name, source in draft.sources.items()
            # Whom a pattern means is not worked out: any of them.
            if source.provider in providers and (name in named or not named or named - draft.sources.keys())
        ]
        for field in condition.entries:
            patterns = texts_of(condition, field)
            if (
                not patterns
                or not providers
                or patterns[0].text.startswith("!")
                or any(pattern.absent for pattern in patterns)
                or not all(field in SOURCES[provider].absent for provider in providers)
                or any(getattr(source.defaults, field, None) for source in sources)
            ):
                continue
            what = f"{title(rule)} gets nothing of {', '.join(sorted(providers))}, which names no {field}"
            other = f", or defaults: {{{field}: …}} to the source" if field in fields_of(Defaults) else ""
            problems.warn(patterns[0], f"{what}; add null to the list{other}")


def _hint_brackets(rule: Map, problems: Problems) -> None:
    """A path with brackets asks for a name that has them in it: no provider sends one."""
    for condition in (*_conditions(rule, "when"), *_conditions(rule, "unless")):
        for field, entry in condition.entries.items():
            path = dotted(field)
            if path is not None:
                message = f"'{clip(field)}' is hardly ever there: the brackets are a part of it"
                problems.warn(entry.key, f"{message}; write {clip(path)}")


def _providers(draft: Draft, condition: Map) -> frozenset[str]:
    """Whose events a condition is about, if it says so by names that are known."""
    named = {text.text for text in texts_of(condition, "provider")}
    if not named:
        sources = {text.text for text in texts_of(condition, "source")}
        named = {draft.sources[name].provider if name in draft.sources else "" for name in sources}
    return frozenset(named) if named <= SOURCES.keys() else frozenset()


def _hint_patterns(rule: Map, problems: Problems) -> None:
    """A pattern in the form of another program, which hardly means here what it says."""
    for condition in (*_conditions(rule, "when"), *_conditions(rule, "unless")):
        for field in condition.entries:
            patterns = texts_of(condition, field)
            # Beside a pattern for branches with a slash, `*` is meant for those without one.
            slashed = any(re.match(r"[^!].*/|\*\*", pattern.text) for pattern in patterns)
            for pattern in patterns:
                hint = advice(field, pattern.text)
                if hint is not None:
                    problems.warn(pattern, f"'{clip(pattern.text)}' {hint}")
                elif field == "branch" and pattern.text in ("*", "!*") and not slashed:
                    every = f"write '{pattern.text}*' for every branch"
                    problems.warn(
                        pattern, f"'{pattern.text}' matches no branch with a slash in its name; {every}"
                    )


def _odd(rule: Map) -> set[str]:
    """The keys of a rule that are none: one of them may have been meant for its `when`."""
    return rule.entries.keys() - fields_of(Rule).keys()


def _conditions(rule: Map, key: str) -> list[Map]:
    """The conditions of `when` or `unless` that are maps."""
    entry = rule.entries.get(key)
    if entry is None:
        return []
    nodes = entry.value.items if isinstance(entry.value, Items) else [entry.value]
    return [node for node in nodes if isinstance(node, Map)]
