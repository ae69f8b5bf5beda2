"""The data set that a command was given: found, read, announced."""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.data import Dataset, Location, locate

__all__ = ["find", "read"]

_NAMED = 10


def find(arguments: argparse.Namespace, output: Output, name: str | None = None) -> Location:
    """Find `name`, or what --data names; fetch it if --download allows."""
    with output.bar("downloading") as progress:
        return locate(name or arguments.data, download=arguments.download, progress=progress)


def read(
    location: Location, split: str, output: Output, limit: int | None = None, skip_unreadable: bool = False
) -> Dataset:
    """Read one part and say what it is, and what was left out of it, whatever else is kept quiet."""
    with output.bar(f"reading {split}") as progress:
        part = location.load(split, limit=limit, progress=progress, skip_unreadable=skip_unreadable)
    output.notice(f"data: {part.describe()}")
    for file in part.skipped[:_NAMED]:
        output.warn(f"left out: {file}")
    if len(part.skipped) > _NAMED:
        output.warn(f"left out: {len(part.skipped) - _NAMED:,} more")
    return part
