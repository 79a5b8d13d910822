"""Index: which rules an event could match at all, so that the others cost nothing.

It may only leave out what cannot match. Each condition is filed first by the providers and statuses it asks
for, then, among those that ask for the same, under the texts or beginnings that one of its other fields must
have or, where no field says so, under "always". Must not decide whether a rule matches.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import product

from router.event import Event
from router.rules.field import Read, Several, is_payload, reader
from router.rules.pattern import Reach, text_of
from router.rules.rule import Condition, Rule

# A field of a condition, and what it reaches; a provider and a status, to find a cell by.
_Option = tuple[str, Reach]
_Place = tuple[str | None, str | None]
# Instead of a provider or a status: the condition asks for none. No word of theirs looks like this.
_ANY = "*"
_FIRST = ("provider", "status")
# To look a rule up by the payload means to decode it. So few rules are cheaper to ask one by one: most say no
# at another field.
_FEW = 8


class Index:
    """Numbers of rules by what their conditions ask for."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        filed: defaultdict[_Place, list[tuple[int, list[_Option]]]] = defaultdict(list)
        for number, rule in enumerate(rules):
            for condition in rule.when or (Condition(()),):
                reaches = {field: reach for field, patterns in condition.fields if (reach := patterns.reach)}
                options = _options(reaches)
                for place in product(_words(reaches.get("provider")), _words(reaches.get("status"))):
                    filed[place].append((number, options))
        self._cells = {place: _Cell(entries) for place, entries in filed.items()}

    def candidates(self, event: Event) -> list[int]:
        """The numbers of all rules that could match, in order."""
        found: set[int] = set()
        provider, status = event.provider, event.status
        for place in ((provider, status), (provider, _ANY), (_ANY, status), (_ANY, _ANY)):
            cell = self._cells.get(place)
            if cell is not None:
                found.update(cell.always)
                for table in cell.tables:
                    table.collect(event, found)
        return sorted(found)


class _Cell:
    """Numbers of rules that ask for the same provider and status, by one other field of each.

    It is the field by which a rule has the fewest beside it: one for `branch: main, project: a` and one for
    `branch: main, project: b` are both filed by `project`, so that an event meets one of them at most.
    `always` are those filed by none. Only fields that have a table are read.
    """

    def __init__(self, entries: Sequence[tuple[int, Sequence[_Option]]]) -> None:
        always: set[int] = set()
        tables: dict[str, _Table] = {}
        crowds = Counter(key for _, options in entries for option in options for key in _keys(option))
        for number, options in entries:
            if not options:
                always.add(number)
                continue
            field, reach = min(options, key=lambda option: sum(crowds[key] for key in _keys(option)))
            if field not in tables:
                tables[field] = _Table(reader(field))
            tables[field].add(number, reach)
        for field in [field for field in tables if is_payload(field) and len(tables[field].numbers) <= _FEW]:
            always |= tables.pop(field).numbers
        self.always = tuple(always)
        self.tables = tuple(tables.values())


class _Table:
    """Numbers of rules by one field's text, or by what it begins with."""

    def __init__(self, read: Read) -> None:
        self.numbers: set[int] = set()
        self._read = read
        self._texts: dict[str | None, list[int]] = {}
        self._prefixes: dict[str, list[int]] = {}
        # By their first character, which keeps most values from being cut to pieces.
        self._lengths: dict[str, list[int]] = {}

    def add(self, number: int, reach: Reach) -> None:
        """File a rule under all that one of its conditions reaches."""
        self.numbers.add(number)
        for text in reach.texts:
            self._texts.setdefault(text, []).append(number)
        for prefix in reach.prefixes:
            self._prefixes.setdefault(prefix, []).append(number)
            lengths = self._lengths.setdefault(prefix[0], [])
            if len(prefix) not in lengths:
                lengths.append(len(prefix))

    def collect(self, event: Event, found: set[int]) -> None:
        """Add the rules filed under this event's value, or under any of its values."""
        value = self._read(event)
        for each in value if type(value) is Several else (value,):
            text = text_of(each)
            if text in self._texts:
                found.update(self._texts[text])
            if not text or not self._lengths:
                continue
            for length in self._lengths.get(text[0], ()):
                if text[:length] in self._prefixes:
                    found.update(self._prefixes[text[:length]])


def _words(reach: Reach | None) -> Sequence[str | None]:
    """The words a condition asks for, or any."""
    return [_ANY] if reach is None or reach.prefixes else [*reach.texts]


def _options(reaches: Mapping[str, Reach]) -> list[_Option]:
    """The fields to file a condition under; the payload's only where there is no other."""
    options = [option for option in reaches.items() if option[0] not in _FIRST]
    return [option for option in options if not is_payload(option[0])] or options


def _keys(option: _Option) -> list[tuple[str, str | None, bool]]:
    """Every text or beginning that an option would be filed under."""
    field, reach = option
    return [(field, text, False) for text in reach.texts] + [
        (field, prefix, True) for prefix in reach.prefixes
    ]
