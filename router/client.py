"""Client: one HTTP exchange with the daemon on this host, for the commands.

Standard library only: every command loads it, and aiohttp takes longer to import than an answer to arrive.
Must not know what is asked.
"""

import http.client
import os
import socket
from collections.abc import Collection, Mapping
from urllib.parse import urlencode

import msgspec

from router.admin.answers import Refusal
from router.calling import called
from router.errors import NoDaemon, Rejected
from router.units import Listen

QUICK = 30.0
_ANYWHERE = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # to connect, not to listen


class Answer(msgspec.Struct, frozen=True):
    """A status and a body."""

    status: int
    body: bytes


class Client:
    """Asks one daemon's admin API. `config` is named in errors: it is where address and token come from."""

    def __init__(self, listen: Listen, token: str | None, config: str) -> None:
        self._listen = listen
        self._config = config
        # In the encoding in which the daemon reads it: as text the library would send another one.
        self._headers: dict[str, str | bytes] = (
            {} if token is None else {"Authorization": f"Bearer {token}".encode("utf-8", "surrogateescape")}
        )

    def get(self, path: str, query: Mapping[str, str | None] | None = None) -> bytes:
        """The answer to a question, as JSON; absent parameters are left out. Raises `Rejected`."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        return self._ask("GET", f"{path}?{urlencode(given)}" if given else path, b"", QUICK)

    def post(
        self,
        path: str,
        body: Mapping[str, object] | None = None,
        limit: float = QUICK,
        expected: Collection[int] = (),
    ) -> bytes:
        """The answer to a change, as JSON; `limit` in seconds.

        Raises:
            Rejected: the status is neither a success nor one of those expected.
        """
        return self._ask("POST", path, msgspec.json.encode(body or {}), limit, expected)

    def _ask(
        self, method: str, path: str, body: bytes, limit: float, expected: Collection[int] = ()
    ) -> bytes:
        headers = {**self._headers, "Content-Type": "application/json"}
        answer = exchange(self._listen, method, f"/api/v1{path}", headers, body, self._config, limit)
        if 200 <= answer.status < 300 or answer.status in expected:
            return answer.body
        if answer.status == 401:
            raise Rejected(
                "the daemon wants another token",
                f"server.admin_token of {self._config} must be the one that the daemon started with",
                401,
            )
        raise self._refusal(answer)

    def _refusal(self, answer: Answer) -> Rejected:
        try:
            refusal = msgspec.json.decode(answer.body, type=Refusal)
        except msgspec.DecodeError:
            return Rejected(
                f"what answers at {self._listen} is not visual-router: it said {answer.status}",
                f"look at server.admin in {self._config}, and at what listens there",
                502,
            )
        return Rejected(refusal.error, refusal.fix, answer.status)


def exchange(
    listen: Listen,
    method: str,
    path: str,
    headers: Mapping[str, str | bytes],
    body: bytes,
    config: str,
    limit: float = QUICK,
) -> Answer:
    """Ask whoever listens there; raises `NoDaemon` if nobody answers, or nobody who speaks HTTP.

    Likewise if a person does not wait for the answer to a change: the daemon goes on with it.
    """
    connection = _Connection(listen, limit)
    try:
        connection.request(method, path, body or None, {"Host": connection.host_header, **headers})
        response = connection.getresponse()
        return Answer(response.status, response.read())
    except KeyboardInterrupt:
        if method == "GET":
            raise
        fix = "what it was asked to do goes on there: look how it stands before you ask again"
        raise NoDaemon(f"interrupted before the daemon at {listen} had answered", fix) from None
    except TimeoutError:
        fix = "look at its log; it may be waiting for a slow disk"
        raise NoDaemon(f"the daemon at {listen} did not answer within {limit:g} s", fix) from None
    except PermissionError as error:
        fix = "become its user or join its group; ls -l tells which"
        raise NoDaemon(f"the daemon at {listen} may not be asked: {_reason(error)}", fix) from None
    except OSError as error:
        # Whoever changed the address and then asks for a reload asks at the new one.
        fix = f"start it with '{called()} run', restart it if its server.admin was changed"
        fix += f", or name its configuration with --config; this is {config}"
        raise NoDaemon(f"no daemon answers at {listen}: {_reason(error)}", fix) from None
    except http.client.HTTPException:
        fix = f"look at the addresses in {config}, and at what listens there"
        raise NoDaemon(f"what answers at {listen} does not speak HTTP", fix) from None
    finally:
        connection.close()


class _Connection(http.client.HTTPConnection):
    """To a port or to a unix socket. Proxies are never asked: the daemon is on this host."""

    def __init__(self, listen: Listen, limit: float) -> None:
        super().__init__(_ANYWHERE.get(listen.host) or listen.host or "", listen.port, timeout=limit)
        self._path = listen.path

    @property
    def host_header(self) -> str:
        """What `Host` says: the daemon answers under addresses and as localhost."""
        return "localhost" if self._path is not None else f"{_bracketed(self.host)}:{self.port}"

    def connect(self) -> None:
        """Open the connection."""
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _reason(error: OSError) -> str:
    """The system's own words, in lower case as all of ours."""
    text = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return text.lower()
