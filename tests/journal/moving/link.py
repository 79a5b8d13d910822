"""A link to a database that breaks, or falls silent, after so many bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

Way = Literal["there", "back"]

_CHUNK = 4096


class Link:
    """A port that leads to a server; `url` is the database as seen through it.

    After `budget` bytes on the way `way` it breaks or, if it is to fall silent, carries nothing any more and
    sets `silent`. `carried`: the bytes on both ways so far.
    """

    def __init__(
        self, url: str, *, way: Way = "there", budget: int | None = None, falls_silent: bool = False
    ):
        self._given = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
        self._way = way
        self._budget = budget
        self._falls_silent = falls_silent
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.carried: dict[Way, int] = {"there": 0, "back": 0}
        self.silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._start(self._accept)

    @property
    def url(self) -> str:
        """The database through the link."""
        given = self._given
        who = quote(given.get("user", "")) + (f":{quote(given['password'])}" if "password" in given else "")
        return f"postgresql://{who}@127.0.0.1:{self._listener.getsockname()[1]}/{given['dbname']}"

    def close(self) -> None:
        """Cut whatever there is."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._cut()
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *self._sockets):
            each.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # a method
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = self._connected()
                self._sockets += [near, far]
                self._start(self._pump, near, far, "there")
                self._start(self._pump, far, near, "back")

    def _connected(self) -> socket.socket:
        host, port = self._given.get("host", "127.0.0.1"), int(self._given.get("port", "5432"))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        far = socket.socket(socket.AF_UNIX)
        far.connect(f"{host}/.s.PGSQL.{port}")
        return far

    def _pump(self, source: socket.socket, target: socket.socket, way: Way) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if way == self._way and self._budget is not None:
                    chunk = chunk[: max(0, self._budget - self.carried[way])]
                target.sendall(chunk)
                self.carried[way] += len(chunk)
                if way == self._way and self.carried[way] == self._budget:
                    break
        if self._falls_silent and self.carried[self._way] == self._budget:
            self.silent.set()
        else:
            self._cut()

    def _cut(self) -> None:
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def a_link(
    url: str, *, way: Way = "there", budget: int | None = None, falls_silent: bool = False
) -> Iterator[Link]:
    """A link for a while."""
    link = Link(url, way=way, budget=budget, falls_silent=falls_silent)
    try:
        yield link
    finally:
        link.close()
