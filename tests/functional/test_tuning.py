"""tune and its file: measured choices are taken, repeat, stay within the tolerance, and a bad file does no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fastconv
from fastconv import _engine, nn
from fastconv.cli import main
from fastconv.functional import _tuned, tuning
from fastconv.functional._plans import cached_call

X_SHAPE, W_SHAPE, OPTIONS = (2, 12, 14, 13), (16, 12, 3, 3), {"padding": 1}
X = np.random.default_rng(0).standard_normal(X_SHAPE).astype(np.float32)
W = np.random.default_rng(1).standard_normal(W_SHAPE).astype(np.float32)
WORK = [(X_SHAPE, W_SHAPE, OPTIONS)]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A place for choices that nobody has written to, and caches that have seen none."""
    path = tmp_path / "cache" / "tune.json"
    monkeypatch.setenv("FASTCONV_TUNE_FILE", str(path))
    monkeypatch.delenv("FASTCONV_TUNE")
    forget()
    yield path
    forget()


def forget():
    _tuned.forget()
    cached_call.cache_clear()


@pytest.fixture
def slowest(monkeypatch):
    """Timings that say the reference is fastest."""

    def seconds(key, problem, names):
        return {name: 1.0 if name != "reference" else 0.5 for name in [*names, "reference"]}

    monkeypatch.setattr(tuning, "measured_seconds", seconds)


def explained(**options):
    return fastconv.explain_conv2d(X_SHAPE, W_SHAPE, **OPTIONS, **options)


def test_without_a_file_the_prediction_chooses(file):
    report = explained()
    assert report.tuned_by is None and not file.exists() and not file.parent.exists()


def test_the_choice_is_taken_and_repeats(file, slowest):
    before = fastconv.conv2d(X, W, **OPTIONS)
    passes = ("forward", "prepared", "backward_data", "backward_weights")
    found = fastconv.tune(WORK, passes=passes)
    assert len(found.choices) == 4 and found.path == str(file)
    assert all(choice.algorithm == "reference" != choice.predicted for choice in found.choices)
    assert "reference instead of" in str(found) and str(file) in str(found)
    after = fastconv.conv2d(X, W, **OPTIONS)
    by_name = fastconv.conv2d(X, W, **OPTIONS, algorithm="reference")
    assert after.tobytes() == by_name.tobytes()
    np.testing.assert_allclose(after, before, rtol=0, atol=5e-5)
    for pass_name in passes[2:]:
        assert explained(pass_name=pass_name).algorithm == "reference"
    assert fastconv.prepare_conv2d(X_SHAPE, W, **OPTIONS).algorithm == "reference"
    report = explained()
    assert report.tuned_by == str(file) and f"says {file}" in str(report)
    forget()
    for threads in (1, 2, 3):
        assert fastconv.conv2d(X, W, **OPTIONS, num_threads=threads).tobytes() == after.tobytes()


def test_what_is_not_in_the_file_is_predicted(file, slowest):
    fastconv.tune(WORK)
    for options in (
        {"stride": 2}, {"accuracy": "strict"}, {"dtype": np.float64}, {"border": "edge"}, {"workspace_limit": 10**9},
        {"pass_name": "backward_data"}, {"algorithm": "direct"},
    ):  # fmt: skip
        assert explained(**options).tuned_by is None, options
    assert fastconv.explain_conv2d((1, *X_SHAPE[1:]), W_SHAPE, **OPTIONS).tuned_by is None
    for options in ({"bias": True}, {"activation": "relu"}, {"flip": True}):
        assert explained(**options).tuned_by == str(file), options


