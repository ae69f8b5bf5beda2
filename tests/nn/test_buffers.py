"""PassingBuffers: an array is handed out only when nobody holds it, not even a view of it."""

import copy

import numpy as np

from fastconv.nn.buffers import PassingBuffers


def test_what_is_held_stays():
    buffers = PassingBuffers()
    array = np.empty((2, 3))
    buffers.keep(array)
    assert buffers.take((2, 3)) is None
    view = array[1:]
    del array
    assert buffers.take((2, 3)) is None
    del view
    assert buffers.take((2, 3)) is not None
    assert buffers.take((3, 2)) is None


def test_views_are_not_kept_and_arrays_only_once():
    buffers = PassingBuffers()
    buffers.keep(np.empty(4)[:2])
    assert buffers.take((2,)) is None
    buffers.keep(np.empty(4))
    buffers.keep(buffers.take((4,)))
    first = buffers.take((4,))
    assert first is not None and buffers.take((4,)) is None


def test_a_copy_holds_nothing():
    buffers = PassingBuffers()
    buffers.keep(np.empty(4))
    assert copy.deepcopy(buffers).take((4,)) is None
