"""Filters made of passes along several axes: gaussian_filter, uniform_filter, sobel, prewitt, laplace and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastconv.compat.ndimage import _uniform, _windows
from fastconv.compat.ndimage._arguments import Target, axes_of, axis_of, border_of, each, image_of, kept, target_of
from fastconv.compat.ndimage._host import by_host
from fastconv.compat.ndimage._passes import Pass, filtered
from fastconv.compat.ndimage.lines import gaussian_pass, pass_of

__all__ = [
    "gaussian_filter",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "prewitt",
    "sobel",
    "uniform_filter",
]

_LEAST_SIGMA = 1e-15  # SciPy leaves axes with a smaller one alone


def gaussian_filter(
    input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: Any = 0.0,
    truncate: float = 4.0, *, radius: Any = None, axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Gaussian filter, or derivatives of one; see `scipy.ndimage.gaussian_filter`.

    Parameters
    ----------
    input, sigma, order, output, mode, cval, truncate, radius, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gaussian_filter([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], 0.5).round(3)
    array([[0.011, 0.084, 0.011],
           [0.084, 0.619, 0.084],
           [0.011, 0.084, 0.011]])
    """
    sigma, order, mode, radius, axes = kept(sigma, order, mode, radius, axes)
    image = image_of(input)
    if image is not None:
        target = target_of(output, image)
        steps = _gaussian_passes(image, sigma, order, mode, cval, truncate, radius, axes)
        if target is not None and steps:
            return filtered(image, steps, target, num_threads)
    return by_host("gaussian_filter", num_threads)(
        input, sigma, order, output, mode, cval, truncate, radius=radius, axes=axes
    )


def _gaussian_passes(
    image: np.ndarray, sigma: Any, order: Any, mode: Any, cval: Any, truncate: Any, radius: Any, axes: Any
) -> list[Pass] | None:
    places = axes_of(axes, image.ndim)
    if places is None:
        return None
    columns = [each(value, len(places)) for value in (sigma, order, mode, radius)]
    if any(column is None for column in columns):
        return None
    steps: list[Pass] = []
    for axis, deviation, degree, name, half in zip(places, *(column or () for column in columns), strict=True):
        if isinstance(deviation, (int, float, np.integer, np.floating)) and deviation <= _LEAST_SIGMA:
            continue
        step = gaussian_pass(image, deviation, axis, degree, name, cval, truncate, half)
        if step is None:
            return None
        steps.append(step)
    return steps


