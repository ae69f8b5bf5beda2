# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Wrappers of csrc/fastconv.h: names to codes, arrays to pointers, one call without the GIL, status to exception.

Nothing here validates shapes or allocates results; fastconv.functional does, and is the only room that imports this one.
"""

import numpy as np

cimport numpy as cnp
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cnp.import_array()

PASSES = {"forward": FC_FORWARD, "backward_data": FC_BACKWARD_DATA, "backward_weights": FC_BACKWARD_WEIGHTS}
DTYPES = {np.dtype(np.float32): FC_FLOAT32, np.dtype(np.float64): FC_FLOAT64}
NUMBERS = {
    "f4": FC_FLOAT32,
    "f8": FC_FLOAT64,
    "i1": FC_INT8,
    "u1": FC_UINT8,
    "i2": FC_INT16,
    "u2": FC_UINT16,
    "i4": FC_INT32,
    "u4": FC_UINT32,
    "i8": FC_INT64,
    "u8": FC_UINT64,
}
BORDERS = {"constant": FC_CONSTANT, "reflect": FC_REFLECT, "symmetric": FC_SYMMETRIC, "edge": FC_EDGE, "wrap": FC_WRAP}
ACCURACIES = {"default": FC_DEFAULT, "strict": FC_STRICT, "fast": FC_FAST}
ACTIVATIONS = {None: FC_IDENTITY, "relu": FC_RELU, "relu6": FC_RELU6, "leaky_relu": FC_LEAKY_RELU}
SMOOTH = {
    "sigmoid": FC_SIGMOID,
    "tanh": FC_TANH,
    "silu": FC_SILU,
    "gelu": FC_GELU,
    "gelu_tanh": FC_GELU_TANH,
    "hardsigmoid": FC_HARDSIGMOID,
    "hardswish": FC_HARDSWISH,
}
POOLS = {"max": FC_POOL_MAX, "avg": FC_POOL_AVG, "lp": FC_POOL_LP, "unpool": FC_POOL_UNPOOL}
TIES = {"first": FC_TIES_FIRST, "split": FC_TIES_SPLIT, "all": FC_TIES_ALL}

ERRORS = {
    FC_INVALID: ValueError,
    FC_UNSUPPORTED: NotImplementedError,
    FC_NO_MEMORY: MemoryError,
    FC_OVERFLOW: ValueError,
    FC_WORKSPACE_TOO_SMALL: ValueError,
}
STATUSES = {
    FC_OK: "ok",
    FC_UNSUPPORTED: "unsupported",
    FC_WORKSPACE_TOO_SMALL: "workspace too small",
}


cdef int check(fc_status status) except -1:
    if status != FC_OK:
        raise ERRORS[status](fc_status_message(status).decode())
    return 0


cdef void *data(cnp.ndarray array):
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef int fill(int64_t *target, values, int count) except -1:
    cdef int i
    if len(values) != count:
        raise ValueError(f"expected {count} numbers, got {values!r}")
    for i in range(count):
        target[i] = values[i]
    return 0


def version():
    return fc_version().decode()


def isa_names():
    return [fc_isa_name(i).decode() for i in range(fc_isa_count())]


def isa_supported(name):
    return bool(fc_isa_supported(isa_names().index(name)))


def isa():
    return fc_isa_name(fc_isa()).decode()


def lanes(dtype):
    """Elements of a vector of the active ISA."""
    return fc_isa_lanes(fc_isa(), DTYPES[dtype])


def set_isa(name):
    """Switch the active ISA; for tests. Plans made before keep theirs."""
    check(fc_set_isa(isa_names().index(name)))


def environment_status():
    """Whether FASTCONV_ISA was understood: "ok", "unknown" or "unsupported"."""
    return {FC_OK: "ok", FC_INVALID: "unknown", FC_UNSUPPORTED: "unsupported"}[fc_isa_environment()]


def cpu_info():
    cdef fc_cpu_info info
    fc_cpu(&info)
    return {
        "name": info.name.decode(errors="replace"),
        "arch": info.arch.decode(),
        "l1_bytes": info.l1_bytes,
        "l2_bytes": info.l2_bytes,
        "l3_bytes": info.l3_bytes,
        "logical_cpus": info.logical_cpus,
        "openmp": info.openmp,
    }


def threads():
    return fc_threads()


def set_threads(int count):
    check(fc_set_threads(count))


cdef class Scratch:
    """A block of the scratch pool as a writable buffer, given back when the last view of it goes."""

    cdef void *block
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.size = size
        self.block = fc_scratch_acquire(size)
        if self.block == NULL:
            raise MemoryError()

    def __dealloc__(self):
        fc_scratch_release(self.block)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.block, self.size, 0, flags)


def scratch_bytes():
    return fc_scratch_bytes()


def scratch_trim():
    fc_scratch_trim()


def measure_multiply_adds(dtype, int threads=0):
    cdef fc_dtype kind = DTYPES[dtype]
    cdef double per_second = 0
    cdef fc_status status
    with nogil:
        status = fc_measure_multiply_adds(kind, threads, &per_second)
    check(status)
    return per_second


def measure_copy(int64_t bytes, int threads=0):
    cdef double per_second = 0
    cdef fc_status status
    with nogil:
        status = fc_measure_copy(bytes, threads, &per_second)
    check(status)
    return per_second


include "_engine_conv.pxi"
include "_engine_integer.pxi"
include "_engine_pool.pxi"
include "_engine_ops.pxi"
