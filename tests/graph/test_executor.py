"""Executable and its arena: results that live together never overlap, outputs belong to the caller, clear errors."""

import threading

import numpy as np
import pytest

from fastconv.graph import Executable, Program
from fastconv.graph.memory import ALIGNMENT, plan_arena

SHAPE = (2, 3, 4)


def function(program, *inputs, shape=SHAPE, change=np.sin):
    def call(*arrays):
        return change(sum(array.sum() for array in arrays)) + np.arange(np.prod(shape), dtype=float).reshape(shape)

    return program.add("call", inputs, function=call, out=False, shape=shape)


def random_program(seed):
    """Nodes of random sizes that read random nodes before them; some are views, some are outputs."""
    rng = np.random.default_rng(seed)
    program = Program(np.float64)
    nodes = [program.input(SHAPE), program.input((5,), "b")]
    for _ in range(30):
        inputs = [nodes[index] for index in rng.integers(max(0, len(nodes) - 6), len(nodes), rng.integers(1, 4))]
        if rng.random() < 0.2:
            node = program.add("reshape", inputs[:1], shape=(int(np.prod(inputs[0].shape)),))
        elif rng.random() < 0.3:
            batch, axis = int(rng.integers(1, 3)), int(rng.integers(0, 2))
            sizes = rng.integers(1, 5, rng.integers(1, 4)) if axis else [batch] * 2
            parts = [function(program, *inputs, shape=(batch, size if axis else 3, 2)) for size in sizes]
            nodes += parts if rng.random() < 0.3 else []
            node = program.add("concat", parts, axis=axis)
        else:
            node = function(program, *inputs, shape=tuple(rng.integers(1, 9, rng.integers(1, 4))))
        nodes.append(node)
    program.outputs = [nodes[-1], *(nodes[index] for index in sorted(set(rng.integers(2, 31, 2))))]
    return program


def naive(program, *inputs):
    values = dict(zip(program.inputs, inputs, strict=True))
    for node in program.nodes:
        taken = [values[source] for source in node.inputs]
        if node.operation == "concat":
            values[node] = np.concatenate(taken, node.attributes["axis"])
        elif node.operation == "reshape":
            values[node] = taken[0].reshape(node.shape)
        else:
            values[node] = node.attributes["function"](*taken)
    return [values[output] for output in program.outputs]


@pytest.mark.parametrize("seed", range(25))
def test_random_programs(seed):
    inputs = [np.random.default_rng(seed + run).standard_normal(shape) for run, shape in enumerate((SHAPE, (5,)))]
    expected = naive(random_program(seed), *inputs)
    executable = Executable(random_program(seed))
    first = executable(*inputs)
    kept = [result.copy() for result in first]
    executable(*(2 * x for x in inputs))
    for result, copy, wanted in zip(first, kept, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
        np.testing.assert_array_equal(result, copy)


@pytest.mark.parametrize("seed", range(25))
def test_places_of_one_time_do_not_overlap(seed):
    program = random_program(seed)
    program.drop_idle()
    arena = plan_arena(program)
    step = {node: index for index, node in enumerate(program.nodes)}
    born = dict(step)
    for part, (whole, _) in arena.joined.items():
        born[whole] = min(born[whole], step[part])

    def last(node):
        readers = program.readers(node)
        views = [last(reader) for reader in readers if reader.operation == "reshape"]
        return max([step[node], *(step[reader] for reader in readers), *views])

    spans = [(offset, offset + int(np.prod(n.shape)) * 8, born[n], last(n)) for n, offset in arena.offsets.items()]
    for index, (start, end, alive, dead) in enumerate(spans):
        assert start % ALIGNMENT == 0 and end <= arena.size
        for other_start, other_end, other_born, other_dead in spans[:index]:
            assert end <= other_start or other_end <= start or dead < other_born or other_dead < alive


def test_parts_of_a_concatenation_are_computed_in_their_places():
    places = []

    def part(value, channels):
        def call(x, out):
            places.append(out)
            out[...] = value * x.sum()

        return program.add("call", [x], function=call, out=True, shape=(1, channels, 2))

    program = Program(np.float64)
    x = program.input((1, 2, 2))
    parts = [part(1, 3), part(2, 1), part(3, 4)]
    program.outputs = [function(program, program.add("concat", parts, axis=1), shape=(1,), change=lambda total: total)]
    executable = Executable(program)
    [result] = executable(np.ones((1, 2, 2)))
    assert result[0] == 4 * (1 * 6 + 2 * 2 + 3 * 8)
    starts = [place.ctypes.data for place in places]
    assert np.diff(starts).tolist() == [6 * 8, 2 * 8] and executable.arena_bytes == 16 * 8


def test_a_chain_needs_two_places_only():
    program = Program(np.float64)
    node = program.input(SHAPE)
    for _ in range(10):
        node = function(program, node, shape=(64,))
    program.outputs = [node]
    assert Executable(program).arena_bytes == 2 * 64 * 8


def test_nodes_of_several_types():
    """Each has room for its own type; what an operation returns lies elsewhere and is let go after its last reader."""
    program = Program(np.float32)
    x = program.input((3, 4))
    mask = program.input((4,), "mask", np.bool_)
    places = program.add("call", (x,), "places", np.int64, function=lambda x: x.argmax(axis=1), out=False, shape=(3,))
    both = program.add(
        "evaluate", (x, mask), "both", function=lambda x, mask: (x * mask, mask.sum()), shape=(0,)
    )  # fmt: skip
    kept = program.add("part", (both,), "kept", index=0, shape=(3, 4))
    tenth = program.add("constant", (), "tenth", np.float32, value=np.full((3, 4), 0.1, np.float32))
    total = program.add("add", (kept, tenth), "total")
    program.outputs = [total, places]
    assert [node.dtype for node in (x, mask, places, total)] == [np.float32, np.bool_, np.int64, np.float32]
    executable = Executable(program)
    given = np.arange(12, dtype=np.float32).reshape(3, 4), np.array([True, False, True, False])
    for _ in range(2):
        found, indices = executable(*given)
        np.testing.assert_allclose(found, given[0] * given[1] + np.float32(0.1))
        np.testing.assert_array_equal(indices, [3, 3, 3])
    with pytest.raises(TypeError, match="mask is float32 but the network was compiled for bool"):
        executable(given[0], np.ones(4, np.float32))


def test_inputs_without_axes():
    program = Program(np.float64)
    x = program.input(())
    program.outputs = [program.add("call", (x,), function=np.sin, out=False, shape=())]
    assert Executable(program)(np.array(2.0))[0].shape == ()


def test_threads_wait_for_each_other():
    executable = Executable(random_program(3))
    inputs = [[np.full(SHAPE, float(value)), np.ones(5)] for value in range(4)]
    expected = [executable(*given) for given in inputs]
    wrong = []

    def work(index):
        for _ in range(50):
            found = executable(*inputs[index])
            if any((a != b).any() for a, b in zip(found, expected[index], strict=True)):
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bad_arguments():
    program = random_program(0)
    with pytest.raises(ValueError, match=r"memory \(='huge'\)"):
        Executable(program, "huge")
    executable = Executable(program)
    with pytest.raises(ValueError, match="takes 2 inputs, got 1"):
        executable(np.zeros(SHAPE))
    with pytest.raises(ValueError, match=r"b has shape \(6,\), but the network was compiled for \(5,\)"):
        executable(np.zeros(SHAPE), np.zeros(6))
    with pytest.raises(TypeError, match="float32 but the network was compiled for float64"):
        executable(np.zeros(SHAPE, np.float32), np.zeros(5))
