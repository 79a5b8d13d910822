"""Spelling: advice for a word that does not exist."""

from router.spelling import closest, meant, near

SINKS = {"design": 1, "release": 2}


def test_the_closest_word_is_found() -> None:
    """One that differs in everything is none."""
    assert closest("relaese", SINKS) == "release"
    assert closest("archive", SINKS) is None
    assert closest("archive", ()) is None


def test_the_advice_names_what_was_meant_or_what_else_to_do() -> None:
    """A question, or the caller's own words."""
    assert meant("desing", SINKS, "add it") == "did you mean 'design'?"
    assert meant("archive", SINKS, "add it") == "add it"


def test_without_a_close_name_all_names_are_told() -> None:
    """And that there are none, if so."""
    assert near("desing", SINKS, "sinks") == "did you mean 'design'?"
    assert near("archive", SINKS, "sinks") == "sinks are design, release"
    assert near("archive", {}, "sinks") == "no sinks are configured"
