"""What runs here: CPU, instruction set, threads, OpenMP, versions; and the number of threads."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from fastconv import _engine, geometry

__all__ = ["Info", "check_environment", "get_num_threads", "info", "set_num_threads"]


class Info(dict[str, Any]):
    """Facts by name; ``str`` puts one on each line."""

    def __str__(self) -> str:
        width = max(map(len, self)) + 2
        return "\n".join(f"{name + ':':<{width}}{_shown(name, value)}" for name, value in self.items())


def _shown(name: str, value: Any) -> str:
    if name.endswith("_bytes"):
        return f"{value / 1024:,.0f} KiB" if value else "unknown"
    if name == "openmp":
        return str(value) if value else "no: this build is serial"
    return ", ".join(value) if isinstance(value, list) else str(value)


def info() -> Info:
    """Describe the machine and the build.

    Returns
    -------
    Info
        A dict with the keys fastconv, numpy, python, platform, cpu, isa, isas, threads, logical_cpus, openmp (the
        version's date, 0 for a serial build), l1_bytes, l2_bytes, l3_bytes, algorithms; printing it gives a line each.

    Examples
    --------
    >>> import fastconv
    >>> fastconv.info()["threads"] == fastconv.get_num_threads()
    True
    """
    cpu = _engine.cpu_info()
    return Info(
        fastconv=_engine.version(),
        numpy=np.__version__,
        python=platform.python_version(),
        platform=f"{platform.system()} {cpu['arch']}",
        cpu=cpu["name"],
        isa=_engine.isa(),
        isas=[name for name in _engine.isa_names() if _engine.isa_supported(name)],
        threads=_engine.threads(),
        logical_cpus=cpu["logical_cpus"],
        openmp=cpu["openmp"],
        l1_bytes=cpu["l1_bytes"],
        l2_bytes=cpu["l2_bytes"],
        l3_bytes=cpu["l3_bytes"],
        algorithms=_engine.conv_algorithms(),
    )


def set_num_threads(n: int) -> None:
    """Set the number of threads of calls that do not name one.

    Parameters
    ----------
    n : int
        At least 1; taken as given, also above the number of CPUs, up to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is no positive int.

    Examples
    --------
    >>> import fastconv
    >>> before = fastconv.get_num_threads()
    >>> fastconv.set_num_threads(1)
    >>> fastconv.get_num_threads()
    1
    >>> fastconv.set_num_threads(before)
    """
    number = geometry.canonical_integer("n", n, 1)
    if number > _MAX_THREADS:
        raise ValueError(f"n (={number}) must be at most {_MAX_THREADS}")
    _engine.set_threads(number)


_MAX_THREADS = 2**31 - 1


def get_num_threads() -> int:
    """Number of threads of calls that do not name one.

    By default what OMP_NUM_THREADS, the CPU affinity and the container's limits allow.

    Returns
    -------
    int

    Examples
    --------
    >>> import fastconv
    >>> fastconv.get_num_threads() >= 1
    True
    """
    return _engine.threads()


def check_environment() -> None:
    """Refuse a value of FASTCONV_ISA or FASTCONV_POOL that this build or this CPU does not know.

    Raises
    ------
    ValueError
        Naming the value and those that would do.
    """
    pool = os.environ.get("FASTCONV_POOL") or "team"
    if pool not in ("team", "openmp"):
        raise ValueError(f"FASTCONV_POOL (={pool!r}) is unknown: use one of team, openmp, or unset it")
    status = _engine.environment_status()
    if status == "ok":
        return
    names = ", ".join(name for name in _engine.isa_names() if _engine.isa_supported(name))
    value = os.environ.get("FASTCONV_ISA", "")
    why = "is not supported by this CPU" if status == "unsupported" else "is unknown"
    raise ValueError(f"FASTCONV_ISA (={value!r}) {why}: use one of {names}, or unset it")
