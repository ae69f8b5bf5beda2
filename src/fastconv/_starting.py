"""What goes wrong while modules are read.

Python imports this package, and NumPy with it, before the ``fastconv`` command can catch anything, by its script and by
``python -m fastconv``. A module outside the package would come first for the script only, and would be a second name
among everybody's modules. What is interrupted earlier is Python's own start; so this imports nothing new.
"""

from __future__ import annotations

import os
import sys

__all__ = ["told_by_the_command"]


class told_by_the_command:
    """A context where, if the process is the command, Ctrl-C is one line and a status, and so are these errors."""

    def __init__(self, *errors: type[Exception]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        if isinstance(error, (KeyboardInterrupt, *self._errors)) and _is_command():
            text, status = ("interrupted", 130) if isinstance(error, KeyboardInterrupt) else (error, 2)
            print(f"fastconv: {text}", file=sys.stderr)
            raise SystemExit(status) from None


def _is_command() -> bool:
    """Whether this is the script, or ``python -m fastconv``, whose name is "-m" until Python has found its file."""
    name = sys.argv[0] if sys.argv else ""
    if name == "-m":
        place, word = next(((i, word) for i, word in enumerate(sys.orig_argv) if word.startswith("-m")), (0, "-m"))
        return word == "-mfastconv" or sys.orig_argv[place + 1 : place + 2] == ["fastconv"] or not place
    return name == os.path.join(os.path.dirname(__file__), "__main__.py") or os.path.basename(name) == "fastconv"
