"""fastconv in the place of a host's functions, for the whole process and reversibly.

A host's module gets fastconv's functions as attributes while any `use` of it is open or it is installed, and its own
back afterwards. Whoever asks the module by name (``scipy.signal.convolve``) gets fastconv's; whoever took a function
out of it before (``from scipy.signal import convolve``) keeps the host's, who did so meanwhile keeps fastconv's, and
`status` lists those of both kinds that it can see. What interrupts a replacement, in the imports or after, undoes it;
what interrupts the end of one does not keep it from ending.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

from fastconv.compat._hosts import own_function

__all__ = ["HOSTS", "Status", "install", "status", "uninstall", "use"]

# Module of the host -> adapter in this package. What an adapter lists in __all__ takes the place of what the module has
# under the same names, unless the adapter says in PLACES what goes where.
HOSTS = {"scipy.signal": "scipy_signal", "scipy.ndimage": "ndimage", "numpy": "numpy", "numpy_ml": "numpy_ml"}


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Place:
    """An attribute of a host's module or class: the host's own, and what stands in for it."""

    holder: Any
    name: str
    before: Any
    ours: Any

    @property
    def now(self) -> Any:
        """What is there; None if somebody has deleted it."""
        return getattr(self.holder, self.name, None)

    def put(self, function: Any, instead: Any) -> None:
        """Replace a function, but not what somebody else has put there."""
        if self.now is instead:
            setattr(self.holder, self.name, function)

    def __str__(self) -> str:
        return self.name if isinstance(self.holder, ModuleType) else f"{self.holder.__name__}.{self.name}"


@dataclass
class _Replacement:
    """One host: its places, and what keeps fastconv in them."""

    places: list[_Place]
    # Weak: a block that nobody can end any more is none.
    blocks: set[weakref.ref[_Block]] = field(default_factory=set)
    installed: bool = False

    @property
    def uses(self) -> int:
        return sum(block() is not None for block in list(self.blocks))

    def wanted(self) -> bool:
        """Whether fastconv is to be in the places."""
        return self.installed or self.uses > 0


def _settle(hosts: Sequence[_Replacement]) -> None:
    """Make hosts what is wanted, in every place even if one refuses."""
    failed: Exception | None = None
    for host in hosts:
        settled = None
        # Again if garbage collection ended a block meanwhile.
        while settled is not host.wanted():
            settled = host.wanted()
            for place in host.places:
                try:
                    place.put(*((place.ours, place.before) if settled else (place.before, place.ours)))
                except Exception as error:
                    failed = error
    if failed is not None:
        raise failed


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
    """The host's entry; made when it is first asked for, which imports the host: never ask while holding the lock."""
    found = _replacements.get(host)
    if found is None:
        adapter = importlib.import_module(f"fastconv.compat.{HOSTS[host]}")
        module = importlib.import_module(host)
        places = getattr(adapter, "PLACES", None) or [
            (module, name, getattr(adapter, name)) for name in adapter.__all__
        ]
        made = _Replacement([_Place(holder, name, own_function(holder, name), ours) for holder, name, ours in places])
        found = _replacements.setdefault(host, made)
    return found


def _dropped(block: weakref.ref[_Block]) -> None:
    """End a block that was interrupted where nothing could be done about it, on the first step into ``__exit__``."""
    with _lock:
        hosts = [host for host in _replacements.values() if block in host.blocks]
        for host in hosts:
            host.blocks.discard(block)
        _settle(hosts)


class _Block:
    """What one entry into a `use` keeps of hosts. Every step may be done twice."""

    def __init__(self, hosts: Sequence[_Replacement]) -> None:
        self.hosts = hosts

    def begin(self) -> None:
        reference = weakref.ref(self, _dropped)
        with _lock:
            for host in self.hosts:
                host.blocks.add(reference)
            _settle(self.hosts)

    def end(self) -> None:
        # Equal to the one that the hosts hold, which goes before its referent: nothing is called then.
        reference = weakref.ref(self)
        with _lock:
            for host in self.hosts:
                host.blocks.discard(reference)
            _settle(self.hosts)


class use:  # noqa: N801 - reads as a word: with use(...)
    """Run a block, or a decorated function, with fastconv in the place of hosts' functions.

    Process-wide: other threads see it too. Blocks may nest and overlap; the last one to end puts everything back. What
    somebody else has put in a function's place, before or meanwhile, stays there.

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
    RuntimeError
        If it is ended more often than it was entered.

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
        self._blocks: list[_Block] = []

    def __call__(self, function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
        @functools.wraps(function)
        def inside(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            with use(*self.hosts):
                return function(*args, **kwargs)

        return inside

    def __enter__(self) -> use:
        block = _Block([_replacement(host) for host in self.hosts])
        try:
            block.begin()
            self._blocks.append(block)
            return self
        except BaseException:
            if block in self._blocks:
                self._blocks.remove(block)
            block.end()
            raise

    def __exit__(self, *exception: object) -> None:
        ended: list[_Block] = []
        try:
            self._end(ended)
        except BaseException:
            if ended or self._blocks:
                self._end(ended)
            raise

    def _end(self, ended: list[_Block]) -> None:
        """End a block, the same one if it is called again."""
        if not ended:
            if not self._blocks:
                names = ", ".join(map(repr, self.hosts))
                raise RuntimeError(f"use({names}) is not open: end it once for each time it was entered, or use `with`")
            # Between the lists in one call, which no interrupt and no thread divides.
            ended.extend(map(list.pop, [self._blocks]))
        ended[0].end()


def _set_installed(hosts: Sequence[_Replacement], installed: Sequence[bool]) -> None:
    for host, value in zip(hosts, installed, strict=True):
        host.installed = value
    _settle(hosts)


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
    found = [_replacement(host) for host in _checked(hosts)]
    with _lock:
        before = [host.installed for host in found]
        try:
            _set_installed(found, [True] * len(found))
        except BaseException:
            _set_installed(found, before)
            raise


def uninstall(*hosts: str) -> None:
    """Undo `install`, of all hosts if none is named; where a `use` is open the functions stay until it ends.

    Parameters
    ----------
    *hosts : str
        As for `use`.
    """
    names = _checked(hosts) if hosts else tuple(_replacements)
    with _lock:
        found = [_replacements[host] for host in names if host in _replacements]
        try:
            _set_installed(found, [False] * len(found))
        except BaseException:
            _set_installed(found, [False] * len(found))
            raise


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
            there = [place for place in replacement.places if place.now is place.ours]
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
