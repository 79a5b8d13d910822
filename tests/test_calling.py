"""How this program was called."""

from pathlib import Path

import pytest

from router.calling import called


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in the search path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("first", "told"),
    [
        (".venv/bin/visual-router", ".venv/bin/visual-router"),
        ("/x/router/__main__.py", "python -m router"),
        ("/usr/bin/pytest", "visual-router"),
        ("/x/pytest/__main__.py", "visual-router"),
    ],
)
def test_a_line_to_paste_begins_as_the_program_was_called(first: str, told: str) -> None:
    """From a virtual environment that is not active, too."""
    assert called(first) == told


def test_a_program_in_the_search_path_is_called_by_its_name(folder: Path) -> None:
    """However it was called this time."""
    program = folder / "visual-router"
    program.touch(mode=0o755)

    assert called(str(program)) == "visual-router"


def test_without_a_name_it_is_this_process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The usual case."""
    monkeypatch.setattr("sys.argv", ["bin/visual-router", "run"])

    assert called() == "bin/visual-router"
