"""List the networks that ``fastconv train`` and ``fastconv summary`` know by name."""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options

NAME = "zoo"
HELP = "list the networks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    from fastconv import nn

    output = Output(as_json=arguments.json)
    width = max(map(len, nn.zoo.NETWORKS))
    for network in nn.zoo.NETWORKS.values():
        model = network.make(nn.init.UNSET)
        count = model.parameter_count()
        output.record(
            {
                "name": network.name,
                "description": network.description,
                "input_shape": network.input_shape,
                "num_classes": network.num_classes,
                "task": network.task,
                "parameters": count,
            }
        )
        shape = "x".join(map(str, network.input_shape))
        classes = network.task if network.num_classes is None else f"{network.num_classes:,} classes"
        output.line(f"{network.name:<{width}}  {shape:>9}  {classes:>14}  {count:>11,}  {network.description}")
    return 0
