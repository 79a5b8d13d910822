"""Searches find their events by an index, however many there are."""

from collections.abc import Iterator

import psycopg
import pytest

from router.clock import first_id_at
from router.journal.journal import EventQuery
from router.journal.postgres.archive import DIALECT
from router.journal.postgres.days import Days
from router.journal.rows import NEWEST
from router.journal.statements import statements
from tests.journal.backends import START
from tests.journal.postgres.fleet import rows
from tests.journal.postgres.server import databases

_FILL = """
INSERT INTO events
  (id, source, provider, kind, status, branch, project, title, received_at, subject, reused, ruleset)
SELECT {first} + n, 'source ' || n % 7, 'percy', 'build', (ARRAY['passed', 'pending', 'denied'])[1 + n % 3],
  'branch/' || n % 500, 'project ' || n % 40, 'title number ' || md5(n::text), 0, n::text, false,
  repeat('r', 400)
FROM generate_series(1, 10000) AS n
"""

_WAITING = """
INSERT INTO open_deliveries (id, event, sink, rule, state, due, created_at, claim, failures, crashes)
SELECT n, n, 'out', 'all', 'pending', n, 0, 1, 1, 2 * (n % 2) FROM generate_series(1, 20000) AS n
"""


@pytest.fixture(scope="module")
def filled() -> Iterator[str]:
    """A database with three days of ten thousand events each."""
    url = databases().create()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for day in range(3):
            first = first_id_at(START + day * 86_400)
            Days().ensure([first], cursor)
            cursor.execute(_FILL.format(first=first).encode())
    # What a server does by itself sooner or later; on this one it is switched off.
    rows(url, "VACUUM ANALYZE events")
    yield url
    databases().drop(url)


@pytest.mark.parametrize(
    "wanted",
    [{}, {"source": "source 3"}, {"status": "denied"}, {"branch": "branch/77"}, {"project": "project 7"},
     {"text": "c4ca4238"}, {"source": "nowhere"}, {"status": "running"},
     {"text": "ca42", "project": "project 1"},
     {"branch": "branch/1", "source": "source 1", "status": "passed"}],
    ids=str,
)  # fmt: skip
def test_a_search_reads_no_table_from_end_to_end(filled: str, wanted: dict[str, str]) -> None:
    """Whatever is looked for, in however many days."""
    sql, values = DIALECT.events(EventQuery(**wanted), NEWEST, 0, 50)  # type: ignore[arg-type]  # filters
    plan = "\n".join(str(row[0]) for row in rows(filled, f"EXPLAIN {sql}", *values))

    assert "Seq Scan" not in plan, plan
    assert "Index" in plan


@pytest.mark.parametrize("field", ["branch", "project"])
@pytest.mark.parametrize("value", ["branch/77", "x" * 600], ids=len)
def test_what_may_be_long_is_found_by_its_beginning(filled: str, field: str, value: str) -> None:
    """In an index, newest first: a page of a branch that everybody works on needs no sort."""
    sql, values = DIALECT.events(EventQuery(**{field: value}), NEWEST, 0, 50)  # type: ignore[arg-type]  # filters
    plan = "\n".join(str(row[0]) for row in rows(filled, f"EXPLAIN {sql}", *values))

    assert f'Index Cond: (("left"({field}, 500) = ' in plan, plan
    assert len(value) > 500 or "Sort" not in plan, plan


def test_every_search_of_deliveries_has_an_index(database: str) -> None:
    """By event, by sink, by sink and death; of open and of settled ones."""
    indexes = {str(row[0]) for row in rows(database, "SELECT indexname FROM pg_indexes")}

    assert {"open_event", "open_due", "settled_event", "settled_sink", "settled_dead"} <= indexes


@pytest.mark.parametrize(("name", "index"), [("expedite", "open_due"), ("expedite_suspects", "open_suspect")])
def test_what_is_made_due_is_found_by_an_index(database: str, name: str, index: str) -> None:
    """Each bite of a long queue would else read all of it, and every commit beside it wait for that."""
    rows(database, _WAITING)
    rows(database, "ANALYZE open_deliveries")
    values = {"sink": "out", "now": 0.0, "limit": 1000}
    with psycopg.connect(database) as connection:
        explained = connection.execute("EXPLAIN " + statements("postgres", "queue")[name], values)
        plan = "\n".join(str(row[0]) for row in explained.fetchall())

    assert f"using {index} " in plan, plan
    assert "Sort" not in plan
