"""Time series in the text files of the UCR archive."""

from __future__ import annotations

import numpy as np
import pytest

from fastconv import data

TRAIN = "  2.0e+00  0.5 1.5 2.5\n -1.0e+00  1 2 3\n  2.0  0 0 1\n"
TEST = "-1 9 8 7\n2 1 1 1\n"


def write(folder, train=TRAIN, test=TEST, suffix=".txt"):
    for part, text in (("TRAIN", train), ("TEST", test)):
        if text is not None:
            (folder / f"Made_{part}{suffix}").write_text(text)
    return folder


@pytest.mark.parametrize("suffix", [".txt", ".tsv"])
def test_parts(tmp_path, suffix):
    write(tmp_path, TRAIN if suffix == ".txt" else "2\t0.5\t1.5\t2.5\n-1\t1\t2\t3\n2\t0\t0\t1\n", suffix=suffix)
    train, test = data.load_series(tmp_path), data.load_series(str(tmp_path), "test")
    assert train.x.shape == (3, 1, 3) and train.x.dtype == np.float32 and train.x[0, 0].tolist() == [0.5, 1.5, 2.5]
    assert train.labels.tolist() == [1, 0, 1] and train.labels.dtype == np.int64
    assert test.labels.tolist() == [0, 1] and test.class_names == train.class_names == ("-1", "2")
    assert test.source == str(tmp_path / f"Made_TEST{suffix}")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (None, TEST, r"\*_TRAIN.txt is missing"),
        (TRAIN, None, r"\*_TEST.txt is missing"),
        (TRAIN[:-5] + "\n", TEST, "Made_TRAIN.txt: damaged"),
        (TRAIN, "1 2 x 4\n", "Made_TEST.txt: damaged"),
        (TRAIN, "", "Made_TEST.txt: no series"),
        (TRAIN, "2\n", "Made_TEST.txt: no series"),
        (TRAIN, "2 1 2 3 4\n", "Made_TEST.txt: 4 values in a series, 3 in the training file"),
        (TRAIN, "3 1 2 3\n", "Made_TEST.txt: no series of class 3"),
        (TRAIN, "1.5 1 2 3\n", "Made_TEST.txt: classes must be whole"),
        (TRAIN, "2 1 2 3\n2 1 nan 3\n", "Made_TEST.txt: series 2 holds a value that is not finite"),
    ],
)
def test_bad_files(tmp_path, train, test, message):
    write(tmp_path, train, test)
    with pytest.raises(ValueError, match=message):
        data.load_series(tmp_path, "test")


def test_bad_arguments(tmp_path):
    write(tmp_path)
    with pytest.raises(ValueError, match=r"split \(='all'\) must be one of train, test"):
        data.load_series(tmp_path, "all")
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        data.load_series(tmp_path / "nowhere")
    (tmp_path / "Other_TRAIN.txt").write_text(TRAIN)
    with pytest.raises(ValueError, match=r"\*_TRAIN.txt is there 2 times"):
        data.load_series(tmp_path)