def test_other_machines_keep_theirs(file, slowest, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(_tuned, "machine", lambda: "another")
        fastconv.tune(WORK)
        assert explained().tuned_by
    forget()
    assert explained().tuned_by is None
    fastconv.tune(WORK, passes="prepared")
    assert set(json.loads(file.read_text())["machines"]) == {"another", _tuned.machine()}


def test_the_environment_turns_it_off(file, slowest, monkeypatch):
    fastconv.tune(WORK)
    forget()
    monkeypatch.setenv("FASTCONV_TUNE", "0")
    assert explained().tuned_by is None


def test_measured_for_real(file):
    found = fastconv.tune(WORK, passes="backward_weights")
    [choice] = found.choices
    assert choice.algorithm in choice.seconds and all(seconds > 0 for seconds in choice.seconds.values())
    assert choice.seconds[choice.algorithm] == min(choice.seconds.values())
    assert "reference" not in choice.seconds
    assert json.loads(json.dumps(found.to_dict()))["path"] == str(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 7}', b'{"format": 1, "machines": []}', b"[" * 100000,
     b'{"format": 1, "machines": {"m": {"p": {"algorithm": 3}}}}', b'{"format": 1, "machines": {"m": ["p"]}}'],
)  # fmt: skip
def test_a_broken_file_is_one_warning(file, content):
    wanted = fastconv.conv2d(X, W, **OPTIONS).tobytes()
    forget()
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.warns(RuntimeWarning) as caught:
        assert fastconv.conv2d(X, W, **OPTIONS).tobytes() == wanted
        fastconv.conv2d(X, W)
    assert len(caught) == 1 and str(file) in str(caught[0].message) and "delete it" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fastconv.tune(WORK)
    assert json.loads(file.read_text())["format"] == 1


def test_an_algorithm_that_is_unknown_or_does_not_fit_is_passed_over(file, slowest):
    fastconv.tune(WORK)
    for name in ("magic", "pointwise"):
        file.write_text(file.read_text().replace('"algorithm": "reference"', f'"algorithm": "{name}"'))
        forget()
        assert explained().tuned_by is None
        file.write_text(file.read_text().replace(f'"algorithm": "{name}"', '"algorithm": "reference"'))


def test_a_file_that_cannot_be_written_is_told_first(file, monkeypatch):
    monkeypatch.setattr(tuning, "measured_seconds", lambda *a: pytest.fail("measured in vain"))
    file.parent.write_text("no folder")
    with pytest.warns(RuntimeWarning, match="Not a directory"):
        explained()
    with pytest.raises(OSError, match="cannot be written.*FASTCONV_TUNE_FILE"):
        fastconv.tune(WORK)
    file.parent.unlink()
    file.mkdir(parents=True)
    with pytest.raises(OSError, match="it is not a plain file"):
        fastconv.tune(WORK)


