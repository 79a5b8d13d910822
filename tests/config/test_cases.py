"""Whole files: what is wrong with each broken one, word for word, and what the good ones are warned of."""

from collections import Counter
from pathlib import Path

import pytest

from router.config.load import load
from router.errors import ConfigError, Problem

HERE = Path(__file__).parent
BROKEN = sorted((HERE / "broken").glob("*.yaml"))
GOOD = sorted((HERE / "good").glob("*.yaml"))


def told(problems: list[Problem], case: Path) -> list[str]:
    """Problems as an operator reads them who works in the folder of the file."""
    return [str(problem).removeprefix(f"{case.parent}/") for problem in problems]


def expected(case: Path) -> list[str]:
    """The lines beside a case."""
    return case.with_suffix(".expected").read_text("utf-8").splitlines()


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.stem)
def test_a_broken_file_is_refused_with_every_problem_at_its_place(case: Path) -> None:
    """One run tells everything, in the order of the file, each with the fix."""
    with pytest.raises(ConfigError) as caught:
        load(case)

    assert told(caught.value.problems, case) == expected(case)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.stem)
def test_a_good_file_is_loaded_with_its_warnings(case: Path) -> None:
    """A warning stops nothing."""
    assert told(load(case).warnings, case) == expected(case)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.stem)
def test_no_problem_repeats_a_secret(case: Path) -> None:
    """What stands in plain sight in the file does not go on to logs and terminals."""
    assert "hunter2" not in case.with_suffix(".expected").read_text("utf-8")


def test_no_case_is_left_without_its_expectation() -> None:
    """And no expectation without its case."""
    for folder in ("broken", "good"):
        stems = Counter(path.stem for path in (HERE / folder).iterdir())

        assert set(stems.values()) == {2}
