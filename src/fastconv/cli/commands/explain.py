"""Say how a convolution would run: which algorithm and why, its cost, error and memory, and input pixels never used.

fastconv explain 1,3,224,224 64,3,7,7 --stride 2 --padding 3 --measure
"""

from __future__ import annotations

import argparse

from fastconv.cli.convolution import add_convolution, convolution
from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, add_threads_option, whole

NAME = "explain"
HELP = "say how a convolution would run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_convolution(parser)
    parser.add_argument("--pass", dest="pass_name", default="forward", metavar="NAME",
                        help="forward (default), backward_data or backward_weights")  # fmt: skip
    parser.add_argument("--prepared", action="store_true", help="as prepare_conv2d runs it: weights packed before")
    parser.add_argument("--measure", action="store_true", help="run the candidates and say how long they take")
    parser.add_argument("--algorithm", default="auto", metavar="NAME", help="ask for one by name")
    parser.add_argument("--workspace-limit", type=whole, metavar="BYTES", help="scratch memory of one thread")
    add_threads_option(parser)
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    import fastconv

    x_shape, weight_shape, options = convolution(arguments)
    functions = {3: fastconv.explain_conv1d, 4: fastconv.explain_conv2d, 5: fastconv.explain_conv3d}
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    report = functions[len(weight_shape)](
        x_shape,
        weight_shape,
        dtype=arguments.dtype,
        pass_name=arguments.pass_name,
        prepared=arguments.prepared,
        measured=arguments.measure,
        algorithm=arguments.algorithm,
        workspace_limit=arguments.workspace_limit,
        **options,
    )
    output = Output(as_json=arguments.json)
    output.record(report.to_dict() if arguments.json else {})
    output.line(str(report))
    return 0