def test_an_interruption_leaves_the_old_file(file, slowest, monkeypatch, capsys):
    fastconv.tune(WORK)
    old = file.read_bytes()

    def interrupted(key, problem, names):
        if key.prepared:
            raise KeyboardInterrupt
        return dict.fromkeys(names, 1.0)

    monkeypatch.setattr(tuning, "measured_seconds", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fastconv.tune([((1, 2, 8, 8), (3, 2, 3, 3))])
    assert file.read_bytes() == old and os.listdir(file.parent) == [file.name]
    assert main(["tune", "1,2,8,8", "3,2,3,3"]) == 130
    assert capsys.readouterr().err == "fastconv: interrupted\n"
    assert file.read_bytes() == old and os.listdir(file.parent) == [file.name]


def test_a_function_is_tuned_by_what_it_runs(file, slowest):
    model = nn.zoo.build("lenet5")
    x = np.random.default_rng(0).random((2, 1, 28, 28), np.float32)

    def work():
        model.backward(np.ones_like(model.forward(x, training=True)))
        fastconv.max_pool2d(x, 2)
        fastconv.conv_transpose2d(X, np.ones((12, 3, 2, 2), np.float32), stride=2)
        fastconv.conv2d(X[..., ::2], W, layout="NCHW")

    choices = fastconv.tune(work).choices
    assert len(choices) == 8
    with fastconv.profile() as seen:
        work()
    assert {record.algorithm for record in seen.records} == {"reference", "pool"}


def test_files_of_shapes(tmp_path):
    path = tmp_path / "net.txt"
    path.write_text("# a comment\nconv a 1 4 9 8 6 3 2 1 2  # the rest\nmax_pool b 1 4 9 8 2 2 0\n\n")
    options = {"stride": 2, "padding": 1, "groups": 2}
    assert tuning.read_shapes(path) == [((1, 4, 9, 8), (6, 2, 3, 3), {**options, "layout": "NCHW"})]
    assert tuning.read_shapes(path, "NHWC") == [((1, 9, 8, 4), (6, 2, 3, 3), {**options, "layout": "NHWC"})]
    for text, words in (
        ("conv a 1 2\n", "line 1"),
        ("\nconv a 1 4 9 8 6 3 2 1 3\n", "line 2"),
        ("conv a -1 4 9 8 6 3 2 1 2\n", r"line 1: batch \(=-1\)"),
        ("conv a 1 4 9 8 6 3 2 -1 2\n", r"line 1: padding \(=-1\)"),
        ("pool\n", "no line"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            tuning.read_shapes(path)


@pytest.mark.parametrize(
    "work, options, error, words",
    [
        ([], {}, ValueError, "no convolution"),
        ([((1, 2, 8, 8),)], {}, TypeError, "work[0]"),
        ([*WORK, ((1, 2, 8, 8), (3, 3, 3, 3))], {}, ValueError, "work[1]: weight"),
        ([((1, 2, 8, 8), (3, 2, 3, 3), {"pad": 1})], {}, ValueError, "options (='pad')"),
        ([((1, 2), (3, 2))], {}, ValueError, "3, 4 or 5 axes"),
        (WORK, {"passes": "sideways"}, ValueError, "passes (='sideways')"),
        (WORK, {"dtype": np.int32}, TypeError, "dtype"),
        (lambda: None, {}, ValueError, "no convolution"),
        (None, {}, TypeError, "work (=None)"),
        (5, {}, TypeError, "work (=5)"),
        (b"shapes.txt", {}, TypeError, "work (=b'shapes.txt')"),
        (WORK, {"passes": None}, ValueError, "passes (=None)"),
        (WORK, {"passes": ()}, ValueError, "passes (=())"),
        (WORK, {"passes": [5]}, ValueError, "passes (=[5])"),
        (lambda: None, {"passes": "sideways"}, ValueError, "passes (='sideways')"),
        (lambda: None, {"dtype": "int8"}, TypeError, "dtype (='int8')"),
        (WORK, {"layout": "CHWN"}, ValueError, "layout (='CHWN')"),
        (WORK, {"progress": 5}, TypeError, "progress (=5)"),
        ([(*WORK[0][:2], 5)], {}, TypeError, "work[0]: options (=5)"),
        ([(5, W_SHAPE)], {}, TypeError, "work[0]: x_shape (=5)"),
        ([(X_SHAPE, 5)], {}, TypeError, "work[0]: weight_shape (=5)"),
        ([((-1, 12, 14, 13), W_SHAPE)], {}, ValueError, "work[0]: x_shape (=-1)"),
        ([((2, 12, 14.5, 13), W_SHAPE)], {}, TypeError, "work[0]: x_shape (=(2, 12, 14.5, 13))"),
        ([(X_SHAPE, W_SHAPE, {"stride": -1})], {}, ValueError, "work[0]: stride (=-1)"),
    ],
)
def test_bad_work(file, work, options, error, words):
    with pytest.raises(error) as caught:
        fastconv.tune(work, **options)
    assert words in str(caught.value) and not file.exists()


def test_the_command(file, capsys):
    assert main(["tune", "1,2,8,8", "3,2,3,3", "--pass", "forward,backward_data", "--stride", "2"]) == 0
    out = capsys.readouterr().out
    assert "2 choices are in" in out and str(file) in out and "stride 2x2" in out
    assert main(["tune", "--network", "lenet5", "--batch", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["choices"]) == 5
    assert main(["explain", "1,2,8,8", "3,2,3,3", "--stride", "2"]) == 0
    assert str(file) in capsys.readouterr().out


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTCONV_TUNE_FILE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _tuned.path() == str(tmp_path / "fastconv" / "tune.json")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert _tuned.path() == str(tmp_path / "home" / ".cache" / "fastconv" / "tune.json")


def test_another_process_takes_the_choice_and_has_its_bits(file, slowest):
    fastconv.tune(WORK)
    code = """
import numpy as np, fastconv
X = np.random.default_rng(0).standard_normal((2, 12, 14, 13)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((16, 12, 3, 3)).astype(np.float32)
print(fastconv.explain_conv2d(X.shape, W.shape, padding=1).algorithm, fastconv.conv2d(X, W, padding=1).tobytes().hex())
"""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    env = {**os.environ, "PYTHONPATH": path, "FASTCONV_ISA": _engine.isa()}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    name, bits = done.stdout.split()
    assert name == "reference" and bits == fastconv.conv2d(X, W, **OPTIONS).tobytes().hex()
