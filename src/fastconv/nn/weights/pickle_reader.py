"""A reader of pickles that can execute nothing: it knows the opcodes that build data, and a few names by heart.

`pickletools` splits the stream into opcodes; the table below says what each does to the stack. There is no import and
no call of anything else: a global is looked up in the caller's table of inert functions, and one that is not there ends
the reading.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, BinaryIO

from fastconv.nn.weights.formats import DamagedFile

__all__ = ["Global", "plain_keys", "read_pickle"]

_MARK = object()


class Global:
    """A name of the file that the caller's table has, with the inert function that stands for it."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


def plain_keys(pairs: Iterable[Any]) -> dict[str | int, Any]:
    """The dict of these pairs, with strings and numbers as keys: the hash of nested tuples may never end."""
    found = {}
    for key, value in pairs:
        if not isinstance(key, (str, int)):
            raise DamagedFile(f"it holds a dict with a {type(key).__name__} among its keys")
        found[key] = value
    return found


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self, names: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.names = names
        self.persistent = persistent

    def items(self) -> list[Any]:
        """What stands above the last mark, which goes too."""
        taken = []
        while (value := self.stack.pop()) is not _MARK:
            taken.append(value)
        return taken[::-1]

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def tuple_of(self, count: int) -> None:
        values = tuple(self.stack[-count:])
        if len(values) < count or _MARK in values:
            raise IndexError
        self.stack[-count:] = [values]

    def find(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise DamagedFile("it asks for something whose name is no text")
        dotted = f"{module}.{name}"[:200]
        if dotted not in self.names:
            raise DamagedFile(
                f"it asks for {dotted}, which is none of the names that tensors need: refused, and nothing was executed"
            )
        self.stack.append(Global(self.names[dotted]))

    def reduce(self) -> None:
        arguments, target = self.stack.pop(), self.stack.pop()
        if not isinstance(target, Global) or not isinstance(arguments, tuple):
            raise DamagedFile("it calls something that is no function")
        self.stack.append(target.function(*arguments))

    def append(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise DamagedFile("it appends to something that is no list")
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict) or len(values) % 2:
            raise DamagedFile("it sets entries of something that is no dict")
        self.stack[-1].update(plain_keys(zip(values[::2], values[1::2], strict=True)))

    def load_persistent(self) -> None:
        if self.persistent is None:
            raise DamagedFile("it refers to a storage where there is none")
        self.stack.append(self.persistent(self.stack.pop()))


_Step = Callable[[_Machine, Any], Any]


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _constant(make: Callable[[], Any]) -> _Step:
    return lambda machine, _: machine.stack.append(make())


_PUSHED = (
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES",
)  # fmt: skip
_OPCODES: dict[str, _Step] = {
    **dict.fromkeys(_PUSHED, _push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_DICT": _constant(dict),
    "EMPTY_LIST": _constant(list),
    "EMPTY_TUPLE": _constant(tuple),
    "MARK": _constant(lambda: _MARK),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.items())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.items()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(-2), machine.stack.pop()]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.items()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda machine, index: machine.put(index)),
    "MEMOIZE": lambda machine, _: machine.put(len(machine.memo)),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda machine, index: machine.stack.append(machine.memo[index])),
    "GLOBAL": lambda machine, names: machine.find(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.find(machine.stack.pop(-2), machine.stack.pop()),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.stack.pop(),  # attributes of a state dict, such as its _metadata: not needed
    "BINPERSID": lambda machine, _: machine.load_persistent(),
}


def read_pickle(
    file: BinaryIO, names: Mapping[str, Callable[..., Any]], persistent: Callable[[Any], Any] | None = None
) -> Any:
    """Read one pickle.

    Parameters
    ----------
    file : binary file
        Left behind the pickle's end.
    names : mapping of str to function
        The globals that it may name, and what is called in their place.
    persistent : function, optional
        Gives what a persistent id stands for.

    Returns
    -------
    object
        Of dicts, lists, tuples, numbers, strings, and what the functions return.

    Raises
    ------
    DamagedFile
        If the pickle is cut off or damaged, or holds a name or an opcode that data does not need.
    """
    machine = _Machine(names, persistent)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                (result,) = machine.stack
                return result
            if opcode.name not in _OPCODES:
                raise DamagedFile(f"it holds the pickle opcode {opcode.name}, which no state dict needs")
            _OPCODES[opcode.name](machine, argument)
    except DamagedFile:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, MemoryError) as error:
        raise DamagedFile("its pickle is cut off or damaged") from error
    raise DamagedFile("its pickle is cut off or damaged")
