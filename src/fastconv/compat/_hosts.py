"""How an adapter imports its host, and finds the host's own functions."""

from __future__ import annotations

import importlib
import sys
from typing import Any

__all__ = ["host_module", "own_function"]

# Public module -> where it has its functions from, newest release first. Who patches a function does it in the public
# one. SciPy's first ones hold what the public modules show where its array API support wraps the functions.
_ORIGINS = {
    "scipy.signal": ("scipy.signal._support_alternative_backends", "scipy.signal._signaltools"),
    "scipy.ndimage": ("scipy.ndimage._support_alternative_backends", "scipy.ndimage._filters"),
    "numpy": ("numpy._core.numeric", "numpy.core.numeric"),
}


def host_module(name: str, package: str) -> Any:
    """Import a module of a host.

    Parameters
    ----------
    name : str
        The module.
    package : str
        What to install if its top package is missing.

    Raises
    ------
    ModuleNotFoundError
        If the host is not installed; the message says how to install it.

    Examples
    --------
    >>> host_module("json.decoder", "json").__name__
    'json.decoder'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        top = name.partition(".")[0]
        if error.name != top:
            raise
        message = f"fastconv.compat.{top} adapts {top}, which is not installed: pip install {package}"
        raise ModuleNotFoundError(message, name=top) from None


def own_function(holder: Any, name: str) -> Any:
    """Return a host's own function, also while somebody has patched or deleted it in its public module.

    Parameters
    ----------
    holder : module or class
        Where the host shows it.
    name : str
        The function.

    Returns
    -------
    callable
        From the module that the public one has it from, where that is known.

    Examples
    --------
    >>> import numpy
    >>> own_function(numpy, "convolve") is numpy.convolve
    True
    """
    for origin in _ORIGINS.get(holder.__name__, ()):
        function = getattr(sys.modules.get(origin), name, None)
        if function is not None:
            return function
    return getattr(holder, name)
