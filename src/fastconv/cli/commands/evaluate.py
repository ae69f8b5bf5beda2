"""Measure a trained network on the test part of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_data_options, add_output_options, add_threads_option

NAME = "eval"
HELP = "measure a trained network"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", nargs="?", type=Path, help="file or folder (default: the newest in ./fastconv-runs)"
    )
    add_data_options(parser)
    add_threads_option(parser)
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    import fastconv
    from fastconv import data, nn
    from fastconv.cli import checkpoints, data_choice

    output = Output(quiet=arguments.quiet, as_json=arguments.json)
    if arguments.threads is not None:
        fastconv.set_num_threads(arguments.threads)
    trained = checkpoints.load(arguments.checkpoint)
    location = data_choice.find(arguments, output)
    test = data_choice.read(location, "test", output, arguments.limit, arguments.skip_unreadable)
    if test.class_names != trained.class_names:
        raise ValueError(f"{trained.path}: its classes are not those of {test.name} in {test.source}")
    if test.input_shape != trained.input_shape:
        raise ValueError(f"{trained.path}: takes pictures of {trained.input_shape}, {test.name} has {test.input_shape}")
    output.line(f"network: {trained.network}, {trained.path}")
    normalize = data.Normalize(trained.mean, trained.std)
    found = nn.evaluate(trained.model, test.images, test.labels, transform=normalize)
    counts = nn.confusion_matrix(test.labels, found.predictions, len(test.class_names))
    each = {
        name: float(row[label] / row.sum()) if row.sum() else None
        for label, (name, row) in enumerate(zip(test.class_names, counts, strict=True))
    }
    output.record(
        {
            "test_loss": found.loss,
            "test_accuracy": found.accuracy,
            "count": len(test),
            "class_accuracy": each,
            "checkpoint": str(trained.path),
            "data": test.source,
        }
    )
    width = max(map(len, each))
    for name, share in each.items():
        output.line(f"  {name:<{width}}  {'-' if share is None else f'{share:.4f}'}")
    if not arguments.json:
        output.notice(f"test loss {found.loss:.4f}  test accuracy {found.accuracy:.4f}")
    return 0
