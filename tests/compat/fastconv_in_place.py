"""A pytest plugin: fastconv takes the place of the hosts in FASTCONV_HOSTS before any test module binds their names."""

from __future__ import annotations

import os

import fastconv.compat
from fastconv.compat.use import _replacements

HOSTS = os.environ["FASTCONV_HOSTS"].split(",")
fastconv.compat.install(*HOSTS)

# SciPy's tests look every function up in a table of what it can do with other array libraries.
from scipy._lib import _array_api  # noqa: E402

from fastconv.compat import numpy as signals  # noqa: E402
from fastconv.compat.ndimage import _arguments  # noqa: E402
from fastconv.compat.scipy_signal import plane  # noqa: E402

# The tests are small: the engine is to compute them all the same.
_arguments.LEAST_SIZE = signals._LEAST_PRODUCTS = plane._LEAST_PRODUCTS = 1

for host in HOSTS:
    for place in _replacements[host].places:
        if place.before in _array_api.xp_capabilities_table:
            _array_api.xp_capabilities_table[place.ours] = _array_api.xp_capabilities_table[place.before]
