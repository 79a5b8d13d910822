"""Api: what operators ask and change, as JSON under `/api/v1/`.

Owns the paths and what each answers. Reads and changes go through the journal, the dispatcher and the
program's controls. Must not know sockets, tokens or browsers: `admin.py` guards the door.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import anyio
import msgspec
from aiohttp import web

from router import __version__
from router.admin.answers import (
    Changed,
    Copied,
    DeliveryPage,
    DeliveryRow,
    EventPage,
    EventReport,
    EventRow,
    Idle,
    Replayed,
    RouteRow,
    RouterRow,
    SinkPage,
    SinkRow,
    Skipped,
    SourceRow,
    Status,
    Wait,
    moment,
    payload_of,
)
from router.admin.hindsight import explain
from router.admin.parameters import (
    LARGEST_PAGE,
    Selection,
    Target,
    Why,
    body,
    check,
    delivery_query,
    event_query,
    flag,
    identifier,
    since,
)
from router.admin.reloads import RefusedReload, Reload
from router.clock import Clock, id_number, id_text
from router.config.changes import file_digest
from router.config.schema import Config
from router.delivery import Delivery, State
from router.dispatch.outlet import SinkStatus
from router.errors import JournalBroken, JournalError, JournalUnavailable, Rejected
from router.journal.journal import Archive, DeliveryQuery, EventQuery, Judged, Receipt, RefusedRequest, Upkeep
from router.roster import discord
from router.spelling import near
from router.text import path_text

_MOST_IDS = 500


class Records(Archive, Upkeep, Protocol):
    """The part of a journal that operators need."""


class Sinks(Protocol):
    """The part of the dispatcher that operators need."""

    def sinks(self) -> list[SinkStatus]:
        """Every configured sink, and every name that deliveries still wait for."""
        ...

    async def pause(self, sink: str, reason: str) -> None:
        """Stop deliveries to a sink until `resume`; raises `Unknown`."""
        ...

    async def resume(self, sink: str) -> None:
        """End a pause, a hold or an open breaker; raises `Unknown`."""
        ...


class Controls(Protocol):
    """The part of the program that operators need: fulfilled by `program.py`."""

    @property
    def config(self) -> Config:
        """The configuration in force."""
        ...

    @property
    def started_at(self) -> float:
        """When the process started, in seconds since 1970."""
        ...

    @property
    def refused(self) -> RefusedReload | None:
        """The last reload, if it was refused."""
        ...

    @property
    def pending_restart(self) -> list[str]:
        """What of the configuration in force takes effect only at the next start."""
        ...

    async def reload(self) -> Reload:
        """Validate the configuration file, then put it into force."""
        ...

    async def release(self, refused: RefusedRequest, *, named: bool) -> Receipt:
        """Take a refused request in, judged as of its receipt; see `Intake.release`."""
        ...

    def unready(self) -> list[str]:
        """Why the program is not ready; empty: it is."""
        ...


class Api:
    """The calls under `/api/v1/`, one method each; `routes` maps them."""

    def __init__(self, journal: Records, sinks: Sinks, controls: Controls, clock: Clock) -> None:
        self._journal = journal
        self._sinks = sinks
        self._controls = controls
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Every call with its method and path."""
        v1 = "/api/v1"
        return [
            web.get(f"{v1}/status", self.status),
            web.get(f"{v1}/events", self.events),
            web.get(f"{v1}/events/{{id}}", self.event),
            web.post(f"{v1}/events/{{id}}/replay", self.replay),
            web.get(f"{v1}/deliveries", self.deliveries),
            web.post(f"{v1}/deliveries/requeue", self.requeue),
            web.post(f"{v1}/deliveries/discard", self.discard),
            web.get(f"{v1}/deliveries/{{id}}", self.delivery),
            web.get(f"{v1}/sinks", self.sinks),
            web.post(f"{v1}/sinks/{{name}}/pause", self.pause),
            web.post(f"{v1}/sinks/{{name}}/resume", self.resume),
            web.post(f"{v1}/reload", self.reload),
            web.post(f"{v1}/backup", self.backup),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """The daemon at one glance."""
        check(request.query, ())
        config, routers = self._controls.config, self._journal.routers()
        return answer(
            Status(
                version=__version__,
                started_at=moment(self._controls.started_at),
                unready=self._controls.unready(),
                config=path_text(self._file),
                rules=config.matcher.digest,
                sources=[SourceRow.of(source) for source in config.sources.values()],
                sinks=self._sink_rows(),
                warnings=[str(problem) for problem in config.warnings],
                quarantined={name: stock.count for name, stock in self._journal.stock().items()},
                routers=[RouterRow.of(router) for router in routers],
                discord=discord(routers),
                refused=self._controls.refused,
                restart=self._controls.pending_restart,
            )
        )

    async def events(self, request: web.Request) -> web.Response:
        """A page of events; `since` is the host's time, as that of their receipt is."""
        query, oldest = event_query(request.query), since(request.query, self._clock.wall())
        found = await self._journal.events(
            msgspec.structs.replace(query, limit=query.limit + 1, since=oldest)
        )
        if not found and query.source is not None:
            await self._heard_of(query.source)
        page, more = found[: query.limit], len(found) > query.limit
        return answer(EventPage([EventRow.of(event) for event in page], page[-1].id if more else None))

    async def event(self, request: web.Request) -> web.Response:
        """One event, why it went where it went, and what became of it."""
        today = flag(request.query, "now")
        judged = await self._judged(request.match_info["id"])
        event = judged.event
        deliveries = await self._journal.deliveries(DeliveryQuery(event_id=event.id, limit=LARGEST_PAGE))
        return answer(
            EventReport(
                event=EventRow.of(event),
                explanation=await explain(judged, self._controls.config.matcher, self._journal, today=today),
                deliveries=await self._with_attempts(deliveries),
                payload=payload_of(event),
            )
        )

    async def replay(self, request: web.Request) -> web.Response:
        """Send an event through today's rules: the routes it does not have yet become deliveries."""
        event = (await self._judged(request.match_info["id"])).event
        routes = self._controls.config.matcher.match(event)
        added = await self._journal.add(event.id, routes)
        dead = await self._journal.deliveries(
            DeliveryQuery(event_id=event.id, state=State.DEAD, limit=LARGEST_PAGE)
        )
        rows = [RouteRow(route.rule, route.sink) for route in routes]
        return answer(Replayed(event_id=event.id, routes=rows, added=added, dead=[one.id for one in dead]))

    async def deliveries(self, request: web.Request) -> web.Response:
        """A page of deliveries; `since` counts from when each was created, of dead ones from their death."""
        query, oldest = delivery_query(request.query), since(request.query, self._clock.now())
        border = {"settled_since" if query.state is State.DEAD else "created_since": oldest}
        found = await self._journal.deliveries(
            msgspec.structs.replace(query, limit=query.limit + 1, **border)
        )
        if not found and query.sink is not None:
            self._known(query.sink)
        page, more = found[: query.limit], len(found) > query.limit
        waits = self._waits()
        rows = [DeliveryRow.of(one, wait=waits.get(one.sink)) for one in page]
        return answer(DeliveryPage(rows, page[-1].id if more else None))

    async def delivery(self, request: web.Request) -> web.Response:
        """One delivery with its attempts."""
        found = await self._delivery(request.match_info["id"])
        return answer((await self._with_attempts([found]))[0])

    async def requeue(self, request: web.Request) -> web.Response:
        """Dead deliveries are tried again, now, with a fresh schedule."""
        selection = body(await request.read(), Selection, '{"ids": ["dlv_…"]} or {"sink": "name"}')
        ids, told = await self._chosen(selection, State.DEAD)
        count = 0
        if ids or selection.sink is not None:
            count = await self._journal.requeue(ids=ids, sink=selection.sink)
        return answer(msgspec.structs.replace(told, count=count))

    async def discard(self, request: web.Request) -> web.Response:
        """Pending deliveries are given up."""
        selection = body(await request.read(), Selection, '{"ids": ["dlv_…"]} or {"sink": "name"}')
        ids, told = await self._chosen(selection, State.PENDING)
        count = 0
        if ids or selection.sink is not None:
            count = await self._journal.discard(ids=ids, sink=selection.sink, reason=selection.reason)
        return answer(msgspec.structs.replace(told, count=count))

    async def sinks(self, request: web.Request) -> web.Response:
        """How every sink stands."""
        check(request.query, ())
        return answer(SinkPage(self._sink_rows()))

    async def pause(self, request: web.Request) -> web.Response:
        """No more deliveries to a sink until `resume`."""
        why = body(await request.read(), Why, '{"reason": "…"}')
        name = self._configured(request.match_info["name"])
        await self._sinks.pause(name, why.reason)
        return answer(self._sink_row(name))

    async def resume(self, request: web.Request) -> web.Response:
        """A paused, held or open sink is used again; what waited for it is due now."""
        name = self._configured(request.match_info["name"])
        await self._sinks.resume(name)
        return answer(self._sink_row(name))

    async def reload(self, _: web.Request) -> web.Response:
        """The configuration file is read again; refused, it changes nothing and the answer is 422."""
        reload = await self._controls.reload()
        digest = await anyio.to_thread.run_sync(file_digest, self._file)
        document = msgspec.structs.replace(reload, config=path_text(self._file), sha256=digest)
        return answer(document, 200 if reload.ok else 422)

    async def backup(self, request: web.Request) -> web.Response:
        """A consistent copy of the journal, written by the daemon to a new file on its host."""
        path = Path(body(await request.read(), Target, '{"path": "/path/journal-copy.db"}').path)
        if not path.is_absolute():
            raise Rejected(f"'{path}' is a relative path", "write the whole path")
        try:
            await self._journal.backup(str(path))
        except (JournalUnavailable, JournalBroken):
            raise
        except JournalError as error:
            raise Rejected(str(error), "choose a new file where the daemon may write", 409) from None
        return answer(Copied(str(path), (await anyio.Path(path).stat()).st_size))

    @property
    def _file(self) -> str:
        """The configuration's whole path: who asks may be in another folder."""
        return str(Path(self._controls.config.path).absolute())

    async def _judged(self, event_id: str) -> Judged:
        identifier(event_id, "evt")
        judged = await self._journal.event(event_id)
        if judged is None:
            raise Rejected(f"no event '{event_id}'", "it may be older than journal.keep", 404)
        return judged

    async def _delivery(self, delivery_id: str) -> Delivery:
        number = identifier(delivery_id, "dlv")
        # Pages go by id, newest first: the one just below the next id is the one asked for, or there is none.
        query = DeliveryQuery(before=id_text("dlv", number + 1), limit=1)
        found = await self._journal.deliveries(query)
        if not found or id_number("dlv", found[0].id) != number:
            raise Rejected(f"no delivery '{delivery_id}'", "it may be older than journal.keep", 404)
        return found[0]

    async def _with_attempts(self, deliveries: Sequence[Delivery]) -> list[DeliveryRow]:
        attempts = await self._journal.attempts([delivery.id for delivery in deliveries])
        waits = self._waits()
        return [DeliveryRow.of(one, attempts.get(one.id, []), waits.get(one.sink)) for one in deliveries]

    def _waits(self) -> dict[str, Wait]:
        """What deliveries wait for, by sink; a ready sink lets nothing wait."""
        rows = [row for row in self._sink_rows() if row.state != "ready"]
        return {row.name: Wait(state=row.state, reason=row.reason, until=row.until) for row in rows}

    async def _chosen(self, selection: Selection, state: State) -> tuple[list[str], Changed]:
        """The ids of a selection in the wanted state, and what is in another; unknown ones are `Rejected`."""
        if bool(selection.ids) == (selection.sink is not None):
            raise Rejected("name either ids or a sink", 'send {"ids": ["dlv_…"]} or {"sink": "name"}')
        if selection.sink is not None:
            self._known(selection.sink)
            return [], Changed(0)
        if len(selection.ids) > _MOST_IDS:
            raise Rejected(f"{len(selection.ids)} ids at once", f"send at most {_MOST_IDS}, or name a sink")
        named, idle = list[Delivery](), list[Idle]()
        for each in dict.fromkeys(selection.ids):
            identifier(each, "dlv", "evt")
            if each.startswith("dlv_"):
                named.append(await self._delivery(each))
            else:
                await self._judged(each)
                found = await self._journal.deliveries(DeliveryQuery(event_id=each, limit=LARGEST_PAGE))
                fitting = [one for one in found if one.state is state]
                named += fitting
                if not fitting:
                    idle.append(Idle(each, Counter(one.state for one in found)))
        ids = list(dict.fromkeys(one.id for one in named if one.state is state))
        skipped = [Skipped(one.id, one.state) for one in named if one.state is not state]
        return ids, Changed(0, skipped, idle)

    def _configured(self, sink: str) -> str:
        """A sink of the configuration; any other name is `Rejected`."""
        sinks = self._controls.config.sinks
        if sink not in sinks:
            raise Rejected(f"no sink is called '{sink}'", near(sink, sinks, "sinks"), 404)
        return sink

    def _known(self, sink: str) -> None:
        """Refuse a sink neither configured nor named by a delivery: a removed one may be cleared up."""
        names = dict.fromkeys([*self._controls.config.sinks, *(name for name, _ in self._journal.counts())])
        if sink not in names:
            raise Rejected(f"no sink is called '{sink}'", near(sink, names, "sinks"), 404)

    async def _heard_of(self, source: str) -> None:
        """Refuse a source neither configured nor named by an event: a slip must not look like silence."""
        sources = self._controls.config.sources
        if source not in sources and not await self._journal.events(EventQuery(source=source, limit=1)):
            raise Rejected(f"no source is called '{source}'", near(source, sources, "sources"), 404)

    def _sink_row(self, name: str) -> SinkRow:
        return next(row for row in self._sink_rows() if row.name == name)

    def _sink_rows(self) -> list[SinkRow]:
        counts = self._journal.counts()
        return [_sink_row(sink, counts.get((sink.name, State.DELIVERED), 0)) for sink in self._sinks.sinks()]


def answer(document: msgspec.Struct, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


def _sink_row(sink: SinkStatus, delivered: int) -> SinkRow:
    return SinkRow(
        name=sink.name,
        type=sink.type,
        state=sink.state,
        reason=sink.reason,
        until=None if sink.until is None else moment(sink.until),
        in_flight=sink.in_flight,
        pending=sink.pending,
        dead=sink.dead,
        delivered=delivered,
        last_error=sink.last_error,
        last_error_at=None if sink.last_error_at is None else moment(sink.last_error_at),
    )
