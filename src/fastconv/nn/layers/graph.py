"""Graph: layers joined at will, with several inputs and outputs, forward and backward.

The layers run in the order in which they were given; each takes the outputs of layers before it. Backward goes through
them in reverse and adds up the gradients of an output that several layers took. A ReLU that alone reads a convolution
or Linear runs inside of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastconv.nn.layers.activation import ReLU
from fastconv.nn.module import Module

__all__ = ["Graph"]


class _Node(NamedTuple):
    """A layer as it was given: where its inputs come from (slots: the network's inputs, then one a node)."""

    layer: Module
    sources: tuple[int, ...]


class _Step(NamedTuple):
    """A layer as it runs, with the further arguments of its forward and of its backward."""

    name: str
    layer: Module
    sources: tuple[int, ...]
    slot: int
    forward: dict[str, Any]
    backward: dict[str, Any]


class Graph(Module):
    """A network whose layers take the outputs of any layers before them.

    Parameters
    ----------
    layers : mapping of str to Module, or to a tuple (Module, str, ...)
        In the order in which they run. A layer alone takes what the one before it gave (the first: the first input);
        the strings of a tuple name the layers, or inputs, that it takes. A layer that merges, such as `Add`, takes
        several.
    inputs : sequence of str
        Names of the network's inputs. A network of several takes a tuple, and is no layer of another graph.
    outputs : sequence of str, optional
        Layers whose outputs the network gives, as a tuple if it is not exactly one; the last layer where it is not
        given.

    Raises
    ------
    TypeError
        If something else than a module is given.
    ValueError
        If a name is unknown or used twice, a layer stands in two places, takes too many inputs, or is of no use.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import nn
    >>> block = nn.Graph({
    ...     "conv1": nn.Conv2d(8, 8, 3, padding=1, rng=0),
    ...     "relu1": nn.ReLU(),
    ...     "conv2": nn.Conv2d(8, 8, 3, padding=1, rng=1),
    ...     "add": (nn.Add(), "conv2", "input"),
    ...     "relu2": nn.ReLU(),
    ... })
    >>> block(np.zeros((1, 8, 14, 14), np.float32)).shape
    (1, 8, 14, 14)
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(
        self,
        layers: Mapping[str, Any],
        *,
        inputs: Sequence[str] = ("input",),
        outputs: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.inputs = _names("inputs", inputs)
        slots = {name: index for index, name in enumerate(self.inputs)}
        self._nodes: dict[str, _Node] = {}
        last = self.inputs[0]
        for name, row in layers.items():
            layer, *taken = row if isinstance(row, tuple) else (row,)
            _check_layer(name, layer)
            if name in slots:
                raise ValueError(f"layer name {name!r} is that of an input as well")
            taken = taken or [last]
            unknown = [source for source in taken if source not in slots]
            if unknown:
                raise ValueError(f"layer {name!r} takes {unknown[0]!r}; before it there are {', '.join(slots)}")
            for source in taken:
                before = self._nodes[source].layer if source in self._nodes else None
                if isinstance(before, Graph) and len(before.outputs) != 1:
                    raise ValueError(
                        f"layer {name!r} takes {source!r}, which has several outputs: join its layers to this graph"
                    )
            if len(taken) > 1 and not layer.MERGES:
                raise ValueError(f"layer {name!r} ({type(layer).__name__}) takes one input, got {', '.join(taken)}")
            self._nodes[name] = _Node(layer, tuple(slots[source] for source in taken))
            slots[name] = len(slots)
            last = name
        self.outputs = _names("outputs", (last,) if outputs is None else outputs)
        unknown = [name for name in self.outputs if name not in slots]
        if unknown:
            raise ValueError(f"outputs names {unknown[0]!r}; there are {', '.join(slots)}")
        self._ends = tuple(slots[name] for name in self.outputs)
        self._check_places()
        self._check_use(slots)
        self._plan()

    def _check_places(self) -> None:
        found: dict[int, str] = {}
        for name, layer in self.named_modules():
            if found.setdefault(id(layer), name) != name:
                raise ValueError(
                    f"layers {found[id(layer)]!r} and {name!r} are one object, which stands twice in this "
                    f"{type(self).__name__}: make one for each place"
                )

    def _check_use(self, slots: Mapping[str, int]) -> None:
        used = set(self._ends).union(*(node.sources for node in self._nodes.values()))
        idle = [name for name, slot in slots.items() if slot not in used]
        if idle:
            raise ValueError(f"nothing takes the output of {idle[0]!r}: name it in outputs=, or leave it out")

    def _plan(self) -> None:
        """Decide which layers run with the ReLU behind them, who applies its mask, and what lives how long.

        Where a max-pool alone reads the ReLU, it masks its small gradient in place of the large one of the convolution.
        """
        first = len(self.inputs)
        readers = _readers(self._nodes.values(), self._ends)
        place = list(range(first))  # slot of a node's output -> slot where it is found once ReLUs are fused
        steps: list[_Step] = []
        made: dict[int, _Step] = {}
        for offset, (name, (layer, sources)) in enumerate(self._nodes.items()):
            slot = first + offset
            source = place[sources[0]]
            last = made.get(source) if len(sources) == 1 and readers[sources[0]] == 1 else None
            if type(layer) is ReLU and last and last.layer.FUSES_RELU and not last.forward:
                last.forward["activation"] = "relu"
                place.append(source)
                continue
            step = _Step(name, layer, tuple(place[taken] for taken in sources), slot, {}, {})
            if last and last.layer.KIND == "CONV" and last.forward and layer.MASKS_RELU:
                last.backward["masked"] = True
                step.backward["rectified"] = True
            place.append(slot)
            made[slot] = step
            steps.append(step)
        self._steps = steps
        self._results = tuple(place[end] for end in self._ends)
        self._slots = len(place)
        self._released = _released(steps, self._results)

    def forward(self, x: Any, training: bool = False) -> Any:
        """The outputs for the inputs: an array each, or a tuple where the network has not exactly one."""
        values: list[Any] = [None] * self._slots
        values[: len(self.inputs)] = self._taken(x)
        name = ""
        try:
            for (name, layer, sources, slot, options, _), released in zip(self._steps, self._released, strict=True):  # noqa: B007
                taken = tuple(values[source] for source in sources) if layer.MERGES else values[sources[0]]
                values[slot] = layer.forward(taken, training, **options)
                for source in released:
                    values[source] = None
        except (ValueError, TypeError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"layer {name!r}: {error}") from error
        if training:
            self._saved = ()
        results = tuple(values[slot] for slot in self._results)
        return results[0] if len(results) == 1 else results

    def backward(self, dy: Any, needs_input: bool = True) -> Any:
        """Backpropagation: the layers' backwards in reverse; `dy` is a tuple where forward gave one.

        Without `needs_input`, layers that no parameter stands before are not gone back to, and the first ones with
        parameters skip the gradient for their input.
        """
        self._take_saved()
        needed = self._needed(needs_input)
        gradients: list[Any] = [None] * self._slots
        if len(self._results) > 1:
            missing = [name for name, gradient in zip(self.outputs, dy, strict=True) if gradient is None]
            if missing:
                raise ValueError(f"dy holds None for the output {missing[0]!r}: give zeros where there is no gradient")
        for slot, gradient in zip(self._results, dy if len(self._results) > 1 else (dy,), strict=True):
            self._add_gradient(gradients, slot, gradient)
        for _, layer, sources, slot, _, options in reversed(self._steps):
            dy, gradients[slot] = gradients[slot], None
            if not needed[slot] or dy is None:
                continue
            dx = layer.backward(dy, any(needed[source] for source in sources), **options)
            for source, gradient in zip(sources, dx if layer.MERGES else (dx,), strict=True) if dx is not None else ():
                if needed[source]:
                    self._add_gradient(gradients, source, gradient)
        if not needs_input:
            return None
        return gradients[0] if len(self.inputs) == 1 else tuple(gradients[: len(self.inputs)])

    def _add_gradient(self, gradients: list[Any], slot: int, gradient: Any) -> None:
        """Add to the gradient of a slot, in an array of its own: layers may share what they return."""
        if gradients[slot] is None:
            gradients[slot] = gradient
            return
        key = ("sum", slot, gradient.shape)
        total = np.add(gradients[slot], gradient, out=self._kept_buffer(key))
        self._keep_buffer(key, total)
        gradients[slot] = total

    def _needed(self, needs_input: bool) -> list[bool]:
        """Which slots need a gradient: those that parameters, or wanted inputs, stand before."""
        needed = [needs_input] * len(self.inputs) + [False] * (self._slots - len(self.inputs))
        for _, layer, sources, slot, _, _ in self._steps:
            needed[slot] = any(needed[source] for source in sources) or any(True for _ in layer.parameters())
        return needed

    def _taken(self, x: Any) -> Sequence[Any]:
        if len(self.inputs) == 1:
            return (x,)
        if not isinstance(x, (tuple, list)) or len(x) != len(self.inputs):
            raise ValueError(f"this network takes a tuple of {len(self.inputs)} inputs: {', '.join(self.inputs)}")
        return x

    def flow(self, apply: Callable[[str, Module, Any], Any], x: Any, name: str = "") -> Any:
        """Send any kind of values through the network; ``apply(name, layer, x)`` stands for the layers' calls."""
        values: list[Any] = list(self._taken(x))
        for key, (layer, sources) in self._nodes.items():
            taken = tuple(values[source] for source in sources) if layer.MERGES else values[sources[0]]
            values.append(layer.flow(apply, taken, f"{name}.{key}" if name else key))
        results = tuple(values[slot] for slot in self._ends)
        return results[0] if len(results) == 1 else results

    def output_shape(self, input_shape: Any) -> Any:
        """Shape of the output; tuples of shapes where there are several inputs or outputs."""
        return self.flow(lambda _, layer, shape: layer.output_shape(shape), input_shape)

    def operations(self, input_shape: Any) -> int:
        """The sum over the layers."""
        total = 0

        def count(_: str, layer: Module, shape: Any) -> Any:
            nonlocal total
            total += layer.operations(shape)
            return layer.output_shape(shape)

        self.flow(count, input_shape)
        return total

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The layers with their names, in order."""
        return ((name, node.layer) for name, node in self._nodes.items())

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this network again."""
        names = [*self.inputs, *self._nodes]
        layers = [
            [name, layer.config(), *(names[source] for source in sources)]
            for name, (layer, sources) in self._nodes.items()
        ]
        return {"type": type(self).__name__, "layers": layers, "inputs": self.inputs, "outputs": self.outputs}

    def __getitem__(self, key: str) -> Module:
        if key not in self._nodes:
            raise ValueError(f"no layer {key!r} here; there are {', '.join(self._nodes)}")
        return self._nodes[key].layer

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Module]:
        return (node.layer for node in self._nodes.values())

    def __repr__(self) -> str:
        names = [*self.inputs, *self._nodes]
        lines = []
        for index, (name, (layer, sources)) in enumerate(self._nodes.items(), len(self.inputs)):
            chained = sources == ((index - 1,) if index > len(self.inputs) else (0,))
            taken = "" if chained else f" <- {', '.join(names[source] for source in sources)}"
            lines.append(f"  ({name}): {layer!r}{taken}".replace("\n", "\n  "))
        return "\n".join([f"{type(self).__name__}(", *lines, ")"])


