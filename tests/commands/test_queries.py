"""Questions to a running daemon: pages for people, documents for scripts."""

import pytest

from router import __version__
from router.delivery import State
from router.secret import Secret
from tests.admin.desk import RULES, Desk
from tests.commands.shell import Session, running


async def test_status_tells_how_the_router_stands(session: Session) -> None:
    """Exit code 0 while it is ready, 1 while it is not."""
    page = (await session.type("status")).stdout
    session.desk.program.reasons = ["starting"]
    unready = await session.type("status", code=1)

    assert page.startswith(f"visual-router  {__version__}, ready\n")
    assert "web     /hooks/web  chromatic  no\n" in page
    assert "design  log   ready  0        0          0          0\n" in page
    assert unready.stdout.startswith(f"visual-router  {__version__}, not ready: starting\n")
    assert (await session.read("status", code=1))["unready"] == ["starting"]


async def test_status_works_while_the_file_is_being_edited(session: Session) -> None:
    """Only the section that says where the daemon listens is read."""
    session.write(session.head + "sources: {web: {type: chromatix}}\nrulse: []\n")

    assert (await session.type("status")).stdout.startswith("visual-router ")


async def test_events_are_listed_and_filtered(session: Session) -> None:
    """Every filter reaches the daemon."""
    main, bot = await session.desk.event("main"), await session.desk.event("bot/x")
    page = (await session.type("events")).stdout

    assert [line.split()[0] for line in page.splitlines()[1:]] == [bot, main]
    for words in (
        ["--branch", "main"], ["--text", "main"],
        ["--source", "web", "--provider", "chromatic", "--kind", "build", "--before", bot],
        ["--status", "pending", "--before", bot],
    ):  # fmt: skip
        document = await session.read("events", *words)

        assert [row["id"] for row in document["events"]] == [main], words
    assert (await session.type("events", "--project", "none")).stdout == "no events\n"
    assert (await session.read("events", "--limit", "1"))["next"] == bot
    assert (await session.read("events", "--since", "1h", "--limit", "1"))["next"] == bot


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--status", "panding"], "'panding' is not one of"),
        (["--limit", "0"], "0 is not in the range"),
        (["--brunch", "x"], "No such option"),
    ],
)
async def test_a_slip_in_a_filter_is_wrong_usage(session: Session, words: list[str], says: str) -> None:
    """Told before the daemon is asked."""
    assert says in (await session.type("events", *words, code=2)).stderr


async def test_a_slip_that_only_the_daemon_sees_is_wrong_usage_too(session: Session) -> None:
    """Exit code 2, with the fix."""
    result = await session.type("events", "--since", "yesterday", code=2)

    assert result.stderr == (
        "error: 'yesterday' is no time\n  fix: write 2h, 7d, 2026-01-31 or 2026-01-31T08:00:00Z\n"
    )


async def test_show_tells_one_event(session: Session) -> None:
    """Rules, deliveries, body; a script gets the body as it came."""
    event_id = await session.desk.event()
    await session.desk.settle("design", State.DEAD, "answered 400")
    page = (await session.type("show", event_id)).stdout
    raw = (await session.type("show", event_id, "--json")).stdout

    assert page.startswith(f"event            {event_id}\n")
    assert "  1. main: matched -> design\n" in page
    assert "why       answered 400" in page
    assert '    "n": 1.10,' in page
    assert '"n": 1.10,' in raw


async def test_show_explains_under_todays_rules_if_asked(session: Session) -> None:
    """`--now`."""
    event_id = await session.desk.event()
    await session.desk.use(RULES.replace("branch: main", "branch: trunk"))

    assert (await session.read("show", event_id))["explanation"]["verdicts"][0]["matched"]
    assert not (await session.read("show", event_id, "--now"))["explanation"]["verdicts"][0]["matched"]


async def test_show_tells_one_delivery(session: Session) -> None:
    """By its id."""
    await session.desk.event()
    delivery_id = await session.desk.settle("design", State.DEAD, "answered 400")

    assert (await session.type("show", delivery_id)).stdout.startswith(f"delivery  {delivery_id}\n")
    assert (await session.read("show", delivery_id))["reason"] == "answered 400"


async def test_show_of_what_is_not_there(session: Session) -> None:
    """Unknown: exit code 1. No id at all: wrong usage."""
    unknown = await session.type("show", "evt_0000000000001", code=1)
    slip = await session.type("show", "../status", code=2)

    assert unknown.stderr == (
        "error: no event 'evt_0000000000001'\n  fix: it may be older than journal.keep\n"
    )
    assert slip.stderr == (
        "error: '../status' is no id\n  fix: ids begin with evt_ or dlv_: events and deliveries list them\n"
    )


async def test_show_of_a_refused_request_names_the_command_for_it(session: Session) -> None:
    """It has a page of its own."""
    told = (await session.type("show", "req_0000000000001", code=2)).stderr

    assert told == (
        "error: 'req_0000000000001' is a refused request, no event or delivery\n"
        f"  fix: visual-router --config {session.config} quarantine show req_0000000000001\n"
    )


async def test_deliveries_and_dead_letters_are_listed(session: Session) -> None:
    """With why they stand where they stand."""
    event_id = await session.desk.event()
    dead = await session.desk.settle("design", State.DEAD, "answered 400")
    listed = (await session.type("deliveries", "--event", event_id)).stdout
    none = (await session.type("dead", "--sink", "log")).stdout
    slip = await session.type("dead", "--sink", "lgo", code=1)
    letters = (await session.type("dead", "--sink", "design")).stdout

    assert len(listed.splitlines()) == 3
    assert none == "no dead letters\n"
    assert slip.stderr == "error: no sink is called 'lgo'\n  fix: did you mean 'log'?\n"
    assert letters.splitlines()[1].startswith(dead)
    assert "  answered 400  " in letters.splitlines()[1]
    assert [row["id"] for row in (await session.read("dead"))["deliveries"]] == [dead]
    assert (await session.type("deliveries", "--state", "in_flight")).stdout == "no deliveries\n"


@pytest.mark.parametrize("token", ["t0k-ü", "鍵", "t0 k"])
async def test_a_token_in_any_language_opens_the_door(desk: Desk, token: str) -> None:
    """Sent as the daemon, curl and Prometheus write it: in UTF-8."""
    async with running(desk, Secret("env:ADMIN", token)) as session:
        session.write(session.head.replace("}\n", ", admin_token: env:ADMIN}\n") + RULES)

        assert (await session.type("status", env={"ADMIN": token})).exit_code == 0


async def test_the_token_comes_from_the_configuration(desk: Desk) -> None:
    """By its reference, read by the command itself; another one is told."""
    async with running(desk, Secret("env:ADMIN", "t0k")) as session:
        session.write(session.head.replace("}\n", ", admin_token: env:ADMIN}\n") + RULES)

        assert (await session.type("status", env={"ADMIN": "t0k"})).exit_code == 0
        wrong = await session.type("status", env={"ADMIN": "other"}, code=1)
        missing = await session.type("status", env={"ADMIN": ""}, code=2)

        blank = await session.type("status", env={"ADMIN": " t0k"}, code=2)

        assert wrong.stderr.startswith("error: the daemon wants another token\n")
        assert blank.stderr == (
            "error: the token in 'env:ADMIN' begins or ends with a blank or a line break; take that away\n"
            "  fix: server.admin_token must be the one that the daemon started with\n"
        )
        assert missing.stderr.startswith("error: 'env:ADMIN' is empty; put the secret there\n")
