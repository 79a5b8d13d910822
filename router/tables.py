"""Tables: what each command shows a person; one function per page, from the API's documents to text.

Pure: width and time are arguments. Must not know how a document was fetched or where the text goes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import click
import msgspec

from router.admin.answers import (
    AttemptRow,
    CheckedRow,
    Copied,
    DeliveryPage,
    DeliveryRow,
    EventPage,
    EventReport,
    EventRow,
    Explanation,
    SinkPage,
    SinkRow,
    Status,
    VerdictRow,
    Wait,
)
from router.admin.reloads import RefusedReload, Reload
from router.columns import ago, exact, grid, listing, plural, span, width
from router.delivery import State
from router.roster import roster
from router.text import readable_json, visible

# What an event's page shows, in this order; what is absent is left out.
_FACTS = (
    "source", "provider", "event", "kind", "status", "provider_status", "project", "branch", "commit",
    "build", "changes", "author", "title", "url", "pull_request",
)  # fmt: skip
# Columns that may be shortened on a narrow terminal, and how far.
_EVENTS = {"BRANCH": 12, "TITLE": 16, "PROJECT": 8, "SOURCE": 8, "AUTHOR": 8}
_DELIVERIES = {"SINK": 8, "WHY": 28}
_HELD = {True: "yes", False: "no "}


class View(msgspec.Struct, frozen=True):
    """How a page is shown: at what time, and on how wide a terminal (None: none, shorten nothing).

    `program` is how a line to paste begins.
    """

    now: datetime
    cells: int | None = None
    colours: bool = False
    program: str = "visual-router"

    def paint(self, text: str, colour: str) -> str:
        """The text in a colour, where there are any; what it says must not depend on it."""
        return click.style(text, fg=colour) if self.colours else text

    def ago(self, then: datetime | None) -> str | None:
        """A time as a person at a table wants it."""
        return None if then is None else ago(then, self.now)

    def exact(self, then: datetime | None) -> str | None:
        """A time as a person at one event wants it."""
        return None if then is None else exact(then, self.now)


def events(page: EventPage, view: View) -> str:
    """A list of events."""
    if not page.events:
        return "no events"
    head = ["ID", "WHEN", "WHAT", "BRANCH", "TITLE", "PROJECT", "SOURCE", "AUTHOR"]
    rows = [
        [
            row.id,
            view.ago(row.received_at),
            kind_of(row),
            row.branch,
            row.title,
            row.project,
            row.source,
            row.author,
        ]
        for row in page.events
    ]
    return _with_next(grid(head, rows, view.cells, _EVENTS), page.next)


def deliveries(page: DeliveryPage, view: View) -> str:
    """A list of deliveries, each with its age; a dead one with how long it has been dead."""
    if not page.deliveries:
        return "no deliveries"
    head = ["ID", "WHEN", "STATE", "SINK", "WHY", "TRIES", "EVENT"]
    rows = [
        [
            one.id,
            view.ago(one.settled_at if one.state is State.DEAD else one.created_at),
            one.state.value,
            one.sink,
            _why(one, view),
            str(one.claim),
            one.event_id,
        ]
        for one in page.deliveries
    ]
    notes = dict.fromkeys(_note(one.sink, one.waits, view) for one in page.deliveries if one.waits)
    table = "\n".join([grid(head, rows, view.cells, _DELIVERIES), *([""] if notes else []), *notes])
    return _with_next(table, page.next)


def event(report: EventReport, view: View) -> str:
    """One event: its fields, what the rules said, what became of it, and its body."""
    row = report.event
    head = [("event", row.id), ("received", view.exact(row.received_at)), *_facts(row)]
    if row.reused:
        head.append(("flag", "its delivery id came with another body before"))
    parts = [
        listing(head),
        explanation(report.explanation, view),
        "deliveries" + "".join(f"\n\n{_indented(delivery(one, view))}" for one in report.deliveries)
        if report.deliveries
        else "deliveries: none",
        "payload\n" + _indented(readable_json(bytes(report.payload))),
    ]
    return "\n\n".join(parts)


def delivery(row: DeliveryRow, view: View) -> str:
    """One delivery with its attempts."""
    facts = listing(
        [
            ("delivery", row.id),
            ("event", row.event_id),
            ("sink", row.sink),
            ("rule", row.rule),
            ("state", row.state.value.replace("_", " ")),
            ("why", row.reason),
            ("created", view.exact(row.created_at)),
            ("due", view.exact(row.due)),
            ("waits", None if row.waits is None else _note(row.sink, row.waits, view)),
            ("settled", view.exact(row.settled_at)),
            ("crashes", str(row.crashes) if row.crashes else None),
        ]
    )
    return "\n".join([facts, *(f"  {_attempt(attempt, view)}" for attempt in row.attempts or [])])


def explanation(told: Explanation, view: View) -> str:
    """What every rule said, under a heading that says which rules."""
    if told.verdicts is None:
        return f"rules {told.rules[:12]}: {told.note}"
    which = "in force" if told.current else "of its hour; --now asks those in force"
    return f"rules {told.rules[:12]} ({which})\n\n{verdicts(told.verdicts, view)}"


def verdicts(rows: Sequence[VerdictRow], view: View) -> str:
    """Rule by rule: matched, or each condition with what it wanted and what it saw."""
    if not rows:
        return "  no rules: nothing goes anywhere"
    return "\n".join(_verdict(number, row, view) for number, row in enumerate(rows, 1))


def trial(row: EventRow, rows: Sequence[VerdictRow], routes: Sequence[str], view: View) -> str:
    """An event that was only tried: its fields, what every rule says, and where it would go."""
    going = ", ".join(visible(sink) for sink in routes) or "nowhere"
    return f"{listing(_facts(row))}\n\n{verdicts(rows, view)}\n\ngoes to: {going}"


def status(document: Status, view: View) -> str:
    """The daemon at one glance."""
    standing = "ready" if not document.unready else "not ready: " + "; ".join(document.unready)
    head = listing(
        [
            ("visual-router", f"{document.version}, {standing}"),
            ("started", view.exact(document.started_at)),
            ("configuration", document.config),
            ("rules", document.rules[:12]),
            ("quarantine", _kept(document.quarantined, view)),
        ]
    )
    sources = grid(
        ["SOURCE", "HOOK", "TYPE", "SIGNED"],
        [[row.name, row.hook, row.type, "yes" if row.signed else "no"] for row in document.sources],
        view.cells,
    )
    told = (_refused(document.refused, view), _restart(document.restart), *document.discord)
    notes = "\n".join(visible(note) for note in (*told, *document.warnings) if note)
    routers = roster(document.routers, view.cells, view.ago)
    parts = (head, routers, sources, sinks(SinkPage(document.sinks), view), notes)
    return "\n\n".join(part for part in parts if part)


def sinks(page: SinkPage, view: View) -> str:
    """How every sink stands; below, what needs an operator."""
    rows = [
        [row.name, row.type, row.state, *map(_count, (row.pending, row.in_flight, row.delivered, row.dead))]
        for row in page.sinks
    ]
    head = ["SINK", "TYPE", "STATE", "PENDING", "IN FLIGHT", "DELIVERED", "DEAD"]
    notes = [_note(row.name, row, view) for row in page.sinks if row.state != "ready"]
    return "\n".join([grid(head, rows, view.cells, {"SINK": 8}), *([""] if notes else []), *notes])


def sink(row: SinkRow, view: View) -> str:
    """How one sink stands, on one line."""
    if row.state != "ready":
        return _note(row.name, row, view)
    return f"{visible(row.name)} is {row.state}, {plural(row.pending, 'delivery')} pending"


def reload(document: Reload, view: View) -> str:
    """What a reload changed, and what it left without a way out."""
    told = "refused; the configuration in force is unchanged"
    if document.ok:
        told = f"reloaded: {', '.join(document.changed) or 'nothing changed'}"
    lines = [
        told,
        f"read from {document.config}" if document.config else "",
        _restart(document.restart),
        "" if document.changed else _from_start(document.from_start),
        *(_gone(name, view, f" ({_count(owed)})") for name, owed in document.no_sink.items()),
    ]
    return "\n".join(visible(line) for line in lines if line)


def _refused(last: RefusedReload | None, view: View) -> str:
    """Why the file on disk is not what is in force. `check` cannot say it all: it reads no secret."""
    if last is None:
        return ""
    at, again = view.exact(last.at), f"{view.program} reload"
    if not last.problems:
        return f"the file on disk was not put into force at {at}: {last.first}; {again}"
    more = f" ({again} tells all), the first" if last.problems > 1 else ""
    count = plural(last.problems, "problem")
    return f"the file on disk was refused at {at} and would fail a restart: {count}{more}: {last.first}"


def _restart(waiting: Sequence[str]) -> str:
    return f"takes effect only after a restart: {', '.join(waiting)}" if waiting else ""


def _from_start(references: Sequence[str]) -> str:
    """Who has changed a secret's value, and hears that nothing changed, must hear why."""
    if not references:
        return ""
    schemes = sorted({one.partition(":")[0] for one in references}, reverse=True)
    said = " and ".join(f"{scheme}:" for scheme in schemes)
    return f"values behind {said} were read when the router started; new ones take a restart"


