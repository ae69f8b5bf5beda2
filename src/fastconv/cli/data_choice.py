"""The data set that a command was given: found, read, announced."""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.data import Dataset, Location, locate

__all__ = ["find", "read"]


def find(arguments: argparse.Namespace, output: Output) -> Location:
    """Find what --data names; fetch it if --download allows."""
    with output.bar("downloading") as progress:
        return locate(arguments.data, download=arguments.download, progress=progress)


def read(location: Location, split: str, arguments: argparse.Namespace, output: Output) -> Dataset:
    """Read one part and say what it is, whatever else is kept quiet."""
    with output.bar(f"reading {split}") as progress:
        part = location.load(split, limit=arguments.limit, progress=progress)
    output.notice(f"data: {part.describe()}")
    return part
