"""Print what fastconv runs on: CPU, instruction set, threads, OpenMP, versions."""

from __future__ import annotations

import argparse

from fastconv.cli.output import Output
from fastconv.cli.parsing import add_output_options

NAME = "info"
HELP = "print CPU, instruction set, threads, versions"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_output_options(parser, quiet=False)


def run(arguments: argparse.Namespace) -> int:
    import fastconv

    output = Output(as_json=arguments.json)
    facts = fastconv.info()
    output.record(facts)
    output.line(str(facts))
    return 0
