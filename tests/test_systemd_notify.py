"""The two protocols of systemd: states out, sockets in."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router import systemd
from router.errors import RouterError
from router.units import Listen

CHILD = """
import os, socket, sys
for target, number in enumerate(map(int, sys.argv[1:]), 3):
    os.dup2(number, target)
os.environ["LISTEN_PID"] = str(os.getpid())
from router.systemd import listen_sockets
sockets = listen_sockets()
for name, found in sockets.items():
    print(name, found.getsockname()[1], found.fileno(), os.get_inheritable(found.fileno()))
print(sorted(name for name in os.environ if name.startswith("LISTEN_")), listen_sockets())
"""


@pytest.fixture
def listeners() -> Iterator[list[socket.socket]]:
    """Three listening sockets with neighbouring descriptors."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield made
    for one in made:
        one.close()


def hand_over(monkeypatch: pytest.MonkeyPatch, count: int, names: str | None = None) -> None:
    """What systemd sets for a process with that many sockets."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", str(count))
    if names is None:
        monkeypatch.delenv("LISTEN_FDNAMES", raising=False)
    else:
        monkeypatch.setenv("LISTEN_FDNAMES", names)


def copied(*sockets: socket.socket | int) -> int:
    """Duplicates at neighbouring descriptors, as systemd hands them over; returns the first."""
    numbers = [one if isinstance(one, int) else one.fileno() for one in sockets]
    first = 200
    while any(is_open(first + place) for place in range(len(numbers))):
        first += len(numbers)
    for place, number in enumerate(numbers):
        os.dup2(number, first + place)
    return first


def is_open(descriptor: int) -> bool:
    """Whether this process has the descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_a_state_reaches_the_service_manager(
    abstract: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One datagram per state, to a path or an abstract socket."""
    name = f"\0visual-router-{os.getpid()}-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))

        assert systemd.supervised()
        assert systemd.notify("READY=1\nSTATUS=watching main")
        assert manager.recv(1024) == b"READY=1\nSTATUS=watching main"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_without_a_service_manager_nothing_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs as well by hand."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)

    assert not systemd.notify("READY=1")


def test_no_variable_means_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand, nobody waits to hear from it."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)

    assert not systemd.supervised()
    assert not systemd.notify("READY=1")


def test_a_service_manager_that_is_gone_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart of systemd must not take the daemon down."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))

    assert not systemd.notify("WATCHDOG=1")


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("500000", "own", 0.5),
        ("30000000", "1", None),
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
        ("-5", None, None),
    ],
)
def test_the_watchdogs_limit_is_in_seconds(
    microseconds: str | None, pid: str | None, seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts only for the process it was meant for."""
    for name, value in (("WATCHDOG_USEC", microseconds), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, str(os.getpid()) if value == "own" else value)

    assert systemd.watchdog_interval() == seconds


def test_sockets_come_by_name(listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    """`public` and `admin`, in whatever order; no child inherits them or the variables."""
    first = copied(listeners[0], listeners[1])
    hand_over(monkeypatch, 2, "admin:public")

    found = systemd.listen_sockets(first)

    assert {name: one.getsockname() for name, one in found.items()} == {
        "admin": listeners[0].getsockname(),
        "public": listeners[1].getsockname(),
    }
    assert not any(os.get_inheritable(one.fileno()) for one in found.values())
    assert not {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} & os.environ.keys()
    assert systemd.listen_sockets(first) == {}
    for one in found.values():
        one.close()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(None, "public"), ("", "public"), ("visual-router.socket", "public"), ("admin", "admin")],
)
def test_one_unnamed_socket_is_the_public_one(
    names: str | None, expected: str, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket unit without FileDescriptorName= gives its own name."""
    first = copied(listeners[0])
    hand_over(monkeypatch, 1, names)

    found = systemd.listen_sockets(first)

    assert list(found) == [expected]
    found[expected].close()


@pytest.mark.parametrize(
    ("pid", "count"), [("1", "1"), ("", "1"), ("own", ""), ("own", "many"), ("own", "0")]
)
def test_what_was_meant_for_another_process_is_left_alone(
    pid: str, count: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that a shell passed on by accident open nothing."""
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid == "own" else pid)
    monkeypatch.setenv("LISTEN_FDS", count)

    assert systemd.listen_sockets(first=200) == {}
    assert "LISTEN_PID" not in os.environ


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("public:metrics", "socket 'metrics' is unknown; set FileDescriptorName= to public or admin"),
        ("public", "socket '' is unknown; set FileDescriptorName= to public or admin"),
        ("public:public", "two sockets are named 'public'; give each listener one ListenStream="),
    ],
)
def test_a_socket_that_nobody_would_use_is_an_error(
    names: str, message: str, listeners: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else connections to it would wait for ever."""
    first = copied(listeners[0], listeners[1])
    hand_over(monkeypatch, 2, names)

    with pytest.raises(RouterError) as error:
        systemd.listen_sockets(first)

    assert str(error.value) == message
    assert not is_open(first)
    os.close(first + 1)


def test_a_descriptor_that_is_no_listening_stream_socket_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file, a datagram socket and an idle stream socket are told apart from a listener."""
    with (
        (tmp_path / "file").open("w") as file,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as idle,
    ):
        for one in (datagram, idle):
            first = copied(one)
            hand_over(monkeypatch, 1)
            with pytest.raises(RouterError) as error:
                systemd.listen_sockets(first)
            assert str(error.value) == (
                f"descriptor {first} is not a listening stream socket; set ListenStream="
            )
            assert not is_open(first)
        first = copied(file.fileno())
        hand_over(monkeypatch, 1)
        with pytest.raises(RouterError) as error:
            systemd.listen_sockets(first)
        assert str(error.value) == (f"descriptor {first} is not a socket: socket operation on non-socket")
        os.close(first)


def test_a_process_started_as_systemd_does_finds_its_sockets(listeners: list[socket.socket]) -> None:
    """From descriptor 3 on, in a process of its own."""
    numbers = [one.fileno() for one in listeners[:2]]
    child = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, numbers)],
        env={"LISTEN_FDS": "2", "LISTEN_FDNAMES": "public:admin", "PYTHONPATH": ":".join(sys.path)},
        pass_fds=numbers,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    ports = [one.getsockname()[1] for one in listeners]
    assert child.stdout.splitlines() == [
        f"public {ports[0]} 3 False",
        f"admin {ports[1]} 4 False",
        "[] {}",
    ]


