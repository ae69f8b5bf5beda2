"""From the keys of a file to those of a model: renaming by prefixes or by a function, and the maps known by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastconv.nn.zoo.efficientnet_lite import BLOCKS

__all__ = ["NAMES", "renamed"]

#: gives the model's key for a file's key; None leaves the tensor out
Rename = Callable[[str], str | None]


def _data_parallel(key: str) -> str:
    """Of a model that was saved inside of PyTorch's DataParallel."""
    return key.removeprefix("module.")


def _timm_efficientnet_lite0(key: str) -> str:
    """timm counts blocks by stage, and batch norms from 1; its first stage has no convolution that widens."""
    head = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    name, _, rest = key.partition(".")
    if name != "blocks":
        return f"{head.get(name, name)}.{rest}"
    try:
        stage, index, layer, part = rest.split(".", 3)
        first = sum(row[0] for row in BLOCKS[: int(stage)])
        widens = BLOCKS[int(stage)][2] != 1
        block = first + int(index)
    except (ValueError, IndexError):
        return key  # none of timm's: reported with what else does not fit
    layers = (
        {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1",
         "conv_pwl": "_project_conv", "bn3": "_bn2"}
        if widens
        else {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    )  # fmt: skip
    return f"_blocks.{block}.{layers.get(layer, layer)}.{part}"


#: maps known by name
NAMES: dict[str, Rename] = {
    "data_parallel": _data_parallel,
    "timm_efficientnet_lite0": _timm_efficientnet_lite0,
}


def renamed(state: Mapping[str, Any], names: Any) -> dict[str, Any]:
    """`state` under the keys that `names` gives; see `load_weights`."""
    if isinstance(names, str):
        if names not in NAMES:
            raise ValueError(f"names (={names!r}) must be a function, a mapping of prefixes, or one of {_known()}")
        names = NAMES[names]
    elif isinstance(names, Mapping):
        names = _by_prefix(names)
    elif not callable(names):
        raise TypeError(f"names (={names!r}) must be a function, a mapping of prefixes, or one of {_known()}")
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for key, value in state.items():
        new = names(key)
        if new is None:
            continue
        if new in found:
            raise ValueError(f"names gives {new!r} for both {origin[new]!r} and {key!r}")
        found[new], origin[new] = value, key
    return found


def _by_prefix(prefixes: Mapping[str, str | None]) -> Rename:
    ordered = sorted(prefixes, key=len, reverse=True)

    def rename(key: str) -> str | None:
        for prefix in ordered:
            if key == prefix or key.startswith(f"{prefix}.") or prefix == "":
                new, rest = prefixes[prefix], key[len(prefix) :].removeprefix(".")
                return None if new is None else ".".join(part for part in (new, rest) if part)
        return key

    return rename


def _known() -> str:
    return ", ".join(map(repr, NAMES))
