"""The admin's token: refused where no request could carry it, taken where one can."""

from pathlib import Path

import pytest

from router.config.load import load
from router.errors import ConfigError
from router.secret import Secret
from tests.admin.desk import RULES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration with a token behind a reference."""
    path = tmp_path / "config.yaml"
    path.write_text(f"server: {{admin_token: env:ADMIN}}\n{RULES}", "utf-8")
    return path


def told(path: Path, environment: dict[str, str]) -> list[str]:
    """The problems, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(path, resolve=environment)
    return [str(problem).removeprefix(f"{path}:") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("token", "flaw"),
    [
        (" t0k", "begins or ends with a blank or a line break"),
        ("t0k\t", "begins or ends with a blank or a line break"),
        ("t0k\n\n", "begins or ends with a blank or a line break"),
        ("t0k\N{NO-BREAK SPACE}", "begins or ends with a blank or a line break"),
        ("t0\nk", "holds a control character"),
        ("t0\0k", "holds a control character"),
        ("t0\x7fk", "holds a control character"),
    ],
)
def test_a_token_that_no_request_can_carry_is_refused(path: Path, token: str, flaw: str) -> None:
    """Whoever sends it would be told for ever that it is wrong; the token itself is told to nobody."""
    assert told(path, {"ADMIN": token}) == [f"1:23: the token in 'env:ADMIN' {flaw}; take that away"]
    assert load(path).server.admin_token == Secret("env:ADMIN")


@pytest.mark.parametrize("token", ["t0k", "t0k\n", "t0k\r\n", "t0 k", "t0\tk", "t0k-ü", "鍵"])
def test_a_token_that_a_request_can_carry_is_taken(path: Path, token: str) -> None:
    """In any language, also with a blank within, or with the final newline that an editor adds."""
    settings = load(path, resolve={"ADMIN": token}).server

    assert settings.admin_token is not None
    assert settings.admin_token.reveal() == token.rstrip("\r\n")
