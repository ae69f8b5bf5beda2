"""From a description that JSON can hold back to a model; only the types of `LAYERS` are ever built."""

from __future__ import annotations

from typing import Any

from fastconv.nn import init
from fastconv.nn.layers import LAYERS, Graph, Sequential
from fastconv.nn.module import Module

__all__ = ["from_config"]


def from_config(config: Any) -> Module:
    """Build the module that ``module.config()`` described; its parameters hold no values yet.

    Parameters
    ----------
    config : dict
        As `Module.config` returns it, JSON's lists standing for tuples.

    Returns
    -------
    Module

    Raises
    ------
    ValueError
        If a type is unknown, or an argument is missing, unknown or out of range.
    """
    if not isinstance(config, dict) or not isinstance(config.get("type"), str):
        raise ValueError(f"model description {config!r} must be a dict with a type")
    kind = config["type"]
    if kind not in LAYERS:
        raise ValueError(f"layer type {kind!r} is unknown")
    layer_type = LAYERS[kind]
    if layer_type in (Sequential, Graph):
        return _network(layer_type, config)
    unknown = set(config) - {"type", *layer_type.ARGUMENTS}
    if unknown:
        raise ValueError(f"{kind} has no argument {sorted(unknown)}")
    arguments = {name: _tuples(config[name]) for name in layer_type.ARGUMENTS if name in config}
    if layer_type.PARAMETERS:
        arguments["rng"] = init.UNSET
    try:
        return layer_type(**arguments)
    except (TypeError, MemoryError, OverflowError) as error:
        raise ValueError(f"{kind} cannot be built from {config!r}: {error}") from error


def _network(kind: type[Graph], config: dict[str, Any]) -> Module:
    rows = config.get("layers")
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) >= 2 for row in rows):
        raise ValueError(f"a {kind.__name__}'s layers must be a list of [name, description]")
    if len({str(row[0]) for row in rows}) < len(rows):
        raise ValueError(f"a {kind.__name__}'s layers must have different names")
    if kind is Sequential:
        return Sequential({str(name): from_config(layer) for name, layer, *_ in rows})
    layers = {str(name): (from_config(layer), *sources) for name, layer, *sources in rows}
    try:
        return Graph(layers, inputs=_tuples(config.get("inputs")), outputs=_tuples(config.get("outputs")))
    except TypeError as error:
        raise ValueError(f"Graph cannot be built: {error}") from error


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
