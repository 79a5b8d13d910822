"""The program with leases of another length: `python -m tests.fleet.program SECONDS run --config FILE`.

The length of a lease is no setting of the product. Tests that wait for ends of leases choose a shorter one.
"""

import sys

from router import app
from router.cli import main
from router.clock import Clock
from router.journal.journal import JournalOpener, JournalSettings
from router.journal.postgres import Timing, open_postgres


def _opener(lease: float, settings: JournalSettings, clock: Clock) -> JournalOpener:
    url = settings.url if isinstance(settings.url, str) else settings.url.reveal()
    return open_postgres(url, clock, timing=Timing(lease=lease), patient=True)


if __name__ == "__main__":
    seconds = float(sys.argv.pop(1))
    app.open_journal = lambda settings, clock: _opener(seconds, settings, clock)
    main()
