"""Rules: as written; the `rules` section to a Matcher, every pattern at its place.

Owns the shape of the section and the text under which the journal keeps it. Must not know sinks: whether a
rule's destinations exist is checked by `checks.py`, since old rules may name sinks of their time.
"""

from collections.abc import Collection

import msgspec

from router.config.nodes import Entry, Items, Map, Node, Text, bare, unplaced
from router.config.problems import Problems, clip
from router.config.reader import BROKEN, Reader, list_of, written
from router.rules.field import check_field
from router.rules.matcher import Matcher
from router.rules.pattern import Item, Patterns, read_item
from router.rules.rule import Condition, Rule
from router.sources import SOURCES

_LONGEST_NAME = 200
_CONDITIONS = ("when", "unless")


def read_rules(node: Node, reader: Reader) -> list[Rule]:
    """The rules of a section, in order, as far as they can be read."""
    if not isinstance(node, Items):
        reader.problems.add(node, "'rules' is a list; begin each rule with '- name:'")
        return []
    if not node.items:
        reader.problems.add(
            node, "'rules' is empty; write at least one, such as {name: everything, to: a-sink}"
        )
    _check_names(node, reader.problems)
    found = [_rule(each, reader) for each in node.items]
    return [rule for rule in found if rule is not None]


def rules_text(node: Node) -> str:
    """The section as JSON, which is YAML too: what was null is null, everything else the text it was."""
    return msgspec.json.encode(bare(node)).decode()


def parse_rules(text: str) -> Matcher:
    """The matcher of a stored `rules_text`. Its sinks may be gone.

    Raises:
        ConfigError: this release reads the rules differently.
    """
    problems = Problems("rules")
    rules = read_rules(unplaced(msgspec.json.decode(text)), Reader(problems))
    problems.raise_errors()
    return Matcher(rules, text)


def entry_of(node: Node, key: str) -> Entry | None:
    """An entry of a map, or None."""
    return node.entries.get(key) if isinstance(node, Map) else None


def title(node: Node) -> str:
    """What a rule is called in messages."""
    name = entry_of(node, "name")
    return f"rule '{clip(name.value.text)}'" if name and isinstance(name.value, Text) else "this rule"


def _check_names(node: Items, problems: Problems) -> None:
    """Every name once."""
    seen: dict[str, int] = {}
    for number, each in enumerate(node.items):
        name = entry_of(each, "name")
        if name is None or not isinstance(name.value, Text):
            continue
        if name.value.text in seen:
            line = seen[name.value.text]
            alias = node.aliases.get(number)
            if alias is None:
                taken = f"the name '{clip(name.value.text)}' is taken by the rule in line {line}"
                problems.add(name.value, f"{taken}; choose another")
            else:
                repeated = f"'{clip(alias.text)}' repeats {title(each)} of line {line}"
                problems.add(alias, f"{repeated}; write it out, with a name of its own")
        seen.setdefault(name.value.text, name.value.line)
        odd = next((char for char in name.value.text if not char.isprintable()), None)
        if odd is not None:
            what = (
                f"the name '{clip(name.value.text)}' has the character U+{ord(odd):04X}, which does not show"
            )
            problems.add(name.value, f"{what}; remove it")
        elif len(name.value.text) > _LONGEST_NAME:
            problems.add(name.value, f"a name is one line of at most {_LONGEST_NAME} characters; shorten it")


def _rule(node: Node, reader: Reader) -> Rule | None:
    """One rule with its problems noted, or None if it is none."""
    what = title(node)
    given: dict[str, object] = dict.fromkeys(_CONDITIONS, ())
    for key in _CONDITIONS:
        entry = entry_of(node, key)
        if entry is not None:
            given[key] = _conditions(entry, reader.problems)
    part = reader.part(Rule, node, what, skip=_CONDITIONS, given=given)
    if isinstance(node, Map):
        _check_end(node, what, reader.problems)
    return None if part is None else part.made


def _check_end(node: Map, what: str, problems: Problems) -> None:
    """A rule leads somewhere, or ends the evaluation."""
    final = entry_of(node, "final")
    ends = final is not None and isinstance(final.value, Text) and final.value.text == "true"
    if "to" not in node.entries and not ends:
        problems.add(node, f"{what} has no 'to'; name a sink, or write 'final: true' to end the rules here")


def _conditions(entry: Entry, problems: Problems) -> object:
    """The conditions of `when` or `unless`: a map, or a list of maps; or BROKEN."""
    node = entry.value
    nodes = node.items if isinstance(node, Items) else [node]
    if not nodes:
        problems.add(node, f"this list is empty; leave '{entry.key.text}' out")
    found = [_condition(each, entry.key.text, problems) for each in nodes]
    return tuple(found) if found and None not in found else BROKEN


def _condition(node: Node, key: str, problems: Problems) -> Condition | None:
    """One condition, or None."""
    if not isinstance(node, Map):
        problems.add(node, f"'{key}' needs fields and patterns; write {key}: {{branch: main}}")
        return None
    if not node.entries:
        problems.add(node, f"this condition is empty; leave '{key}' out")
        return None
    fields, before = list[tuple[str, Patterns | None]](), None
    for field, entry in node.entries.items():
        fields.append((field, _patterns(field, entry, before, problems)))
        before = entry if written(entry) else before
    good = tuple((field, patterns) for field, patterns in fields if patterns is not None)
    return Condition(good) if len(good) == len(fields) else None


def _patterns(field: str, entry: Entry, before: Entry | None, problems: Problems) -> Patterns | None:
    """The patterns of one field, or None."""
    if problems.full:
        problems.skip(entry.key)
        return None
    try:
        check_field(field)
    except ValueError as error:
        list_ = list_of(entry, before)
        near = list_ is None or "did you mean" in str(error)
        problems.add(entry.key, str(error) if near else f"'{clip(field)}' is not a field; {list_}")
        return None
    node = entry.value
    nodes = node.items if isinstance(node, Items) else [node]
    if not nodes:
        problems.add(
            node, f"this list is empty; leave '{clip(field)}' out, or write null for an absent value"
        )
        return None
    words = tuple(SOURCES) if field == "provider" else None
    items = [_item(field, each, words, problems) for each in nodes]
    good = [item for item in items if item is not None]
    return Patterns(good) if len(good) == len(items) else None


def _item(field: str, node: Node, words: Collection[str] | None, problems: Problems) -> Item | None:
    """One pattern, or None."""
    if not isinstance(node, Text):
        shape = "list" if isinstance(node, Items) else "map"
        problems.add(node, f"a pattern is one value, not a {shape}; a nested field is written payload.<path>")
        return None
    if node.empty:
        why, fix = (": '#' begins a comment", "it in quotes, or ") if node.cut else ("", "")
        problems.add(node, f"a pattern is missing{why}; write {fix}null for a value that is absent")
        return None
    if problems.full:
        problems.skip(node)
        return None
    try:
        return read_item(field, None if node.absent else node.text, words)
    except ValueError as error:
        problems.add(node, str(error))
        return None
