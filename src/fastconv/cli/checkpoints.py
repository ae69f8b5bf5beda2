"""Trained networks on disk: where training puts them and where the other commands look."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastconv.nn import load_checkpoint, predict
from fastconv.nn.module import Module

__all__ = ["RUNS", "SUFFIXES", "Trained", "free_folder", "load"]

RUNS = Path("fastconv-runs")
SUFFIXES = (".safetensors", ".npz")


@dataclass(frozen=True)
class Trained:
    """A network with what is needed to feed it."""

    path: Path
    model: Module
    network: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input_shape: tuple[int, int, int]


def free_folder(name: str) -> Path:
    """Return a folder below `RUNS` that no earlier run has filled: name, name-2, name-3 ..."""
    number = 1
    while True:
        folder = RUNS / (name if number == 1 else f"{name}-{number}")
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return folder
        number += 1


def load(path: Path | None) -> Trained:
    """Load a checkpoint: a file, the newest in a folder, or the newest that ``fastconv train`` left here.

    Raises
    ------
    ValueError
        If there is none, or it is damaged or does not say how to feed it.
    """
    file = _find(path)
    checkpoint = load_checkpoint(file)
    said = checkpoint.metadata
    try:
        trained = Trained(
            path=file,
            model=checkpoint.model,
            network=str(said["network"]),
            class_names=tuple(str(name) for name in said["class_names"]),
            mean=tuple(float(value) for value in said["mean"]),
            std=tuple(float(value) for value in said["std"]),
            input_shape=_three(said["input_shape"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: this checkpoint does not say how to feed its network ({error!r})") from error
    if not len(trained.mean) == len(trained.std) == trained.input_shape[0] or min(trained.std) <= 0:
        raise ValueError(f"{file}: mean and std do not fit an input of shape {trained.input_shape}")
    _check_output(trained)
    return trained


def _check_output(trained: Trained) -> None:
    """Refuse a network that does not give one score for each class name."""
    outputs = predict(trained.model, np.zeros((1, *trained.input_shape), np.float32))
    if outputs.shape != (1, len(trained.class_names)):
        raise ValueError(
            f"{trained.path}: its network gives {outputs.shape[1:]} for a picture of {trained.input_shape}, "
            f"not a score for each of {len(trained.class_names)} classes"
        )


def _three(values: object) -> tuple[int, int, int]:
    channels, height, width = (int(value) for value in values)  # type: ignore[attr-defined]
    return channels, height, width


def _find(path: Path | None) -> Path:
    folder = RUNS if path is None else path
    if path is not None and not path.is_dir():
        return path
    files = [file for file in folder.rglob("*") if file.suffix in SUFFIXES and not file.name.startswith(".")]
    if not files:
        where = "no trained network in ./fastconv-runs: run `fastconv train` first, or name" if path is None else (
            f"checkpoint (={str(path)!r}) is a folder without one: name"
        )  # fmt: skip
        raise ValueError(f"{where} a .safetensors or .npz file")
    return max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
