"""The file of tuned choices: read once, when a first plan is made, and written by `tune` in one step.

It holds for each machine (CPU, instruction set, version of fastconv) the algorithm of each problem, named as in
`fastconv.functional._plans.tuning_name`, and the times it was chosen by. With the same file the choices are the same.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from fastconv import _engine

__all__ = ["choices", "forget", "path", "writer"]

FORMAT = 1
_files: dict[str, dict[str, dict[str, str]]] = {}


def path() -> str:
    """Where choices are kept: FASTCONV_TUNE_FILE, or fastconv/tune.json in XDG_CACHE_HOME or ~/.cache."""
    named = os.environ.get("FASTCONV_TUNE_FILE")
    if named:
        return named
    cache = os.environ.get("XDG_CACHE_HOME", "")
    folder = cache if os.path.isabs(cache) else os.path.expanduser(os.path.join("~", ".cache"))
    return os.path.join(folder, "fastconv", "tune.json")


def machine() -> str:
    """What a choice is valid for."""
    return f"{_engine.cpu_info()['name']}, {_engine.isa()}, fastconv {_engine.version()}"


def choices() -> Mapping[str, str]:
    """Algorithms by the name of their problem, for this machine; empty without a file or with FASTCONV_TUNE=0."""
    if os.environ.get("FASTCONV_TUNE") == "0":
        return {}
    file = path()
    found = _files.get(file)
    if found is None:
        found = _files[file] = _checked(file)
    return found.get(machine(), {}) if found else {}


def forget() -> None:
    """Read the file again before the next plan."""
    _files.clear()


def _checked(file: str) -> dict[str, dict[str, str]]:
    """Read the file; one that cannot be used gets one warning, and is then as good as none.

    A default place that cannot be looked into, such as another user's home, is no file and no news.
    """
    try:
        rows = _read(file)
        return {name: {problem: row["algorithm"] for problem, row in table.items()} for name, table in rows.items()}
    except (OSError, ValueError) as error:
        named = "FASTCONV_TUNE_FILE" in os.environ and not isinstance(error, FileNotFoundError)
        if isinstance(error, OSError) and not named:
            return {}
        why = error.strerror if isinstance(error, OSError) else error
        warnings.warn(
            f"{file}: no usable file of tuned choices ({why}), going on without it; delete it, or let "
            "`fastconv tune` write it anew, or set FASTCONV_TUNE=0",
            RuntimeWarning,
            stacklevel=3,
        )
        return {}


def _read(file: str) -> dict[str, dict[str, dict[str, Any]]]:
    with open(file, "rb") as stream:
        text = stream.read()
    import json  # most processes have no such file

    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    machines = content.get("machines")
    tables = machines.values() if isinstance(machines, dict) else [None]
    for table in tables:
        rows = table.values() if isinstance(table, dict) else [None]
        if not all(isinstance(row, dict) and isinstance(row.get("algorithm"), str) for row in rows):
            raise ValueError("it does not hold one algorithm per problem")
    return content["machines"]


_writing = threading.Lock()  # reading, merging and replacing are one step


@contextlib.contextmanager
def writer() -> Iterator[dict[str, dict[str, Any]]]:
    """Yield a dict of rows to add for this machine; they are written when the body ends without an error.

    The new file stands beside the old one until it is whole, so that an interruption leaves the old one. It is made
    first: a folder that cannot be written to is told before anything is measured.

    Raises
    ------
    OSError
        Naming the file, if it cannot be written.
    """
    import json
    import tempfile

    file = path()
    folder, name = os.path.split(os.path.realpath(file))
    beside = ""
    try:
        try:
            if os.path.isfile(folder):
                raise OSError("its folder is a file")
            os.makedirs(folder, exist_ok=True)
            if file.endswith(os.sep) or (os.path.exists(file) and not os.path.isfile(file)):
                raise OSError("it is not a plain file")
            if os.path.exists(file) and not os.access(file, os.W_OK):
                raise OSError("it is read-only")
            handle, beside = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
            stream = open(handle, "w", encoding="utf-8")
        except OSError as error:
            raise OSError(
                f"{file} cannot be written ({error.strerror or error}): name another in FASTCONV_TUNE_FILE"
            ) from None
        with stream:
            rows: dict[str, dict[str, Any]] = {}
            yield rows
            with _writing:
                try:
                    machines = _read(file)
                except (FileNotFoundError, ValueError):
                    machines = {}
                machines.setdefault(machine(), {}).update(rows)
                try:
                    json.dump({"format": FORMAT, "machines": machines}, stream, indent=1, sort_keys=True)
                    stream.close()
                    os.replace(beside, os.path.join(folder, name))
                except OSError as error:
                    raise OSError(f"{file} cannot be written: {error.strerror or error}") from None
        forget()
    finally:
        with contextlib.suppress(OSError):
            os.unlink(beside)
