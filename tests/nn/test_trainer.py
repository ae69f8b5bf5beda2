"""Trainer: it learns, repeats its bits for any number of threads, tells its callbacks, and survives Ctrl-C."""

import json
import math
import tracemalloc

import numpy as np
import pytest

import fastconv
from fastconv import data, nn


def stripes(count=96, seed=0, dtype=np.float32):
    """Pictures of 12x12 with bright rows (class 0) or bright columns (class 1) in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    x = rng.standard_normal((count, 1, 12, 12))
    for picture, label in zip(x[:, 0], labels, strict=True):
        (picture.T if label else picture)[rng.integers(0, 12, 3)] += 2
    return x.astype(dtype), labels


def network(dropout=0.0, dtype="float32"):
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2, rng=0, dtype=dtype),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(144, 2, rng=1, dtype=dtype),
    )


def trained(threads=None, epochs=2, **options):
    dropout = options.pop("dropout", 0.0)
    before = fastconv.get_num_threads()
    fastconv.set_num_threads(threads or before)
    try:
        trainer = nn.Trainer(network(dropout), **{"batch_size": 16, **options})
        trainer.fit(stripes(), test=stripes(40, seed=1), epochs=epochs)
    finally:
        fastconv.set_num_threads(before)
    return trainer


def bits(trainer):
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in trainer.history]
    return [value.tobytes() for value in trainer.model.state_dict().values()], records


def test_it_learns():
    trainer = trained(epochs=6)
    assert trainer.history[-1]["test_accuracy"] > 0.9
    assert trainer.history[-1]["train_loss"] < trainer.history[0]["train_loss"]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_same_seed_same_bits_for_any_number_of_threads(dropout):
    first = bits(trained(1, dropout=dropout))
    for threads in (1, 2, 3):
        assert bits(trained(threads, dropout=dropout)) == first


def test_lenet5_has_the_same_bits_with_one_thread_and_two():
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((200, 1, 28, 28), np.float32), rng.integers(0, 10, 200)
    found = []
    before = fastconv.get_num_threads()
    for threads in (1, 2):
        fastconv.set_num_threads(threads)
        trainer = nn.Trainer(nn.zoo.build("lenet5"))
        trainer.fit((x, labels), epochs=1)
        found.append(bits(trainer))
    fastconv.set_num_threads(before)
    assert found[0] == found[1]


def test_another_seed_other_bits():
    assert bits(trained(seed=0))[0] != bits(trained(seed=1))[0]


def test_history():
    trainer = trained(epochs=3)
    assert [record["epoch"] for record in trainer.history] == [1, 2, 3]
    for record in trainer.history:
        assert list(record) == ["epoch", "train_loss", "test_loss", "test_accuracy", "seconds", "lr"]
        assert record["seconds"] > 0
    assert json.loads(json.dumps(trainer.history)) == trainer.history
    result = nn.evaluate(trainer.model, *stripes(40, seed=1))
    assert trainer.history[-1]["test_loss"] == result.loss
    assert trainer.history[-1]["test_accuracy"] == result.accuracy


def test_one_epoch_is_batches_of_gradient_descent():
    """The loop written out: same order, same steps."""
    x, labels = stripes(50)
    trainer = nn.Trainer(network(), batch_size=16, seed=5, schedule="constant")
    history = trainer.fit((x, labels), epochs=1)
    model, loss = network(), nn.CrossEntropyLoss()
    optimizer = nn.SGD(nn.optim.decay_groups(model, 1e-3), lr=0.03, momentum=0.9)
    order, total = np.random.default_rng(5), 0.0
    order.spawn(1)
    order = order.permutation(50)
    for start in range(0, 50, 16):
        batch = order[start : start + 16]
        value, gradient = loss.with_gradient(model(x[batch], training=True), labels[batch])
        model.backward(gradient)
        optimizer.step()
        total += value * len(batch)
    assert history[0]["train_loss"] == total / 50
    for a, b in zip(model.parameters(), trainer.model.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_fit_goes_on():
    trainer = trained(epochs=1)
    trainer.fit(stripes(), epochs=2)
    assert [record["epoch"] for record in trainer.history] == [1, 2, 3]
    assert trainer.history[-1]["test_accuracy"] is None


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1]),
        ("linear", [0.75, 0.25]),
        ("step", [1, 0.01]),
        (lambda f: f, [0.25, 0.75]),
        (nn.schedules.WarmUp(nn.schedules.Linear(), fraction=0.5, start=0.0), [0.5, 0.5]),
    ],
)
def test_schedule(schedule, factors):
    trainer = nn.Trainer(network(), batch_size=48, schedule=schedule)
    history = trainer.fit(stripes(96), epochs=2)
    assert [record["lr"] / 0.03 for record in history] == pytest.approx(factors)
    assert trainer.optimizer.lr == 0.03


class Witness(nn.Callback):
    def __init__(self, stop_at=None):
        self.calls = []
        self.stop_at = stop_at

    def on_fit_start(self, trainer, epochs, batches):
        self.calls.append(("start", epochs, batches))

    def on_batch_end(self, trainer, epoch, batch, loss):
        self.calls.append(("batch", epoch, batch, loss))
        if (epoch, batch) == self.stop_at:
            raise KeyboardInterrupt

    def on_epoch_end(self, trainer, record):
        self.calls.append(("epoch", record["epoch"]))


def test_callbacks():
    witness = Witness()
    history = nn.Trainer(network(), batch_size=10).fit(stripes(25), epochs=2, callbacks=[witness])
    assert witness.calls[0] == ("start", 2, 3)
    assert [call[:3] for call in witness.calls[1:5]] == [
        ("batch", 1, 1),
        ("batch", 1, 2),
        ("batch", 1, 3),
        ("epoch", 1),
    ]
    assert len(witness.calls) == 9
    losses = [call[3] for call in witness.calls[1:4]]
    assert history[0]["train_loss"] == pytest.approx((losses[0] * 10 + losses[1] * 10 + losses[2] * 5) / 25)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_interrupt_leaves_a_usable_checkpoint(tmp_path, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"model{suffix}"
    trainer = nn.Trainer(network(), batch_size=16, checkpoint=path, metadata={"network": "stripes"})
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(stripes(), test=stripes(20, seed=1), epochs=5, callbacks=[Witness(stop_at=(2, 3))])
    assert [record["epoch"] for record in trainer.history] == [1]
    assert trainer.checkpoint_path == str(path)
    loaded = nn.load_checkpoint(path)
    assert loaded.metadata == {"network": "stripes", "history": trainer.history}
    found = nn.evaluate(loaded.model, *stripes(20, seed=1))
    assert (found.loss, found.accuracy) == (trainer.history[0]["test_loss"], trainer.history[0]["test_accuracy"])
    assert list(tmp_path.iterdir()) == [path]
    trainer.fit(stripes(), epochs=1)
    assert len(trainer.history) == 2


def test_interrupt_before_the_first_batch_keeps_an_older_checkpoint(tmp_path):
    class Impatient(nn.Callback):
        def on_fit_start(self, trainer, epochs, batches):
            raise KeyboardInterrupt

    path = tmp_path / "model.npz"
    nn.Trainer(network(), batch_size=10, checkpoint=path).fit(stripes(25), epochs=1)
    before = path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        nn.Trainer(network(), batch_size=10, checkpoint=path).fit(stripes(25), epochs=1, callbacks=[Impatient()])
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        nn.Trainer(network(), batch_size=10, checkpoint=path).fit(stripes(25), epochs=1, callbacks=[Impatient()])
    assert nn.load_checkpoint(path).metadata["history"] == []


def test_checkpoint_is_renewed_after_every_epoch(tmp_path):
    path = tmp_path / "model.npz"

    class Reader(nn.Callback):
        epochs = ()

        def on_epoch_end(self, trainer, record):
            self.epochs += (len(nn.load_checkpoint(path).metadata["history"]),)

    reader = Reader()
    nn.Trainer(network(), checkpoint=path).fit(stripes(), epochs=3, callbacks=[reader])
    assert reader.epochs == (1, 2, 3)


@pytest.mark.parametrize(
    ("name", "match"),
    [("model.txt", "must end in"), ("missing/model.npz", "there is no folder"), ("folder.npz", "it is a folder")],
)
def test_a_checkpoint_without_a_place_is_refused_before_training(tmp_path, name, match):
    (tmp_path / "folder.npz").mkdir()
    model = network()
    before = model.state_dict()
    with pytest.raises(ValueError, match=match):
        nn.Trainer(model, checkpoint=tmp_path / name).fit((X, LABELS), epochs=1)
    for key, values in model.state_dict().items():
        np.testing.assert_array_equal(values, before[key])


def test_regression():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 3))
    targets = x @ np.array([[1.0], [-2.0], [0.5]]) + 3
    model = nn.Linear(3, 1, dtype="float64", rng=0)
    trainer = nn.Trainer(model, nn.Adam(model.parameters(), lr=0.1), nn.MSELoss(), batch_size=16)
    history = trainer.fit((x, targets), test=(x, targets), epochs=40)
    assert history[-1]["test_loss"] < 1e-3
    assert history[-1]["test_accuracy"] is None
    np.testing.assert_allclose(model.weight.data, [[1, -2, 0.5]], atol=0.05)


def test_targets_are_of_the_inputs_type():
    trainer = nn.Trainer(nn.Linear(3, 1, rng=0), loss=nn.MSELoss())
    with pytest.raises(TypeError, match=r"train\[1\] is float64 but train\[0\] is float32"):
        trainer.fit((np.zeros((4, 3), np.float32), np.zeros((4, 1))), epochs=1)


def test_float64_trains():
    x, labels = stripes(32, dtype=np.float64)
    assert math.isfinite(nn.Trainer(network(dtype="float64")).fit((x, labels), epochs=1)[0]["train_loss"])


def test_accumulated_batches_are_one_step_of_all_their_rows():
    """float64, so that the sums of the two ways differ by rounding alone; the last step has 2 and then 1 rows."""
    x, labels = stripes(51, dtype=np.float64)
    found = []
    for size, accumulate in ((24, 1), (8, 3)):
        trainer = nn.Trainer(network(dtype="float64"), batch_size=size, accumulate=accumulate, schedule="constant")
        history = trainer.fit((x, labels), epochs=2)
        found.append((history[-1]["train_loss"], [parameter.data for parameter in trainer.model.parameters()]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-9)
    for a, b in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_accumulation_starts_anew_after_an_interrupt():
    found = []
    for stopped in (False, True):
        model = network()
        trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.1), batch_size=8, accumulate=4, schedule="constant")
        if stopped:
            with pytest.raises(KeyboardInterrupt):
                trainer.fit(stripes(96), epochs=1, callbacks=[Witness(stop_at=(1, 2))])
        trainer._rng = np.random.default_rng(9)
        trainer.fit(stripes(96), epochs=1)
        found.append([parameter.data.tobytes() for parameter in model.parameters()])
    assert found[0] == found[1]


def test_clipping_bounds_the_step():
    model = network()
    before = [parameter.data.copy() for parameter in model.parameters()]
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=1.0), batch_size=96, clip_norm=0.01)
    trainer.fit(stripes(96), epochs=1)
    moved = [parameter.data - old for parameter, old in zip(model.parameters(), before, strict=True)]
    assert math.sqrt(sum(float((step.astype(float) ** 2).sum()) for step in moved)) == pytest.approx(0.01, rel=1e-3)


def test_tests_and_checkpoints_see_the_average(tmp_path):
    path = tmp_path / "model.npz"
    trainer = nn.Trainer(network(), batch_size=16, ema=0.9, checkpoint=path)
    history = trainer.fit(stripes(), test=stripes(40, seed=1), epochs=2)
    assert trainer.tested is trainer.ema.model is not trainer.model and trainer.ema.steps == 12
    assert history[-1]["test_loss"] == nn.evaluate(trainer.tested, *stripes(40, seed=1)).loss
    assert history[-1]["test_loss"] != nn.evaluate(trainer.model, *stripes(40, seed=1)).loss
    for name, value in nn.load_checkpoint(path).model.state_dict().items():
        np.testing.assert_array_equal(value, trainer.tested.state_dict()[name])


def test_early_stopping_ends_the_run():
    model = network()
    trainer = nn.Trainer(model, nn.SGD(model.parameters(), lr=0.0), early_stopping=2)
    assert len(trainer.fit(stripes(), test=stripes(40, seed=1), epochs=9)) == 3
    assert len(trainer.fit(stripes(), test=stripes(40, seed=1), epochs=9)) == 6


def test_tests_are_measured_without_label_smoothing():
    trainer = nn.Trainer(network(), loss=nn.CrossEntropyLoss(label_smoothing=0.2))
    history = trainer.fit(stripes(), test=stripes(40, seed=1), epochs=1)
    assert history[0]["test_loss"] == nn.evaluate(trainer.model, *stripes(40, seed=1)).loss


def test_transforms_make_what_the_model_takes():
    """Bytes, normalised batch by batch, train as the normalised array does, also from a file."""
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (96, 1, 12, 12), dtype=np.uint8), rng.integers(0, 2, 96)
    normalize = data.Normalize((0.5,), (0.25,))
    plain, transformed = nn.Trainer(network(), batch_size=16), nn.Trainer(network(), batch_size=16)
    plain.fit((normalize(x), labels), (normalize(x[:40]), labels[:40]), epochs=2)
    transformed.fit(
        (x, labels), (x[:40], labels[:40]), epochs=2, transform=normalize, test_transform=normalize
    )  # fmt: skip
    assert bits(plain) == bits(transformed)


def test_augmented_training_has_the_same_bits_in_every_run():
    rng = np.random.default_rng(0)
    x, labels = rng.integers(0, 256, (96, 1, 12, 12), dtype=np.uint8), rng.integers(0, 2, 96)
    augment = data.Compose(data.RandomCrop(2), data.RandomFlip(), data.Normalize((0.5,), (0.25,)), data.Cutout(4))
    found = []
    for seed in (0, 0, 1):
        trainer = nn.Trainer(network(), batch_size=16, seed=seed)
        trainer.fit((x, labels), epochs=2, transform=augment)
        found.append(bits(trainer))
    assert found[0] == found[1] != found[2]


def test_memory_mapped_data_are_read_batch_by_batch(tmp_path):
    x, labels = stripes(4000)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    trainer = nn.Trainer(network(), batch_size=16)
    tracemalloc.start()
    trainer.fit((mapped, labels), test=(mapped[:100], labels[:100]), epochs=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes // 4
    plain = nn.Trainer(network(), batch_size=16)
    plain.fit((x, labels), test=(x[:100], labels[:100]), epochs=1)
    assert bits(plain) == bits(trainer)


def normed():
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 8, rng=0), nn.BatchNorm1d(8), nn.Linear(8, 2, rng=1))


@pytest.mark.parametrize(
    ("make", "count", "batches"), [(normed, 33, 2), (normed, 34, 3), (network, 33, 3), (normed, 32, 2)]
)
def test_a_last_batch_of_one_row_is_left_out_where_batch_norm_would_refuse_it(make, count, batches):
    witness = Witness()
    history = nn.Trainer(make(), batch_size=16).fit(stripes(count), epochs=1, callbacks=[witness])
    assert witness.calls[0] == ("start", 1, batches) and len(witness.calls) == 2 + batches
    rows = [16, 16, count - 32][:batches]
    losses = [call[3] for call in witness.calls[1:-1]]
    expected = sum(loss * size for loss, size in zip(losses, rows, strict=True)) / sum(rows)
    assert history[0]["train_loss"] == pytest.approx(expected, rel=1e-12)


def test_a_single_row_under_batch_norm_is_an_error():
    with pytest.raises(ValueError, match="layer '2'"):
        nn.Trainer(normed()).fit(stripes(1), epochs=1)


def test_no_step_after_the_first_epoch_allocates_an_array():
    """A residual network with batch norms, whose smallest activation has 128 KB, and LeNet-5; EMA, clipping, AdamW."""

    class Measure(nn.Callback):
        peak = 0

        def on_batch_end(self, trainer, epoch, batch, loss):
            if (epoch, batch) == (2, 1):
                tracemalloc.start()
            if (epoch, batch) == (2, 3):
                self.peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()

    rng = np.random.default_rng(0)
    layers = {
        "conv1": nn.Conv2d(1, 16, 3, padding=1, rng=0),
        "bn1": nn.BatchNorm2d(16),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(16, 16, 3, padding=1, rng=1),
        "add": (nn.Add(), "conv2", "relu1"),
        "relu2": nn.ReLU(),
        "pool": nn.MaxPool2d(2),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(16 * 196, 10, rng=2),
    }
    for model in (nn.Graph(layers), nn.zoo.build("lenet5")):
        trainer = nn.Trainer(
            model, nn.AdamW(nn.optim.decay_groups(model, 0.01)), batch_size=64, ema=0.99, clip_norm=1.0
        )
        measure = Measure()
        x = rng.standard_normal((256, 1, 28, 28), np.float32)
        trainer.fit((x, rng.integers(0, 10, 256)), epochs=2, callbacks=[measure])
        assert 0 < measure.peak < 100_000  # 64 KB of it are NumPy's buffer for a sum in double


X, LABELS = stripes(8)


@pytest.mark.parametrize(
    ("train", "error", "match"),
    [
        ((X[:0], LABELS[:0]), ValueError, r"train\[0\] is empty"),
        ((X, LABELS[:4]), ValueError, "8 inputs"),
        ((X, LABELS + 0.5), TypeError, "integer labels"),
        ((X, LABELS + 2), ValueError, r"train\[1\] holds label 3 in row 0, outside the classes 0..1"),
        ((X, LABELS - 1), ValueError, "holds label -1 in row 3"),
        (((X * 8).astype(np.uint8), LABELS), TypeError, "uint8"),
        ((X.astype(np.float64), LABELS), TypeError, r"train\[0\] is float64 but the model is float32"),
        ((X[:, :, :9], LABELS), ValueError, "layer '5'"),
        (X, TypeError, "tuple"),
    ],
)
def test_bad_data(train, error, match):
    with pytest.raises(error, match=match):
        nn.Trainer(network()).fit(train, epochs=1)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"batch_size": 1.5}, TypeError, "batch_size"),
        ({"seed": -1}, ValueError, "seed"),
        ({"schedule": "steps"}, ValueError, "cosine"),
        ({"schedule": None}, TypeError, "schedule"),
        ({"optimizer": "sgd"}, TypeError, "optimizer"),
        ({"loss": nn.CrossEntropyLoss}, TypeError, "loss"),
        ({"accumulate": 0}, ValueError, "accumulate"),
        ({"clip_norm": 0}, ValueError, "clip_norm"),
        ({"ema": 1}, ValueError, "decay"),
        ({"early_stopping": "soon"}, TypeError, "early_stopping"),
    ],
)
def test_bad_settings(options, error, match):
    with pytest.raises(error, match=match):
        nn.Trainer(network(), **options)
    with pytest.raises(ValueError, match="epochs"):
        nn.Trainer(network()).fit((X, LABELS), epochs=0)


def test_model_without_parameters():
    with pytest.raises(ValueError, match="nothing to train"):
        nn.Trainer(nn.Sequential(nn.ReLU()))
    with pytest.raises(TypeError, match="model"):
        nn.Trainer("lenet5")
