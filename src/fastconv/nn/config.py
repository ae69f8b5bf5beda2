"""From a description that JSON can hold back to a model; only the types of `LAYERS` are ever built."""

from __future__ import annotations

from typing import Any

from fastconv.nn import init
from fastconv.nn.layers import LAYERS, Graph, Sequential
from fastconv.nn.module import Module

__all__ = ["first_difference", "from_config"]


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


def first_difference(found: Any, wanted: Any) -> str | None:
    """Say where the description `found` differs from `wanted`, or None; both as JSON has them.

    Examples
    --------
    >>> from fastconv import nn
    >>> first_difference(nn.Linear(3, 2, rng=0).config(), nn.Linear(4, 2, rng=0).config())
    'in_features is 3 there, 4 here'
    """
    place = _difference(found, wanted, "")
    if place is None:
        return None
    name, there, here = place
    return f"{name or 'the network'} is {_short(there)} there, {_short(here)} here"


def _difference(found: Any, wanted: Any, place: str) -> tuple[str, Any, Any] | None:
    if isinstance(found, dict) and isinstance(wanted, dict):
        if found.get("type") != wanted.get("type"):
            return place, found.get("type"), wanted.get("type")
        for key in {**wanted, **found}:
            inside = place if key == "layers" else f"{place}.{key}" if place else key
            different = _difference(found.get(key), wanted.get(key), inside)
            if different:
                return different
        return None
    rows = (found, wanted)
    if all(isinstance(one, list) and one and all(isinstance(row, list) for row in one) for one in rows):
        for there, here in zip(found, wanted, strict=False):
            if there[0] != here[0]:
                return (f"a layer of {place}" if place else "a layer"), there[0], here[0]
            if there[2:] != here[2:]:
                return f"what layer {here[0]} takes", there[2:], here[2:]
            different = _difference(there[1], here[1], f"{place}.{here[0]}" if place else str(here[0]))
            if different:
                return different
        if len(found) != len(wanted):
            return f"the number of layers{' of ' + place if place else ''}", len(found), len(wanted)
        return None
    return None if found == wanted else (place, found, wanted)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:56]} ..."