def _names(what: str, names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise TypeError(f"{what} (={names!r}) must be a sequence of names")
    if any(not isinstance(name, str) for name in names):
        raise TypeError(f"{what} (={names!r}) must hold names")
    if len(set(names)) < len(names):
        raise ValueError(f"{what} (={names!r}) names something twice")
    return tuple(names)


def _check_layer(name: Any, layer: Any) -> None:
    if not isinstance(layer, Module):
        raise TypeError(f"layer {name!r} must be a Module, got {layer!r}")
    if not isinstance(name, str) or not name or "." in name:
        raise ValueError(f"layer name {name!r} must be a non-empty str without dots")


def _readers(nodes: Any, ends: Sequence[int]) -> list[int]:
    """How often each slot is read; the network's outputs count."""
    counts: dict[int, int] = dict.fromkeys(ends, 1)
    for node in nodes:
        for source in node.sources:
            counts[source] = counts.get(source, 0) + 1
    return [counts.get(slot, 0) for slot in range(max(counts, default=0) + 1)]


def _released(steps: Sequence[_Step], results: Sequence[int]) -> list[tuple[int, ...]]:
    """For each step the slots that nothing after it reads."""
    alive = set(results)
    released = []
    for step in reversed(steps):
        dead = set(step.sources) - alive
        released.append(tuple(dead))
        alive |= dead
    return released[::-1]
