"""Intake: the accept path without HTTP: verify, decode, match, record.

Owns the order of these steps, the sources and rules in force, and how many requests a source may still make.
What is refused goes to the quarantine, and may come back from there. Must not know how a request arrived.
"""

import itertools
import math
from collections.abc import Mapping

import msgspec
import structlog

from router.bucket import Bucket
from router.clock import Clock, Ids, id_text
from router.deadline import Deadline
from router.delivery import Route
from router.errors import (
    BadSignature,
    JournalError,
    RateLimited,
    Unavailable,
    Undecodable,
    UnknownSource,
)
from router.event import Event
from router.journal.journal import Inbox, Receipt, RefusedRequest
from router.metrics import Metrics
from router.quarantine import Quarantine
from router.rules.matcher import Matcher
from router.sources.source import Source

# Half of what the most patient provider waits (Happo: 20 s); later, nobody hears the answer.
COMMIT_LIMIT = 10.0
# Seconds for which `trouble` tells of a failed write.
_TROUBLE_LASTS = 10.0
# Bodies beyond this size are not kept decoded while the journal commits, or in every slot of a sink that
# hangs: who needs one again decodes it again.
_LARGE = 16 << 10
# Characters from which on a part of a token is no coincidence.
_TELLING = 4
_LABELS = 16
_LABEL_NAME = 64
_LABEL_VALUE = 256


