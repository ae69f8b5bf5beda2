"""Which processes are the command, whose interruption while modules are read is one line."""

from __future__ import annotations

import sys

import pytest

from fastconv import _starting

#: sys.argv[0], the whole command line, whether it is ours
COMMANDS = [
    ("/usr/bin/fastconv", ["python", "/usr/bin/fastconv", "info"], True),
    ("-m", ["python", "-m", "fastconv", "info"], True),
    ("-m", ["python", "-X", "importtime", "-m", "fastconv"], True),
    ("-m", ["python", "-mfastconv"], True),
    ("-m", ["python", "-Im", "fastconv"], True),
    ("-m", ["python", "-m", "other", "-m", "fastconv"], False),
    ("-m", ["python", "-mother"], False),
    ("script.py", ["python", "script.py", "fastconv"], False),
    ("", ["python"], False),
]


@pytest.mark.parametrize(("name", "words", "ours"), COMMANDS)
def test_command(monkeypatch, capsys, name, words, ours):
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.setattr(sys, "orig_argv", words)
    with pytest.raises(SystemExit if ours else KeyboardInterrupt) as error, _starting.told_by_the_command():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ("fastconv: interrupted\n" if ours else "")
    if ours:
        assert error.value.code == 130
