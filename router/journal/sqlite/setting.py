"""Setting: what becomes of times that were written while the host's clock was wrong.

A running journal goes by the time of its start, so whoever knows both times puts it right: a start, that the
clock was set back since; an end, that it was set ahead. Must not know what a delivery waits for.
"""

from typing import cast

import apsw
import structlog

from router.clock import FAR
from router.journal.sqlite.statements import statements
from router.journal.sqlite.writer import Written

log = structlog.get_logger(__name__)

_SQL = statements("setting")


def set_back(now: float, cursor: apsw.Cursor) -> None:
    """Where the last owner lived at a later time than `now`, have what waits wait as much less.

    Else what it postponed by minutes would wait for days. How old it is, is left: perhaps it is the clock of
    this start that is wrong, and once that is set right, `max_age` would end what had waited for minutes.
    """
    ahead = cast(float, cursor.execute(_SQL["pulse"]).get or now) - now
    if ahead <= FAR:
        return
    for each in ("deliveries", "marks"):
        cursor.execute(_SQL[each], {"ahead": ahead, "now": now})
    cursor.execute(_SQL["beat"], {"now": now})
    log.warning("clock_set_back", seconds=round(ahead), effect="what waits is due as much earlier")


def set_ahead(behind: float, opened_at: float, now: float, cursor: apsw.Cursor) -> Written[None]:
    """Let what was owed between these two times, by a clock that was `behind`, be no older than it is.

    When it is due is left: at worst it is tried earlier than need be.
    """
    cursor.execute(_SQL["younger"], {"behind": behind, "opened_at": opened_at, "now": now})
    return Written(None)
