"""Suspects: what was in flight at two crashes may be what crashed. Each is tried with nothing beside it.

Owns which sinks have one due, and whether one is under way. Must not know gates or attempts.
"""

from router.journal.journal import Batch, Queue


class Suspects:
    """`due`: the sinks known to have one. `alone`: one is under way, and has the process for itself."""

    def __init__(self, journal: Queue) -> None:
        self._journal = journal
        self.due: set[str] = set()
        self.alone = False

    async def claim(self, sinks: set[str]) -> Batch:
        """One suspect of any of these sinks, or none: then none of them has one.

        Whether its sink has another one is for the next ordinary claim to say.
        """
        batch = await self._journal.claim(dict.fromkeys(sinks, 1), suspect=True)
        self.alone = bool(batch.claims)
        self.due -= {claim.delivery.sink for claim in batch.claims} or sinks
        return batch
