"""Bulk: one statement for any number of rows."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.journal.sqlite.bulk import Bulk


@given(count=st.integers(0, 130))
def test_any_number_of_rows_arrives_in_its_order(count: int) -> None:
    """However they are cut into statements."""
    connection = apsw.Connection(":memory:")
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)")
    rows = [(number, f"b{number}") for number in range(count)]

    Bulk("INSERT INTO t (a, b) VALUES (?, ?)").run(cursor, rows)

    assert rows == cursor.execute("SELECT a, b FROM t ORDER BY id").fetchall()
    asking = Bulk("WITH asked (a) AS (VALUES (?)) SELECT t.a, b FROM asked CROSS JOIN t ON t.a = asked.a")
    assert rows == asking.ask(cursor, [(number,) for number in range(count)])
    connection.close()


def test_a_statement_without_a_row_of_values_is_refused() -> None:
    """At import, where it is written."""
    with pytest.raises(ValueError, match=r"^'SELECT 1' has no row of values$"):
        Bulk("SELECT 1")
