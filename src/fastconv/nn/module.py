"""Parameter, Buffer and Module: what every layer is made of.

A module keeps its parameters, buffers and sub-modules as plain attributes, in the order they were assigned; that order
is the order of `Module.parameters` and of the state's keys.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from fastconv.graph import Program
from fastconv.nn.buffers import PassingBuffers
from fastconv.nn.compiled import CompiledModel

__all__ = ["Buffer", "Module", "Parameter"]

#: first words of the keys of gradients that layers hand back
PASSING = ("dx", "dy", "sum")


class Parameter:
    """An array that training changes, with its gradient.

    Attributes
    ----------
    data : ndarray of float32 or float64
        The values. An optimiser turns it into a view of its flat buffer.
    grad : ndarray or None
        Same shape and dtype; set (not added to) by the backward of the layer that owns the parameter.
    """

    __slots__ = ("data", "grad")

    def __init__(self, data: np.ndarray) -> None:
        self.data = data
        self.grad: np.ndarray | None = None

    def gradient(self) -> np.ndarray:
        """The array for a backward to write its gradient to, made on first use."""
        if self.grad is None:
            self.grad = np.zeros_like(self.data)
        return self.grad

    def __repr__(self) -> str:
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"


class Buffer:
    """An array that belongs to the state of a layer and that no optimiser changes, such as a running mean."""

    __slots__ = ("data",)

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    def __repr__(self) -> str:
        return f"Buffer(shape={self.data.shape}, dtype={self.data.dtype})"


class Module:
    """Base of layers and models.

    A subclass writes ``forward(x, training=False)`` and ``backward(dy, needs_input=True)``, and for `summary` and the
    checkpoints the class attributes and methods below. forward keeps what backward needs only when training, so that
    inference may run in several threads at once.
    """

    #: constructor arguments that describe the layer, in order; each is also an attribute (``bias`` is the parameter)
    ARGUMENTS: ClassVar[tuple[str, ...]] = ()
    #: attributes that are parameters; the bias may be None
    PARAMETERS: ClassVar[tuple[str, ...]] = ()
    #: the arguments among them that the designer of a network chooses and training does not change
    HYPERPARAMETERS: ClassVar[tuple[str, ...]] = ()
    #: whether forward takes activation="relu"
    FUSES_RELU: ClassVar[bool] = False
    #: whether backward takes rectified=True, the mask of a ReLU before the layer
    MASKS_RELU: ClassVar[bool] = False
    #: whether forward takes a tuple of inputs, and backward returns one of gradients
    MERGES: ClassVar[bool] = False
    #: the textbook's kind: CONV, RELU, POOL, FC, or another word for the rest
    KIND: ClassVar[str] = ""

    def __init__(self) -> None:
        self._saved: tuple | None = None
        self._kept: dict | None = None
        self._passing = PassingBuffers()

    def __call__(self, x: Any, training: bool = False) -> Any:
        """The output for input `x`: `forward` under its short name."""
        return self.forward(x, training)

    def forward(self, x: Any, training: bool = False) -> Any:
        """The output for input `x`; with `training`, also keep what `backward` needs."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, dy: Any, needs_input: bool = True) -> Any:
        """Gradient of the loss for the last training input, given the gradient `dy` for its output.

        Sets the gradients of the parameters on the way. Returns None where `needs_input` is false.
        """
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def output_shape(self, input_shape: Any) -> Any:
        """Shape of one output (no batch axis) for one input of `input_shape`."""
        return input_shape

    def operations(self, input_shape: tuple[int, ...]) -> int:
        """Multiplications, additions and comparisons for one input of `input_shape`."""
        return 0

    def unused_input(self, input_shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
        """Positions along each spatial axis that the layer never reads; empty where that cannot happen."""
        return ()

    def flow(self, apply: Callable[[str, Module, Any], Any], x: Any, name: str = "") -> Any:
        """Send any kind of value through the module: what ``apply(name, module, x)`` makes of it.

        A network overrides this and sends values from layer to layer, so that shapes or figures take the same way
        as arrays.
        """
        return apply(name, self, x)

    def emit(self, program: Program, x: Any, name: str) -> Any:
        """Add to a program what inference of this layer computes from the node, or tuple of nodes, `x`.

        A layer that passes should see, because they fold or fuse it, overrides this; others are called as they are.
        """
        nodes = x if self.MERGES else (x,)
        shapes = tuple(node.shape[1:] for node in nodes)
        shape = self.output_shape(shapes if self.MERGES else shapes[0])

        layer = self
        if any(True for _ in self.named_state()):
            layer = copy.deepcopy(self)
            layer.reuse_buffers(False)

        def forward(*arrays: np.ndarray) -> np.ndarray:
            return layer.forward(arrays if layer.MERGES else arrays[0])

        return program.add("call", nodes, name, function=forward, out=False, shape=(nodes[0].shape[0], *shape))

    def compile(self, shape: Any, memory: str = "fast") -> CompiledModel:
        """Make the model ready for inference: batch norms folded, epilogues fused, weights packed, memory planned.

        Parameters
        ----------
        shape : tuple of int
            Of the inputs, with the batch axis; a tuple of shapes for a network of several inputs. Other sizes work too:
            the first input of each compiles for it.
        memory : {"fast", "lean"}
            "fast" keeps transformed weights where they save time; "lean" keeps none that take more room than the
            originals.

        Returns
        -------
        CompiledModel

        Raises
        ------
        ValueError
            If the shape does not fit the model; the message names the layer.

        Examples
        --------
        >>> import numpy as np
        >>> from fastconv import nn
        >>> model = nn.zoo.build("lenet5").compile((1, 1, 28, 28))
        >>> [node.name for node in model.program().nodes]
        ['conv1', 'conv2', 'flatten', 'fc1', 'fc2', 'fc3']
        >>> model(np.zeros((1, 1, 28, 28), np.float32)).shape
        (1, 10)
        """
        return CompiledModel(self, shape, memory)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (named `prefix`) and all modules below it, in order."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with the keys of their state, in order."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, in order."""
        for _, parameter in self.named_parameters():
            yield parameter

    def parameter_count(self) -> int:
        """How many numbers training changes."""
        return sum(parameter.data.size for parameter in self.parameters())

    def named_state(self) -> Iterator[tuple[str, Parameter | Buffer]]:
        """All parameters and buffers with the keys of their state, in order."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, (Parameter, Buffer)):
                    yield f"{prefix}.{name}" if prefix else name, value

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of the values of all parameters and buffers by key, as PyTorch names them."""
        return {name: entry.data.copy() for name, entry in self.named_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the values of parameters and buffers; all keys and shapes must be those of `state_dict`.

        Raises
        ------
        TypeError
            If `state` is no mapping.
        ValueError
            If keys are missing or unexpected, or shapes or dtypes do not fit; all of them are named. Nothing is changed
            then.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state must map keys to arrays, got {type(state).__name__}")
        entries = dict(self.named_state())
        missing = [name for name in entries if name not in state]
        unexpected = [name for name in state if name not in entries]
        arrays = {name: np.asarray(state[name]) for name in entries if name in state}
        wrong = []
        if missing or unexpected:
            wrong.append(f"missing keys {missing}, unexpected keys {unexpected}")
        for name, array in arrays.items():
            data = entries[name].data
            if array.shape != data.shape:
                wrong.append(f"state[{name!r}] has shape {array.shape}, the model needs {data.shape}")
            elif array.dtype.kind != data.dtype.kind:
                wrong.append(f"state[{name!r}] has dtype {array.dtype}, the model needs {data.dtype}")
        if wrong:
            raise ValueError(f"state does not fit this model: {'; '.join(wrong)}")
        for name, entry in entries.items():
            entry.data[...] = arrays[name]

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this module again, as JSON can hold it."""
        config: dict[str, Any] = {"type": type(self).__name__}
        for name in self.ARGUMENTS:
            value = getattr(self, name)
            config[name] = value is not None if name == "bias" else value
        return config

    def hyperparameters(self) -> dict[str, Any]:
        """The layer's hyperparameters by name."""
        return {name: getattr(self, name) for name in self.HYPERPARAMETERS}

    def reset_parameters(self, rng: int | np.random.Generator | None = None) -> None:
        """Draw all parameters anew, in order, from `rng`; a layer with parameters extends this."""
        rng = np.random.default_rng(rng)
        for _, child in self.named_children():
            child.reset_parameters(rng)

    def reuse_buffers(self, reuse: bool = True) -> None:
        """Let training calls of the same input shape write to the same arrays, or stop that and free them.

        With it, what a training call returned is overwritten by the next one. `Trainer` turns it on while it runs.
        """
        passing = PassingBuffers()
        for _, module in self.named_modules():
            module._kept = {} if reuse else None
            module._passing = passing
            module._saved = None

    def _take_saved(self) -> tuple:
        saved = self._saved
        if saved is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward: nothing to go back to; call the layer with training=True first"
            )
        self._saved = None
        return saved

    def _kept_buffer(self, key: Any) -> Any:
        """The array that the last call kept under `key`: the shape of what it is for, or a word and that.

        What goes back, under a word of `PASSING` and its shape, is any array of that shape that nobody holds.
        """
        if self._kept is None:
            return None
        return self._passing.take(key[-1]) if _passes(key) else self._kept.get(key)

    def _keep_buffer(self, key: Any, buffer: Any) -> None:
        if self._kept is None:
            return
        if _passes(key):
            self._passing.keep(buffer)
        else:
            self._kept[key] = buffer

    def __repr__(self) -> str:
        config = self.config()
        arguments = ", ".join(f"{name}={value!r}" for name, value in config.items() if name != "type")
        return f"{config['type']}({arguments})"


def _passes(key: Any) -> bool:
    return isinstance(key, tuple) and len(key) > 1 and key[0] in PASSING
