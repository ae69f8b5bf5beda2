"""List the layers of a network: volumes, parameters, hyperparameters, operations, beside fully connected layers."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, count, shape

NAME = "summary"
HELP = "list the layers of a network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network",
        nargs="?",
        default="lenet5",
        metavar="NETWORK|FILE",
        help="a name, or a checkpoint or its folder (default: lenet5)",
    )
    parser.add_argument("--input", type=shape, metavar="C,H,W", help="shape of one picture (default: the network's)")
    parser.add_argument("--classes", type=count, metavar="N", help="number of classes (default: the network's)")
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    from fastconv import nn
    from fastconv.cli import checkpoints

    output = Output(as_json=arguments.json)
    path = Path(arguments.network)
    if path.suffix in checkpoints.SUFFIXES or (arguments.network not in nn.zoo.NETWORKS and path.is_dir()):
        if arguments.classes is not None:
            raise ValueError("--classes fits a network's name only, a checkpoint has its classes")
        trained = checkpoints.load(path)
        model, input_shape = trained.model, arguments.input or trained.input_shape
    else:
        model = nn.zoo.build(arguments.network, input_shape=arguments.input, num_classes=arguments.classes)
        input_shape = arguments.input or nn.zoo.NETWORKS[arguments.network].input_shape
    summary = nn.summary(model, input_shape)
    output.record(summary.as_dict() if arguments.json else {})
    output.line(str(summary))
    return 0