class Intake:
    """Takes events in: whoever gets a receipt may forget the event."""

    def __init__(
        self,
        journal: Inbox,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        commit_limit: float = COMMIT_LIMIT,
        quarantine: Quarantine | None = None,
    ) -> None:
        """`quarantine` None: what is refused is gone."""
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._commit_limit = commit_limit
        self._deadline = Deadline(commit_limit)
        # Bound once: it logs a line for each event.
        self._log = structlog.get_logger(__name__).bind()
        self._quarantine = quarantine
        # Expected until there are rules, from then on in force.
        self._sources: Mapping[str, Source] = {}
        self._matcher: Matcher | None = None
        self._waits_for: str | None = None
        self._buckets: dict[str, Bucket] = {}
        self._refusal: tuple[float, str] | None = None

    @property
    def trouble(self) -> str | None:
        """Why the journal did not take an event within the last ten seconds; None if it took one since.

        A health check writes a few bytes, for which there may be room where there is none for an event.
        """
        if self._refusal is None or abs(self._clock.now() - self._refusal[0]) > _TROUBLE_LASTS:
            return None
        return self._refusal[1]

    def expect(self, sources: Mapping[str, Source], why: str | None = None) -> None:
        """Name the sources that will be in force once the journal can be written, and `why` it cannot be now.

        Until then, what is posted to them is put off; what is posted to any other is refused.
        """
        self._sources, self._waits_for = sources, why

    def use(self, sources: Mapping[str, Source], matcher: Matcher) -> None:
        """Put sources and rules into force at once; requests under way end under those they began with.

        The journal must have the rules by now: no event is judged by rules that cannot be shown later. A
        source keeps what it has used up of its rate, unless the rate itself changed.
        """
        old, now = self._sources, self._clock.now()
        self._buckets = {
            name: self._buckets[name]
            if name in self._buckets and old[name].rate == source.rate
            else Bucket(source.rate, now)
            for name, source in sources.items()
            if source.rate is not None
        }
        self._sources, self._matcher = sources, matcher

    def source(self, name: str) -> Source:
        """The source of that name, in force or expected to be.

        Raises:
            UnknownSource: there is none.
        """
        source = self._sources.get(name)
        if source is None:
            raise UnknownSource
        return source

    def betrayed(self, text: str) -> bool:
        """Whether a text holds a source's token, or most likely is the beginning or the end of one."""
        tokens = [source.token.reveal() for source in self._sources.values() if source.token is not None]
        return any(token in text or (len(text) >= _TELLING and text in token) for token in tokens)

    async def accept(
        self, source: Source, headers: Mapping[str, str], body: bytes, query: Mapping[str, str]
    ) -> Receipt:
        """Verify, decode, match and record one request; returns once event and deliveries are on disk.

        `headers` is case-insensitive; `query` are the URL's parameters, which become labels.

        Raises:
            BadSignature, RateLimited, Undecodable: see there; nothing was recorded.
            Unavailable: nothing is in force yet, or the journal did not say in time that it is recorded.
        """
        matcher = self._in_force()
        now = self._clock.wall()
        labels = labels_of(query)
        try:
            source.verify(headers, body, now)
            self._spend(source)
            decoded = source.decode(body, now)
        except (BadSignature, Undecodable) as error:
            if self._quarantine is not None:
                self._quarantine.keep(source, headers, body, labels, now, error)
            raise
        return await self._take(source, decoded, labels, matcher)

    async def release(self, refused: RefusedRequest, *, named: bool) -> Receipt:
        """Take a refused request in, judged as of its receipt by today's secrets, decoders and rules.

        It leaves the quarantine in the same transaction. Its source's rate does not count: an operator asked.
        `named`: by the id of this very request, which counts as its signature if its source is unsigned now.

        Raises:
            BadSignature, Undecodable: it is still refused, and stays.
            UnknownSource: no source has its name.
            Unknown: it is not in quarantine any more.
            Unavailable: the journal did not say in time that it is recorded.
        """
        source = self.source(refused.source)
        if source.unsigned and not refused.verified and not named:
            raise BadSignature("nothing proves who sent it, as the source is unsigned now; name it by its id")
        source.verify(refused.signature, refused.body, refused.received_at)
        decoded = source.decode(refused.body, refused.received_at)
        return await self._take(source, decoded, refused.labels, self._in_force(), released=refused.id)

    async def _take(
        self,
        source: Source,
        decoded: Event,
        labels: dict[str, str],
        matcher: Matcher,
        released: str | None = None,
    ) -> Receipt:
        """Match and record what was verified and decoded."""
        event = msgspec.structs.replace(
            decoded, id=id_text("evt", self._ids.next()), labels=labels | decoded.labels
        )
        routes = matcher.match(event)
        if len(event.payload) > _LARGE:
            event = event.undecoded()
        receipt = await self._record(event, routes, source, matcher.digest, released)
        self._metrics.event(source.name, event.kind, event.status, duplicate=receipt.duplicate)
        self._log.info(
            "event_accepted",
            id=receipt.id,
            source=source.name,
            type=event.type,
            duplicate=receipt.duplicate,
            sinks=[] if receipt.duplicate else [route.sink for route in routes],
            **({} if released is None else {"released": released}),
        )
        return receipt

    def _in_force(self) -> Matcher:
        if self._matcher is None:
            raise Unavailable(self._waits_for or "no configuration is in force yet")
        return self._matcher

    def _spend(self, source: Source) -> None:
        """Count one verified request against the source's rate."""
        bucket = self._buckets.get(source.name)
        if bucket is None:
            return
        now = self._clock.now()
        if bucket.available(now) < 1:
            raise RateLimited(max(1, math.ceil(bucket.wait(now))))
        bucket.take(now)

    async def _record(
        self, event: Event, routes: list[Route], source: Source, ruleset: str, released: str | None
    ) -> Receipt:
        try:
            with self._deadline:
                receipt = await self._journal.record(
                    event,
                    routes,
                    window=source.window,
                    ruleset=ruleset,
                    flag_reuse=source.subject_is_id,
                    released=released,
                )
        except JournalError as error:
            raise self._unavailable(f"the journal cannot write: {error}") from None
        except TimeoutError:
            raise self._unavailable(f"the journal did not commit within {self._commit_limit:g} s") from None
        self._refusal = None
        return receipt

    def _unavailable(self, reason: str) -> Unavailable:
        self._metrics.commit_error()
        self._refusal = self._clock.now(), reason
        return Unavailable(reason)


def labels_of(query: Mapping[str, str]) -> dict[str, str]:
    """The labels in a URL: its first 16 parameters whose name and value are short and printable.

    Short is up to 64 and 256 characters. The URL is unsigned: whoever knows it may add any. What does not fit
    is left out, because a label is never worth an event.
    """
    if not query:
        return {}
    fit = (
        (name, value)
        for name, value in query.items()
        if 0 < len(name) <= _LABEL_NAME
        and 0 < len(value) <= _LABEL_VALUE
        and name.isprintable()
        and value.isprintable()
    )
    return dict(itertools.islice(fit, _LABELS))
