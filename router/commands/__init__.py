"""Commands: one file per group of them; `cli.py` loads the one that is asked for.

A command says what it takes, asks the daemon or the configuration, and prints a table or, with `--json`, one
document.
"""
