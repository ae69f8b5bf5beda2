"""How an adapter imports its host."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["host_module"]


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
