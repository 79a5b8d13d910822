"""Index: which rules an event could match at all, so that the others cost nothing.

It may only leave out what cannot match: each condition is filed under texts or beginnings that one of its
fields must have or, where no field says so, under "always". Must not decide whether a rule matches.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from router.event import Event
from router.rules.field import Read, is_payload, reader
from router.rules.pattern import Reach, text_of
from router.rules.rule import Condition, Rule

_Option = tuple[str, Reach]


class Index:
    """Numbers of rules by what their conditions ask for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._always: set[int] = set()
        self._tables: dict[str, _Table] = {}
        options = [
            (number, _options(condition))
            for number, rule in enumerate(rules)
            for condition in rule.when or (Condition(()),)
        ]
        shared = Counter(entry for _, each in options for option in each for entry in _entries(option))
        for number, each in options:
            self._file(number, each, shared)

    def candidates(self, event: Event) -> list[int]:
        """The numbers of all rules that could match, in order."""
        found = set(self._always)
        for table in self._tables.values():
            table.collect(event, found)
        return sorted(found)

    def _file(
        self, number: int, options: Sequence[_Option], shared: Counter[tuple[str, str | None, bool]]
    ) -> None:
        """File a condition under the field whose texts it shares with the fewest others."""
        if not options:
            self._always.add(number)
            return
        field, reach = min(options, key=lambda option: sum(shared[entry] for entry in _entries(option)))
        self._tables.setdefault(field, _Table(reader(field))).add(number, reach)


class _Table:
    """Numbers of rules by one field's text, or by what it begins with."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._texts: defaultdict[str | None, list[int]] = defaultdict(list)
        self._prefixes: defaultdict[str, list[int]] = defaultdict(list)
        self._lengths: set[int] = set()

    def add(self, number: int, reach: Reach) -> None:
        """File a rule under all that one of its conditions reaches."""
        for text in reach.texts:
            self._texts[text].append(number)
        for prefix in reach.prefixes:
            self._prefixes[prefix].append(number)
            self._lengths.add(len(prefix))

    def collect(self, event: Event, found: set[int]) -> None:
        """Add the rules filed under this event's value."""
        text = text_of(self._read(event)[0])
        found.update(self._texts.get(text, ()))
        if text is not None:
            for length in self._lengths:
                found.update(self._prefixes.get(text[:length], ()))


def _options(condition: Condition) -> list[_Option]:
    """The fields a condition can be filed under. Not the payload's: looking there would decode every body."""
    reaches = ((field, patterns.reach) for field, patterns in condition.fields if not is_payload(field))
    return [(field, reach) for field, reach in reaches if reach is not None]


def _entries(option: _Option) -> list[tuple[str, str | None, bool]]:
    """Every place of the index that an option takes."""
    field, reach = option
    return [(field, text, False) for text in reach.texts] + [
        (field, prefix, True) for prefix in reach.prefixes
    ]
