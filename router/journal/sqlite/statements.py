"""Statements: the SQL of this backend."""

from functools import partial

from router.journal import statements as source

statements = partial(source.statements, "sqlite")
migrations = partial(source.migrations, "sqlite")
