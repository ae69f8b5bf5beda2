"""tune: time the likely algorithms on this machine and keep the fastest of each problem in a file for later runs.

Without that file the engine's predictions choose. They are made on no machine in particular, so a measurement can be
better; it is never needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastconv import _engine, geometry
from fastconv.functional import _tuned
from fastconv.functional._operands import LAYOUTS, is_shape, layout_letters
from fastconv.functional._plans import ConvKey, cached_call, conv_call, frozen, tuning_name
from fastconv.functional._timing import dense_key, measured_seconds
from fastconv.functional.profiling import watch

__all__ = ["TunedChoice", "Tuning", "read_shapes", "tune"]

PASSES = ("forward", "prepared", "backward_data", "backward_weights")
CANDIDATES = 3
HOPELESS = 6.0  # times the best prediction


@dataclass(frozen=True)
class TunedChoice:
    """What `tune` found for one problem.

    Attributes
    ----------
    problem : str
        The name it is filed under.
    algorithm : str
        The fastest.
    predicted : str
        The one that runs without the file.
    seconds : dict of str to float
        Of each algorithm that was timed.
    """

    problem: str
    algorithm: str
    predicted: str
    seconds: dict[str, float]

    def __str__(self) -> str:
        times = ", ".join(f"{name} {1e3 * seconds:.3f} ms" for name, seconds in self.seconds.items())
        change = "" if self.algorithm == self.predicted else f" instead of {self.predicted}"
        return f"{self.algorithm}{change} ({times}) for {self.problem}"


@dataclass(frozen=True)
class Tuning:
    """What `tune` returns: the file it wrote, and a `TunedChoice` per problem. Printing it gives a line each."""

    path: str
    choices: list[TunedChoice]

    def to_dict(self) -> dict[str, Any]:
        """Return plain objects, fit for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.choices), f"{len(self.choices)} choices are in {self.path}"])


def tune(
    work: Any,
    *,
    passes: str | Iterable[str] = ("forward", "prepared"),
    dtype: Any = np.float32,
    layout: str = "NCHW",
    progress: Callable[[int, int], None] | None = None,
) -> Tuning:
    """Time the likely algorithms of some convolutions, and let later calls with ``algorithm="auto"`` take the fastest.

    Parameters
    ----------
    work : callable, path, or iterable of tuples
        A function without arguments: whatever convolutions it runs are tuned, in the passes and layouts it runs them
        in. A file of shapes, as in benchmarks/shapes: its lines ``conv name batch channels height width filters kernel
        stride padding groups`` are tuned. Or tuples ``(x_shape, weight_shape)`` or ``(x_shape, weight_shape,
        options)``, with a dict of `conv2d`'s options, in one, two or three dimensions.
    passes : str or iterable of str
        "forward" (plain calls), "prepared", "backward_data", "backward_weights"; not for a callable.
    dtype : dtype
        float32 or float64; not for a callable.
    layout : {"NCHW", "NHWC"}
        Layout of the rows of a file.
    progress : callable, optional
        Called as ``progress(done, total)``.

    Returns
    -------
    Tuning
        The choices. They are also in the file FASTCONV_TUNE_FILE, by default fastconv/tune.json in XDG_CACHE_HOME or
        ~/.cache, which every later process reads when it first plans a convolution. It counts for this CPU, this
        instruction set and this version. FASTCONV_TUNE=0 ignores it, deleting it undoes everything.

    Raises
    ------
    TypeError, ValueError
        If `work` does not make sense; the message says where.
    OSError
        If the file cannot be written.

    Notes
    -----
    With a file, results have the bits of the algorithms that it names: the same in every run with that file, and for
    any number of threads, but not those of a run without it. The file is replaced when all is measured; an interruption
    leaves it as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastconv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.environ["FASTCONV_TUNE_FILE"] = os.path.join(folder, "tune.json")
    ...     tuning = fastconv.tune([((1, 8, 12, 12), (8, 8, 3, 3), {"padding": 1})])
    ...     del os.environ["FASTCONV_TUNE_FILE"]
    >>> len(tuning.choices)
    2
    """
    if progress is not None and not callable(progress):
        raise TypeError(f"progress (={progress!r}) must be a function of two ints, or None")
    names, char = _passes(passes), _type_char(dtype)
    layout = layout_letters("layout", layout, LAYOUTS[2])
    keys = _observed(work) if callable(work) else _listed(work, names, char, layout)
    problems: dict[str, tuple[ConvKey, Any]] = {}
    for key in keys:
        call = conv_call(*key)
        if call.plan is not None:
            problems.setdefault(tuning_name(key, call.problem), (key, call.problem))
    if not problems:
        raise ValueError(f"work (={work!r}) holds no convolution to tune")
    choices = []
    with _tuned.writer() as rows:
        for done, (name, (key, problem)) in enumerate(problems.items()):
            if progress is not None:
                progress(done, len(problems))
            choice = _choose(name, key, problem)
            choices.append(choice)
            rows[name] = {"algorithm": choice.algorithm, "seconds": choice.seconds}
        if progress is not None:
            progress(len(problems), len(problems))
    cached_call.cache_clear()
    return Tuning(_tuned.path(), choices)


def _choose(name: str, key: ConvKey, problem: Any) -> TunedChoice:
    able = [row for row in conv_call(*key).plan.candidates() if row["status"] == "ok"]
    able.sort(key=lambda row: row["cost"])
    likely = [row["name"] for row in able[:CANDIDATES] if row["cost"] <= HOPELESS * able[0]["cost"]]
    seconds = measured_seconds(key, problem, likely)
    return TunedChoice(name, min(seconds, key=seconds.__getitem__), likely[0], seconds)


