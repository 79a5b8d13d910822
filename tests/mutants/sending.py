"""Faults of the last stretch: names, addresses, connections, what is written and what is read."""

from tests.mutants.fault import Fault

_WALLS = ("tests/transport/test_walls.py", "tests/transport/test_rebinding.py")
_LANES = ("tests/transport/test_lanes.py",)
_ANSWERS = ("tests/transport/test_answers.py", "tests/transport/test_odd_answers.py")
_REQUESTS = ("tests/transport/test_requests.py",)
_TLS = ("tests/transport/test_tls.py",)
_ADDRESSES = ("tests/test_addresses.py",)

FAULTS = (
    Fault(
        "a socket is made for any address", "no sink leads inside", "router/transport/dialling.py",
        "        if reason is not None:\n            raise _ForbiddenError(reason)\n", "", _WALLS,
    ),
    Fault(
        "addresses are not sorted out", "a name with one bad address reaches the good ones",
        "router/transport/dialling.py",
        "[one for one in found if self._verdict(str(one[4][0])) is None] or found[:1]", "found", _WALLS,
    ),
    Fault(
        "a name is looked up once for ever", "every connection is to an address of now",
        "router/transport/dialling.py", "            del self._lookups[key]\n", "            pass\n",
        (*_WALLS, "tests/transport/test_connections.py"),
    ),
    Fault(
        "what a resolver says is believed", "no sink leads inside", "router/transport/dialling.py",
        "            return f\"the name led to '{host}', which is not an address\"\n",
        "            return None\n",
        _WALLS,
    ),
    Fault(
        "a private address under a name is allowed", "no sink leads inside", "router/addresses.py",
        "(kind is HostKind.LITERAL and not block.never)", "not block.never", _ADDRESSES,
    ),
    Fault(
        "any list opens the metadata", "credentials of the cloud stay there", "router/addresses.py",
        "any(not block.never or _within(network, block.network) for network in holding)",
        "any(True for _ in holding)",
        _ADDRESSES,
    ),
    Fault(
        "an address in disguise is not looked into", "no sink leads inside", "router/addresses.py",
        "    for judged in (address, *_carried(address)):\n", "    for judged in (address,):\n", _ADDRESSES,
    ),
    Fault(
        "localhost leads anywhere", "no sink leads inside", "router/addresses.py",
        "        if any(address in network for network in _LOOPBACK):\n", "        if True:\n",
        (*_ADDRESSES, *_WALLS),
    ),
    Fault(
        "a number is a host", "no sink leads inside", "router/addresses.py",
        '    if _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):\n', "    if False:\n",
        _ADDRESSES,
    ),
    Fault(
        "a certificate fits any host", "TLS names who answers", "router/transport/trust.py",
        "    context.minimum_version", "    context.check_hostname = False\n    context.minimum_version",
        _TLS,
    ),
    Fault(
        "a handshake may take for ever", "a connection stands in time or not at all",
        "router/transport/dialling.py",
        "asyncio.timeout(limit)", "asyncio.timeout(None)", _TLS,
    ),
    Fault(
        "a request goes out again though its answer had begun", "a POST is not repeated once it was heard",
        "router/transport/connections.py",
        "                    if line.heard:\n                        raise\n", "                    pass\n",
        _LANES,
    ),
    Fault(
        "a first connection is replaced, too", "a POST goes out once", "router/transport/connections.py",
        "                reply = await line.ask(request.method, head, request.body)\n            self",
        "                try:\n"
        "                    reply = await line.ask(request.method, head, request.body)\n"
        "                except Unreachable:\n"
        "                    line = await self._dialler.dial(target, self._line, connect)\n"
        "                    reply = await line.ask(request.method, head, request.body)\n            self",
        _LANES,
    ),
    Fault(
        "a retired connection is kept", "what settings change ends with them",
        "router/transport/connections.py",
        "        if line.keep and not self.retired:\n", "        if line.keep:\n", _LANES,
    ),
    Fault(
        "a connection that is closing is used again", "an attempt is not spent on a dead connection",
        "router/transport/exchange.py",
        "        return self.keep and not self._transport.is_closing()\n", "        return self.keep\n",
        ("tests/transport/test_exchange.py",),
    ),
    Fault(
        "an idle connection is kept for ever", "no connection lies about", "router/transport/connections.py",
        "                if line.idle_since <= oldest:\n", "                if False:\n",
        ("tests/transport/test_connections.py",),
    ),
    Fault(
        "connections do not know whose they are", "each sink has connections of its own terms",
        "router/transport/connections.py",
        "            line = self._kept(origin)\n",
        "            line = self._kept(next(iter(self._idle), (False, '', 0)))\n",
        ("tests/transport/test_connections.py", *_LANES),
    ),
    Fault(
        "an answer that nobody asked for is taken for the next", "every answer is to its request",
        "router/transport/exchange.py",
        "            self.drop()\n        elif self._answer.feed",
        "            pass\n        elif self._answer.feed", _LANES,
    ),
    Fault(
        "a redirect is followed", "redirects lead nowhere", "router/transport/connections.py",
        "            return reply\n",
        "            if reply.status // 100 == 3 and 'location' in reply.headers:\n"
        "                there = reply.headers['location']\n"
        "                moved = Request(request.method, there, request.headers, request.body)\n"
        "                return await self.exchange(moved, connect)\n"
        "            return reply\n", _ANSWERS,
    ),
    Fault(
        "an answer's body is read to its end", "an answer is read to 64 KiB", "router/transport/answer.py",
        "if self._whole or self._size >= REPLY_BYTES:", "if self._whole:", _ANSWERS,
    ),
    Fault(
        "an answer's head is read to its end", "an answer is read to 64 KiB", "router/transport/answer.py",
        "elif self.heard > (ANSWER_BYTES if self._headed else HEAD_BYTES):", "elif False:", _ANSWERS,
    ),
    Fault(
        "half an answer is taken for a whole one", "only a whole 2xx is delivered",
        "router/transport/answer.py",
        'return not any(name.lower() == b"content-length" for name, _ in self.fields)', "return True",
        _ANSWERS,
    ),
    Fault(
        "an attempt whose time is up keeps its connection", "nothing leaks", "router/transport/exchange.py",
        "            if not reusable:\n                self.drop()", "            pass",
        (*_REQUESTS, "tests/transport/test_exchange.py"),
    ),
    Fault(
        "a line break makes two headers of one", "no header is smuggled", "router/transport/target.py",
        "raise ForbiddenAddress(_BREAKS)", "pass", _REQUESTS,
    ),
    Fault(
        "a header of several lines is no flaw", "no header is smuggled", "router/sinks/webhook.py",
        "        if value.resolved and not _VALUE.fullmatch(value.reveal()):\n", "        if False:\n",
        ("tests/sinks/test_webhook.py",),
    ),
    Fault(
        "an old version of TLS will do", "TLS is 1.2 or newer", "router/transport/trust.py",
        "ssl.TLSVersion.TLSv1_2", "ssl.TLSVersion.MINIMUM_SUPPORTED", _TLS,
    ),
)  # fmt: skip
