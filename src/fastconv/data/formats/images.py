"""Pictures in common formats, read with Pillow (the ``data`` extra)."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ["SUFFIXES", "Unreadable", "read_image", "resize", "write_image"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")


class Unreadable(ValueError):
    """A file that is missing, damaged or no picture."""


def read_image(path: Path, channels: int | None = None) -> np.ndarray:
    """Read a picture as unsigned bytes, channels first.

    Parameters
    ----------
    path : Path
        A file in any format that Pillow knows.
    channels : {1, 3} or None
        Grey, RGB, or as the file is.

    Returns
    -------
    ndarray of uint8, shape (C, H, W)
        Transparency is laid on white.

    Raises
    ------
    Unreadable
        If the file is missing, damaged or no picture.
    ValueError
        If Pillow is not installed.
    """
    image_module = _pillow(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", image_module.DecompressionBombWarning)
            with image_module.open(path) as picture:
                picture.load()
                picture = _flatten(picture, image_module)
                if channels is None:
                    channels = 1 if picture.mode in _GREY_MODES else 3
                picture = picture.convert("L" if channels == 1 else "RGB")
                pixels = np.asarray(picture, np.uint8)
    except FileNotFoundError:
        raise Unreadable(f"{path}: no such file") from None
    except IsADirectoryError:
        raise Unreadable(f"{path}: a folder, not a picture") from None
    except image_module.UnidentifiedImageError:
        raise Unreadable(f"{path}: not a picture that Pillow can read") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise Unreadable(f"{path}: damaged picture ({error})") from error
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the picture in another size, each pixel the mean of those it covers.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (C, H, W)
        A picture.
    height, width : int
        The new size.

    Returns
    -------
    ndarray of uint8, shape (C, height, width)
    """
    if pixels.shape[1:] == (height, width):
        return pixels
    from PIL import Image

    planes = [Image.fromarray(plane).resize((width, height), Image.Resampling.BOX) for plane in pixels]
    return np.stack([np.asarray(plane, np.uint8) for plane in planes])


def write_image(path: Path, pixels: np.ndarray) -> None:
    """Write a picture; the suffix chooses the format.

    Parameters
    ----------
    path : Path
        Where to; an existing file is replaced only when the new one is complete.
    pixels : ndarray of uint8, shape (C, H, W)
        Grey (C = 1) or RGB (C = 3).

    Raises
    ------
    ValueError
        If the suffix is no picture format, the place is not writable, or Pillow is not installed.
    """
    image_module = _pillow(path)
    picture = image_module.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image_module.init()
    kind = image_module.EXTENSION.get(path.suffix.lower())
    if kind is None or kind not in image_module.SAVE:
        found = f"{path.suffix} is not a picture format" if path.suffix else "the suffix chooses the format"
        raise ValueError(f"{path}: {found}; use .png or .jpg")
    partial = path.with_name(f".{path.name}.part")
    try:
        picture.save(partial, format=kind)
        partial.replace(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be written, {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def _flatten(picture: Any, image_module: ModuleType) -> Any:
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return _to_bytes(picture, image_module)
    if picture.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        grey = picture.mode in ("LA", "La")
        picture = picture.convert("RGBA")
        white = image_module.new("RGBA", picture.size, "white")
        picture = image_module.alpha_composite(white, picture).convert("L" if grey else "RGB")
    return picture


def _to_bytes(picture: Any, image_module: ModuleType) -> Any:
    """Scale wide grey values (16-bit files) to 0..255; values that already fit are kept."""
    values = np.asarray(picture, np.float64)
    if values.size and values.max() > 255:
        values = values * (255 / 65535)
    return image_module.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _pillow(path: Path) -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise ValueError(f"{path}: pictures need Pillow: pip install 'fastconv[data]'") from None
    return Image
