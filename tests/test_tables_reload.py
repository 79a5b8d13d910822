"""What a person reads of a reload, and of one that was refused."""

from datetime import UTC, datetime, timedelta

import msgspec

from router import tables
from router.admin.answers import Status
from router.admin.reloads import RefusedReload, Reload
from router.tables import View

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
VIEW = View(now=NOW)
THEN = NOW - timedelta(minutes=3)


def test_a_refused_reload_stays_in_the_status() -> None:
    """Ready all the same: but whoever looks knows that the file on disk would not start."""
    document = Status(
        version="1", started_at=NOW, unready=[], config="c", rules="ab", sources=[], sinks=[],
        warnings=["c.yaml:3:1: warning: sink 'x' is used by no rule"],
        restart=["server.grace", "journal.keep"],
        refused=RefusedReload(THEN, 1, "c.yaml:9:21: sink 'y' is not defined"),
    )  # fmt: skip
    several = msgspec.structs.replace(document, refused=RefusedReload(THEN, 3, "c.yaml:1:1: no"))
    unwritten = msgspec.structs.replace(document, refused=RefusedReload(THEN, 0, "the disk is full"))
    at = f"{THEN.astimezone():%Y-%m-%d %H:%M:%S %z} (3 min ago)"

    assert tables.status(document, VIEW).splitlines()[0] == "visual-router  1, ready"
    assert tables.status(document, VIEW).splitlines()[-3:] == [
        f"the file on disk was refused at {at} and would fail a restart: "
        "1 problem: c.yaml:9:21: sink 'y' is not defined",
        "takes effect only after a restart: server.grace, journal.keep",
        "c.yaml:3:1: warning: sink 'x' is used by no rule",
    ]
    assert tables.status(several, VIEW).splitlines()[-3] == (
        f"the file on disk was refused at {at} and would fail a restart: "
        "3 problems (visual-router reload tells all), the first: c.yaml:1:1: no"
    )
    assert tables.status(unwritten, VIEW).splitlines()[-3] == (
        f"the file on disk was not put into force at {at}: the disk is full; visual-router reload"
    )


def test_a_reload_tells_which_file_was_read() -> None:
    """The daemon's, whatever folder the person is in; on one line, whatever its name."""
    read = Reload(True, [], ["rules"], [], config="/etc/vr/config.yaml")
    refused = Reload(False, [], [], [], config="/etc/v\nr.yaml")

    assert tables.reload(read, VIEW) == "reloaded: rules\nread from /etc/vr/config.yaml"
    assert tables.reload(refused, VIEW) == (
        "refused; the configuration in force is unchanged\nread from /etc/v\\nr.yaml"
    )


def test_a_reload_without_effect_tells_which_secrets_it_does_not_read() -> None:
    """Only there: whose new value is not taken wonders about nothing else."""
    references = ["credential:a", "env:A", "env:B"]

    assert tables.reload(Reload(True, [], [], ["server.grace"], references), VIEW) == (
        "reloaded: nothing changed\n"
        "takes effect only after a restart: server.grace\n"
        "values behind env: and credential: were read when the router started; new ones take a restart"
    )
    assert tables.reload(Reload(True, [], [], [], ["credential:a"]), VIEW).endswith(
        "\nvalues behind credential: were read when the router started; new ones take a restart"
    )
    assert tables.reload(Reload(True, [], ["rules"], [], references), VIEW) == "reloaded: rules"
