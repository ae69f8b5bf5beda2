"""List the data sets that fastconv knows and where they are, or describe one.

``fastconv data mnist --download`` fetches one, into $FASTCONV_DATA_DIR if that is set, else into the user's cache;
``fastconv data FOLDER`` says what a folder holds.
"""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, count

NAME = "data"
HELP = "list or describe data sets"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", metavar="NAME|FOLDER", help="describe this one, after reading it all")
    parser.add_argument("--download", action="store_true", help="fetch it if it is not on this machine")
    parser.add_argument("--limit", type=count, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--skip-unreadable", action="store_true", help="leave out pictures that cannot be read")
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    output = Output(as_json=arguments.json)
    if arguments.data is None:
        if arguments.download:
            raise ValueError("--download needs the name of a data set; `fastconv data` lists them")
        _list(output)
    else:
        _describe(arguments, output)
    return 0


def _list(output: Output) -> None:
    from fastconv import data

    rows = data.available()
    width = max(len(str(row["name"])) for row in rows)
    for row in rows:
        output.record(row)
        output.line(f"{row['name']:<{width}}  {row['summary']}; licence: {row['licence']}")
        if row["path"] is not None:
            output.line(f"{'':<{width}}  found in {row['path']}")


def _describe(arguments: argparse.Namespace, output: Output) -> None:
    from fastconv.cli import data_choice

    location = data_choice.find(arguments, output)
    for split in ("train", "test"):
        part = data_choice.read(location, split, output, arguments.limit, arguments.skip_unreadable)
        output.record(
            {
                "name": part.name,
                "split": part.split,
                "count": len(part),
                "input_shape": part.input_shape,
                "class_names": part.class_names,
                "mean": part.mean,
                "std": part.std,
                "source": part.source,
            }
        )
    output.line(f"classes: {', '.join(part.class_names)}")
