"""The compiler as the package's build calls it: objects that are made so again come from the compiler's cache."""

from __future__ import annotations

import shlex

from setuptools._distutils.ccompiler import new_compiler
from setuptools._distutils.sysconfig import customize_compiler


def compiler():
    """The compiler and what Python adds to it, before the flags of csrc/."""
    found = new_compiler()
    customize_compiler(found)
    return shlex.join(found.compiler_so)
