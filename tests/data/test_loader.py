"""Loader: the rows in their order, the same whatever the threads do, and nothing left running."""

import threading
import time
import tracemalloc

import numpy as np
import pytest

from fastconv import data

X = np.random.default_rng(0).integers(0, 256, (23, 3, 8, 8), dtype=np.uint8)
LABELS = np.arange(23)
AUGMENT = data.Compose(data.RandomCrop(2), data.RandomFlip(), data.Normalize((0.5,) * 3, (0.25,) * 3), data.Cutout(3))


def drawn(loader, epoch=0, order=None):
    order = np.random.default_rng(1).permutation(23) if order is None else order
    return [(x.copy(), targets.copy()) for x, targets in loader.batches(order, epoch)]


def same(a, b):
    return all(np.array_equal(p, q) for one, two in zip(a, b, strict=True) for p, q in zip(one, two, strict=True))


@pytest.mark.parametrize("ahead", [0, 1, 2, 50])
@pytest.mark.parametrize("batch_size", [1, 5, 23, 64])
def test_rows_in_order(ahead, batch_size):
    order = np.random.default_rng(1).permutation(23)[:20]
    found = drawn(data.Loader(X, LABELS, batch_size, ahead=ahead), order=order)
    assert [len(x) for x, _ in found] == [len(order[i : i + batch_size]) for i in range(0, 20, batch_size)]
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in found]), order)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), X[order])


def test_augmentation_is_the_same_whatever_the_timing():
    expected = drawn(data.Loader(X, LABELS, 5, transform=AUGMENT, seed=3, ahead=0))

    def slow(x, rng):
        time.sleep(0.002 * int(x[0, 0, 0, 0] % 3))
        return AUGMENT(x, rng)

    for ahead in (1, 2, 7):
        for transform in (AUGMENT, slow):
            assert same(drawn(data.Loader(X, LABELS, 5, transform=transform, seed=3, ahead=ahead)), expected)


def test_epochs_and_seeds_differ():
    loader = data.Loader(X, LABELS, 5, transform=AUGMENT, seed=3)
    first = drawn(loader, epoch=1)
    assert same(drawn(loader, epoch=1), first)
    assert not same(drawn(loader, epoch=2), first)
    assert not same(drawn(data.Loader(X, LABELS, 5, transform=AUGMENT, seed=4), epoch=1), first)


def test_it_works_ahead_and_no_further():
    made = []

    def transform(x, rng):
        made.append(len(made))
        return x

    batches = data.Loader(X, LABELS, 2, transform=transform, ahead=3).batches(np.arange(23))
    next(batches)
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(made) == 4
    batches.close()


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name == "fastconv-loader"]


def test_an_error_is_raised_where_the_batch_is_asked_for():
    def transform(x, rng):
        if x[0, 0, 0, 0] == X[10, 0, 0, 0]:
            raise ValueError("bad picture")
        return x

    seen = []
    with pytest.raises(ValueError, match="bad picture"):
        for _, targets in data.Loader(X, LABELS, 5, transform=transform).batches(np.arange(23)):
            seen.append(targets[0])
    assert seen == [0, 5] and not loader_threads()


def test_no_thread_outlives_its_batches():
    batches = data.Loader(X, LABELS, 2, transform=AUGMENT).batches(np.arange(23))
    next(batches)
    assert len(loader_threads()) == 1
    batches.close()
    assert not loader_threads()
    drawn(data.Loader(X, LABELS, 2, transform=AUGMENT))
    assert not loader_threads()


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_mapped_data_are_not_copied(tmp_path, order):
    big = np.asarray(np.random.default_rng(0).integers(0, 256, (4000, 1, 32, 32), dtype=np.uint8), order=order)
    np.save(tmp_path / "x.npy", big)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    tracemalloc.start()
    found = 0
    for x, targets in data.Loader(mapped, np.arange(4000), 16).batches(np.arange(4000)[::-1]):
        if found % 50 == 0:
            np.testing.assert_array_equal(x, big[targets])
        found += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == 250 and peak < big.nbytes // 8


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: data.Loader(X, LABELS[:4], 2), ValueError, "23 inputs, targets 4"),
        (lambda: data.Loader(X, LABELS, 0), ValueError, "batch_size"),
        (lambda: data.Loader(X, LABELS, 2, transform="flip"), TypeError, "transform"),
        (lambda: data.Loader(X, LABELS, 2, ahead=-1), ValueError, "ahead"),
    ],
)
def test_bad_arguments(make, error, match):
    with pytest.raises(error, match=match):
        make()
