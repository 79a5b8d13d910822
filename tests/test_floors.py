"""What is installed beside this program: nothing with a published flaw, nothing that strangers could run."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
# The oldest releases without a published flaw that strangers could use; SQLite's is looked at by every start.
FLOORS = {"aiohttp": (3, 14, 5), "apsw": (3, 53, 1), "uvloop": (0, 23)}
# Templates with a way into Python, expressions that backtrack, whatever runs what it reads.
BANNED = {"jinja2", "regex", "google-re2", "cloudpickle", "dill", "ruamel.yaml"}
REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[a-z]+\])?>=([0-9.]+)")


def floors() -> dict[str, tuple[int, ...]]:
    """The floor of each requirement, of the extras too."""
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    found = {}
    for line in (*PROJECT["dependencies"], *extras):
        match = REQUIREMENT.fullmatch(line)
        assert match is not None, f"'{line}' has no floor"
        found[match[1].lower()] = _numbers(match[2])
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def installed(name: str) -> tuple[int, ...]:
    """The version that runs here; of an extra that is not installed, one above all floors."""
    try:
        return _numbers(version(name))
    except PackageNotFoundError:
        return (10**6,)


def brought(names: set[str]) -> set[str]:
    """These distributions and all that they bring along, as far as it is installed."""
    known: set[str] = set()
    while names - known:
        name = min(names - known)
        known.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        needed = [line for line in lines if "extra ==" not in line]
        names = names | {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower() for line in needed}
    return known


def test_every_dependency_has_a_floor_above_its_known_flaws() -> None:
    """Both where it is required and where it runs."""
    required = floors()

    assert {name: floor for name, floor in FLOORS.items() if required[name] < floor} == {}
    assert {name for name, floor in FLOORS.items() if installed(name) < floor} == set()


def test_nothing_comes_along_that_runs_what_it_is_given() -> None:
    """However deep it stands among the dependencies."""
    found = brought(set(floors()))

    assert {"aiohttp", "multidict", "anyio", "idna"} <= found
    assert found & BANNED == set()
