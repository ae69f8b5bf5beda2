"""The options that describe one convolution, for the commands that are about one."""

from __future__ import annotations

import argparse
from typing import Any

from fastconv.cli.parsing import border, padding, shape, spatial

__all__ = ["add_convolution", "convolution"]


def add_convolution(parser: argparse.ArgumentParser) -> None:
    """Add the shapes, by position or by name, and the options of `conv2d` that change how it runs."""
    parser.add_argument("shapes", nargs="*", type=shape, metavar="SHAPE", help="input N,C,H,W and filters O,C,KH,KW")
    parser.add_argument("--input", type=shape, metavar="N,C,H,W", help="shape of the input, instead of the first SHAPE")
    parser.add_argument("--weight", type=shape, metavar="O,C,KH,KW", help="shape of the filters, instead of the second")
    parser.add_argument("--stride", type=spatial, default=1, metavar="S", help="one number, or one per axis: 2,1")
    parser.add_argument("--padding", type=padding, default=0, metavar="P", help="3, or 1,2, or 1:2,0:3, or same, full")
    parser.add_argument("--dilation", type=spatial, default=1, metavar="D", help="one number, or one per axis")
    parser.add_argument("--groups", type=int, default=1, metavar="G")
    parser.add_argument("--layout", metavar="NAME", help="NCHW (default) or NHWC; NCW, NCDHW ... in 1-D and 3-D")
    parser.add_argument("--border", type=border, default="zeros", metavar="NAME", help="zeros, reflect ... or a number")
    parser.add_argument("--dtype", default="float32", metavar="TYPE", help="float32 (default) or float64")
    parser.add_argument("--accuracy", default="default", metavar="NAME", help="strict, default or fast")


def convolution(arguments: argparse.Namespace) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Return the shapes and the options that were given.

    Raises
    ------
    ValueError
        If a shape is missing, given twice, or not of a convolution in one, two or three dimensions.
    """
    given, named = list(arguments.shapes), (arguments.input, arguments.weight)
    if len(given) > 2 or (given and any(one is not None for one in named)):
        raise ValueError("give the shapes of input and filters once: by position, or as --input and --weight")
    found = given if given else [one for one in named if one is not None]
    if len(found) != 2:
        raise ValueError("give two shapes, those of input and filters, as in 1,64,56,56 64,64,3,3")
    x_shape, weight_shape = found
    if len(weight_shape) not in (3, 4, 5):
        raise ValueError(f"weight (={weight_shape}) must have 3, 4 or 5 sizes: out channels, in channels, kernel")
    names = ("stride", "padding", "dilation", "groups", "border", "accuracy")
    options = {name: getattr(arguments, name) for name in names}
    if arguments.layout is not None:
        options["layout"] = arguments.layout
    return x_shape, weight_shape, options
