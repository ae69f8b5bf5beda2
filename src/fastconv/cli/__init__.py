"""The ``fastconv`` command. `main` runs it; each subcommand is a file in ``commands`` and a line in its table."""

from fastconv._starting import told_by_the_command

with told_by_the_command():
    from fastconv.cli.main import main

__all__ = ["main"]