@pytest.mark.parametrize(
    ("bound", "written", "differs"),
    [
        ("127.0.0.1", "127.0.0.1:{port}", False),
        ("127.0.0.1", "localhost:{port}", False),
        ("127.0.0.1", "127.0.0.1:0", False),
        ("0.0.0.0", ":{port}", False),
        ("0.0.0.0", "[::]:{port}", False),
        ("127.0.0.1", "127.0.0.1:1", True),
        ("127.0.0.1", "127.0.0.2:{port}", True),
        ("127.0.0.1", ":{port}", True),
        ("0.0.0.0", "127.0.0.1:{port}", True),
        ("127.0.0.1", "unix:/run/a.sock", True),
    ],
)
def test_a_port_that_was_handed_over_is_compared_with_what_is_written(
    bound: str, written: str, differs: bool
) -> None:
    """Every address is every address, of either family; a name is what it leads to."""
    with socket.create_server((bound, 0)) as handed:
        listen = Listen.parse(written.format(port=handed.getsockname()[1]))

        assert systemd.elsewhere(handed, listen) is differs


def test_a_path_that_was_handed_over_is_compared_with_what_is_written(tmp_path: Path) -> None:
    """The same place may have two paths: /var/run is /run."""
    (tmp_path / "run").mkdir()
    (tmp_path / "other").symlink_to(tmp_path / "run")
    with socket.socket(socket.AF_UNIX) as handed:
        handed.bind(str(tmp_path / "run" / "s"))

        assert not systemd.elsewhere(handed, Listen(path=f"{tmp_path}/run/s"))
        assert not systemd.elsewhere(handed, Listen(path=f"{tmp_path}/other/s"))
        assert systemd.elsewhere(handed, Listen(path=f"{tmp_path}/run/t"))
        assert systemd.elsewhere(handed, Listen(host="127.0.0.1", port=8080))


def test_an_abstract_name_that_was_handed_over_is_no_path(tmp_path: Path) -> None:
    """In a unit it is written `@name`; it stands in no folder."""
    with socket.socket(socket.AF_UNIX) as handed:
        handed.bind(f"\0{tmp_path}/s")

        assert systemd.elsewhere(handed, Listen(path=f"{tmp_path}/s"))
        assert systemd.elsewhere(handed, Listen(host="127.0.0.1", port=8080))


def test_a_name_that_leads_nowhere_is_elsewhere() -> None:
    """Whoever reads it there finds nobody."""
    with socket.create_server(("127.0.0.1", 0)) as handed:
        # Longer than a part of a name may be: no resolver is asked.
        listen = Listen(host="n" * 64, port=handed.getsockname()[1])

        assert systemd.elsewhere(handed, listen)
