"""Two processes at one unix socket: who ends later takes nothing from who began later."""

import socket
from pathlib import Path

from router.server.listener import Listener
from router.server.request import Request
from router.server.sockets import bind, held
from router.server.wire import Reply, refusal
from router.units import Listen


async def not_found(request: Request) -> Reply:
    """An answer."""
    return refusal(404)


def nothing(status: int, peer: object, error: BaseException | None) -> None:
    """Does not count."""


async def test_a_unix_socket_of_a_successor_stays(tmp_path: Path) -> None:
    """It takes the path as soon as nobody listens there; who stopped listening may end long after that."""
    path = tmp_path / "public.sock"
    predecessor, successor = Listener(not_found, nothing), Listener(not_found, nothing)
    async with predecessor.listening(Listen(path=str(path))):
        await predecessor.drain(0.0)
        async with successor.listening(Listen(path=str(path))):
            pass
        (bound,) = bind(Listen(path=str(path)))
    with bound, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    assert path.is_socket()


def test_a_path_that_is_gone_already_is_no_failure(tmp_path: Path) -> None:
    """Somebody tidied up."""
    path = tmp_path / "public.sock"
    with held(Listen(path=str(path))) as (bound,), bound:
        path.unlink()

    assert not path.exists()
