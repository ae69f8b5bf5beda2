"""Parse the command line, run one command, turn every failure into one line and exit status 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import fastconv
from fastconv.cli.commands import COMMANDS
from fastconv.cli.parsing import Parser, UsageError

__all__ = ["main"]

FAILURE = 2
INTERRUPTED = 130
READER_GONE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, without the program's name; those of the process otherwise.

    Returns
    -------
    int
        0; 2 after an error, which is one line on stderr; 130 after Ctrl-C. With ``FASTCONV_TRACEBACK=1`` in the
        environment errors are raised instead, for those who look for the cause.

    Examples
    --------
    >>> main(["explain", "--input", "1,3,8,8", "--weight", "4,5,3,3"])
    2
    """
    try:
        arguments = _parser().parse_args(argv)
        status = arguments.run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _fail("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except UsageError as error:
        return _fail(f"{error} (see {error.command} --help)", FAILURE)
    except Exception as error:
        if os.environ.get("FASTCONV_TRACEBACK"):
            raise
        return _fail(_one_line(error), FAILURE)


def _parser() -> Parser:
    parser = Parser(prog="fastconv", description="Fast convolution and training of convolutional networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastconv {fastconv.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        sub = commands.add_parser(command.NAME, help=command.HELP, description=command.__doc__)
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"not enough memory{': ' + text if text else ''}"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ValueError | TypeError | OSError | ImportError) and text:
        return text
    return f"{type(error).__name__}: {text} (FASTCONV_TRACEBACK=1 shows where)"


def _fail(text: str, status: int) -> int:
    print(f"fastconv: {text}", file=sys.stderr)
    return status
