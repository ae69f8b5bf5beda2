"""The table of subcommands, in the order of the help. A new one is a file here and a line below.

A command is a module with a docstring, ``NAME``, ``HELP``, ``add_arguments(parser)`` and ``run(arguments) -> status``.
Modules that take time to import (`fastconv.nn`, matplotlib ...) are imported inside ``run``.
"""

from fastconv.cli.commands import bench, data, evaluate, explain, filter, info, onnx, predict, summary, train, tune, zoo

COMMANDS = (train, evaluate, predict, data, filter, explain, tune, bench, summary, zoo, onnx, info)
