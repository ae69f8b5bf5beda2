"""Formulas of spatial arrangement, against the textbook's tables, the naive definition, and NumPy's own padding."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import geometry


def test_spatial_forms():
    assert geometry.canonical_spatial("stride", 3, 3, 1) == (3, 3, 3)
    assert geometry.canonical_spatial("stride", (2,), 2, 1) == (2, 2)
    assert geometry.canonical_spatial("stride", [1, 2], 2, 1) == (1, 2)
    assert geometry.canonical_spatial("stride", np.array([1, 2]), 2, 1) == (1, 2)
    assert geometry.canonical_spatial("stride", np.int32(4), 1, 1) == (4,)


@pytest.mark.parametrize(
    "value, error, words",
    [
        (0, ValueError, "stride (=0) must be at least 1"),
        ((1, -2), ValueError, "stride (=(1, -2)) must be at least 1"),
        ((1, 2, 3), ValueError, "has 3 entries"),
        ((), ValueError, "has 0 entries"),
        (1.0, TypeError, "stride (=1.0)"),
        (True, TypeError, "bool"),
        ("2", TypeError, "stride (='2')"),
        (None, TypeError, "stride (=None)"),
        ((1, 2.5), TypeError, "float"),
        (((1, 2), 1), TypeError, "tuple"),
        (2**63, ValueError, "63 bits"),
    ],
)
def test_spatial_errors(value, error, words):
    with pytest.raises(error) as caught:
        geometry.canonical_spatial("stride", value, 2, 1)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "value, ndim, pairs",
    [
        (2, 1, ((2, 2),)),
        ((1, 2), 2, ((1, 1), (2, 2))),
        (((1, 2),), 1, ((1, 2),)),
        (((1, 2),), 2, ((1, 2), (1, 2))),
        (((1, 2), (0, 3)), 2, ((1, 2), (0, 3))),
        ((1, (0, 3)), 2, ((1, 1), (0, 3))),
        ([[1, 2], [0, 3]], 2, ((1, 2), (0, 3))),
        (np.array([[1, 2], [0, 3]]), 2, ((1, 2), (0, 3))),
        ((3,), 3, ((3, 3),) * 3),
    ],
)
def test_padding_forms(value, ndim, pairs):
    assert geometry.canonical_padding("padding", value, ndim) == pairs


@pytest.mark.parametrize(
    "value, ndim, error, words",
    [
        ((1, 2), 1, ValueError, "write ((1, 2),)"),
        ((1, 2, 0, 3), 2, ValueError, "write ((1, 2), (0, 3))"),
        (-1, 2, ValueError, "padding (=-1) must be at least 0"),
        (((0, -1), 0), 2, ValueError, "at least 0"),
        ("valide", 2, ValueError, "valid, same"),
        (((1, 2, 3), 1), 2, ValueError, "(1, 2, 3)"),
        ((1, 2, 3), 2, ValueError, "has 3 entries"),
        (1.5, 2, TypeError, "padding (=1.5)"),
        (((1, 2.0), 1), 2, TypeError, "float"),
    ],
)
def test_padding_errors(value, ndim, error, words):
    with pytest.raises(error) as caught:
        geometry.canonical_padding("padding", value, ndim)
    assert words in str(caught.value)


@pytest.mark.parametrize("m", [5, 8, 28])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_the_textbooks_padding_table(m, k):
    def pads(name):
        return geometry.resolve_padding(geometry.canonical_padding("padding", name, 1), (m,), (k,), (1,), (1,))

    def output(padding):
        return geometry.conv_output_size((m,), (k,), (1,), (1,), padding)[0]

    assert pads("full") == ((k - 1, k - 1),) and output(pads("full")) == m + (k - 1)
    assert pads("valid") == ((0, 0),) and output(pads("valid")) == m - (k - 1)
    assert pads("same") == pads("same_upper") == (((k - 1) // 2, k // 2),) and output(pads("same")) == m
    assert pads("same_lower") == ((k // 2, (k - 1) // 2),) and output(pads("same_lower")) == m


SIZES = {"n": st.integers(1, 24), "k": st.integers(1, 6), "s": st.integers(1, 7), "d": st.integers(1, 4)}


@given(**SIZES, name=st.sampled_from(["same_upper", "same_lower"]))
def test_same_gives_the_size_over_the_stride(n, k, s, d, name):
    ((before, after),) = geometry.resolve_padding(name, (n,), (k,), (s,), (d,))
    assert geometry.conv_output_size((n,), (k,), (s,), (d,), ((before, after),)) == (-(-n // s),)
    assert (after - before if name == "same_upper" else before - after) in (0, 1)


@given(**SIZES, before=st.integers(0, 5), after=st.integers(0, 5))
def test_output_size_counts_the_places_of_the_kernel(n, k, s, d, before, after):
    places = [start for start in range(0, n + before + after, s) if start + d * (k - 1) < n + before + after]
    if places:
        assert geometry.conv_output_size((n,), (k,), (s,), (d,), ((before, after),)) == (len(places),)
    else:
        with pytest.raises(ValueError, match="kernel size"):
            geometry.conv_output_size((n,), (k,), (s,), (d,), ((before, after),))


@given(**SIZES, before=st.integers(0, 5), after=st.integers(0, 5), extra=st.integers(0, 6))
def test_transposed_size_is_one_that_convolution_maps_back(n, k, s, d, before, after, extra):
    extra = min(extra, s - 1)
    try:
        (out,), _ = geometry.conv_transpose_geometry((n,), (k,), (s,), (d,), ((before, after),), (extra,))
    except ValueError:
        assert (n - 1) * s + d * (k - 1) + 1 + extra <= before + after
        return
    assert geometry.conv_output_size((out,), (k,), (s,), (d,), ((before, after),)) == (n,)


@given(**SIZES)
def test_transposed_same_multiplies_by_the_stride(n, k, s, d):
    (out,), ((before, after),) = geometry.conv_transpose_geometry((n,), (k,), (s,), (d,), "same_upper", (0,))
    assert out == n * s and after - before in (0, 1)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (((4,), (3,), (2,), (1,), ((0, 0),), (2,)), "output_padding (=2) along width must be below"),
        (((4,), (3,), (2,), (1,), "same_upper", (1,)), "leave it 0"),
        (((1,), (3,), (1,), (1,), ((2, 2),), (0,)), "leaves nothing"),
    ],
)
def test_transposed_errors(arguments, words):
    with pytest.raises(ValueError) as caught:
        geometry.conv_transpose_geometry(*arguments)
    assert words in str(caught.value)


@given(**SIZES, before=st.integers(0, 3), after=st.integers(0, 3))
def test_ceil_mode_adds_only_windows_that_start_inside(n, k, s, d, before, after):
    padded = n + before + after
    if d * (k - 1) + 1 - padded >= s:
        with pytest.raises(ValueError, match="kernel size"):
            geometry.pool_output_size((n,), (k,), (s,), (d,), ((before, after),), ceil_mode=True)
        return
    count = next(count for count in range(1, 99) if (count - 1) * s + d * (k - 1) + 1 >= padded)
    if (count - 1) * s >= n + before:
        count -= 1
    assert geometry.pool_output_size((n,), (k,), (s,), (d,), ((before, after),), ceil_mode=True) == (count,)


@given(**SIZES, before=st.integers(0, 6), after=st.integers(0, 6))
def test_windows_wholly_in_padding_are_found(n, k, s, d, before, after):
    try:
        output = geometry.pool_output_size((n,), (k,), (s,), (d,), ((before, after),))
    except ValueError:
        return
    empty = any(all(not 0 <= index * s - before + tap * d < n for tap in range(k)) for index in range(output[0]))
    arguments = ((n,), (k,), (s,), (d,), ((before, after),), output)
    if empty:
        with pytest.raises(ValueError, match="wholly"):
            geometry.check_windows(*arguments)
    else:
        geometry.check_windows(*arguments)


def test_the_stride_that_does_not_fit():
    assert geometry.conv_output_size((7,), (3,), (3,), (1,), ((0, 0),)) == (2,)
    (unread,) = geometry.unused_input((7,), (3,), (3,), (1,), ((0, 0),), (2,))
    assert unread.tolist() == [6]


@given(
    **SIZES,
    before=st.integers(0, 4),
    after=st.integers(0, 4),
    border=st.sampled_from(["constant", "reflect", "symmetric", "edge", "wrap"]),
)
def test_unused_pixels_are_those_without_influence(n, k, s, d, before, after, border):
    padding = ((before, after),)
    try:
        output = geometry.conv_output_size((n,), (k,), (s,), (d,), padding)
    except ValueError:
        return
    unread = geometry.unused_input((n,), (k,), (s,), (d,), padding, output, border)[0]
    marks = np.pad(np.arange(1, n + 1), padding[0], mode=border)
    read = {int(marks[index * s + tap * d]) - 1 for index in range(output[0]) for tap in range(k)}
    assert unread.tolist() == [position for position in range(n) if position not in read]


@given(n=st.integers(1, 30), output=st.integers(1, 30))
def test_adaptive_windows_cover_the_input(n, output):
    windows = geometry.adaptive_windows(n, output)
    assert len(windows) == output and windows[0][0] == 0 and windows[-1][1] == n
    assert all(start < stop for start, stop in windows)
    assert {position for start, stop in windows for position in range(start, stop)} == set(range(n))


@pytest.mark.parametrize("positions, text", [([], ""), ([4], "4"), ([1, 2, 3], "1-3"), ([0, 2, 3, 9], "0, 2-3, 9")])
def test_positions_are_written_as_ranges(positions, text):
    assert geometry.format_positions(np.array(positions, int)) == text


def test_sizes_beyond_63_bits_are_refused():
    assert geometry.check_size("x", (2**40, 2**20)) == 2**60
    with pytest.raises(ValueError, match="63 bits"):
        geometry.check_size("x", (2**40, 2**20), 8)
    with pytest.raises(ValueError, match="padded input along width .* is too large"):
        geometry.conv_output_size((2**62,), (1,), (1,), (1,), ((2**62, 2**62),))
    with pytest.raises(ValueError, match="dilated kernel along width .* is too large"):
        geometry.conv_output_size((8,), (3,), (1,), (2**61,), ((9, 9),))
    with pytest.raises(ValueError, match="output along width .* is too large"):
        geometry.conv_transpose_geometry((2**40,), (3,), (2**40,), (1,), ((0, 0),), (0,))
