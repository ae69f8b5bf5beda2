"""The folder of one training: its files, whether it can be written to, and what is in it when it goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastconv.cli.checkpoints import SUFFIXES
from fastconv.cli.output import available

__all__ = ["PICTURE", "SETTINGS", "checkpoint_in", "checkpoint_suffix", "make_writable", "refuse_trained"]

PICTURE = "training.png"
SETTINGS = "settings.toml"


def make_writable(folder: Path) -> Path:
    """Make the folder, and make sure before any work that files can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".probe-"):
            pass
    except OSError as error:
        raise ValueError(f"out (={str(folder)!r}) cannot be written to: {error.strerror or error}") from error
    return folder


def checkpoint_suffix() -> str:
    """That of the better format there is."""
    return ".safetensors" if available("safetensors") else ".npz"


def checkpoint_in(folder: Path) -> Path:
    """The checkpoint of a training that goes on.

    Raises
    ------
    ValueError
        If the folder is none of a training, or the training wrote no checkpoint.
    """
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"resume (={str(folder)!r}) is no folder of a training: it has no {SETTINGS}")
    files = _checkpoints(folder)
    if not files:
        raise ValueError(f"resume (={str(folder)!r}) has no checkpoint: start the training anew")
    return max(files, key=lambda file: file.stat().st_mtime_ns)


def refuse_trained(folder: Path) -> None:
    """A new training takes the place of no other."""
    if folder.is_dir() and (folder / SETTINGS).is_file() and (files := _checkpoints(folder)):
        raise ValueError(
            f"out (={str(folder)!r}) holds a training ({files[0].name}): --resume goes on with it, or name another"
        )


def _checkpoints(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES and not file.name.startswith(".")]
