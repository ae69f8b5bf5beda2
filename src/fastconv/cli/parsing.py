"""argparse, bent to one-line errors, and the kinds of values that options take."""

from __future__ import annotations

import argparse
import math
from typing import Any, NoReturn

__all__ = [
    "Parser",
    "UsageError",
    "add_data_options",
    "add_output_options",
    "add_threads_option",
    "border",
    "count",
    "padding",
    "positive",
    "shape",
    "spatial",
    "whole",
]


class UsageError(ValueError):
    """The command line itself is wrong."""

    def __init__(self, message: str, command: str) -> None:
        super().__init__(message)
        self.command = command


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` where argparse would print its usage and exit; accepts no abbreviated options."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog)


def count(text: str) -> int:
    """A whole number of at least 1."""
    return _integer(text, 1)


def whole(text: str) -> int:
    """A whole number of at least 0."""
    return _integer(text, 0)


def positive(text: str) -> float:
    """A positive, finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} must be a positive number")
    return value


def shape(text: str) -> tuple[int, ...]:
    """Sizes such as ``1,3,224,224`` or ``1x3x224x224``."""
    return tuple(_integer(part, 0) for part in text.replace("x", ",").split(","))


def spatial(text: str) -> int | tuple[int, ...]:
    """One number for every axis, or one for each: ``2`` or ``2,1``."""
    values = tuple(_integer(part) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def padding(text: str) -> Any:
    """``3``, ``1,2``, pairs before:after as in ``1:2,0:3``, or a name such as ``same``."""
    if text.replace("_", "").isalpha():
        return text
    values = tuple(
        tuple(_integer(side) for side in part.split(":")) if ":" in part else _integer(part) for part in text.split(",")
    )
    return values[0] if len(values) == 1 and isinstance(values[0], int) else values


def border(text: str) -> str | float:
    """A name, or the number that lies beyond the border."""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} must be a name or a finite number")
    return value


def _integer(text: str, minimum: int | None = None) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number") from None
    if minimum is not None and value < minimum:
        raise argparse.ArgumentTypeError(f"{text!r} must be at least {minimum}")
    return value


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add --data, --download, --limit and --skip-unreadable."""
    parser.add_argument(
        "--data",
        metavar="NAME|FOLDER",
        help="data set (see `fastconv data`); default: Debian's Fashion-MNIST if it is there, else the sample",
    )
    parser.add_argument("--download", action="store_true", help="fetch the data set if it is not on this machine")
    parser.add_argument("--limit", type=count, metavar="N", help="use only the first N pictures of each part")
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read")


def add_output_options(parser: argparse.ArgumentParser, quiet: bool = True) -> None:
    """Add --json, and --quiet where there is something to leave out."""
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    if quiet:
        parser.add_argument("--quiet", action="store_true", help="print only data and result")


def add_threads_option(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument("--threads", type=count, metavar="N", help="number of threads; never changes a result")
