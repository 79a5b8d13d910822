"""Faults of the journal in a file: what is on disk when, what is a duplicate, what goes and what stays."""

from tests.mutants.fault import Fault

_GROUP_COMMIT = ("tests/journal/test_group_commit.py",)
_WRITER = ("tests/journal/sqlite/test_writer.py",)
_INBOX = ("tests/journal/conformance/test_inbox.py",)
_QUEUE = ("tests/journal/conformance/test_queue.py",)
_WAITING = ("tests/journal/conformance/test_waiting.py",)
_UPKEEP = ("tests/journal/conformance/test_upkeep.py",)
_HANDOVER = ("tests/journal/conformance/test_handover.py", "tests/dispatch/test_dispatcher_handover.py")
_DURABILITY = ("tests/journal/sqlite/test_durability.py",)
_FAULTS = ("tests/journal/sqlite/test_faults.py",)
_OPENING = ("tests/journal/sqlite/test_opening.py",)
_HEADER = ("tests/journal/sqlite/test_header.py",)

FAULTS = (
    Fault(
        "acknowledge before the commit", "202 means that it is on disk", "router/journal/committer.py",
        "                    self._do(batch)\n",
        "                    self._post(self._answer, batch)\n                    self._do(batch)\n",
        _DURABILITY,
    ),
    Fault(
        "a failed sync in the loop's thread is tried again", "after a failed sync nothing is acknowledged",
        "router/journal/sqlite/writer.py",
        "                self._error = error\n", "                pass\n", _WRITER,
    ),
    Fault(
        "rows are written while the thread is at work", "two threads never share a transaction",
        "router/journal/group_commit.py", "        if not self._busy:\n", "        if True:\n", _GROUP_COMMIT,
    ),
    Fault(
        "synchronous=NORMAL", "202 outlives a power cut", "router/journal/sqlite/opening.py",
        '("synchronous", "FULL")', '("synchronous", "NORMAL")', _DURABILITY,
    ),
    Fault(
        "a failed sync is tried again", "after a failed sync nothing is acknowledged",
        "router/journal/sqlite/faults.py",
        "    if code in _SYNC:\n", "    if False:\n", _FAULTS,
    ),
    Fault(
        "a broken journal is written on", "after a failed sync nothing is acknowledged",
        "router/journal/sqlite/writer.py",
        "            self.broken = str(meaning)\n", "            pass\n", _FAULTS,
    ),
    Fault(
        "a full disk is no error", "no 202 without a commit", "router/journal/sqlite/writer.py",
        "            piece.written = None\n            piece.error = JournalBroken(self.broken) if",
        "            piece.error = JournalBroken(self.broken) if", _FAULTS,
    ),
    Fault(
        "a full disk ends the journal", "room that comes back is enough", "router/journal/sqlite/faults.py",
        "    apsw.FullError, apsw.IOError,", "    apsw.IOError,", _FAULTS,
    ),
    Fault(
        "a suspicious file is not checked", "a failed sync is checked before the next use",
        "router/journal/sqlite/opening.py",
        "                _check(writing, file)\n", "", _FAULTS,
    ),
    Fault(
        "nobody learns of a failed sync", "a failed sync is checked before the next use",
        "router/journal/sqlite/store.py", "        lock.suspect()\n", "", _FAULTS,
    ),
    Fault(
        "two daemons share a file", "one file, one daemon", "router/journal/sqlite/lock.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB", _OPENING,
    ),
    Fault(
        "another journal's log is laid over a backup", "a restored backup holds what it held",
        "router/journal/sqlite/header.py",
        "    if _is_copy(head) and log:\n", "    if False:\n", _HEADER,
    ),
    Fault(
        "another journal's changes are rolled back in a backup", "a restored backup holds what it held",
        "router/journal/sqlite/header.py",
        "    if _is_copy(head) and rollback and not log:\n", "    if False:\n", _HEADER,
    ),
    Fault(
        "a backup says that a log beside it is its own", "a restored backup holds what it held",
        "router/journal/sqlite/copy.py", "            disown(self._part)\n", "", _HEADER,
    ),
    Fault(
        "verify lays another journal's log over a backup", "a restored backup holds what it held",
        "router/journal/sqlite/reader.py", "        heed(file)\n", "", _HEADER,
    ),
    Fault(
        "a journal goes on as a backup", "a journal's own log is taken, whatever it began as",
        "router/journal/sqlite/header.py", "        _mark(file, _ITS_OWN)\n", "", _HEADER,
    ),
    Fault(
        "a log begins before its file says so on disk", "a journal's own log is taken, whatever it began as",
        "router/journal/sqlite/header.py", "        sync_file(file)\n", "", ("tests/disk/test_restored.py",),
    ),
    Fault(
        "a log without its journal is thrown away", "what was acknowledged is never deleted in passing",
        "router/journal/sqlite/header.py", "    if not head and log:\n", "    if False:\n", _HEADER,
    ),
    Fault(
        "a newer release's file is used", "what is not understood is left alone",
        "router/journal/sqlite/schema.py", "    if version > newest:\n", "    if False:\n", _OPENING,
    ),
    Fault(
        "a body is a duplicate for ever", "after the window a resend is news",
        "router/journal/sqlite/filing.py",
        "if last[1] == entry.digest and last[2] >= entry.since:", "if last[1] == entry.digest:", _INBOX,
    ),
    Fault(
        "a resend is always news", "a resend within the window is one event",
        "router/journal/sqlite/filing.py",
        "if last[1] == entry.digest and last[2] >= entry.since:", "if False:", _INBOX,
    ),
    Fault(
        "accept, deny, accept loses the second accept", "another body is no duplicate",
        "router/journal/sqlite/filing.py",
        "if last[1] == entry.digest and last[2] >= entry.since:", "if last[2] >= entry.since:", _INBOX,
    ),
    Fault(
        "equal events of one commit are all stored", "of equal events one is stored",
        "router/journal/sqlite/filing.py",
        "    known[subject] = (number, entry.digest, entry.now)\n", "", _INBOX,
    ),
    Fault(
        "an id with another body is not flagged", "a reused id is flagged",
        "router/journal/sqlite/filing.py",
        "        if entry.flag_reuse and last[1] != entry.digest:\n", "        if False:\n", _INBOX,
    ),
    Fault(
        "what nobody may store costs the others", "what is refused is refused alone",
        "router/journal/sqlite/writer.py",
        "                self._one_by_one(batch)\n", "                self._roll_back(batch, apsw.Error())\n",
        _INBOX,
    ),
    Fault(
        "a sender that gave up is recorded", "what was refused is not recorded behind its back",
        "router/journal/sqlite/inbox.py", ", recall=True", "", ("tests/journal/sqlite/test_pressure.py",),
    ),
    Fault(
        "where all senders gave up the journal ends", "a sender that gives up harms nobody",
        "router/journal/group_commit.py", "        if not batch and not self._closing:\n",
        "        if False:\n", _GROUP_COMMIT,
    ),
    Fault(
        "a slot is kept for a sender that gave up", "every slot comes back", "router/journal/group_commit.py",
        "            return\n        if piece.done is not None:\n", "            return\n        if False:\n",
        _GROUP_COMMIT,
    ),
    Fault(
        "many settlements are not fenced by the claim number", "a lost claim settles nothing",
        "router/journal/sql/sqlite/settling.sql", " AND open.claim = ended.claim", "", _QUEUE,
    ),
    Fault(
        "a settlement is not fenced by the claim number", "a lost claim settles nothing",
        "router/journal/sql/sqlite/settling.sql",
        "DELETE FROM open_deliveries WHERE id = ? AND claim = ? AND state = 'in_flight'",
        "DELETE FROM open_deliveries WHERE id = ? AND ? > 0",
        (*_QUEUE, "tests/journal/conformance/test_states.py"),
    ),
    Fault(
        "a retry is not fenced by the claim number", "a lost claim settles nothing",
        "router/journal/sql/sqlite/settling.sql",
        "WHERE id = ? AND claim = ? AND state = 'in_flight' RETURNING sink",
        "WHERE id = ? AND ? > 0 AND state = 'in_flight' RETURNING sink", _QUEUE,
    ),
    Fault(
        "a claim stays pending", "no delivery is claimed twice", "router/journal/sql/sqlite/queue.sql",
        "SET state = 'in_flight', claim = claim + 1 WHERE id IN", "SET claim = claim + 1 WHERE id IN",
        _QUEUE,
    ),
    Fault(
        "a claim that nobody learned of stays in flight", "a cancelled claim gives everything back",
        "router/journal/group_commit.py",
        "            if future.done():\n                self._take_back(piece)\n",
        "            if future.done():\n                pass\n",
        (*_GROUP_COMMIT, *_QUEUE),
    ),
    Fault(
        "what is owed is handed over before it is on disk", "what is sent is on disk",
        "router/journal/sqlite/inbox.py",
        "        done = partial(_end, handover) if handover.slots else None\n",
        "        done = None\n        handover.end(event)\n", _HANDOVER,
    ),
    Fault(
        "an offer that was withdrawn is used", "a stop leaves nothing in limbo",
        "router/journal/sqlite/handover.py",
        "        offered = self._store.slots is self._offer\n", "        offered = True\n", _HANDOVER,
    ),
    Fault(
        "a duplicate keeps its slot", "every slot comes back", "router/journal/sqlite/handover.py",
        "                slot.free()\n", "                pass\n", _HANDOVER,
    ),
    Fault(
        "what was promised to an old offer stays in flight", "a stop leaves nothing in limbo",
        "router/journal/sqlite/handover.py",
        "            self._store.writer.submit(partial(give_back, lost))\n", "            pass\n", _HANDOVER,
    ),
    Fault(
        "a suspect in flight is forgotten", "a suspect is tried alone", "router/journal/sqlite/store.py",
        "        if written.cleared and not self.tally.in_flight:\n", "        if written.cleared:\n",
        _HANDOVER,
    ),
    Fault(
        "an event overtakes what is due", "whoever waited longer goes first",
        "router/journal/sqlite/handover.py",
        "            if store.agenda.next(route.sink) > self._now:\n", "            if True:\n", _HANDOVER,
    ),
    Fault(
        "an event is handed over beside a suspect", "a suspect is tried alone",
        "router/journal/sqlite/handover.py",
        "        if offer is None or store.suspects:\n", "        if offer is None:\n", _HANDOVER,
    ),
    Fault(
        "what was in flight at a crash stays so", "a crash loses no delivery",
        "router/journal/sql/sqlite/opening.sql",
        "crashes = crashes + 1 WHERE state = 'in_flight' RETURNING",
        "crashes = crashes + 1 WHERE state = 'nowhere' RETURNING", _WAITING,
    ),
    Fault(
        "a crash is not counted", "what kills the process is found out",
        "router/journal/sql/sqlite/opening.sql",
        "SET state = 'pending', crashes = crashes + 1 WHERE", "SET state = 'pending' WHERE", _WAITING,
    ),
    Fault(
        "suspects are not set aside", "what kills the process alone ends at its third crash",
        "router/journal/sqlite/opening.py",
        "        if len(crashed) == 1 and crashed[0][1] >= 3:\n", "        if False:\n", _WAITING,
    ),
    Fault(
        "three crashes in company kill", "a kill loop condemns nobody innocent",
        "router/journal/sqlite/opening.py",
        "        if len(crashed) == 1 and crashed[0][1] >= 3:\n",
        "        if crashed and crashed[0][1] >= 3:\n", _WAITING,
    ),
    Fault(
        "a suspect is tried at once", "a kill loop condemns nobody innocent",
        "router/journal/sqlite/opening.py",
        '            cursor.execute(_SQL["postpone"], (now + _TRIAL_AFTER,))\n', "            pass\n",
        _WAITING,
    ),
    Fault(
        "an attempt that ended does not clear a suspect", "a kill loop condemns nobody innocent",
        "router/journal/sqlite/settling.py",
        "    harmless = settlement.attempt is not None\n", "    harmless = False\n", _WAITING,
    ),
    Fault(
        "an operator's pause is forgotten by what a sink answers", "an operator's pause stays",
        "router/journal/sql/sqlite/queue.sql",
        "CASE WHEN marks.by_operator AND NOT excluded.by_operator THEN marks.paused\n    WHEN",
        "CASE WHEN", _WAITING,
    ),
    Fault(
        "retention deletes what is pending", "what is owed is kept however old",
        "router/journal/sql/sqlite/pruning.sql",
        "WHERE NOT EXISTS (SELECT 1 FROM open_deliveries WHERE event = number)\nAND", "WHERE",
        (*_DURABILITY, *_UPKEEP),
    ),
    Fault(
        "retention never hurries", "a journal does not grow for ever", "router/retention.py",
        "gentle = number <= _GENTLE", "gentle = True", ("tests/test_retention.py",),
    ),
    Fault(
        "retention forgets at once", "what was settled is kept for as long as stated", "router/retention.py",
        "        before = self._clock.now() - self._keep\n", "        before = self._clock.now()\n",
        ("tests/test_retention.py",),
    ),
    Fault(
        "rules in force are not remembered again", "the router can always say why", "router/retention.py",
        "        await self._journal.remember(matcher.digest, matcher.text)\n", "",
        ("tests/test_retention.py",),
    ),
    Fault(
        "rules of kept events go", "the router can always say why", "router/journal/rulesets.py",
        "            left.pop(digest, None)\n", "            pass\n", _UPKEEP,
    ),
    Fault(
        "a backup overwrites", "a backup overwrites nothing", "router/journal/sqlite/copy.py",
        "os.link(self._part, self._target)", "self._target.write_bytes(self._part.read_bytes())",
        ("tests/journal/sqlite/test_backup.py",),
    ),
    Fault(
        "half a backup is called one", "a backup is whole", "router/journal/sqlite/copy.py",
        "            return done\n",
        "            return True\n",
        (*_UPKEEP, "tests/journal/sqlite/test_backup.py"),
    ),
    Fault(
        "a backup is for everybody to read", "the files are for their owner",
        "router/journal/sqlite/copy.py", "0o600", "0o644",
        ("tests/journal/sqlite/test_backup.py", *_UPKEEP),
    ),
    Fault(
        "a backup is named before it is on disk", "a backup outlives a power cut",
        "router/journal/sqlite/copy.py",
        "            sync_file(self._part)\n            os.link", "            os.link",
        ("tests/journal/sqlite/test_backup.py", *_UPKEEP),
    ),
    Fault(
        "a backup's name is not on disk", "a backup outlives a power cut", "router/journal/sqlite/copy.py",
        "            sync_folder(self._target.parent)\n", "",
        ("tests/journal/sqlite/test_backup.py",),
    ),
    Fault(
        "the write-ahead log is never copied", "the log stays small", "router/journal/sqlite/writer.py",
        "        return self._pages >= self._copy_at and not self.broken\n",
        "        return False\n", _DURABILITY,
    ),
    Fault(
        "an old SQLite will do", "no SQLite that damages its file", "router/journal/sqlite/opening.py",
        "    if found < oldest:\n", "    if False:\n", _OPENING,
    ),
    Fault(
        "what came is not remembered", "a resend after a restart is one event",
        "router/journal/sqlite/filing.py",
        "        _SEE.run(cursor, list(rows.seen.values()))\n", "", _INBOX,
    ),
    Fault(
        "failures are forgotten between attempts", "the schedule ends",
        "router/journal/sql/sqlite/settling.sql",
        "due = ?, failures = ?, reason", "due = ?, failures = 0 * ?, reason", _QUEUE,
    ),
    Fault(
        "the journal is for everybody to read", "the files are for their owner",
        "router/journal/sqlite/files.py", "os.O_CLOEXEC, 0o600", "os.O_CLOEXEC, 0o644", _DURABILITY,
    ),
)  # fmt: skip
