"""Secrets: where their values come from, and how it is told that there is none."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.config.secrets import value_of
from router.secret import Secret


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    """A file with a secret."""
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refusal(reference: str, environment: Mapping[str, str] | None = None) -> str:
    """Why there is no value."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        value_of(Secret(reference), environment or {})
    return str(caught.value)


def test_a_variable_is_read_from_the_environment_that_is_given() -> None:
    """Not from the one of the process."""
    assert value_of(Secret("env:TOKEN"), {"TOKEN": "hunter2"}) == "hunter2"


def test_an_unset_variable_is_told_by_its_name() -> None:
    """With what else there is."""
    assert refusal("env:TOKEN") == "the environment variable 'TOKEN' is not set; set it, or use file:/path"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b" hunter2 ", " hunter2 "),
        ("hünter2".encode(), "hünter2"),
    ],
)
def test_one_trailing_newline_of_a_file_does_not_count(content: bytes, value: str, tmp_path: Path) -> None:
    """An editor adds one; every other byte was meant."""
    assert value_of(Secret(f"file:{written(tmp_path, content)}"), {}) == value


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_file_holds_no_secret(content: bytes, tmp_path: Path) -> None:
    """An empty key would sign for everybody."""
    path = written(tmp_path, content)

    assert refusal(f"file:{path}") == f"'file:{path}' is empty; put the secret there"


def test_an_empty_variable_holds_no_secret() -> None:
    """Set and empty is a slip of a deployment."""
    assert refusal("env:TOKEN", {"TOKEN": ""}) == "'env:TOKEN' is empty; put the secret there"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_file_that_everyone_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    """With the command that mends it."""
    path = written(tmp_path, b"hunter2", mode)

    assert (
        refusal(f"file:{path}") == f"'{path}' may be read by everyone on this host; run: chmod o-rwx '{path}'"
    )


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600, 0o640])
def test_a_file_for_owner_and_group_is_read(mode: int, tmp_path: Path) -> None:
    """Credentials of systemd and of container runtimes have such modes."""
    assert value_of(Secret(f"file:{written(tmp_path, b'hunter2', mode)}"), {}) == "hunter2"


def test_a_missing_file_is_told_with_the_reason(tmp_path: Path) -> None:
    """And not with a traceback."""
    assert refusal(f"file:{tmp_path}/none") == (
        f"'{tmp_path}/none' cannot be read: no such file or directory; name a file that is there"
    )


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    """A folder; and a named pipe, for which a start would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)

    for path in (pipe, tmp_path):
        assert refusal(f"file:{path}") == f"'{path}' is not a file; name a file that holds the secret alone"


@pytest.mark.parametrize(
    ("content", "reason"), [(b"x" * 65_537, "is over 65536 bytes"), (b"\xff\xfe", "is not UTF-8 text")]
)
def test_a_file_that_cannot_be_a_secret_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    """A log or a key in binary, named by mistake; nothing of it is repeated."""
    path = written(tmp_path, content)

    assert refusal(f"file:{path}") == f"'{path}' {reason}; name a file that holds the secret alone"


def test_a_credential_is_a_file_in_the_directory_that_systemd_made(tmp_path: Path) -> None:
    """`LoadCredential=happo:/path` arrives as $CREDENTIALS_DIRECTORY/happo."""
    written(tmp_path, b"hunter2\n").rename(tmp_path / "happo")

    assert value_of(Secret("credential:happo"), {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "hunter2"


def test_a_credential_without_systemd_says_what_to_write() -> None:
    """Started by hand there is no such directory."""
    assert refusal("credential:happo") == (
        "credential 'happo' cannot be read: $CREDENTIALS_DIRECTORY is not set; "
        "write LoadCredential=happo:/path into the systemd unit"
    )