def uniform_filter(
    input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, origin: Any = 0, *,
    axes: Any = None, num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Mean of a window; see `scipy.ndimage.uniform_filter`.

    What is not finite stays under the windows that hold it, where SciPy's running sum carries it along a line.

    Parameters
    ----------
    input, size, output, mode, cval, origin, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> uniform_filter([[1.0, 2.0], [3.0, 10.0]], 2, mode="nearest")
    array([[1. , 1.5],
           [2. , 4. ]])
    """
    size, mode, origin, axes = kept(size, mode, origin, axes)
    image = image_of(input)
    if image is not None:
        target, places = target_of(output, image), axes_of(axes, image.ndim)
        if target is not None and places is not None:
            steps = _uniform_passes(image, size, mode, cval, origin, places)
            result = _uniform.filtered(image, steps, target, num_threads) if steps else None
            if result is not None:
                return result
    return by_host("uniform_filter", num_threads)(input, size, output, mode, cval, origin, axes=axes)


def _uniform_passes(
    image: np.ndarray, size: Any, mode: Any, cval: Any, origin: Any, places: tuple[int, ...]
) -> list[Pass] | None:
    sizes, modes, origins = (each(value, len(places)) for value in (size, mode, origin))
    if sizes is None or modes is None or origins is None or not all(isinstance(n, (int, np.integer)) for n in sizes):
        return None
    kept = [index for index, count in enumerate(sizes) if count > 1]
    return _uniform.passes(
        image, [sizes[i] for i in kept], [places[i] for i in kept], [modes[i] for i in kept], cval,
        [origins[i] for i in kept],
    )  # fmt: skip


def _gradient(
    input: Any, axis: Any, output: Any, mode: Any, cval: Any, smoothing: list[int], num_threads: int | None
) -> np.ndarray | None:
    """Derivative along one axis, smoothed along the others; None where SciPy has to compute."""
    image = image_of(input)
    if image is None:
        return None
    target, place, modes = target_of(output, image), axis_of(axis, image.ndim), each(mode, image.ndim)
    if target is None or place is None or modes is None:
        return None
    order = [place, *(other for other in range(image.ndim) if other != place)]
    steps = [
        pass_of(image, [-1, 0, 1] if other == place else smoothing, other, modes[other], cval, 0) for other in order
    ]
    found = [step for step in steps if step is not None]
    if len(found) < len(steps):
        return None
    border = found[0].border
    alike = all(step.border == border for step in found) and (isinstance(border, str) or not border)
    if target.dtype.kind != "f" and image.ndim in (2, 3) and alike:  # whole numbers: one pass gives the same
        kernel = np.ones((1,) * image.ndim)
        for step in found:
            kernel = kernel * step.weights.reshape([-1 if other == step.axis else 1 for other in range(image.ndim)])
        return _windows.filtered(image, kernel, [(1, 1)] * image.ndim, border, target, num_threads)
    return filtered(image, found, target, num_threads)


def sobel(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *,
    num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Sobel filter; see `scipy.ndimage.sobel`.

    Parameters
    ----------
    input, axis, output, mode, cval
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> sobel([[0, 0, 9], [0, 0, 9]])
    array([[ 0, 36, 36],
           [ 0, 36, 36]])
    """
    (mode,) = kept(mode)
    result = _gradient(input, axis, output, mode, cval, [1, 2, 1], num_threads)
    return by_host("sobel", num_threads)(input, axis, output, mode, cval) if result is None else result


def prewitt(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *,
    num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Prewitt filter; see `scipy.ndimage.prewitt`.

    Parameters
    ----------
    input, axis, output, mode, cval
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> prewitt([[0, 0, 9], [0, 0, 9]])
    array([[ 0, 27, 27],
           [ 0, 27, 27]])
    """
    (mode,) = kept(mode)
    result = _gradient(input, axis, output, mode, cval, [1, 1, 1], num_threads)
    return by_host("prewitt", num_threads)(input, axis, output, mode, cval) if result is None else result


def _laplacian(input: Any, output: Any, mode: Any, cval: Any, axes: Any, num_threads: int | None) -> np.ndarray | None:
    """Sum of second differences by one kernel; None where SciPy has to compute."""
    image = image_of(input)
    if image is None:
        return None
    target, places = target_of(output, image), axes_of(axes, image.ndim)
    if target is None or not places:
        return None
    modes = each(mode, len(places))
    border = None if modes is None or len(set(map(str, modes))) != 1 else border_of(modes[0], cval)
    if border is None:
        return None
    kernel = np.zeros([3 if axis in places else 1 for axis in range(image.ndim)])
    middle = tuple(n // 2 for n in kernel.shape)
    for axis in places:
        for offset, weight in ((-1, 1), (0, -2), (1, 1)):
            place = (*middle[:axis], middle[axis] + offset, *middle[axis + 1 :])
            kernel[place] += weight
    return _windows.filtered(image, kernel, [(n, n) for n in middle], border, target, num_threads)


def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    num_threads: int | None = None,
) -> Any:  # fmt: skip
    """Sum of second differences; see `scipy.ndimage.laplace`.

    Parameters
    ----------
    input, output, mode, cval, axes
        As SciPy's.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> laplace([[0, 0, 9], [0, 0, 9]])
    array([[ 0,  9, -9],
           [ 0,  9, -9]])
    """
    mode, axes = kept(mode, axes)
    result = _laplacian(input, output, mode, cval, axes, num_threads)
    return by_host("laplace", num_threads)(input, output, mode, cval, axes=axes) if result is None else result


def _derivatives(
    image: np.ndarray, sigma: Any, order: int, mode: Any, cval: Any, axes: tuple[int, ...], options: dict[str, Any],
    target: Target, num_threads: int | None,
) -> list[np.ndarray] | None:  # fmt: skip
    """Gaussian derivatives along each of some axes, in the type of the result; None where SciPy has to compute."""
    modes = each(mode, len(axes))
    if modes is None or target.dtype.kind != "f" or not {"truncate", "radius"} >= set(options):
        return None
    found = []
    for axis, name in zip(axes, modes, strict=True):
        orders = [order if other == axis else 0 for other in range(image.ndim)]
        steps = _gaussian_passes(
            image, sigma, orders, name, cval, options.get("truncate", 4.0), options.get("radius"), None
        )  # fmt: skip
        if not steps:
            return None
        found.append(filtered(image, steps, Target(target.dtype, None), num_threads))
    return found


def gaussian_laplace(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    num_threads: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Laplacian of a Gaussian; see `scipy.ndimage.gaussian_laplace`.

    Parameters
    ----------
    input, sigma, output, mode, cval, axes
        As SciPy's; further keywords are those of `gaussian_filter`.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gaussian_laplace([0.0, 0.0, 1.0, 0.0, 0.0], 1.0).round(2)
    array([ 0.2,  0. , -0.4,  0. ,  0.2])
    """
    sigma, mode, axes = kept(sigma, mode, axes)
    image = image_of(input)
    places = None if image is None else axes_of(axes, image.ndim)
    if image is not None and places:
        target, sigmas = target_of(output, image), each(sigma, len(places))
        if target is not None and sigmas is not None:
            # All axes in another order: SciPy takes sigma in the order of the image.
            named = dict(zip(places if len(places) < image.ndim else range(image.ndim), sigmas, strict=True))
            spread = [named.get(axis, 0) for axis in range(image.ndim)]
            found = _derivatives(image, spread, 2, mode, cval, places, kwargs, target, num_threads)
            if found is not None:
                for other in found[1:]:
                    found[0] += other
                return target.deliver(found[0])
    return by_host("gaussian_laplace", num_threads)(input, sigma, output, mode, cval, axes=axes, **kwargs)


def gaussian_gradient_magnitude(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: Any = 0.0, *, axes: Any = None,
    num_threads: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """Length of the gradient of a Gaussian; see `scipy.ndimage.gaussian_gradient_magnitude`.

    Parameters
    ----------
    input, sigma, output, mode, cval, axes
        As SciPy's; further keywords are those of `gaussian_filter`.
    num_threads : int, optional
        Threads of this call.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> gaussian_gradient_magnitude([0.0, 0.0, 1.0, 0.0, 0.0], 1.0).round(2)
    array([0.09, 0.24, 0.  , 0.24, 0.09])
    """
    sigma, mode, axes = kept(sigma, mode, axes)
    image = image_of(input)
    places = None if image is None else axes_of(axes, image.ndim)
    if image is not None and places:
        target = target_of(output, image)
        found = None
        if target is not None:
            found = _derivatives(image, sigma, 1, mode, cval, places, kwargs, target, num_threads)
        if target is not None and found is not None:
            total = np.square(found[0], out=found[0])
            for other in found[1:]:
                total += np.square(other, out=other)
            return target.deliver(np.sqrt(total, out=total))
    return by_host("gaussian_gradient_magnitude", num_threads)(input, sigma, output, mode, cval, axes=axes, **kwargs)
