"""Sockets: where they are bound, and why they cannot be."""

import socket
import stat
from pathlib import Path

import pytest

from router.errors import RouterError
from router.server.sockets import bind, shown
from router.units import Listen

LOOPBACK = Listen(host="127.0.0.1", port=0)


def test_a_port_is_bound_where_it_is_asked_for() -> None:
    """One address, any address, or a name; the system chooses a free port for 0."""
    for listen in (LOOPBACK, Listen(host="localhost", port=0), Listen(host=None, port=0)):
        bound = bind(listen)
        with bound[0] as sock:
            assert len(bound) == 1
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            assert shown(sock).startswith("http://")
            assert not shown(sock).endswith(":0")


def test_every_address_means_both_families() -> None:
    """With a port of its own choice an operator gets IPv4 and IPv6, where the host has both."""
    with bind(Listen(host=None, port=0))[0] as free:
        port = free.getsockname()[1]
    bound = bind(Listen(host=None, port=port))
    try:
        assert f"http://0.0.0.0:{port}" in [shown(each) for each in bound]
        assert len(bound) == len({each.family for each in bound})
    finally:
        for each in bound:
            each.close()


def test_an_ipv6_address_is_shown_in_brackets() -> None:
    """As it must be written in a URL."""
    try:
        (sock,) = bind(Listen(host="::1", port=0))
    except RouterError:
        pytest.skip("needs IPv6")
    with sock:
        assert shown(sock) == f"http://[::1]:{sock.getsockname()[1]}"


def test_an_address_that_cannot_be_bound_says_why() -> None:
    """The address as it is written in the configuration, and what to do."""
    with bind(LOOPBACK)[0] as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RouterError) as used:
            bind(Listen(host="127.0.0.1", port=port))
    with pytest.raises(RouterError) as foreign:
        bind(Listen(host="192.0.2.1", port=8080))
    with pytest.raises(RouterError) as unwritable:
        bind(Listen(path="/nonexistent/public.sock"))
    with pytest.raises(RouterError) as nameless:
        bind(Listen(host="a" * 70, port=8080))

    what = "free it or write another"
    assert str(used.value) == f"cannot listen on '127.0.0.1:{port}': address already in use; {what}"
    assert str(foreign.value) == f"cannot listen on '192.0.2.1:8080': cannot assign requested address; {what}"
    assert str(unwritable.value) == (
        f"cannot listen on 'unix:/nonexistent/public.sock': no such file or directory; {what}"
    )
    assert str(nameless.value) == f"cannot listen on '{'a' * 70}:8080': not a host name; write an address"


def test_a_path_too_long_for_a_socket_says_so() -> None:
    """The configuration refuses it already; the reason is clear here too, and not "none"."""
    path = "/run/" + "x" * 103
    with pytest.raises(RouterError) as long:
        bind(Listen(path=path))

    assert str(long.value) == (
        f"cannot listen on 'unix:{path}': file name too long; free it or write another"
    )


def test_a_name_that_does_not_resolve_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver's words, in the same form."""

    def unresolved(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with pytest.raises(RouterError) as unknown:
        bind(Listen(host="nowhere.invalid", port=8080))

    assert str(unknown.value) == (
        "cannot listen on 'nowhere.invalid:8080': name or service not known; free it or write another"
    )


def test_a_unix_socket_is_for_owner_and_group(tmp_path: Path) -> None:
    """Others cannot connect, whatever the process's umask is."""
    path = tmp_path / "public.sock"
    with bind(Listen(path=str(path)))[0] as sock:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert shown(sock) == f"unix:{path}"


def test_a_unix_socket_that_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    """Nobody listens there any more."""
    path = tmp_path / "public.sock"
    bind(Listen(path=str(path)))[0].close()
    assert path.is_socket()

    with bind(Listen(path=str(path)))[0] as sock:
        assert sock.getsockname() == str(path)


def test_a_unix_socket_in_use_is_left_alone(tmp_path: Path) -> None:
    """Another daemon's socket, and a file that is none, are never removed."""
    path = tmp_path / "public.sock"
    with bind(Listen(path=str(path)))[0], pytest.raises(RouterError) as used:
        bind(Listen(path=str(path)))
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    with pytest.raises(RouterError):
        bind(Listen(path=str(file)))

    assert str(used.value) == (
        f"cannot listen on 'unix:{path}': address already in use; free it or write another"
    )
    assert file.read_text() == "mine"
