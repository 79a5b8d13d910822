"""The deliberate faults: each breaks one promise, and names the tests that must see it."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One change of the package's text: `old` becomes `new` in `path`; one of `tests` must go red."""

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]


DISPATCH = ("tests/test_dispatcher.py", "tests/test_dispatcher_faults.py", "tests/test_dispatcher_races.py")
SIGNATURES = ("tests/sources/test_signature.py", "tests/sources/test_contract.py")
JOURNAL = ("tests/journal",)
TRANSPORT = ("tests/transport",)

FAULTS = (
    Fault(
        "acknowledge before the commit", "router/journal/sqlite/writer.py",
        "                self._commit(batch)\n                self._post(self._answer, batch)\n",
        "                for item in batch:\n                    item.written = None\n"
        "                self._post(self._answer, batch)\n                self._commit(batch)\n",
        JOURNAL,
    ),
    Fault(
        "synchronous=NORMAL", "router/journal/sqlite/opening.py",
        '("synchronous", "FULL")', '("synchronous", "NORMAL")', (*JOURNAL, "tests/disk/test_power_cut.py"),
    ),
    Fault(
        "a body is a duplicate for ever", "router/journal/sqlite/filing.py",
        "if last[1] == entry.digest and last[2] >= entry.since:", "if last[1] == entry.digest:",
        JOURNAL,
    ),
    Fault(
        "accept, deny, accept loses the second accept", "router/journal/sqlite/filing.py",
        "if last[1] == entry.digest and last[2] >= entry.since:", "if last[2] >= entry.since:", JOURNAL,
    ),
    Fault(
        "many settlements are not fenced by the claim number", "router/journal/sql/sqlite/settling.sql",
        " AND open.claim = ended.claim", "", JOURNAL,
    ),
    Fault(
        "a settlement is not fenced by the claim number", "router/journal/sql/sqlite/settling.sql",
        "DELETE FROM open_deliveries WHERE id = ? AND claim = ? AND state = 'in_flight'",
        "DELETE FROM open_deliveries WHERE id = ? AND ? > 0", JOURNAL,
    ),
    Fault(
        "a failed delivery is marked delivered", "router/sinks/sink.py",
        "    if 200 <= status < 300:\n", "    if 200 <= status < 600:\n", ("tests/sinks/test_sink.py",),
    ),
    Fault(
        "a redirect counts as taken", "router/sinks/sink.py",
        "    if 200 <= status < 300:\n", "    if 200 <= status < 400:\n", ("tests/sinks",),
    ),
    Fault(
        "Retry-After is ignored", "router/sinks/sink.py",
        "    seconds = retry_after(reply.headers, now)\n", "    seconds = None\n", ("tests/sinks",),
    ),
    Fault(
        "a socket is made for any address", "router/dialling.py",
        "        if reason is not None:\n            raise _ForbiddenError(reason)\n", "", TRANSPORT,
    ),
    Fault(
        "a certificate fits any host", "router/trust.py",
        "    context.minimum_version", "    context.check_hostname = False\n    context.minimum_version",
        TRANSPORT,
    ),
    Fault(
        "a handshake may take for ever", "router/dialling.py",
        "asyncio.timeout(limit)", "asyncio.timeout(None)", TRANSPORT,
    ),
    Fault(
        "a request goes out again though its answer had begun", "router/connections.py",
        "                    if line.heard:\n                        raise\n", "                    pass\n",
        TRANSPORT,
    ),
    Fault(
        "an answer that nobody asked for is taken for the next", "router/exchange.py",
        "            self.drop()\n            return\n        self.heard",
        "            return\n        self.heard", TRANSPORT,
    ),
    Fault(
        "a body is read to its end", "router/exchange.py",
        "if self._whole or self._size >= REPLY_BYTES:", "if self._whole:", TRANSPORT,
    ),
    Fault(
        "a head is read to its end", "router/exchange.py",
        "elif self.heard > (ANSWER_BYTES if self._headed else HEAD_BYTES):", "elif False:", TRANSPORT,
    ),
    Fault(
        "half an answer is taken for a whole one", "router/exchange.py",
        'return not any(name.lower() == b"content-length" for name, _ in self._fields)', "return True",
        TRANSPORT,
    ),
    Fault(
        "a line break makes two headers of one", "router/target.py",
        "raise Refused(_BREAKS)", "pass", TRANSPORT,
    ),
    Fault(
        "an attempt whose time is up keeps its connection", "router/exchange.py",
        "            if not reusable:\n                self.drop()", "            pass",
        (*TRANSPORT, "tests/test_exchange.py"),
    ),
    Fault(
        "the beginning of a signature is enough", "router/sources/signature.py",
        "hmac.compare_digest(given, _mac(secret, body).hex().encode())",
        "_mac(secret, body).hex().encode()[:16] == given[:16]", SIGNATURES,
    ),
    Fault(
        "a token never gets old", "router/sources/signature.py",
        "not now - TOLERANCE <= issued <= now + TOLERANCE", "issued > now + TOLERANCE", SIGNATURES,
    ),
    Fault(
        "a token may come from the future", "router/sources/signature.py",
        "not now - TOLERANCE <= issued <= now + TOLERANCE", "issued < now - TOLERANCE", SIGNATURES,
    ),
    Fault(
        "a token's time may be a fraction", "router/sources/signature.py",
        "type(issued) is not int or", "type(issued) not in (int, float) or", SIGNATURES,
    ),
    Fault(
        "a token fits any body", "router/sources/signature.py",
        "    if not hmac.compare_digest(digest.encode(), hashlib.sha256(body).hexdigest().encode()):\n",
        "    if False:\n", SIGNATURES,
    ),
    Fault(
        "the payload is written anew", "router/sinks/envelope.py",
        "msgspec.Raw(event.payload)", "event.document", ("tests/sinks",),
    ),
    Fault(
        "jitter makes early", "router/retry.py",
        "(1 + _JITTER * random)", "(1 + _JITTER * (random - 0.5))", ("tests/test_retry.py",),
    ),
    Fault(
        "the schedule is one step short", "router/retry.py",
        "failures > len(self.schedule)", "failures >= len(self.schedule)", ("tests/test_retry.py",),
    ),
    Fault(
        "the sink's fault kills the delivery", "router/settlement.py",
        "return _settlement(claim, State.PENDING, tried, reason_of(outcome), due=delivery.due)",
        "return _settlement(claim, State.DEAD, tried, reason_of(outcome), due=delivery.due)",
        ("tests/test_settlement.py",),
    ),
    Fault(
        "what was delivered but not recorded is sent again", "router/ledger.py",
        "            await asyncio.sleep(JOURNAL_RETRY)\n", "            raise\n", DISPATCH,
    ),
    Fault(
        "a stop leaves a claim in flight", "router/dispatcher.py",
        "if outlet is None or self._stopping or ", "if outlet is None or ", DISPATCH,
    ),
    Fault(
        "a late answer ends an operator's pause", "router/gate.py",
        "            case Pause(reason) if self.paused is None:\n", "            case Pause(reason):\n",
        DISPATCH,
    ),
    Fault(
        "an open sink is not probed", "router/gate.py",
        "            and now >= self._probe_at\n", "            and False\n",
        (*DISPATCH, "tests/test_gate.py"),
    ),
    Fault(
        "the watchdog hears a timer", "router/heartbeat.py",
        "                await self._journal.ping()\n", "                await anyio.sleep(0)\n",
        ("tests/test_heartbeat.py",),
    ),
    Fault(
        "a broken reload changes something", "router/app.py",
        "                return await self._swap(config)\n            except ConfigError as error:\n",
        "                return await self._swap(config)\n            except ConfigError as error:\n"
        "                await self.dispatcher.use({}, lambda _: None)\n",
        ("tests/process/test_reload.py",),
    ),
    Fault(
        "a drain hangs up on idle connections at once", "router/server/listener.py",
        "        with anyio.move_on_after(patience):\n", "        with anyio.move_on_after(0):\n",
        ("tests/server/test_listener.py", "tests/torture/test_restarts.py"),
    ),
    Fault(
        "bodies in flight have no bound", "router/server/body.py",
        "        if self._used + count > self._limit:\n", "        if False:\n", ("tests/server",),
    ),
    Fault(
        "a secret prints itself", "router/secret.py",
        '        return f"{type(self).__name__}({self.reference})"\n',
        '        return f"{type(self).__name__}({self._value or self.reference})"\n',
        ("tests/test_secret.py", "tests/test_logs.py", "tests/sinks/test_contract.py"),
    ),
    Fault(
        "a wrong token is let in", "router/server/server.py",
        "raise BadToken\n", "pass\n", ("tests/server/test_server.py",),
    ),
)  # fmt: skip
