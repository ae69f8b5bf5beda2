"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges 1998), 28x28, white on black."""

from __future__ import annotations

from pathlib import Path

from ..dataset import Dataset
from .base import Progress, Remote, Source
from .idx_family import labels_are, read_split

__all__ = ["CLASS_NAMES", "SET", "STATISTICS"]

CLASS_NAMES = tuple("0123456789")
STATISTICS = ((0.1307,), (0.3081,))

_SITE = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_LABEL_FILE_DIGESTS = (
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)


def _read(folder: Path, split: str, progress: Progress | None) -> Dataset:
    return read_split(folder, split, "mnist", CLASS_NAMES, STATISTICS)


SET = Source(
    name="mnist",
    summary="handwritten digits, 10 classes, 60,000 + 10,000 grey pictures of 28x28",
    licence="CC BY-SA 3.0",
    recognises=lambda folder: labels_are(folder, *_LABEL_FILE_DIGESTS),
    read=_read,
    remotes=(
        Remote(
            _SITE + "train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        Remote(
            _SITE + "train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        Remote(_SITE + "t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        Remote(_SITE + "t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
)