def copied(document: Copied) -> str:
    """Where a backup is."""
    return f"{visible(document.path)} written by the daemon, {document.bytes:,} bytes"


def kind_of(row: EventRow) -> str:
    """`build.pending`, or the kind alone."""
    return row.kind if row.status is None else f"{row.kind}.{row.status}"


def _facts(row: EventRow) -> list[tuple[str, str | None]]:
    """The fields as rules name them."""
    facts = [(name, _text(getattr(row, name))) for name in _FACTS]
    return facts + [(f"labels.{name}", value) for name, value in row.labels.items()]


def _verdict(number: int, row: VerdictRow, view: View) -> str:
    targets = ", ".join(f"{name} (has it already)" if name in row.repeated else name for name in row.to)
    if row.matched:
        title = view.paint("matched", "green") + visible(f" -> {targets or 'nowhere'}")
        title += "; final" if row.final else ""
    elif row.ended_by is not None:
        title = visible(f"not reached: '{row.ended_by}' is final")
    else:
        title = "no match"
    lines = [*_conditions("when", row.when), *_conditions("unless", row.unless)]
    longest = max((width(label) for label, _, _ in lines), default=0)
    told = [
        f"{'':7}{label}{'':{longest - width(label)}}  {_HELD[held]}  {visible(said)}"
        for label, held, said in lines
    ]
    return "\n".join([f"  {number}. {visible(row.rule)}: {title}", *told])


