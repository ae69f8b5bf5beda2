"""Time the likely algorithms of some convolutions on this machine, and let later runs take the fastest.

fastconv tune --network lenet5 --batch 64
fastconv tune --file benchmarks/shapes/vgg16.txt
fastconv tune 1,64,56,56 64,64,3,3 --padding 1 --pass forward,prepared

The choices are kept in FASTCONV_TUNE_FILE, by default ~/.cache/fastconv/tune.json; deleting that file undoes them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fastconv.cli.convolution import add_convolution, convolution
from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, add_threads_option, count

NAME = "tune"
HELP = "let measurements choose the algorithms"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_convolution(parser)
    parser.add_argument("--file", type=Path, metavar="FILE", help="a file of shapes instead: lines 'conv name ...'")
    parser.add_argument("--network", metavar="NAME", help="a network instead: what its training runs")
    parser.add_argument("--batch", type=count, default=64, metavar="N", help="pictures at a time in --network (64)")
    parser.add_argument("--pass", dest="passes", default="forward,prepared", metavar="NAMES",
                        help="of forward, prepared, backward_data, backward_weights; not for --network")  # fmt: skip
    add_threads_option(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    import fastconv

    output = Output(quiet=arguments.quiet, as_json=arguments.json)
    ways = [arguments.file is not None, arguments.network is not None]
    if sum(ways) + bool(arguments.shapes or arguments.input or arguments.weight) != 1:
        raise ValueError("name one thing to tune: two shapes, or --file, or --network")
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    options: dict[str, Any] = {"passes": arguments.passes.split(","), "dtype": arguments.dtype}
    work: Any
    if arguments.network is not None:
        work = _training(arguments.network, arguments.batch)
    elif arguments.file is not None:
        work, options["layout"] = arguments.file, arguments.layout or "NCHW"
    else:
        work = [convolution(arguments)]
    with output.bar("tuning") as progress:
        tuning = fastconv.tune(work, progress=progress, **options)
    output.record(tuning.to_dict() if arguments.json else {})
    output.line("\n".join(map(str, tuning.choices)))
    if not arguments.json:
        output.notice(f"{len(tuning.choices)} choices are in {tuning.path}")
    return 0


def _training(name: str, batch: int) -> Any:
    """A function that runs a network forward, as it is used, and forward and back, as it is trained."""
    import numpy as np

    from fastconv import nn

    model = nn.zoo.build(name)
    x = np.random.default_rng(0).random((batch, *nn.zoo.NETWORKS[name].input_shape), np.float32)

    def work() -> None:
        model.forward(x)
        model.backward(np.ones_like(model.forward(x, training=True)), needs_input=False)

    return work
