"""Journal: the durable record of events, deliveries and attempts; one backend per file or folder.

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
    url = settings.url.reveal() if isinstance(settings.url, Secret) else settings.url
    scheme, colon, path = url.partition(":")
    if scheme != "sqlite" or not colon:
        raise JournalError("journal.url has an unknown scheme; known is sqlite: write sqlite:var/journal.db")
    if not path or path.startswith(("//", ":")):
        raise JournalError(
            "journal.url names no file; write sqlite:var/journal.db or sqlite:/var/lib/journal.db"
        )
    # Loaded by the URL that asks for it: a command that opens no journal does not pay for a driver.
    from router.journal.sqlite import open_sqlite  # noqa: PLC0415  # see above

    return open_sqlite(path, clock, patient=True)
