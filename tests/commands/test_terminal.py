"""Where text goes: a terminal has a width, colours and a person; a pipe has none of them."""

import io
import sys
import threading

import pytest

from router.admin.answers import Changed
from router.commands.terminal import print_json, read, view, waiting
from router.errors import Rejected


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Tell that something came."""
        self.written.set()
        return super().write(text)


def test_a_terminal_has_a_width_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless NO_COLOR says otherwise."""
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = view()
    monkeypatch.setenv("NO_COLOR", "1")

    assert (coloured.cells, coloured.colours) == (77, True)
    assert (view().cells, view().colours) == (77, False)


def test_a_pipe_has_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is shortened in it."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert (view().cells, view().colours) == (None, False)


def test_a_long_wait_shows_a_sign_of_life_and_takes_it_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error; the line is empty afterwards."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting("requeueing", 0.0):
        assert stream.written.wait(30)

    assert stream.getvalue().startswith("\rrequeueing … 0 s")
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_short_wait_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does any wait in a pipe."""
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        with waiting("requeueing", 60.0):
            pass

        assert stream.getvalue() == ""


def test_json_is_readable_and_keeps_its_digits(capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing in it moves a terminal's cursor, though it is still JSON."""
    print_json('{"n": 1.10, "t": "a\u202eb\U000e0001"}'.encode())

    assert capsys.readouterr().out == '{\n  "n": 1.10,\n  "t": "a\\u202eb\\udb40\\udc01"\n}\n'


def test_json_that_only_its_sender_reads_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Better than nothing."""
    print_json(b'{"t": "\\ud800"}')

    assert capsys.readouterr().out == '{"t": "\\ud800"}\n'


def test_an_answer_of_another_release_is_told() -> None:
    """Not a traceback."""
    with pytest.raises(Rejected) as error:
        read(b'{"count": "many"}', Changed)

    assert str(error.value) == "the daemon's answer is not understood"
    assert error.value.fix == "it runs another release than this command: restart it"
