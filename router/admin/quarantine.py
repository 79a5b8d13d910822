"""Quarantine: its calls under `/api/v1/quarantine`: refused requests listed, reverified, discarded.

Owns the paths and what each answers. Must not know how a request is verified: the program's controls do.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from aiohttp import web

from router.admin.api import Controls, answer
from router.admin.parameters import LARGEST_PAGE, RefusedSelection, body, identifier, refused_query
from router.admin.refusals import (
    Discarded,
    FailedRow,
    RefusedPage,
    RefusedReport,
    RefusedRow,
    ReleasedRow,
    Reverified,
)
from router.errors import IntakeError, Rejected, Unavailable, Unknown, UnknownSource
from router.journal.journal import Receipt, RefusedQuery, RefusedRequest, Stock
from router.spelling import near

_MOST_IDS = 500
_EXAMPLE = '{"ids": ["req_…"]}, {"source": "name"} or {"all": true}'


class Cells(Protocol):
    """The part of a journal that this needs; see `Archive` and `Upkeep`."""

    async def quarantined(self, query: RefusedQuery) -> list[RefusedRequest]:
        """A page of refused requests."""
        ...

    async def refused(self, refused_id: str) -> RefusedRequest | None:
        """One refused request with its body."""
        ...

    async def forget(self, ids: list[str]) -> int:
        """Delete refused requests."""
        ...

    def stock(self) -> Mapping[str, Stock]:
        """What there is by source."""
        ...


class Refusals:
    """The calls, one method each; `routes` maps them."""

    def __init__(self, journal: Cells, controls: Controls) -> None:
        self._journal = journal
        self._controls = controls

    def routes(self) -> list[web.RouteDef]:
        """Every call with its method and path."""
        path = "/api/v1/quarantine"
        return [
            web.get(path, self.page),
            web.post(f"{path}/reverify", self.reverify),
            web.post(f"{path}/discard", self.discard),
            web.get(f"{path}/{{id}}", self.one),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """A page of refused requests."""
        query = refused_query(request.query)
        if query.source is not None:
            self._known(query.source)
        found = await self._journal.quarantined(msgspec.structs.replace(query, limit=query.limit + 1))
        page = found[: query.limit]
        more = len(found) > query.limit
        return answer(RefusedPage([RefusedRow.of(one) for one in page], page[-1].id if more else None))

    async def one(self, request: web.Request) -> web.Response:
        """One refused request with its body."""
        refused_id = request.match_info["id"]
        identifier(refused_id, "req")
        refused = await self._journal.refused(refused_id)
        if refused is None:
            raise Rejected(f"no refused request '{refused_id}'", "visual-router quarantine lists them", 404)
        return answer(RefusedReport.of(refused))

    async def reverify(self, request: web.Request) -> web.Response:
        """Requests are verified as of their receipt, oldest first; those that pass become events."""
        selection = body(await request.read(), RefusedSelection, _EXAMPLE)
        released, failed = list[ReleasedRow](), list[FailedRow]()
        for each in await self._chosen(selection):
            refused = await self._journal.refused(each)
            if refused is None:
                if selection.ids:
                    failed.append(FailedRow(each, None, "it is not in quarantine (any more)"))
                continue
            try:
                receipt = await self._release(refused, named=bool(selection.ids), done=len(released))
            except (IntakeError, Unknown) as error:
                failed.append(FailedRow(each, refused.source, str(error)))
            else:
                released.append(ReleasedRow(each, refused.source, receipt.id, receipt.duplicate))
        return answer(Reverified(released, failed))

    async def discard(self, request: web.Request) -> web.Response:
        """Requests are deleted."""
        selection = body(await request.read(), RefusedSelection, _EXAMPLE)
        return answer(Discarded(await self._journal.forget(await self._chosen(selection))))

    async def _release(self, refused: RefusedRequest, *, named: bool, done: int) -> Receipt:
        try:
            return await self._controls.release(refused, named=named)
        except UnknownSource:
            raise UnknownSource(f"no source is called '{refused.source}'") from None
        except Unavailable as error:
            before = f"; {done} had been accepted before" if done else ""
            raise Rejected(f"{error}{before}", "the rest is still in quarantine: ask again", 503) from None

    async def _chosen(self, selection: RefusedSelection) -> list[str]:
        """The ids of a selection, oldest first: the order in which they would have been judged."""
        if [bool(selection.ids), selection.source is not None, selection.all].count(True) != 1:
            raise Rejected("name either ids or a source, or say all", f"send {_EXAMPLE}")
        if len(selection.ids) > _MOST_IDS:
            raise Rejected(f"{len(selection.ids)} ids at once", f"send at most {_MOST_IDS}, or name a source")
        for each in selection.ids:
            identifier(each, "req")
        if selection.ids:
            return sorted(set(selection.ids))
        if selection.source is not None:
            self._known(selection.source)
        return await self._all(selection.source)

    async def _all(self, source: str | None) -> list[str]:
        ids: list[str] = []
        while page := await self._journal.quarantined(
            RefusedQuery(source=source, before=ids[-1] if ids else None, limit=LARGEST_PAGE)
        ):
            ids += [one.id for one in page]
        return ids[::-1]

    def _known(self, source: str) -> None:
        """Refuse a source neither configured nor in quarantine: a slip must not look like an empty list."""
        names = {**self._controls.config.sources, **self._journal.stock()}
        if source not in names:
            raise Rejected(f"no source is called '{source}'", near(source, names, "sources"), 404)
