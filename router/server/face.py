"""Face: a connection as its event loop sees it.

Owns nothing but the kind of protocol that a loop takes a connection for. Must not know what is said.
"""

import asyncio

from router.server.connection import Connection

_CALLED = (
    "connection_made", "connection_lost", "get_buffer", "buffer_updated", "pause_writing", "resume_writing",
)  # fmt: skip


class Face(asyncio.BufferedProtocol):
    """What a loop may call of a connection, so that every loop reads into its buffer.

    aiohttp's base of connections is an `asyncio.Protocol`: whatever else it is, uvloop would hand it bytes,
    many more at once, and past the rotation.
    """

    def __init__(self, connection: Connection) -> None:
        # As attributes of its own: what a loop calls is the connection's method, with no call in between.
        for name in _CALLED:
            setattr(self, name, getattr(connection, name))
