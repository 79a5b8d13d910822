"""Faults of the way in: who gets in, how much of it, and what is kept of what is refused."""

from tests.mutants.fault import Fault

_SIGNATURES = ("tests/sources/test_signature.py", "tests/sources/test_contract.py")
_SERVER = ("tests/server/test_server.py",)
_BODY = ("tests/server/test_body.py",)
_BUDGET = ("tests/server/test_budget.py",)
_ROTATION = ("tests/server/test_rotation.py",)
_PACE = ("tests/server/test_pace.py",)
_LISTENER = ("tests/server/test_listener.py",)
_CONNECTION = ("tests/server/test_connection.py", "tests/server/test_reading.py", "tests/server/test_wire.py")
_DOOR = ("tests/admin/test_door.py",)

FAULTS = (
    Fault(
        "the beginning of a signature is enough", "only who has the secret gets in",
        "router/sources/signature.py",
        "hmac.compare_digest(digest, _mac(secret, body).hex())",
        "_mac(secret, body).hex()[:16] == digest[:16]", _SIGNATURES,
    ),
    Fault(
        "a token never gets old", "a token is good for five minutes", "router/sources/signature.py",
        "not now - TOLERANCE <= issued <= now + TOLERANCE", "issued > now + TOLERANCE", _SIGNATURES,
    ),
    Fault(
        "a token may come from the future", "a token is good for five minutes",
        "router/sources/signature.py",
        "not now - TOLERANCE <= issued <= now + TOLERANCE", "issued < now - TOLERANCE", _SIGNATURES,
    ),
    Fault(
        "a token's time may be a fraction", "a token says when in whole seconds",
        "router/sources/signature.py",
        "type(issued) is not int or", "type(issued) not in (int, float) or", _SIGNATURES,
    ),
    Fault(
        "a token fits any body", "a token is for its body alone", "router/sources/signature.py",
        "    if not hmac.compare_digest(digest, hashlib.sha256(body).hexdigest()):\n",
        "    if False:\n", _SIGNATURES,
    ),
    Fault(
        "a token may name its own algorithm", "the sender does not choose how it is checked",
        "router/sources/signature.py",
        'head.get("alg") != "HS256" or ', "", _SIGNATURES,
    ),
    Fault(
        "of two signatures the first counts", "a second signature header is refused",
        "router/sources/signature.py", "    if len(values) > 1:\n", "    if False:\n", _SIGNATURES,
    ),
    Fault(
        "a wrong token is let in", "a hook's token opens it, nothing else", "router/server/server.py",
        "raise BadToken\n", "pass\n", _SERVER,
    ),
    Fault(
        "a secret is told by its length", "only the very text is the secret", "router/secret.py",
        "hmac.compare_digest(_digest(given), _digest(known))", "len(given) == len(known)",
        ("tests/test_secret.py",),
    ),
    Fault(
        "no token at all is the token", "nothing is never the secret", "router/secret.py",
        "return bool(given) and ", "return not given or ", ("tests/test_secret.py",),
    ),
    Fault(
        "a sender from elsewhere is let in", "allow_from keeps others out", "router/server/server.py",
        "if source.allow_from and not allowed(", "if False and not allowed(", _SERVER,
    ),
    Fault(
        "anybody is a proxy", "only a trusted proxy says for whom it speaks", "router/server/server.py",
        "return origin(request.peer, forwarded, self._settings.trusted_proxies)",
        'return origin("", forwarded, self._settings.trusted_proxies)', _SERVER,
    ),
    Fault(
        "an encoded body is taken as it is", "what is verified is what was sent", "router/server/server.py",
        "        if _encoded(request):\n            raise EncodedBody\n", "", _SERVER,
    ),
    Fault(
        "the rate counts before the signature", "a stranger uses up nobody's rate", "router/intake.py",
        "            source.verify(headers, body, now)\n            self._spend(source)\n",
        "            self._spend(source)\n            source.verify(headers, body, now)\n",
        ("tests/test_intake.py", "tests/server/test_server.py", "tests/hostile/test_overload.py"),
    ),
    Fault(
        "a journal that cannot write is no reason not to say 202", "no 202 without a commit",
        "router/intake.py",
        "            raise self._unavailable(f\"the journal cannot write: {error}\") from None\n",
        "            receipt = Receipt(event.id, duplicate=False)\n",
        ("tests/test_intake.py", "tests/server/test_server.py"),
    ),
    Fault(
        "a commit may take for ever", "the sender hears within ten seconds", "router/intake.py",
        "            with self._deadline:\n", "            if True:\n", ("tests/test_intake.py",),
    ),
    Fault(
        "labels have no bound", "a URL makes few and short labels", "router/intake.py",
        "return dict(itertools.islice(fit, _LABELS))", "return dict(fit)", ("tests/test_intake.py",),
    ),
    Fault(
        "a body is read without limit", "a body has a largest size", "router/server/budget.py",
        "        if self._taken + count > self._most:\n", "        if False:\n", _BODY,
    ),
    Fault(
        "an announced body is read whatever its size", "what is too large is refused unread",
        "router/server/server.py",
        "        if announced > source.max_body:\n            raise TooLarge\n", "", _BODY,
    ),
    Fault(
        "a body may take for ever", "a body comes in time", "router/server/body.py",
        "asyncio.timeout(seconds)", "asyncio.timeout(None)", _BODY,
    ),
    Fault(
        "bodies in flight have no bound", "memory is bounded", "router/server/budget.py",
        "        while self._used + self._reserved + count > self._limit:\n", "        while False:\n",
        _BUDGET,
    ),
    Fault(
        "a body's room is never given back", "memory is for those who are there", "router/server/budget.py",
        "            self._give()\n", "            pass\n", _BUDGET,
    ),
    Fault(
        "a head without an end is waited for", "a connection that never asks is closed",
        "router/server/connection.py",
        "        if self.idle and now >= self._idle_since + limit:\n", "        if False:\n", _LISTENER,
    ),
    Fault(
        "answers may leave in drips for ever", "nobody keeps a place for ever",
        "router/server/connection.py",
        "            async with asyncio.timeout(self._edge.idle):\n",
        "            async with asyncio.timeout(None):\n", _CONNECTION,
    ),
    Fault(
        "a last answer may leave in drips for ever", "nobody keeps a place for ever",
        "router/server/connection.py",
        "            self._timer = self._loop.call_later(self._edge.idle, self.transport.abort)\n", "",
        _CONNECTION,
    ),
    Fault(
        "a head's lines have no limit", "memory is bounded", "router/server/wire.py",
        "_LINE = 8190\n", "_LINE = 1 << 30\n", _CONNECTION,
    ),
    Fault(
        "a head as a whole has no limit", "memory is bounded", "router/server/connection.py",
        "            if ahead.unproductive > HEAD_BYTES and ahead.excessive(messages, self._arrived()):\n",
        "            if False:\n", _CONNECTION,
    ),
    Fault(
        "a head that is whole may be of any size", "memory is bounded", "router/server/ahead.py",
        "any(_size(message) > HEAD_BYTES for message, _ in messages)", "False", _CONNECTION,
    ),
    Fault(
        "a long body is taken for a head", "a body may be as large as its source allows",
        "router/server/ahead.py",
        "        if self._seen <= before:\n", "        if True:\n", _CONNECTION,
    ),
    Fault(
        "requests sent ahead are read without limit", "memory is bounded", "router/server/connection.py",
        "            elif messages and ahead.add(messages) and not self._buffer_paused:\n",
        "            elif messages and ahead.add(messages) and False:\n", _CONNECTION,
    ),
    Fault(
        "few but large requests are read ahead without limit", "memory is bounded",
        "router/server/ahead.py",
        "return len(self.requests) >= AHEAD or self._bytes > READ", "return len(self.requests) >= AHEAD",
        _CONNECTION,
    ),
    Fault(
        "requests beyond a pause are never read", "every request is answered", "router/server/connection.py",
        "            self._resume_reading_for_buffer()\n", "            pass\n", _CONNECTION,
    ),
    Fault(
        "connections have no bound", "one more than there is room for hears 503",
        "router/server/edge.py",
        "return not self._shut and len(self.open) < self.most", "return not self._shut", _LISTENER,
    ),
    Fault(
        "a bug takes the other connections along", "a bug costs one connection",
        "router/server/connection.py",
        "        if not isinstance(error, Exception):\n            return False\n",
        "        if not isinstance(error, OSError):\n            return False\n", _CONNECTION,
    ),
    Fault(
        "a connection goes on behind bytes that nobody read", "a body's rest is no request",
        "router/server/connection.py",
        "ends = unread or message.should_close or", "ends = message.should_close or",
        (*_CONNECTION, "tests/server/test_body.py"),
    ),
    Fault(
        "a body whose framing breaks off is taken", "what is verified is what was sent",
        "router/server/connection.py", "            waiting.set_exception(web.RequestPayloadError())\n", "",
        _CONNECTION,
    ),
    Fault(
        "who is accepted as the end begins is forgotten", "a restart resets nobody",
        "router/server/listener.py", "    for _ in range(_ROUNDS):\n", "    for _ in range(0):\n",
        _LISTENER,
    ),
    Fault(
        "no room is kept for what is still to come", "who has no room hears it early",
        "router/server/budget.py", "            self._count(0, rest)\n", "            pass\n", _BUDGET,
    ),
    Fault(
        "room that was kept is never given back", "a refusal is for now", "router/server/budget.py",
        "self._count(-self._taken, -self.reserved)", "self._count(-self._taken, 0)", _BUDGET,
    ),
    Fault(
        "all that have much to say are read at once", "nobody waits long beside a flood",
        "router/server/rotation.py", "        if self._read > _A_TURN:\n", "        if False:\n", _ROTATION,
    ),
    Fault(
        "who is too slow keeps the room for its rest", "a few do not keep everybody out",
        "router/server/budget.py",
        "        return self.reserved > 0 and self._taken <", "        return False and self._taken <",
        _BUDGET,
    ),
    Fault(
        "turns of the loop are counted twice", "an idle process rests", "router/server/pace.py",
        "        if not self._left:\n", "        if not self._begun:\n", _PACE,
    ),
    Fault(
        "an upgrade is not the last request", "a body is no request", "router/server/connection.py",
        "message.should_close or message.upgrade or", "message.should_close or",
        ("tests/server/test_wire.py",),
    ),
    Fault(
        "large bodies are judged at once", "nobody waits long beside a flood", "router/server/pace.py",
        "        if self._begun < _AT_ONCE:\n", "        if True:\n", _PACE,
    ),
    Fault(
        "large bodies are judged turn after turn", "nobody waits long beside a flood",
        "router/server/pace.py", "        if self._left:\n", "        if False:\n", _PACE,
    ),
    Fault(
        "who began last reads first", "of a flood some come to their end", "router/server/rotation.py",
        "heapq.heappop(self._keeping)[-1]", "self._keeping.pop()[-1]", _ROTATION,
    ),
    Fault(
        "flow control ends a hold", "nobody waits long beside a flood", "router/server/connection.py",
        "if self._transport_paused and not self._held:", "if self._transport_paused:", _ROTATION,
    ),
    Fault(
        "a transport that was stopped stays so", "a body that waited is read on",
        "router/server/connection.py",
        "            self._transport_paused = False\n", "            return\n", (*_ROTATION, *_CONNECTION),
    ),
    Fault(
        "a refused body is cut off", "the refusal is heard", "router/server/connection.py",
        "            _drop(content)\n            await self._linger()\n", "            _drop(content)\n",
        (*_CONNECTION, *_BODY),
    ),
    Fault(
        "who hangs at the end is left to hang", "the end is the end for both sides", "router/server/edge.py",
        "            connection.cut()\n", "            pass\n", _CONNECTION,
    ),
    Fault(
        "a drain hangs up on idle connections at once", "a restart resets nobody",
        "router/server/listener.py",
        "        with anyio.move_on_after(patience):\n", "        with anyio.move_on_after(0):\n", _LISTENER,
    ),
    Fault(
        "a drain closes its sockets", "a restart refuses nobody", "router/server/listener.py",
        "            loop.remove_reader(each)\n        await _some_rounds()\n",
        "            loop.remove_reader(each)\n", _LISTENER,
    ),
    Fault(
        "a drain resets who was not accepted yet", "a restart resets nobody", "router/server/listener.py",
        "        queue = [] if self._handed_in else [one for each in bound for one in _waiting(each)]\n",
        "        queue = list[socket.socket]()\n", _LISTENER,
    ),
    Fault(
        "a loop hands over what it likes", "one reader does not stop the loop", "router/server/listener.py",
        "        return Face(Connection(cast(Edge, self._edge), self._answer))\n",
        "        return Connection(cast(Edge, self._edge), self._answer)\n", _CONNECTION,
    ),
    Fault(
        "an admin without its token is let in", "an admin's token opens its door", "router/admin/admin.py",
        "        if same(given, token.reveal()):\n", "        if True:\n", _DOOR,
    ),
    Fault(
        "tokens may be guessed for ever", "ten wrong tokens a minute", "router/admin/admin.py",
        "            self._guesses.wrong(address)\n", "            pass\n", _DOOR,
    ),
    Fault(
        "who guessed is let in by the right token", "right or wrong, who guessed waits",
        "router/admin/admin.py", "        if seconds:\n", "        if seconds and not given:\n", _DOOR,
    ),
    Fault(
        "guessers fill the memory", "memory is bounded", "router/admin/guesses.py",
        "        if len(self._buckets) > _MOST:\n", "        if False:\n", _DOOR,
    ),
    Fault(
        "a page of another site may change things", "no page but our own has business here",
        "router/admin/admin.py", "        _refuse_foreign_pages(request)\n        if", "        if", _DOOR,
    ),
    Fault(
        "a name of the page's own leads to the admin", "DNS rebinding reaches nothing",
        "router/admin/admin.py", "            _refuse_foreign_names(request)\n", "            pass\n", _DOOR,
    ),
    Fault(
        "an admin open to the network needs no token", "no door to the network without a token",
        "router/admin/admin.py", "                _refuse_the_network(bound)\n", "                pass\n",
        _DOOR,
    ),
    Fault(
        "the quarantine keeps everything", "ten refused requests a second are kept", "router/quarantine.py",
        "if gauge.requests.available(now) < 1 or gauge.bytes.available(now) < 1:", "if False:",
        ("tests/test_quarantine.py",),
    ),
    Fault(
        "what waits for quarantine has no bound", "memory is bounded", "router/quarantine.py",
        "        if self._held + size + _OVERHEAD > _MEMORY:\n", "        if False:\n",
        ("tests/test_quarantine.py",),
    ),
    Fault(
        "garbage pushes out what is in quarantine", "the morning finds what the evening refused",
        "router/quarantine.py", "            if now < gauge.replaces_at:\n", "            if False:\n",
        ("tests/test_quarantine.py",),
    ),
    Fault(
        "what waits for quarantine is not counted", "the morning finds what the evening refused",
        "router/quarantine.py", "        self._gauges[source.name].waits(1, len(body))\n", "",
        ("tests/test_quarantine.py",),
    ),
    Fault(
        "the quarantine's table has no bound", "a source's oldest fall out",
        "router/journal/sqlite/quarantine.py",
        "    while count > bounds[0] or size > bounds[1]:\n", "    while False:\n",
        ("tests/journal/conformance/test_quarantine.py",),
    ),
    Fault(
        "the last room of a disk is for refused requests", "the last room belongs to events",
        "router/journal/sqlite/quarantine.py",
        "    if disk.f_bavail * disk.f_frsize < _SPARE:\n", "    if False:\n",
        ("tests/journal/sqlite/test_quarantine.py",),
    ),
    Fault(
        "an unsigned source takes all that was refused", "what nobody signed comes in by name alone",
        "router/intake.py",
        "        if source.unsigned and not refused.verified and not named:\n", "        if False:\n",
        ("tests/admin/test_quarantine.py",),
    ),
    Fault(
        "a unix socket is open to everybody", "no door to the network without a token",
        "router/server/sockets.py", "_MODE = 0o660\n", "_MODE = 0o666\n",
        ("tests/server/test_sockets.py",),
    ),
    Fault(
        "a stranger chooses a metric's label", "labels of metrics are the configuration's",
        "router/intake.py",
        "self._metrics.event(source.name, event.kind, event.status,",
        "self._metrics.event(source.name, event.kind, event.provider_status,",
        ("tests/test_intake.py",),
    ),
)  # fmt: skip
