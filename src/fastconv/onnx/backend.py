"""Backend: fastconv behind the interface with which the onnx package runs and tests other programs."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    import onnx
    from onnx.backend.base import Backend as _Backend
    from onnx.backend.base import BackendRep as _BackendRep
except ImportError:
    raise ImportError("the backend needs the onnx package: pip install 'fastconv[onnx]'") from None

from fastconv.onnx.model import Model, load

__all__ = ["Backend", "Prepared"]


class Prepared(_BackendRep):
    """A model that is ready."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
        """The outputs in order, for the inputs in order, or by name."""
        if not isinstance(inputs, dict):
            arrays = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
            names = [port.name for port in self.model.inputs]
            if len(arrays) > len(names):
                raise ValueError(f"{self.model.name} takes {len(names)} inputs, got {len(arrays)}")
            inputs = dict(zip(names, arrays, strict=False))
        return tuple(self.model.run(inputs).values())


class Backend(_Backend):
    """``Backend.prepare(model).run(inputs)``; operators that fastconv lacks are refused."""

    @classmethod
    def is_compatible(cls, model: Any, device: str = "CPU", **options: Any) -> bool:
        """Whether `prepare` takes a model."""
        try:
            cls.prepare(model, device, **options)
        except (ValueError, TypeError):
            return False
        return True

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **options: Any) -> Prepared:
        """A model ready to run; options are those of `fastconv.onnx.load`."""
        if not cls.supports_device(device):
            raise ValueError(f"device (={device!r}) must be CPU")
        return Prepared(load(model, **options))

    @classmethod
    def run_node(cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None, **options: Any) -> Any:
        """The outputs of one node, in the newest opset or that of ``opset_version=``."""
        opset = options.pop("opset_version", onnx.defs.onnx_opset_version())
        arrays = [np.asarray(value) for value in inputs]
        given = [name for name in node.input if name]
        described = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in zip(given, arrays, strict=True)
        ]
        results = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], "node", described, results)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
        return cls.prepare(model, device, **options).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """The CPU."""
        return device.partition(":")[0] == "CPU"
