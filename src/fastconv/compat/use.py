"""fastconv in the place of a host's functions, for the whole process and reversibly.

A host's module gets fastconv's functions as attributes while any `use` of it is open or it is installed, and its own
back afterwards. Whoever asks the module by name (``scipy.signal.convolve``) gets fastconv's; whoever took a function
out of it before (``from scipy.signal import convolve``) keeps the host's, and `status` lists those it can see.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

__all__ = ["HOSTS", "Status", "install", "status", "uninstall", "use"]

# Module of the host -> adapter in this package.
HOSTS = {"scipy.signal": "scipy_signal", "scipy.ndimage": "ndimage", "numpy": "numpy"}


@dataclass
class _Replacement:
    """One host: its module, what was there before and is there now, and what keeps it there."""

    module: ModuleType
    before: dict[str, Any]
    ours: dict[str, Callable[..., Any]]
    uses: int = 0
    installed: bool = False

    def put(self, functions: dict[str, Any], instead: dict[str, Any]) -> None:
        """Replace functions, but not what somebody else has put there meanwhile."""
        for name, function in functions.items():
            if getattr(self.module, name) is instead[name]:
                setattr(self.module, name, function)

    def settle(self) -> None:
        """Make the module what the counts say."""
        if self.uses or self.installed:
            self.put(self.ours, self.before)
        else:
            self.put(self.before, self.ours)


_lock = threading.RLock()


def _unlock() -> None:
    """A child has none of its parent's other threads, of which one may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)

_replacements: dict[str, _Replacement] = {}


def _checked(hosts: tuple[Any, ...]) -> tuple[str, ...]:
    if not hosts:
        raise ValueError(f"name a host: {', '.join(map(repr, HOSTS))}")
    for host in hosts:
        if not isinstance(host, str) or host not in HOSTS:
            raise ValueError(f"host (={host!r}) must be one of {', '.join(map(repr, HOSTS))}")
    return tuple(dict.fromkeys(hosts))


def _replacement(host: str) -> _Replacement:
    """The host's entry; made when it is first asked for, which imports the host."""
    found = _replacements.get(host)
    if found is None:
        adapter = importlib.import_module(f"fastconv.compat.{HOSTS[host]}")
        module = importlib.import_module(host)
        ours = {name: getattr(adapter, name) for name in adapter.__all__}
        found = _Replacement(module, {name: getattr(module, name) for name in ours}, ours)
        _replacements[host] = found
    return found


class use(ContextDecorator):  # noqa: N801 - reads as a word: with use(...)
    """Run a block, or a decorated function, with fastconv in the place of hosts' functions.

    Process-wide: other threads see it too. Blocks may nest and overlap; the last one to end puts everything back.

    Parameters
    ----------
    *hosts : str
        "scipy.signal", "scipy.ndimage" or "numpy".

    Raises
    ------
    ValueError
        If a host is unknown.
    ImportError
        On entering, if a host is not installed.

    Examples
    --------
    >>> import fastconv.compat
    >>> import scipy.signal
    >>> before = scipy.signal.convolve
    >>> with fastconv.compat.use("scipy.signal"):
    ...     scipy.signal.convolve is before
    False
    >>> scipy.signal.convolve is before
    True
    """

    def __init__(self, *hosts: str) -> None:
        self.hosts = _checked(hosts)

    def __enter__(self) -> use:
        with _lock:
            found = [_replacement(host) for host in self.hosts]
            for replacement in found:
                replacement.uses += 1
                replacement.settle()
        return self

    def __exit__(self, *exception: object) -> None:
        with _lock:
            for host in self.hosts:
                replacement = _replacements[host]
                replacement.uses -= 1
                replacement.settle()


def install(*hosts: str) -> None:
    """Put fastconv in the place of hosts' functions until `uninstall`; installing twice is installing once.

    Parameters
    ----------
    *hosts : str
        As for `use`.

    Raises
    ------
    ValueError
        If a host is unknown.
    ImportError
        If a host is not installed.
    """
    names = _checked(hosts)
    with _lock:
        found = [_replacement(host) for host in names]
        for replacement in found:
            replacement.installed = True
            replacement.settle()


def uninstall(*hosts: str) -> None:
    """Undo `install`, of all hosts if none is named; where a `use` is open the functions stay until it ends.

    Parameters
    ----------
    *hosts : str
        As for `use`.
    """
    with _lock:
        for host in _checked(hosts) if hosts else tuple(_replacements):
            if host in _replacements:
                _replacements[host].installed = False
                _replacements[host].settle()


@dataclass(frozen=True)
class Status:
    """What is replaced now; ``str`` makes it readable.

    Attributes
    ----------
    replaced : dict of str to list of str
        Names of every host that are fastconv's at the moment.
    uses : dict of str to int
        Open `use` blocks of every host.
    installed : list of str
        Hosts that are installed.
    bound_earlier : list of str
        Names in other modules, as "module.name", that hold a host's own function and keep it.
    """

    replaced: dict[str, list[str]]
    uses: dict[str, int]
    installed: list[str]
    bound_earlier: list[str]

    def __str__(self) -> str:
        if not self.replaced:
            return "fastconv.compat: nothing is replaced"
        lines = []
        for host, names in self.replaced.items():
            why = [f"{self.uses[host]} use"] if self.uses[host] else []
            why += ["installed"] if host in self.installed else []
            lines.append(f"{host} ({', '.join(why) or 'left by others'}): {', '.join(names)}")
        if self.bound_earlier:
            lines.append("bound earlier, still the host's own: " + ", ".join(self.bound_earlier))
        return "\n".join(lines)


def status() -> Status:
    """Tell which functions are replaced, why, and who holds a host's own function from before.

    Returns
    -------
    Status

    Examples
    --------
    >>> print(status())
    fastconv.compat: nothing is replaced
    """
    with _lock:
        replaced = {}
        own: dict[int, str] = {}
        for host, replacement in _replacements.items():
            names = [name for name, ours in replacement.ours.items() if getattr(replacement.module, name) is ours]
            if names:
                replaced[host] = names
                own.update({id(replacement.before[name]): host for name in names})
        return Status(
            replaced,
            {host: replacement.uses for host, replacement in _replacements.items()},
            [host for host, replacement in _replacements.items() if replacement.installed],
            _holders(own),
        )


def _holders(own: dict[int, str]) -> list[str]:
    """Names in modules of others than the hosts that hold one of these functions, by identity."""
    if not own:
        return []
    inner = ("fastconv", *{host.partition(".")[0] for host in own.values()})
    found = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in inner or not isinstance(module, ModuleType):
            continue
        found += [f"{name}.{key}" for key, value in list(vars(module).items()) if id(value) in own]
    return sorted(found)
