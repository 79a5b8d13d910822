"""The tree of errors: statuses, default messages, and where waiting helps."""

import pytest

from router.errors import (
    BadSignature,
    BadToken,
    BodyTimeout,
    ConfigError,
    DeliveryError,
    EncodedBody,
    ForbiddenAddress,
    IntakeError,
    JournalBroken,
    JournalError,
    JournalLocked,
    JournalUnavailable,
    MethodNotAllowed,
    NoDaemon,
    Problem,
    RateLimited,
    Rejected,
    RouterError,
    SchemaMismatch,
    TooLarge,
    Unavailable,
    Undecodable,
    Unknown,
    UnknownSource,
    Unreachable,
    Unrenderable,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Undecodable(), 400),
        (BadToken(), 401),
        (BadSignature(), 401),
        (UnknownSource(), 404),
        (MethodNotAllowed(), 405),
        (BodyTimeout(), 408),
        (TooLarge(), 413),
        (EncodedBody(), 415),
        (RateLimited(7), 429),
        (Unavailable(), 503),
    ],
)
def test_an_intake_error_carries_its_status(error: IntakeError, status: int) -> None:
    """The edge needs no table of its own to answer."""
    assert isinstance(error, IntakeError)
    assert error.status == status


@pytest.mark.parametrize(
    "kind", [JournalUnavailable, JournalBroken, JournalLocked, SchemaMismatch, JournalError]
)
def test_a_journal_error_is_one_of_ours(kind: type[JournalError]) -> None:
    """Whoever catches `JournalError` catches all of them."""
    assert issubclass(kind, JournalError)
    assert issubclass(kind, RouterError)


def test_what_is_not_there_is_no_failure_of_the_journal() -> None:
    """Whoever asks for it made a slip, or came too late."""
    assert not issubclass(Unknown, JournalError)


def test_the_docstring_is_the_default_message() -> None:
    """An error that is raised bare still says what it is."""
    assert str(JournalUnavailable()) == "The journal cannot write now"
    assert str(JournalUnavailable("disk full")) == "disk full"


def test_waiting_helps_only_where_it_is_said() -> None:
    """A `Retry-After` goes with 429 and 503 alone."""
    assert TooLarge().retry_after is None
    assert RateLimited(7).retry_after == 7
    assert Unavailable().retry_after == 5
    assert Unavailable("too much in flight", retry_after=1).retry_after == 1
    assert str(Unavailable("too much in flight")) == "too much in flight"


def test_a_problem_reads_as_editors_jump_to_it() -> None:
    """`file:line:column: message`, and a warning says that it is one."""
    assert str(Problem("config.yaml", 17, 9, "no")) == "config.yaml:17:9: no"
    assert str(Problem("config.yaml", 17, 9, "hm", warning=True)) == "config.yaml:17:9: warning: hm"


def test_a_config_error_lists_all_problems() -> None:
    """One run shows everything that is wrong."""
    problems = [Problem("a", 1, 2, "x"), Problem("a", 3, 4, "y")]

    error = ConfigError(problems)

    assert error.problems == problems
    assert str(error) == "a:1:2: x\na:3:4: y"


def test_problems_sort_by_their_place() -> None:
    """First things first, whoever found them."""
    late, early = Problem("a", 30, 1, "x"), Problem("a", 4, 9, "y")

    assert sorted([late, early]) == [early, late]


def test_a_delivery_error_has_its_message_as_reason() -> None:
    """What the history stores is what was raised."""
    assert Unreachable("no route to host").reason == "no route to host"
    assert not Unreachable("no route to host").tls
    assert Unreachable("certificate has expired", tls=True).tls
    for kind in (ForbiddenAddress, Unrenderable, DeliveryError):
        assert kind("why").reason == "why"


def test_a_rejected_request_of_an_operator_says_what_to_do() -> None:
    """Message, fix and the status of the admin listener's answer."""
    rejected = Rejected("no such sink 'x'", "see visual-router status", 404)

    assert (str(rejected), rejected.fix, rejected.status) == (
        "no such sink 'x'",
        "see visual-router status",
        404,
    )
    assert Rejected("no").status == 400
    assert NoDaemon("nobody answers", "start it").status == 503
