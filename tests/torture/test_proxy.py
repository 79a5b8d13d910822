"""The proxy does what it is told, in whatever portions it hears of it."""

import socket

from tests.torture.supervisor import Companion


def test_orders_that_arrive_together_are_all_obeyed() -> None:
    """Where a fault is cleared before the proxy had its turn, the way is whole again."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(60)
        proxy = Companion("proxy", {"upstream": upstream.getsockname()[1]}, talks=True)
        try:
            proxy.order('{"verb": "down"}\n{"verb": "hang"}\n{"verb": "clear"}')
            with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as there:
                there.sendall(b"carried")
                back, _ = upstream.accept()
                with back:
                    assert back.recv(16) == b"carried"
            proxy.end()
        finally:
            proxy.kill()