def _conditions(clause: str, conditions: Sequence[CheckedRow]) -> Iterator[tuple[str, bool, str]]:
    """Each field as it reads in the rule: any of the conditions, all of their fields."""
    for number, checked in enumerate(conditions):
        for place, finding in enumerate(checked.findings):
            word = "and" if place else "or" if number else clause
            said = f"wanted {finding.wanted}; saw {_seen(finding.seen)}"
            yield f"{word} {visible(finding.field)}", finding.held, said


def _seen(value: object) -> str:
    if value is None:
        return "nothing"
    return f"'{value}'" if isinstance(value, str) else msgspec.json.encode(value).decode()


def _attempt(row: AttemptRow, view: View) -> str:
    answered = "" if row.status is None else f", answered {row.status}"
    why = "" if row.reason is None else f": {row.reason}"
    # Most reasons begin with the status that was answered.
    if answered and f", {row.reason}".startswith(answered):
        answered, why = f", {row.reason}", ""
    took = f"{row.outcome}, took {span(row.seconds)}"
    line = f"#{row.number} {view.exact(row.started_at)} {took}{answered}{why}"
    return visible(line) + ("" if not row.excerpt else f"\n     {visible(row.excerpt)}")


def _why(row: DeliveryRow, view: View) -> str | None:
    """What a person at the list asks next: why it is dead, or when it is tried again."""
    if row.due is None:
        return row.reason
    state = "" if row.waits is None else row.waits.state.replace("no sink", "gone")
    return f"{f'sink is {state}; ' if state else ''}due {view.ago(row.due)}" + (
        "" if row.reason is None else f": {row.reason}"
    )


def _note(name: str, sink: SinkRow | Wait, view: View) -> str:
    """Why a sink that is not ready takes nothing, when that ends, and what an operator may do about it."""
    reason = "" if sink.reason is None else f": {sink.reason}"
    then = "at any moment" if sink.until is None or sink.until <= view.now else view.ago(sink.until)
    match sink.state:
        case "open":
            told = f"is open, five failures in a row{reason}; tried again {then}"
            told += f", or now: {view.program} resume {name}"
        case "held":
            told = f"is held, it asked for silence{reason}; goes on by itself {then}"
        case "no sink":
            return _gone(name, view)
        case state:
            told = f"is {state}{reason or ': no reason known'}; {view.program} resume {name}"
    return visible(f"{name} {told}")


def _gone(name: str, view: View, count: str = "") -> str:
    """What helps deliveries whose sink is not in the configuration."""
    told = f"{name} is not in the configuration of this router, its deliveries wait{count}"
    end = f"{view.program} discard --sink {name}"
    # Another router may have it already, and this one only not have reloaded.
    return visible(f"{told}; put it back and reload, or if it is gone for good: {end}")


def _kept(quarantined: Mapping[str, int], view: View) -> str | None:
    if not quarantined:
        return None
    each = ", ".join(f"{name} {_count(count)}" for name, count in sorted(quarantined.items()))
    return f"{plural(sum(quarantined.values()), 'refused request')} ({each}); {view.program} quarantine"


def _with_next(table: str, following: str | None) -> str:
    return table if following is None else f"{table}\n\nmore: --before {following}"


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _count(value: int) -> str:
    return f"{value:,}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
