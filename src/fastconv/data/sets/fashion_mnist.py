"""Fashion-MNIST: 70,000 pictures of clothes by Zalando (Xiao, Rasul, Vollgraf 2017), 28x28, white on black."""

from __future__ import annotations

from pathlib import Path

from ..dataset import Dataset
from .base import Progress, Remote, Source
from .idx_family import labels_are, read_split

__all__ = ["CLASS_NAMES", "DEBIAN_FOLDER", "SET", "STATISTICS"]

CLASS_NAMES = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip
STATISTICS = ((0.2860,), (0.3530,))
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")

_SITE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_LABEL_FILE_DIGESTS = (
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
)


def _read(folder: Path, split: str, progress: Progress | None) -> Dataset:
    return read_split(folder, split, "fashion-mnist", CLASS_NAMES, STATISTICS)


SET = Source(
    name="fashion-mnist",
    summary="clothes, 10 classes, 60,000 + 10,000 grey pictures of 28x28",
    licence="MIT",
    recognises=lambda folder: labels_are(folder, *_LABEL_FILE_DIGESTS),
    read=_read,
    places=lambda: (DEBIAN_FOLDER,),
    remotes=(
        Remote(
            _SITE + "train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        Remote(
            _SITE + "train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        Remote(_SITE + "t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        Remote(_SITE + "t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ),
)
