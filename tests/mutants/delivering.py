"""Faults of the way out up to the sink's request: who is tried when, how often, and what is remembered."""

from tests.mutants.fault import Fault

_DISPATCH = (
    "tests/dispatch/test_dispatcher.py",
    "tests/dispatch/test_dispatcher_faults.py",
    "tests/dispatch/test_dispatcher_races.py",
)
_HANDOVER = ("tests/dispatch/test_dispatcher_handover.py",)
_GATE = ("tests/dispatch/test_gate.py",)
_SINK = ("tests/sinks/test_sink.py", "tests/sinks/test_contract.py")
_WEBHOOK = ("tests/sinks/test_webhook.py",)

FAULTS = (
    Fault(
        "a failed delivery is marked delivered", "only 2xx is delivered", "router/sinks/sink.py",
        "    if 200 <= status < 300:\n", "    if 200 <= status < 600:\n", _SINK,
    ),
    Fault(
        "a redirect counts as taken", "only 2xx is delivered", "router/sinks/sink.py",
        "    if 200 <= status < 300:\n", "    if 200 <= status < 400:\n", _SINK,
    ),
    Fault(
        "Retry-After is ignored", "a sink that asks for silence gets it", "router/sinks/sink.py",
        "    seconds = retry_after(reply.headers, now)\n", "    seconds = None\n", _SINK,
    ),
    Fault(
        "a Retry-After may last for ever", "no sink is silenced for more than a day", "router/sinks/sink.py",
        "return min(max(seconds, SHORTEST_HOLD), LONGEST_HOLD)", "return max(seconds, SHORTEST_HOLD)", _SINK,
    ),
    Fault(
        "a refusal of the sink kills the delivery", "the sink's fault uses up nothing",
        "router/sinks/sink.py", "        return Pause(reason)\n", "        return Dead(reason)\n", _SINK,
    ),
    Fault(
        "an echo brings a secret back", "no secret in an excerpt", "router/sinks/sink.py",
        "                body = body.replace(echo, _ELLIPSIS)\n", "                pass\n", _SINK,
    ),
    Fault(
        "the payload is written anew", "the provider's bytes stay as they were", "router/sinks/envelope.py",
        "msgspec.Raw(event.payload)", "event.document", ("tests/sinks/test_envelope.py",),
    ),
    Fault(
        "every attempt has an id of its own", "a retry carries the same webhook-id",
        "router/sinks/webhook.py",
        '"webhook-id": delivery.id,', '"webhook-id": f"{delivery.id}{delivery.claim}",', _WEBHOOK,
    ),
    Fault(
        "the signature leaves the id out", "the id is signed", "router/sinks/webhook.py",
        "f\"{delivery.id}.{headers['webhook-timestamp']}.\"", "f\"{headers['webhook-timestamp']}.\"",
        _WEBHOOK,
    ),
    Fault(
        "only the newest secret signs", "a secret is rotated without a gap", "router/sinks/webhook.py",
        "for key in self._keys]", "for key in self._keys[:1]]",
        _WEBHOOK,
    ),
    Fault(
        "jitter makes early", "no retry before its time", "router/retry.py",
        "(1 + _JITTER * random)", "(1 + _JITTER * (random - 0.5))", ("tests/test_retry.py",),
    ),
    Fault(
        "there is no jitter", "retries do not come in step", "router/retry.py",
        "(1 + _JITTER * random)", "1", ("tests/test_retry.py",),
    ),
    Fault(
        "the schedule is one step short", "the schedule is as written", "router/retry.py",
        "failures > len(self.schedule)", "failures >= len(self.schedule)", ("tests/test_retry.py",),
    ),
    Fault(
        "failures are not counted", "the schedule ends", "router/dispatch/settlement.py",
        "    failures = delivery.failures + 1\n",
        "    failures = 1\n", ("tests/dispatch/test_settlement.py",),
    ),
    Fault(
        "the sink's fault kills the delivery", "the sink's fault uses up nothing",
        "router/dispatch/settlement.py",
        "case _:\n            return _settlement(claim, State.PENDING, ",
        "case _:\n            return _settlement(claim, State.DEAD, ",
        ("tests/dispatch/test_settlement.py",),
    ),
    Fault(
        "a probe uses up a step of the schedule", "an open sink's probe uses up nothing",
        "router/dispatch/settlement.py",
        "    if delivery.due > tried.started_at:", "    if False:", ("tests/dispatch/test_settlement.py",),
    ),
    Fault(
        "what was delivered but not recorded is sent again", "a full disk makes no storm of duplicates",
        "router/dispatch/ledger.py",
        "            await asyncio.sleep(JOURNAL_RETRY)\n", "            raise\n",
        _DISPATCH,
    ),
    Fault(
        "a slot is free before its settlement is written", "a sink whose marks cannot be written waits",
        "router/dispatch/ledger.py",
        "        settlements = [entry.settlement for entry in batch]\n        # Before",
        "        settlements = [entry.settlement for entry in batch]\n        for entry in batch:\n"
        "            if entry.outlet is not None:\n                entry.outlet.gate.in_flight = 0\n"
        "        # Before",
        _DISPATCH,
    ),
    Fault(
        "a pause is not written down", "a pause outlives the process", "router/dispatch/ledger.py",
        "        if mark.empty:\n", "        if True:\n", _DISPATCH,
    ),
    Fault(
        "a pause that was ended meanwhile is written down", "what an operator ended stays ended",
        "router/dispatch/ledger.py", "        if now != mark:\n", "        if False:\n", _DISPATCH,
    ),
    Fault(
        "a stop leaves a claim in flight", "a stop leaves nothing in limbo", "router/dispatch/dispatcher.py",
        "            or self._stopping\n", "", (*_DISPATCH, *_HANDOVER),
    ),
    Fault(
        "a stop forgets what runs", "a stop leaves nothing in limbo", "router/dispatch/dispatcher.py",
        "untried = [give_back(claim) for _, claim in self._running.values()]", "untried = []", _DISPATCH,
    ),
    Fault(
        "a paused sink is sent what it was promised", "a pause holds", "router/dispatch/dispatcher.py",
        "            or outlet.gate.paused is not None\n", "", _HANDOVER,
    ),
    Fault(
        "a slot is promised that a claim may take", "concurrency is a bound", "router/dispatch/dispatcher.py",
        "        if outlet.gate.free(now) <= self._claiming.get(sink, 0):\n",
        "        if outlet.gate.free(now) <= 0:\n", _HANDOVER,
    ),
    Fault(
        "a slot is promised beside a suspect", "a suspect is tried alone", "router/dispatch/dispatcher.py",
        "        if outlet is None or self._suspects.alone or self._suspects.due:\n",
        "        if outlet is None:\n", _HANDOVER,
    ),
    Fault(
        "a slot that came to nothing is lost", "every slot comes back", "router/dispatch/seat.py",
        "        self.outlet.gate.put_back()\n", "        pass\n", _HANDOVER,
    ),
    Fault(
        "a suspect is tried in company", "a suspect is tried alone", "router/dispatch/dispatcher.py",
        " or (suspected and self._busy)", "", _DISPATCH,
    ),
    Fault(
        "concurrency has no bound", "concurrency is a bound", "router/dispatch/gate.py",
        "        slots = max(0, self._slots - self.in_flight)\n", "        slots = 1 << 20\n", _GATE,
    ),
    Fault(
        "a late answer ends an operator's pause", "an operator's pause stays", "router/dispatch/gate.py",
        "            case Pause(reason) if self.paused is None:\n", "            case Pause(reason):\n",
        (*_DISPATCH, *_GATE),
    ),
    Fault(
        "a sink that fails is never left alone", "five failures open a sink", "router/dispatch/gate.py",
        "                if self._failures >= FAILURES_TO_OPEN:\n", "                if False:\n", _GATE,
    ),
    Fault(
        "an open sink is not probed", "an open sink is tried every 30 s", "router/dispatch/gate.py",
        "            and now >= self._probe_at\n", "            and False\n", _GATE,
    ),
    Fault(
        "a shorter hold ends a longer one", "a sink that asks for silence gets it", "router/dispatch/gate.py",
        "max(self.held_until, now + seconds)", "now + seconds", _GATE,
    ),
    Fault(
        "a sink's silence is forgotten at a restart", "a hold outlives the process",
        "router/dispatch/outlet.py",
        "            self.gate.held_until = max(self.gate.held_until, mark.held_until)\n",
        "            pass\n", _DISPATCH,
    ),
    Fault(
        "a rate saves up without end", "a rate is a bound", "router/bucket.py",
        "self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._per_second)",
        "self._tokens += (now - self._at) * self._per_second", ("tests/test_bucket.py",),
    ),
    Fault(
        "each router has the whole rate", "a rate is that of all routers together", "router/bucket.py",
        "self._rate.count / self._rate.period / of", "self._rate.count / self._rate.period", _GATE,
    ),
    Fault(
        "a delivery is done before it is sent", "what is sent at least once is sent",
        "router/dispatch/dispatcher.py",
        "            message = self._message(claim.delivery.rule)\n",
        "            done = settle(claim, outlet.sink, Result(Delivered(), 200), started, started, 0.0)\n"
        "            self._ledger.enter(Entry(done, None))\n"
        "            message = self._message(claim.delivery.rule)\n",
        _DISPATCH,
    ),
    Fault(
        "strangers write Slack's own marks", "what strangers wrote is inert", "router/sinks/slack.py",
        'return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")', "return text",
        ("tests/sinks/test_slack.py",),
    ),
    Fault(
        "a template writes without end", "memory is bounded", "router/template/jinja.py",
        "    if len(made) > limit:\n", "    if False:\n", ("tests/template/test_jinja.py",
        "tests/template/test_template.py"),
    ),
)  # fmt: skip
