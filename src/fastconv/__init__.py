"""fastconv: fast convolution, pooling and training of convolutional networks on the CPU, for NumPy arrays.

Arrays go in, arrays come out. The operations are here, layers and training in `fastconv.nn`, data sets in
`fastconv.data`, pictures in `fastconv.plot`, the naive loops that specify it all in `fastconv.reference`.
"""

from __future__ import annotations

from fastconv._starting import told_by_the_command

with told_by_the_command():
    import importlib
    from typing import Any

    from fastconv import filters, functional
    from fastconv.functional import *  # noqa: F403
    from fastconv.functional.profiling import start_verbose
    from fastconv.info import check_environment, get_num_threads, info, set_num_threads

with told_by_the_command(ValueError):  # what variables of the environment say
    check_environment()
    start_verbose()

__all__ = [
    "__version__",
    "filters",
    "functional",
    "get_num_threads",
    "info",
    "set_num_threads",
]
__all__ += functional.__all__
__version__ = "0.1.0"

_LAZY = ("cli", "data", "nn", "onnx", "plot", "reference")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"fastconv.{name}")
    raise AttributeError(f"module 'fastconv' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
