"""Say how a convolution would run: which algorithm and why, its cost and memory, and input pixels never used.

fastconv explain --input 1,3,224,224 --weight 64,3,7,7 --stride 2 --padding 3
"""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, border, padding, shape, spatial, whole

NAME = "explain"
HELP = "say how a convolution would run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", required=True, type=shape, metavar="N,C,H,W", help="shape of the input")
    parser.add_argument("--weight", required=True, type=shape, metavar="O,C,KH,KW", help="shape of the filters")
    parser.add_argument("--stride", type=spatial, default=1, metavar="S", help="one number, or one per axis: 2,1")
    parser.add_argument("--padding", type=padding, default=0, metavar="P", help="3, or 1,2, or 1:2,0:3, or same, full")
    parser.add_argument("--dilation", type=spatial, default=1, metavar="D", help="one number, or one per axis")
    parser.add_argument("--groups", type=int, default=1, metavar="G")
    parser.add_argument("--layout", metavar="NAME", help="NCHW (default) or NHWC; NCW, NCDHW ... in 1-D and 3-D")
    parser.add_argument("--border", type=border, default="zeros", metavar="NAME", help="zeros, reflect ... or a number")
    parser.add_argument("--dtype", default="float32", metavar="TYPE", help="float32 (default) or float64")
    parser.add_argument("--pass", dest="pass_name", default="forward", metavar="NAME",
                        help="forward (default), backward_data or backward_weights")  # fmt: skip
    parser.add_argument("--accuracy", default="default", metavar="NAME", help="strict, default or fast")
    parser.add_argument("--algorithm", default="auto", metavar="NAME", help="ask for one by name")
    parser.add_argument("--workspace-limit", type=whole, metavar="BYTES", help="scratch memory of one thread")
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    import fastconv

    functions = {3: fastconv.explain_conv1d, 4: fastconv.explain_conv2d, 5: fastconv.explain_conv3d}
    explain = functions.get(len(arguments.weight))
    if explain is None:
        raise ValueError(f"weight (={arguments.weight}) must have 3, 4 or 5 sizes: out channels, in channels, kernel")
    layout = {} if arguments.layout is None else {"layout": arguments.layout}
    report = explain(
        arguments.input,
        arguments.weight,
        stride=arguments.stride,
        padding=arguments.padding,
        dilation=arguments.dilation,
        groups=arguments.groups,
        border=arguments.border,
        dtype=arguments.dtype,
        pass_name=arguments.pass_name,
        accuracy=arguments.accuracy,
        algorithm=arguments.algorithm,
        workspace_limit=arguments.workspace_limit,
        **layout,
    )
    output = Output(as_json=arguments.json)
    output.record(report.to_dict() if arguments.json else {})
    output.line(str(report))
    return 0
