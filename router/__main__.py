"""`python -m router`: the same as the command `visual-router`."""

from router.cli import main

main()
