"""The settings of a training: one flat table, read from TOML, changed on the command line, written beside the result.

What a number switches off is 0, since TOML has no null. The order of what counts: the table's defaults, those of the
network, the file, ``--set``, the options of the command.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

__all__ = ["NETWORK_DEFAULTS", "Settings", "parse_assignment", "read_toml"]


@dataclass(frozen=True)
class Settings:
    """All that a training depends on."""

    network: str = "lenet5"  # see `fastconv zoo`
    data: str = ""  # name or folder; nothing: Fashion-MNIST, or its sample
    limit: int = 0  # only the first pictures of each part
    skip_unreadable: bool = False
    epochs: int = 12
    batch_size: int = 64
    seed: int = 0
    optimizer: str = "sgd"  # sgd, adam, adamw
    lr: float = 0.03  # the largest learning rate
    momentum: float = 0.9  # of sgd
    nesterov: bool = False
    weight_decay: float = 1e-3
    decay_norms_and_biases: bool = False
    schedule: str = "cosine"  # constant, linear, cosine, step, onecycle
    warm_up: float = 0.0  # fraction of the training; where onecycle has its peak
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1  # batches a step
    ema: float = 0.0  # decay of averaged weights
    early_stopping: int = 0  # epochs without a better test loss
    crop: int = 0  # pixels of border for random crops
    flip: bool = False
    cutout: int = 0  # side of the hole
    tensorboard: bool = False  # event files, needs tensorboardX

    def changed(self, values: Mapping[str, Any], place: str) -> Settings:
        """These settings with other values; `place` is where they come from, for errors.

        Raises
        ------
        ValueError
            If a name is unknown, or a value is of another type or out of range.
        """
        return replace(self, **{name: _checked(name, value, place) for name, value in values.items()})

    def as_toml(self) -> str:
        """The text of a file that gives these settings."""
        return "".join(f"{field.name} = {_literal(getattr(self, field.name))}\n" for field in fields(self))


#: where a network wants other defaults: without batch norms, the learning rate that its authors took
NETWORK_DEFAULTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("alexnet", "zfnet", "vgg11", "vgg16", "vgg19"), {"lr": 0.01}),
}

_KINDS = {field.name: type(field.default) for field in fields(Settings)}
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}

_OF = {
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("constant", "linear", "cosine", "step", "onecycle"),
}
#: whether a number is in its range, and the range in words; other numbers are at least 0
_RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(("epochs", "batch_size", "accumulate"), (lambda value: value >= 1, "at least 1")),
    "lr": (lambda value: value > 0, "positive"),
    **dict.fromkeys(("momentum", "warm_up", "ema"), (lambda value: 0 <= value < 1, "at least 0 and below 1")),
    "label_smoothing": (lambda value: 0 <= value <= 1, "in 0..1"),
}


def read_toml(path: Path) -> dict[str, Any]:
    """The values of a file.

    Raises
    ------
    ValueError
        If it cannot be read, is no TOML, or this Python has no parser.
    """
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            import tomli as tomllib  # type: ignore[import-not-found,no-redef,unused-ignore]
        except ImportError:
            raise ValueError(f"{path}: TOML needs Python 3.11 or tomli: pip install 'fastconv[cli]'") from None
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read, {error.strerror or error}") from error
    except ValueError as error:  # of the decoder as well
        raise ValueError(f"{path}: no TOML file ({error})") from error


def parse_assignment(text: str) -> tuple[str, Any]:
    """``name=value`` as `Settings` takes it; a text needs no quotes.

    Raises
    ------
    ValueError
        If it is no assignment, or the value is not of the setting's type.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ValueError(f"--set {text!r} must be NAME=VALUE")
    kind = _kind(name, "--set")
    if kind is str:
        return name, value.strip("\"'")
    if kind is bool:
        if value not in ("true", "false"):
            raise ValueError(f"--set: {name} (={value!r}) must be true or false")
        return name, value == "true"
    try:
        return name, kind(value)
    except ValueError:
        raise ValueError(f"--set: {name} (={value!r}) must be {_WORDS[kind]}") from None


def _kind(name: str, place: str) -> Any:
    if name not in _KINDS:
        near = difflib.get_close_matches(name, _KINDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_KINDS)}"
        raise ValueError(f"{place}: no setting {name!r}; {hint}")
    return _KINDS[name]


def _checked(name: str, value: Any, place: str) -> Any:
    kind = _kind(name, place)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ValueError(f"{place}: {name} (={value!r}) must be {_WORDS[kind]}")
    if kind in (int, float):
        inside, words = _RANGES.get(name, (lambda number: number >= 0, "at least 0"))
        if not inside(value) or value == math.inf:
            raise ValueError(f"{place}: {name} (={value!r}) must be {words}")
    if name in _OF and value not in _OF[name]:
        raise ValueError(f"{place}: {name} (={value!r}) must be one of {', '.join(_OF[name])}")
    return value


def _literal(value: Any) -> str:
    """A value as TOML writes it: JSON's literals are TOML's as well."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
