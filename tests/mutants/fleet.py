"""Faults of the journal in PostgreSQL: what several routers share, and what its server must promise."""

from tests.mutants.fault import Fault

_INBOX = ("tests/journal/conformance/test_inbox.py",)
_QUEUE = ("tests/journal/conformance/test_queue.py",)
_WAITING = ("tests/journal/conformance/test_waiting.py",)
_LONG_TEXTS = ("tests/journal/conformance/test_long_texts.py",)
_FLEET = ("tests/journal/postgres/test_fleet.py",)
_OPENING = ("tests/journal/postgres/test_opening.py",)

FAULTS = (
    Fault(
        "a server that syncs nothing will do", "202 outlives a power cut",
        "router/journal/postgres/connecting.py",
        'for name, value in (("fsync", fsync), ("full_page_writes", pages))',
        'for name, value in (("full_page_writes", pages),)', _OPENING,
    ),
    Fault(
        "full_page_writes is not looked at", "202 outlives a power cut",
        "router/journal/postgres/connecting.py",
        'for name, value in (("fsync", fsync), ("full_page_writes", pages))',
        'for name, value in (("fsync", fsync),)', _OPENING,
    ),
    Fault(
        "synchronous_commit is not looked at", "202 outlives a power cut",
        "router/journal/postgres/connecting.py",
        "    unsafe += [] if commit in _SYNCHRONOUS else [f\"synchronous_commit = {commit}\"]\n", "",
        _OPENING,
    ),
    Fault(
        "acknowledge before the commit, in a fleet", "202 means that it is on disk",
        "router/journal/postgres/writer.py",
        "            self._berth.count(_sum(batch), cursor)\n        except ALONE:",
        "            self._berth.count(_sum(batch), cursor)\n            self._post(self._answer, batch)\n"
        "        except ALONE:",
        ("tests/journal/postgres/test_away.py", *_FLEET, *_INBOX),
    ),
    Fault(
        "a lease is taken over too early", "what a router has is its own until its lease ends",
        "router/journal/sql/postgres/presence.sql",
        "SELECT id FROM router WHERE lease_until < %s AND id <> %s",
        "SELECT id FROM router WHERE %s > 0 AND id <> %s",
        _FLEET,
    ),
    Fault(
        "nobody takes over", "a dead router's work goes on", "router/journal/postgres/presence.py",
        "            self._take_over(now, moves, cursor)\n", "            pass\n", (*_FLEET, *_WAITING),
    ),
    Fault(
        "a router's own clock decides about leases", "the database's clock decides",
        "router/journal/postgres/presence.py",
        "return self._clock.now() if self._timing.own_clock else None", "return self._clock.now()", _FLEET,
    ),
    Fault(
        "a settlement of the fleet is not fenced", "a lost claim settles nothing",
        "router/journal/sql/postgres/queue.sql",
        "  WHERE o.id = given.id AND o.claim = given.claim AND o.state = 'in_flight'\n  RETURNING",
        "  WHERE o.id = given.id\n  RETURNING", (*_FLEET, *_QUEUE),
    ),
    Fault(
        "a retry of the fleet is not fenced", "a lost claim settles nothing",
        "router/journal/sql/postgres/queue.sql",
        "WHERE o.id = given.id AND o.claim = given.claim AND o.state = 'in_flight'\nRETURNING",
        "WHERE o.id = given.id AND o.state = 'in_flight'\nRETURNING", (*_QUEUE, *_FLEET),
    ),
    Fault(
        "two routers claim the same", "no delivery is claimed twice", "router/journal/sql/postgres/queue.sql",
        "    ORDER BY due, id LIMIT asked.room FOR UPDATE SKIP LOCKED) AS one",
        "    ORDER BY due, id LIMIT asked.room) AS one", _FLEET,
    ),
    Fault(
        "what a lost answer claimed stays in flight", "a lost session leaves nothing in limbo",
        "router/journal/postgres/presence.py",
        "            self._reconcile(moves, cursor)\n", "            pass\n",
        ("tests/journal/postgres/test_away.py",),
    ),
    Fault(
        "a body is a duplicate for ever, in a fleet", "after the window a resend is news",
        "router/journal/sql/postgres/inbox.sql",
        "WHERE seen.digest <> excluded.digest OR seen.at < excluded.since\n",
        "WHERE seen.digest <> excluded.digest\n", _INBOX,
    ),
    Fault(
        "suspects of the fleet are not set aside", "what kills the process alone ends at its third crash",
        "router/journal/postgres/presence.py",
        "            if len(found) == 1 and found[0][2] >= 3:\n", "            if False:\n", _WAITING,
    ),
    Fault(
        "a suspect of the fleet is tried at once", "a kill loop condemns nobody innocent",
        "router/journal/postgres/queue.py", "        if asked.now >= asked.trial_at:\n", "        if True:\n",
        _WAITING,
    ),
    Fault(
        "a value that is too long for the server ends the journal", "what is refused is refused alone",
        "router/journal/postgres/faults.py", "    errors.ProgramLimitExceeded,\n", "",
        ("tests/journal/postgres/test_faults.py",),
    ),
    Fault(
        "a long branch is too long for its index", "what a stranger writes stops nobody",
        "router/journal/sql/postgres/0002.sql", "ON events (left(%1$s, 500), id)", "ON events (%1$s, id)",
        _LONG_TEXTS,
    ),
    Fault(
        "a branch is found by its beginning alone", "a search finds what was asked for",
        "router/journal/postgres/archive.py", "    if len(stored(value)) < _BEGINNING:\n", "    if True:\n",
        _LONG_TEXTS,
    ),
    Fault(
        "a thread is too long for its key, in a fleet", "what a stranger writes stops nobody",
        "router/journal/sql/postgres/queue.sql",
        "AND octet_length(thread) <= 2000\n", "AND thread IS NOT NULL\n",
        ("tests/journal/postgres/test_schema.py",),
    ),
    Fault(
        "what another router holds ends a discard", "all of a sink is all of it",
        "router/journal/sql/postgres/moves.sql", "LIMIT %s FOR UPDATE SKIP LOCKED\n", "LIMIT %s\n", _FLEET,
    ),
    Fault(
        "a requeue brings back what it did not hold", "one operator's request ends no router",
        "router/journal/sql/postgres/moves.sql",
        "AND event = ANY (%b::bigint[])", "AND (event = ANY (%b::bigint[]) OR true)", _FLEET,
    ),
    Fault(
        "a sender that gave up is recorded, in a fleet", "what was refused is not recorded behind its back",
        "router/journal/postgres/inbox.py", ", recall=True", "", ("tests/journal/postgres/test_away.py",),
    ),
    Fault(
        "what waits for the server has no bound", "memory is bounded", "router/journal/postgres/writer.py",
        "        if self.waiting >= _MOST_WAITING:\n", "        if False:\n",
        ("tests/journal/postgres/test_away.py",),
    ),
    Fault(
        "a frozen router keeps its locks", "a dead router's work goes on",
        "router/journal/postgres/connecting.py",
        '"idle_in_transaction_session": int(1000 * silence)', '"idle_in_transaction_session": 0',
        ("tests/journal/postgres/test_frozen.py",),
    ),
    Fault(
        "half a journal is opened", "no router works on half a journal", "router/journal/postgres/opening.py",
        "        _refuse_half(cursor)\n", "", ("tests/journal/moving/test_interruptions.py",),
    ),
)  # fmt: skip
