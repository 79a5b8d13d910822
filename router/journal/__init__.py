"""Journal: the durable record of events, deliveries and attempts; what backends share, and a folder of each.

Must not know rules, sources or sinks: it stores what it is given.
"""

from router.clock import Clock
from router.errors import JournalError
from router.journal.journal import JournalOpener, JournalSettings
from router.secret import Secret

__all__ = ["open_journal"]


def open_journal(settings: JournalSettings, clock: Clock) -> JournalOpener:
    """The journal that `journal.url` names, to be entered with `async with`.

    Raises:
        JournalError: no backend has that scheme, or the URL names no file; the URL itself is never repeated.
    """
    url = _revealed(settings.url)
    scheme, colon, path = url.partition(":")
    if colon and scheme in ("postgresql", "postgres"):
        return _open_postgres(url, settings, clock)
    if scheme != "sqlite" or not colon:
        raise JournalError(
            "journal.url has an unknown scheme; write sqlite:var/journal.db or postgresql://user@host/database"
        )
    if not path or path.startswith(("//", ":")):
        raise JournalError(
            "journal.url names no file; write sqlite:var/journal.db or sqlite:/var/lib/journal.db"
        )
    # Loaded by the URL that asks for it: a command that opens no journal does not pay for a driver.
    from router.journal.sqlite import open_sqlite  # noqa: PLC0415  # see above

    return open_sqlite(path, clock, patient=True)


def _revealed(url: str | Secret) -> str:
    return url.reveal() if isinstance(url, Secret) else url


def _open_postgres(url: str, settings: JournalSettings, clock: Clock) -> JournalOpener:
    try:
        # Its driver is an extra, and whoever does not need it need not have it.
        from router.journal.postgres import open_postgres  # noqa: PLC0415  # see above
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("psycopg"):
            raise
        raise JournalError(
            "journal.url needs the driver of PostgreSQL; run: pip install 'visual-router[postgres]'"
        ) from None
    listen = settings.listen_url
    return open_postgres(
        url,
        clock,
        listen_url=None if listen is None else _revealed(listen),
        may_lose=settings.may_lose_acknowledged_events,
        patient=True,
    )
