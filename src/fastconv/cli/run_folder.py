"""The folder of one training: its files, whether it can be written to, and what is in it when it goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastconv.cli.checkpoints import SUFFIXES
from fastconv.cli.output import available

__all__ = ["PICTURE", "SETTINGS", "checkpoint_in", "checkpoint_suffix", "make_writable"]

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
    files = [file for file in sorted(folder.iterdir()) if file.suffix in SUFFIXES and not file.name.startswith(".")]
    if not files:
        raise ValueError(f"resume (={str(folder)!r}) has no checkpoint: start the training anew")
    return max(files, key=lambda file: file.stat().st_mtime_ns)
