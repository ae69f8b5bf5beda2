"""Where packages that only carry data were put: `.data` of the tree, which continuous integration fills."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / ".data"


def carried(inside: str) -> Path:
    """The file, or skip."""
    path = FOLDER / inside
    if not path.is_file():
        pytest.skip(f"{inside} is not in .data")
    return path
