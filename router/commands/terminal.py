"""Terminal: where text goes: documents for scripts, pages for people, a sign of life in a long wait.

Must not know what is shown.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import click
import msgspec

from router.commands.options import again
from router.errors import Rejected
from router.tables import View
from router.text import readable_json

_EVERY = 0.2

T = TypeVar("T")


def view() -> View:
    """Now, and the terminal's width; a pipe or a file has none."""
    if not sys.stdout.isatty():
        return View(now=datetime.now(UTC), program=again())
    cells = shutil.get_terminal_size().columns
    return View(now=datetime.now(UTC), cells=cells, colours=not os.environ.get("NO_COLOR"), program=again())


def show(raw: bytes, shape: type[T], page: Callable[[T, View], str], *, as_json: bool) -> T:
    """Print an answer of the API, as the document itself or as a page for a person; returns the document."""
    document = read(raw, shape)
    if as_json:
        print_json(raw)
    else:
        click.echo(page(document, view()))
    return document


def read(raw: bytes, shape: type[T]) -> T:
    """A document of the API."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except msgspec.DecodeError:
        fix = "it runs another release than this command: restart it"
        raise Rejected("the daemon's answer is not understood", fix, 502) from None


def print_json(raw: bytes) -> None:
    """One JSON document, readable; its numbers stay as they came, digit by digit."""
    click.echo(readable_json(raw))


@contextmanager
def waiting(what: str, patience: float = 1.0) -> Iterator[None]:
    """Say what takes so long, once it took longer than `patience` seconds; only to a person."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    teller = threading.Thread(target=_tell, args=(what, patience, done), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(what: str, patience: float, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(patience):
        return
    while True:
        click.echo(f"\r{what} … {time.monotonic() - began:.0f} s", nl=False, err=True)
        if done.wait(_EVERY):
            break
    click.echo("\r\033[K", nl=False, err=True)
