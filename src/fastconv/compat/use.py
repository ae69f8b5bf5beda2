"""fastconv in the place of a host's functions, for the whole process and reversibly.

A host's module gets fastconv's functions as attributes while any `use` of it is open or it is installed, and its own
back afterwards. Whoever asks the module by name (``scipy.signal.convolve``) gets fastconv's; whoever took a function
out of it before (``from scipy.signal import convolve``) keeps the host's, who did so meanwhile keeps fastconv's, and
`status` lists those of both kinds that it can see. What interrupts a replacement, in the imports or after, undoes it.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import ContextDecorator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["HOSTS", "Status", "install", "status", "uninstall", "use"]

# Module of the host -> adapter in this package. What an adapter lists in __all__ takes the place of what the module has
# under the same names, unless the adapter says in PLACES what goes where.
HOSTS = {"scipy.signal": "scipy_signal", "scipy.ndimage": "ndimage", "numpy": "numpy", "numpy_ml": "numpy_ml"}


@dataclass(frozen=True)
class _Place:
    """An attribute of a host's module or class: what was there before, and what stands in for it."""

    holder: Any
    name: str
    before: Any
    ours: Any

    def put(self, function: Any, instead: Any) -> None:
        """Replace a function, but not what somebody else has put there meanwhile."""
        if getattr(self.holder, self.name) is instead:
            setattr(self.holder, self.name, function)

    def __str__(self) -> str:
        return self.name if isinstance(self.holder, ModuleType) else f"{self.holder.__name__}.{self.name}"


@dataclass
class _Replacement:
    """One host: its places, and what keeps fastconv in them."""

    places: list[_Place]
    uses: int = 0
    installed: bool = False

    def settle(self) -> None:
        """Make the host what the counts say."""
        for place in self.places:
            if self.uses or self.installed:
                place.put(place.ours, place.before)
            else:
                place.put(place.before, place.ours)


class _Wanted(NamedTuple):
    """Counts that a host is to have."""

    host: _Replacement
    uses: int
    installed: bool


def _make(wanted: list[_Wanted]) -> None:
    for host, uses, installed in wanted:
        host.uses, host.installed = uses, installed
    for host, _, _ in wanted:
        host.settle()


def _change(wanted: list[_Wanted], if_interrupted: list[_Wanted]) -> None:
    """Bring hosts to these counts; all of them to the others if that is interrupted."""
    try:
        _make(wanted)
    except BaseException:
        _make(if_interrupted)
        raise


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
        places = getattr(adapter, "PLACES", None) or [
            (module, name, getattr(adapter, name)) for name in adapter.__all__
        ]
        found = _Replacement([_Place(holder, name, getattr(holder, name), ours) for holder, name, ours in places])
        _replacements[host] = found
    return found


def _now(hosts: Iterable[str]) -> list[_Wanted]:
    return [_Wanted(host, host.uses, host.installed) for host in map(_replacement, hosts)]


class use(ContextDecorator):  # noqa: N801 - reads as a word: with use(...)
    """Run a block, or a decorated function, with fastconv in the place of hosts' functions.

    Process-wide: other threads see it too. Blocks may nest and overlap; the last one to end puts everything back.

    Parameters
    ----------
    *hosts : str
        "scipy.signal", "scipy.ndimage", "numpy" or "numpy_ml".

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
            before = _now(self.hosts)
            _change([wanted._replace(uses=wanted.uses + 1) for wanted in before], before)
        return self

    def __exit__(self, *exception: object) -> None:
        with _lock:
            after = [wanted._replace(uses=wanted.uses - 1) for wanted in _now(self.hosts)]
            _change(after, after)


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
        before = _now(names)
        _change([wanted._replace(installed=True) for wanted in before], before)


def uninstall(*hosts: str) -> None:
    """Undo `install`, of all hosts if none is named; where a `use` is open the functions stay until it ends.

    Parameters
    ----------
    *hosts : str
        As for `use`.
    """
    with _lock:
        names = [host for host in (_checked(hosts) if hosts else tuple(_replacements)) if host in _replacements]
        after = [wanted._replace(installed=False) for wanted in _now(names)]
        _change(after, after)


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
    bound_inside : list of str
        Names that hold fastconv's function and keep it when the host's own is back: ``from scipy.signal import
        convolve`` while it was replaced, or from the adapter itself.
    """

    replaced: dict[str, list[str]]
    uses: dict[str, int]
    installed: list[str]
    bound_earlier: list[str]
    bound_inside: list[str]

    def __str__(self) -> str:
        lines = [] if self.replaced else ["fastconv.compat: nothing is replaced"]
        for host, names in self.replaced.items():
            why = [f"{self.uses[host]} use"] if self.uses[host] else []
            why += ["installed"] if host in self.installed else []
            lines.append(f"{host} ({', '.join(why) or 'left by others'}): {', '.join(names)}")
        if self.bound_earlier:
            lines.append("bound earlier, still the host's own: " + ", ".join(self.bound_earlier))
        if self.bound_inside:
            lines.append("bound to fastconv's, in use or not: " + ", ".join(self.bound_inside))
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
        replaced: dict[str, list[str]] = {}
        own: set[int] = set()
        ours: set[int] = set()
        hosts: set[str] = set()
        for host, replacement in _replacements.items():
            there = [place for place in replacement.places if getattr(place.holder, place.name) is place.ours]
            if there:
                replaced[host] = list(dict.fromkeys(map(str, there)))
                hosts.add(host.partition(".")[0])
                own.update(id(place.before) for place in there)
            ours.update(id(place.ours) for place in replacement.places)
        return Status(
            replaced,
            {host: replacement.uses for host, replacement in _replacements.items()},
            [host for host, replacement in _replacements.items() if replacement.installed],
            _holders(own, hosts),
            _holders(ours, set()),
        )


def _holders(functions: set[int], inner: set[str]) -> list[str]:
    """Names in modules that hold one of these functions, by identity, but for `inner` packages and replaced places."""
    if not functions:
        return []
    places = {(id(place.holder), place.name) for host in _replacements.values() for place in host.places}
    found = []
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"fastconv", *inner} or not isinstance(module, ModuleType):
            continue
        found += [
            f"{name}.{key}"
            for key, value in list(vars(module).items())
            if id(value) in functions and (id(module), key) not in places
        ]
    return sorted(found)
