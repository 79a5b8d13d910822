"""The rules under test: as YAML for the program, and once more as the reference matcher of the oracle."""

from tests.torture.workload import Sent

RULES = """
rules:
  - {name: bots go nowhere, when: {branch: "dependabot/**"}, final: true}
  - {name: everything else, to: steady}
  - {name: needs eyes, when: {status: [pending, denied]}, to: [shaky, slow]}
  - {name: releases, when: {branch: [main, "release/*"], changes: 10..}, to: [torn, steady]}
  - {name: comparisons, when: {provider: happo}, unless: {status: passed}, to: busy}
"""
SINKS = ("steady", "shaky", "slow", "torn", "busy")
# The one that a scenario may have hang.
HANGING = "torn"


def expected(event: Sent) -> set[str]:
    """The sinks that RULES name for an event."""
    branch = event.branch or ""
    if branch.startswith("dependabot/"):
        return set()
    sinks = {"steady"}
    if event.status in ("pending", "denied"):
        sinks |= {"shaky", "slow"}
    one_level = branch.startswith("release/") and branch.count("/") == 1
    if (branch == "main" or one_level) and event.changes >= 10:
        sinks.add("torn")
    if event.provider == "happo" and event.status != "passed":
        sinks.add("busy")
    return sinks
