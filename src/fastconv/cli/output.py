"""Where the words of a command go: lines, JSON objects, warnings, progress bars."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

__all__ = ["Output", "available"]

Progress = Callable[[int, int], None]


class Output:
    """Prints for people, or one JSON object a line for programs.

    With `as_json` stdout carries nothing but the objects; what people always want to know goes to stderr. With `quiet`
    only notices, objects and warnings appear.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.quiet = quiet
        self.as_json = as_json

    @property
    def shows_bars(self) -> bool:
        """Whether somebody is watching who wants to see progress."""
        return sys.stderr.isatty() and not (self.quiet or self.as_json)

    def line(self, text: str) -> None:
        """Print what is nice to know."""
        if not (self.quiet or self.as_json):
            print(text, flush=True)

    def notice(self, text: str) -> None:
        """Print what must always be said."""
        print(text, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def warn(self, text: str) -> None:
        """Print what is not as it should be."""
        sys.stdout.flush()
        print(text, file=sys.stderr, flush=True)

    def record(self, values: Mapping[str, Any]) -> None:
        """Print a JSON object, if JSON was asked for."""
        if self.as_json:
            print(json.dumps(_plain(values), allow_nan=False), flush=True)

    @contextmanager
    def bar(self, label: str) -> Iterator[Progress]:
        """Show a bar while the body runs; yields a function (done, total). Without rich or a terminal it is silent."""
        if not (self.shows_bars and available("rich")):
            yield _ignore
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=None)

            def show(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            yield show


def _plain(value: Any) -> Any:
    """Return the value with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _ignore(done: int, total: int) -> None:
    pass


def available(package: str) -> bool:
    """Whether an optional package can be imported."""
    try:
        importlib.import_module(package)
    except ImportError:
        return False
    return True
