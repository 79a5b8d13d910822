"""The list of deliberate faults stays true to the package."""

from pathlib import Path

import pytest

from tests.mutants.fault import Fault
from tests.mutants.faults import FAULTS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_still_finds_its_place_and_its_tests(fault: Fault) -> None:
    """One whose text is gone would break nothing; one that stands there twice might break another thing."""
    text = (ROOT / fault.path).read_text("utf-8")

    assert text.count(fault.old) == 1, fault.path
    assert fault.old != fault.new
    for test in fault.tests:
        assert (ROOT / test).exists(), test


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_leaves_a_program_that_runs(fault: Fault) -> None:
    """What is no Python any more would be caught by every test, and prove nothing."""
    if fault.path.endswith(".py"):
        compile((ROOT / fault.path).read_text("utf-8").replace(fault.old, fault.new), fault.path, "exec")


def test_the_names_of_the_faults_are_unique() -> None:
    """`make mutants ARGS=…` chooses by name."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
