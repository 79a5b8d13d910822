"""The deliberate faults, all of them."""

from tests.mutants.accepting import FAULTS as ACCEPTING
from tests.mutants.delivering import FAULTS as DELIVERING
from tests.mutants.fault import Fault
from tests.mutants.fleet import FAULTS as FLEET
from tests.mutants.keeping import FAULTS as KEEPING
from tests.mutants.running import FAULTS as RUNNING
from tests.mutants.sending import FAULTS as SENDING

FAULTS: tuple[Fault, ...] = (*ACCEPTING, *KEEPING, *FLEET, *DELIVERING, *SENDING, *RUNNING)
