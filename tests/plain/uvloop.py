"""What an installation without the extra `fast` does not have: the daemon runs on Python's own loop then."""

raise ModuleNotFoundError("No module named 'uvloop'", name="uvloop")
