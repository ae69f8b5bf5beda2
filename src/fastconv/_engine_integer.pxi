# Convolution of small integers. Part of _engine.pyx.

BYTES = {np.dtype(np.int8): FC_INT8, np.dtype(np.uint8): FC_UINT8, np.dtype(np.int32): FC_INT32}


cdef class IntegerConv:
    """A convolution of small integers with its weights packed, for inputs and outputs of fixed shapes and strides."""

    cdef fc_integer_plan *plan
    cdef void *packed
    cdef object kept  # the array that packed points into
    cdef readonly int64_t packed_bytes

    def __cinit__(self, x_dtype, y_dtype, n, ic, oc, groups, in_, out, kernel, stride, dilation, pad, x_strides,
                  y_strides, int x_zero, int y_zero, bint prepared, cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray factor):
        """weight is int16, bias int32 or None, factor float64 or None; all are C-contiguous."""
        cdef fc_integer_desc d
        cdef fc_status status
        cdef void *pw = data(weight)
        cdef void *pb = data(bias)
        cdef void *pf = data(factor)
        memset(&d, 0, sizeof(d))
        d.struct_size = sizeof(d)
        d.input_type, d.output_type = BYTES[x_dtype], BYTES[y_dtype]
        d.n, d.ic, d.oc, d.groups = n, ic, oc, groups
        fill(d.in_, in_, 3)
        fill(d.out, out, 3)
        fill(d.kernel, kernel, 3)
        fill(d.stride, stride, 3)
        fill(d.dilation, dilation, 3)
        fill(d.pad, pad, 3)
        fill(d.x_stride, x_strides, 5)
        fill(d.y_stride, y_strides, 5)
        d.x_zero, d.y_zero, d.prepared = x_zero, y_zero, prepared
        with nogil:
            status = fc_integer_bound(&d, <const int16_t *>pw)
            if status == FC_OK:
                status = fc_integer_plan_create(&d, &self.plan)
        check(status)
        self.packed_bytes = fc_integer_plan_packed(self.plan)
        self.kept = np.empty(self.packed_bytes + 64, np.uint8)
        self.packed = <void *>((<uintptr_t>data(self.kept) + 63) & ~<uintptr_t>63)
        with nogil:
            status = fc_integer_pack(self.plan, <const int16_t *>pw, <const int32_t *>pb, <const double *>pf,
                                     self.packed)
        check(status)

    def __dealloc__(self):
        fc_integer_plan_destroy(self.plan)

    def execute(self, cnp.ndarray x, cnp.ndarray y, int num_threads=0):
        cdef fc_status status
        cdef void *px = data(x)
        cdef void *py = data(y)
        with nogil:
            status = fc_integer_execute(self.plan, px, self.packed, py, num_threads)
        check(status)


COMBINED = {np.dtype(np.float32): FC_FLOAT32, np.dtype(np.int8): FC_INT8, np.dtype(np.uint8): FC_UINT8}


cdef fc_meaning meaning(cnp.ndarray array, tuple scale):
    """What an array's elements mean, by (scale, zero point)."""
    cdef fc_meaning m
    m.type = COMBINED[array.dtype]
    m.scale, m.zero = scale
    return m


def combine(cnp.ndarray a, tuple a_scale, cnp.ndarray b, tuple b_scale, bint product, cnp.ndarray y, tuple y_scale,
            int num_threads=0, int64_t every=1):
    """The sum or product of a and b, or without b a itself, to y; C-contiguous, each with (scale, zero point).

    `every` so many elements meet one of b, which begins anew at its end.
    """
    cdef fc_combine_desc d
    cdef fc_status status
    cdef void *pa = data(a)
    cdef void *pb = data(b)
    cdef void *py = data(y)
    memset(&d, 0, sizeof(d))
    d.struct_size = sizeof(d)
    d.a, d.y = meaning(a, a_scale), meaning(y, y_scale)
    if b is not None:
        d.b = meaning(b, b_scale)
        d.every, d.period = every, cnp.PyArray_SIZE(b)
    d.product, d.count = product, cnp.PyArray_SIZE(y)
    if d.count == 0:
        return
    with nogil:
        status = fc_combine(&d, pa, pb, py, num_threads)
    check(status)


def lookup(cnp.ndarray table, cnp.ndarray x, cnp.ndarray y, int num_threads=0):
    """y = table[x] of bytes, C-contiguous."""
    cdef fc_status status
    cdef int64_t count = cnp.PyArray_SIZE(x)
    cdef void *pt = data(table)
    cdef void *px = data(x)
    cdef void *py = data(y)
    with nogil:
        status = fc_lookup(<const uint8_t *>pt, count, <const uint8_t *>px, <uint8_t *>py, num_threads)
    check(status)
