"""What bench_layers.py compares: contestants, and the tables ("contests") they meet in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Contestant:
    """One process: a module of libraries/ with options for its prepare(), perhaps other threads or environment."""

    name: str
    library: str
    options: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True)
class Goal:
    """A bound on a figure of the chosen rows: on their geometric mean, on each, or on how many are below 1."""

    text: str
    rows: str
    mean: float | None = None
    each: float | None = None
    figure: str = "ratio"
    at_most: int | None = None  # rows below 1


@dataclass(frozen=True)
class Contest:
    """One pass, fastconv's contestant first, and its rivals; a row's ratio is that to its fastest rival."""

    name: str
    title: str
    pass_name: str
    ours: Contestant
    rivals: tuple[Contestant, ...]
    goals: tuple[Goal, ...] = ()


TORCH = Contestant("torch", "torch")
TORCH_LAST = Contestant("torch-cl", "torch", {"layout": "NHWC"})
PACKED = tuple(Contestant(name, name) for name in ("onnxruntime", "openvino", "ncnn"))
PLAIN = Contestant("fastconv", "fastconv")
PREPARED = Contestant("fastconv", "fastconv", {"prepared": True})
LAST = Contestant("fastconv", "fastconv", {"layout": "NHWC"})


def forced(name: str, **changes: Any) -> Contestant:
    """fastconv with prepared weights and one thing else."""
    options = {"prepared": True, "accuracy": "strict", **changes.pop("options", {})}
    return Contestant(name, "fastconv", options, **changes)


CONTESTS = (
    Contest(
        "prepared",
        "forward, prepared weights, NCHW arrays in and out, against the fastest of all peers",
        "forward",
        PREPARED,
        (TORCH, TORCH_LAST, *PACKED),
        (
            Goal("every row at least 0.95", "all", each=0.95),
            Goal("at most three rows below 1.0", "all", at_most=3),
            Goal("all rows, mean at least 1.3", "all", mean=1.3),
            Goal("3x3 stride 1, C >= 16, each at least 1.15", "3x3", each=1.15),
            Goal("3x3 stride 1, C >= 16, mean at least 1.25", "3x3", mean=1.25),
            Goal("1x1 rows, mean at least 1.0", "1x1", mean=1.0),
            Goal("depthwise, each 60 % of the roofline or 1.2x", "depthwise", each=1.0, figure="depthwise"),
        ),
    ),
    Contest(
        "plain",
        "forward, plain call, against PyTorch with the same NCHW arrays",
        "forward",
        PLAIN,
        (TORCH,),
        (Goal("every row at least 0.95", "all", each=0.95), Goal("mean at least 2.0", "all", mean=2.0)),
    ),
    Contest(
        "nhwc",
        "forward, plain call on NHWC arrays, against PyTorch channels_last",
        "forward",
        LAST,
        (TORCH_LAST,),
        (Goal("every row at least 0.95", "all", each=0.95), Goal("mean at least 1.3", "all", mean=1.3)),
    ),
    Contest(
        "backward_data",
        "backward_data, plain call on NCHW arrays, against the better PyTorch layout",
        "backward_data",
        PLAIN,
        (TORCH, TORCH_LAST),
        (
            Goal("every row at least 0.95", "all", each=0.95),
            Goal("C > 3, mean at least 1.4", "inner", mean=1.4),
            Goal("C <= 3, each at least 3", "first", each=3.0),
        ),
    ),
    Contest(
        "backward_weights",
        "backward_weights with the bias, plain call on NCHW arrays, against the better PyTorch layout",
        "backward_weights",
        PLAIN,
        (TORCH, TORCH_LAST),
        (Goal("every row at least 0.95", "all", each=0.95), Goal("C > 3, mean at least 1.4", "inner", mean=1.4)),
    ),
    Contest(
        "avx2",
        'forward by the direct rows (accuracy="strict"): AVX2 forced against AVX-512',
        "forward",
        forced("avx2", environment={"FASTCONV_ISA": "avx2"}),
        (forced("avx512", environment={"FASTCONV_ISA": "avx512"}),),
        (Goal("mean at least 0.85", "all", mean=0.85),),
    ),
    Contest(
        "threads",
        'forward by the direct rows (accuracy="strict"): two threads against one',
        "forward",
        forced("2 threads", threads=2),
        (forced("1 thread", threads=1),),
        (Goal("compute-bound rows above 1 ms, each at least 1.85", "long", each=1.85),),
    ),
    Contest(
        "float64",
        'forward by the direct rows (accuracy="strict"): float64 against float32',
        "forward",
        forced("float64", options={"dtype": "float64"}),
        (forced("float32"),),
        (Goal("dense rows with k > 1, mean at least 0.45", "dense", mean=0.45),),
    ),
    Contest(
        "direct",
        'forward by the direct rows (accuracy="strict"), percent of the measured FMA peak, real taps only',
        "forward",
        forced("strict"),
        (),
        (Goal("C, K >= 32, groups 1, k > 1, over 0.4 ms, each at least 85 % of peak", "peak", each=0.85),),
    ),
)
