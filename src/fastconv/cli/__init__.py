"""The ``fastconv`` command. `main` runs it; each subcommand is a file in ``commands`` and a line in its table."""

from fastconv.cli.main import main

__all__ = ["main"]
