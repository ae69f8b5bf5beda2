"""Apply a hand-designed filter to a picture; values are rounded and clipped to 0..255.

A filter with negative weights, such as sobel_x, shows only where it responds positively.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options, border

NAME = "filter"
HELP = "apply a filter to a picture"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from fastconv import filters

    parser.add_argument("image", type=Path, metavar="IMAGE", help="picture file, grey or colour")
    parser.add_argument("--name", required=True, metavar="NAME", help=", ".join(filters.names()))
    parser.add_argument("--save", required=True, type=Path, metavar="FILE", help="where the result goes (.png, .jpg)")
    parser.add_argument(
        "--border", type=border, default="symmetric", metavar="NAME",
        help="beyond the picture: symmetric (default), reflect, edge, wrap, zeros, or a number",
    )  # fmt: skip
    add_output_options(parser)


def run(arguments: argparse.Namespace) -> int:
    import fastconv
    from fastconv.data.formats.images import read_image, write_image

    fastconv.filters.get(arguments.name)
    pixels = read_image(arguments.image).transpose(1, 2, 0)
    result = fastconv.apply_filter(pixels, arguments.name, border=arguments.border)
    write_image(arguments.save, np.clip(np.rint(result), 0, 255).astype(np.uint8).transpose(2, 0, 1))
    height, width = pixels.shape[:2]
    output = Output(quiet=arguments.quiet, as_json=arguments.json)
    output.record(
        {
            "image": str(arguments.image),
            "name": arguments.name,
            "width": width,
            "height": height,
            "saved": str(arguments.save),
        }
    )
    output.line(f"{arguments.name} of {arguments.image} ({width}x{height}): wrote {arguments.save}")
    return 0
