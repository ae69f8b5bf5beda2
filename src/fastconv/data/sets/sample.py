"""The part of Fashion-MNIST that ships with the package: 5,000 + 1,000 pictures, as many of each class.

`tools/make-sample` writes its files; the licence lies beside them.
"""

from __future__ import annotations

from pathlib import Path

from ..dataset import Dataset
from .base import Progress, Source
from .fashion_mnist import CLASS_NAMES, STATISTICS
from .idx_family import read_split

__all__ = ["FOLDER", "SET"]

FOLDER = Path(__file__).parent.parent / "sample"


def _read(folder: Path, split: str, progress: Progress | None) -> Dataset:
    return read_split(folder, split, "fashion-mnist-sample", CLASS_NAMES, STATISTICS)


SET = Source(
    name="fashion-mnist-sample",
    summary="the first of each class of fashion-mnist, 5,000 + 1,000; ships with fastconv",
    licence="MIT",
    recognises=lambda folder: folder.resolve() == FOLDER.resolve(),
    read=_read,
    places=lambda: (FOLDER,),
)
