"""Small data sets in every format, written the way their makers did."""

from __future__ import annotations

import gzip
import lzma
import pickle
from pathlib import Path

import numpy as np

IDX_STEMS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.asarray(array.shape, ">u4").tobytes() + array.tobytes()


def pictures(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def idx_folder(folder: Path, suffix: str = "", count: int = 12) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    folder.mkdir(exist_ok=True)
    parts = {}
    for seed, (split, (image_stem, label_stem)) in enumerate(IDX_STEMS.items()):
        images, labels = pictures(count, 6, 5, seed=seed), (np.arange(count) % 10).astype(np.uint8)
        (folder / (image_stem + suffix)).write_bytes(COMPRESS[suffix](idx_bytes(images)))
        (folder / (label_stem + suffix)).write_bytes(COMPRESS[suffix](idx_bytes(labels)))
        parts[split] = images, labels
    return parts


CIFAR_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")


def cifar_batch(index: int, count: int = 4) -> tuple[np.ndarray, list[int]]:
    return pictures(count, 3072, seed=index), [(index + i) % 10 for i in range(count)]


def cifar_binary(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(CIFAR_BATCHES):
        data, labels = cifar_batch(index)
        records = np.concatenate([np.array(labels, np.uint8)[:, None], data], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def cifar_python(folder: Path, protocol: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(CIFAR_BATCHES):
        data, labels = cifar_batch(index)
        batch = {b"batch_label": b"made", b"labels": labels, b"data": data, b"filenames": [b"x.png"] * len(labels)}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    names = [f"class {index}".encode() for index in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=protocol))


def image_folder(folder: Path, classes: tuple[str, ...], size: tuple[int, int], channels: int, suffix: str) -> None:
    from PIL import Image

    for split, count in (("train", 3), ("test", 2)):
        for label, name in enumerate(classes):
            place = folder / split / name
            place.mkdir(parents=True)
            for index in range(count):
                pixels = np.full((*size, 3), 20 * label + index, np.uint8)
                Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(place / f"{index:04}{suffix}")


def mnist_5k(path: Path, per_class: int = 500) -> np.ndarray:
    labels = np.repeat(np.arange(10), per_class)
    rows = np.zeros((len(labels), 785), np.uint8)
    rows[:, 0] = np.arange(len(labels)) % 251
    rows[:, -1] = labels
    lines = b"\n".join(b",".join(b"%d" % value for value in (row[0], *row[783:])) for row in rows)
    wide = b"".join(line.replace(b",", b"," + b"0," * 782, 1) + b"\n" for line in lines.split(b"\n"))
    path.write_bytes(gzip.compress(wide, 1))
    return rows
