"""An adapter whose host is missing says what to install; the package itself and the courses' functions need no host."""

from __future__ import annotations

import pytest
from host_runs import python

# adapter -> module of its host, what to install
ADAPTERS = {
    "autograd": ("autograd", "autograd"),
    "keras": ("keras", "keras"),
    "mygrad": ("mygrad", "mygrad"),
    "numpy_ml": ("numpy_ml", "numpy-ml"),
}
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {host!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name.partition(".")[0])
sys.meta_path.insert(0, Hidden())
import fastconv.compat.{adapter}
"""


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_missing_host_is_one_clear_import_error(adapter):
    host, package = ADAPTERS[adapter]
    done = python("-c", HIDING.format(host=host, adapter=adapter))
    last = done.stderr.strip().splitlines()[-1]
    said = f"fastconv.compat.{host} adapts {host}, which is not installed: pip install {package}"
    assert done.returncode == 1 and last == f"ModuleNotFoundError: {said}"


@pytest.mark.parametrize("module", ["fastconv.compat", "fastconv.compat.coursera", "fastconv.compat.cs231n"])
def test_no_host_is_imported(module):
    hosts = ("autograd", "keras", "mygrad", "numpy_ml", "scipy", "onnx")
    code = f"import sys, {module}; print([name for name in {hosts} if name in sys.modules])"
    assert python("-c", code).stdout.strip() == "[]"
