"""Orders: what a companion is told on its standard input, line by line, until that ends."""

import asyncio
import os
import sys
from collections.abc import Callable


def listen(loop: asyncio.AbstractEventLoop, order: Callable[[str], None], ended: Callable[[], None]) -> None:
    """Call `order` with each line, also where several came at once, and `ended` at the end.

    `sys.stdin` would keep the second of them to itself, and nothing would wake the loop for it.
    """
    rest = b""

    def arrived() -> None:
        nonlocal rest
        said = os.read(sys.stdin.fileno(), 1 << 16)
        *lines, rest = (rest + said).split(b"\n")
        for line in lines:
            order(line.decode())
        if not said:
            loop.remove_reader(sys.stdin.fileno())
            ended()

    loop.add_reader(sys.stdin.fileno(), arrived)
