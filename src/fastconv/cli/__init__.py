"""The ``fastconv`` command. `main` runs it; each subcommand is a file in ``commands`` and a line in its table."""

import sys

try:
    from fastconv.cli.main import main
except KeyboardInterrupt:  # Ctrl-C while modules are read, as `main` tells of it later
    print("fastconv: interrupted", file=sys.stderr)
    raise SystemExit(130) from None

__all__ = ["main"]
