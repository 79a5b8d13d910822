"""Hindsight: why an event went where it went, under the rules of its hour or under today's.

Owns the way from a ruleset's digest back to rules. Must not know who asks.
"""

from functools import lru_cache

import anyio.to_thread
import msgspec

from router.admin.answers import Explanation, VerdictRow
from router.config.load import parse_rules
from router.errors import ConfigError
from router.event import Event
from router.journal.journal import Archive, Judged
from router.rules.matcher import Matcher


async def explain(judged: Judged, matcher: Matcher, archive: Archive, *, today: bool) -> Explanation:
    """What each rule said of the event; `today`: what the rules now in force would say."""
    if today or judged.ruleset == matcher.digest:
        verdicts = verdict_rows(matcher, judged.event)
        return Explanation(rules=matcher.digest, current=True, verdicts=verdicts)
    text = await archive.rules(judged.ruleset)
    if text is None:
        return _untold(judged, "the rules of its hour are no longer kept")
    try:
        # A long file takes a while to compile, and nobody else should wait for it.
        then = await anyio.to_thread.run_sync(_compiled, text)
    except ConfigError as error:
        return _untold(
            judged, f"the rules of its hour are not rules to this release: {error.problems[0].message}"
        )
    return Explanation(rules=judged.ruleset, current=False, verdicts=verdict_rows(then, judged.event))


def verdict_rows(matcher: Matcher, event: Event) -> list[VerdictRow]:
    """What each rule says, ready for JSON."""
    return [msgspec.convert(verdict, VerdictRow, from_attributes=True) for verdict in matcher.explain(event)]


def _untold(judged: Judged, note: str) -> Explanation:
    return Explanation(rules=judged.ruleset, current=False, note=note)


# One: a person asks about the events of one hour, and ten thousand rules take 60 MB.
@lru_cache(maxsize=1)
def _compiled(text: str) -> Matcher:
    return parse_rules(text)