def _observed(work: Callable[[], Any]) -> list[ConvKey]:
    """The convolutions that a function runs."""
    seen: list[ConvKey] = []

    def watcher(plan: Any, seconds: float, threads: int) -> None:
        if isinstance(plan, _engine.ConvPlan):
            seen.append(dense_key(plan.about.key))

    watch(watcher, True)
    try:
        work()
    finally:
        watch(watcher, False)
    return seen


def _passes(passes: Any) -> tuple[str, ...]:
    try:
        names = (passes,) if isinstance(passes, str) else tuple(passes)
    except TypeError:
        names = ()
    if not names or any(name not in PASSES for name in names):
        raise ValueError(f"passes (={passes!r}) must be one or more of {', '.join(PASSES)}")
    return names


def _type_char(dtype: Any) -> str:
    try:
        char = np.dtype(dtype).char
    except TypeError:
        char = ""
    if char not in ("f", "d"):
        raise TypeError(f"dtype (={dtype!r}) must be float32 or float64")
    return char


def _listed(work: Any, passes: tuple[str, ...], char: str, layout: str) -> list[ConvKey]:
    if isinstance(work, (str, os.PathLike)):
        work = read_shapes(work, layout)
    if isinstance(work, (bytes, Mapping)) or not isinstance(work, Iterable):
        raise TypeError(
            f"work (={work!r}) must be a function without arguments, the path of a file of shapes, "
            "or an iterable of tuples (x_shape, weight_shape) or (x_shape, weight_shape, options)"
        )
    keys = []
    for number, row in enumerate(work):
        if not (isinstance(row, (tuple, list)) and len(row) in (2, 3)):
            raise TypeError(f"work[{number}] (={row!r}) must be a tuple (x_shape, weight_shape) or with options")
        try:
            for name in passes:
                keys.append(_key(name, char, *row))
                conv_call(*keys[-1])
        except (TypeError, ValueError) as error:
            raise type(error)(f"work[{number}]: {error}") from None
    return keys


def _shape(name: str, shape: Any) -> tuple[int, ...]:
    if not is_shape(shape):
        raise TypeError(f"{name} (={shape!r}) must be a tuple of ints")
    return tuple(geometry.canonical_integer(name, size, 1) for size in shape)


_OPTIONS = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "layout": None, "weight_layout": None, "border": "zeros",
    "accuracy": "default",
}  # fmt: skip
_LAYOUTS = {1: ("NCW", "OIW"), 2: ("NCHW", "OIHW"), 3: ("NCDHW", "OIDHW")}


def _key(name: str, char: str, x_shape: Any, weight_shape: Any, options: Any = None) -> ConvKey:
    if not isinstance(options, (dict, type(None))):
        raise TypeError(f"options (={options!r}) must be a dict")
    unknown = [key for key in options or {} if key not in _OPTIONS]
    if unknown:
        raise ValueError(f"options (={', '.join(map(repr, unknown))}) must be of {', '.join(_OPTIONS)}")
    x_shape, weight_shape = _shape("x_shape", x_shape), _shape("weight_shape", weight_shape)
    ndim = len(weight_shape) - 2
    if ndim not in _LAYOUTS:
        raise ValueError(f"weight_shape (={weight_shape}) must have 3, 4 or 5 axes")
    o = {**_OPTIONS, **dict(zip(("layout", "weight_layout"), _LAYOUTS[ndim], strict=True)), **(options or {})}
    forward = ConvKey(
        ndim, False, "forward", char * 2, x_shape, None, weight_shape, None, None, None, None, None, None,
        frozen("stride", o["stride"]), frozen("padding", o["padding"]), 0, frozen("dilation", o["dilation"]),
        o["groups"], o["layout"], o["weight_layout"], False, o["border"], None, o["accuracy"], "auto", None,
        _engine.isa(), name == "prepared",
    )  # fmt: skip
    if name in ("forward", "prepared"):
        return forward
    return forward._replace(pass_name=name, y_shape=conv_call(*forward).problem.y_shape)


def read_shapes(path: Any, layout: str = "NCHW") -> list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]]:
    """Read the convolutions of a file of shapes: lines ``conv name batch channels height width filters kernel stride
    padding groups``; what follows a # and lines of other operations are skipped.

    Parameters
    ----------
    path : path
    layout : {"NCHW", "NHWC"}
        Axis order of the shapes that are returned.

    Returns
    -------
    list of (x_shape, weight_shape, options)

    Raises
    ------
    ValueError
        Naming the file and the line.
    OSError
        If the file cannot be read.
    """
    layout = layout_letters("layout", layout, LAYOUTS[2])
    found: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = []
    try:
        with open(path, encoding="utf-8") as stream:
            lines = stream.read().splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file of shapes") from None
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if not words or words[0] != "conv":
            continue
        try:
            n, c, h, w, filters, kernel, stride, padding, groups = map(int, words[2:])
        except ValueError:
            raise ValueError(f"{path}, line {number}: conv takes a name and nine whole numbers") from None
        sizes = {"batch": n, "channels": c, "height": h, "width": w, "filters": filters, "kernel": kernel}
        for name, size in {**sizes, "stride": stride, "groups": groups, "padding": padding}.items():
            least = 0 if name == "padding" else 1
            if size < least:
                raise ValueError(f"{path}, line {number}: {name} (={size}) must be at least {least}")
        if c % groups:
            raise ValueError(f"{path}, line {number}: groups (={groups}) must divide channels (={c})")
        x_shape: tuple[int, ...] = (n, c, h, w) if layout == "NCHW" else (n, h, w, c)
        options = {"stride": stride, "padding": padding, "groups": groups, "layout": layout}
        found.append((x_shape, (filters, c // groups, kernel, kernel), options))
    if not found:
        raise ValueError(f"{path} holds no line 'conv name batch channels height width ...'")
    return found
