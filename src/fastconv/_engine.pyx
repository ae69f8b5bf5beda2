# cython: language_level=3, boundscheck=False, wraparound=False, embedsignature=True
"""Wrappers of csrc/fastconv.h: names to codes, arrays to pointers, one call without the GIL, status to exception.

Nothing here validates shapes or allocates results; fastconv.functional does, and is the only room that imports this one.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int64_t, uintptr_t
from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cnp.import_array()

PASSES = {"forward": FC_FORWARD, "backward_data": FC_BACKWARD_DATA, "backward_weights": FC_BACKWARD_WEIGHTS}
DTYPES = {np.dtype(np.float32): FC_FLOAT32, np.dtype(np.float64): FC_FLOAT64}
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


# Called after every execution as recorder(plan, seconds, threads); None, the normal state, costs one test.
cdef object recorder = None


def set_recorder(function):
    global recorder
    recorder = function


cdef double now() noexcept nogil:
    cdef timespec t
    clock_gettime(CLOCK_MONOTONIC, &t)
    return t.tv_sec + 1e-9 * t.tv_nsec


def conv_algorithms():
    return [fc_conv_algorithm_name(i).decode() for i in range(fc_conv_algorithm_count())]


cdef class ConvPlan:
    """One convolution pass, planned for fixed shapes, strides, dtype and options."""

    cdef fc_conv_desc desc
    cdef fc_conv_plan *plan
    cdef public object about  # what the caller wants to find here again

    def __cinit__(self, pass_name, dtype, n, ic, oc, groups, in_, out, kernel, stride, dilation, pad, x_strides,
                  w_strides, y_strides, *, residual_strides=(0, 0, 0, 0, 0), bint channels_last=False,
                  border="constant", double border_value=0.0, bint flip=False, bint bias=False, bint residual=False,
                  activation=None, double slope=0.0, accuracy="default", algorithm=-1, int64_t workspace_limit=-1,
                  bint prepared=False, bint pool=False):
        cdef fc_conv_desc *d = &self.desc
        memset(d, 0, sizeof(fc_conv_desc))
        d.struct_size = sizeof(fc_conv_desc)
        d.pass_ = PASSES[pass_name]
        d.input_type = d.weight_type = d.accumulator_type = d.output_type = DTYPES[dtype]
        d.input_layout = d.output_layout = FC_CHANNELS_LAST if channels_last else FC_CHANNELS_FIRST
        d.n, d.ic, d.oc, d.groups = n, ic, oc, groups
        fill(d.in_, in_, 3)
        fill(d.out, out, 3)
        fill(d.kernel, kernel, 3)
        fill(d.stride, stride, 3)
        fill(d.dilation, dilation, 3)
        fill(d.pad, pad, 3)
        fill(d.x_stride, x_strides, 5)
        fill(d.w_stride, w_strides, 5)
        fill(d.y_stride, y_strides, 5)
        fill(d.residual_stride, residual_strides, 5)
        d.border = BORDERS[border]
        d.border_value = border_value
        d.flip = flip
        d.accuracy = ACCURACIES[accuracy]
        d.algorithm = conv_algorithms().index(algorithm) if isinstance(algorithm, str) else algorithm
        d.workspace_limit = workspace_limit
        d.prepared = prepared
        if bias:
            d.epilogue[d.epilogue_count].kind = FC_BIAS
            d.epilogue_count += 1
        if residual:
            d.epilogue[d.epilogue_count].kind = FC_RESIDUAL
            d.epilogue_count += 1
        if activation is not None:
            d.epilogue[d.epilogue_count].kind = FC_ACTIVATE
            d.epilogue[d.epilogue_count].activation = ACTIVATIONS[activation]
            d.epilogue[d.epilogue_count].parameter = slope
            d.epilogue_count += 1
        if pool:
            d.epilogue[d.epilogue_count].kind = FC_POOL2X2
            d.epilogue_count += 1
        check(fc_conv_plan_create(d, &self.plan))

    def __dealloc__(self):
        fc_conv_plan_destroy(self.plan)

    @property
    def algorithm(self):
        return fc_conv_algorithm_name(fc_conv_plan_algorithm(self.plan)).decode()

    @property
    def packed_bytes(self):
        return fc_conv_plan_packed(self.plan)

    def workspace_bytes(self, int threads):
        return fc_conv_plan_workspace(self.plan, threads)

    def threads(self, int64_t workspace_bytes=-1, int num_threads=0):
        return fc_conv_plan_threads(self.plan, workspace_bytes, num_threads)

    def candidates(self):
        """Every row of the algorithm list as this problem sees it."""
        cdef int count = fc_conv_algorithm_count()
        cdef fc_conv_candidate *rows = <fc_conv_candidate *>malloc(count * sizeof(fc_conv_candidate))
        if rows == NULL:
            raise MemoryError("no memory for the list of algorithms")
        try:
            check(fc_conv_candidates(&self.desc, rows))
            return [
                {
                    "name": rows[i].name.decode(),
                    "status": STATUSES[rows[i].status],
                    "reason": rows[i].reason.decode(),
                    "cost": rows[i].cost,
                    "macs": rows[i].macs,
                    "workspace_bytes": rows[i].workspace_bytes,
                }
                for i in range(count)
            ]
        finally:
            free(rows)

    cdef int run(self, const fc_conv_args *args) except -1:
        cdef fc_status status
        cdef double start
        if recorder is None:
            with nogil:
                status = fc_conv_execute(self.plan, args)
            return check(status)
        with nogil:
            start = now()
            status = fc_conv_execute(self.plan, args)
            start = now() - start
        check(status)
        if recorder is not None:
            bytes = args.workspace_bytes if args.workspace != NULL else -1
            recorder(self, start, fc_conv_plan_threads(self.plan, bytes, args.threads))
        return 0

    def execute(self, cnp.ndarray x, cnp.ndarray w, cnp.ndarray y, cnp.ndarray bias=None, cnp.ndarray residual=None,
                cnp.ndarray workspace=None, int num_threads=0):
        cdef fc_conv_args args
        memset(&args, 0, sizeof(args))
        args.x = data(x)
        args.w = data(w)
        args.y = data(y)
        args.bias = data(bias)
        args.residual = data(residual)
        args.threads = num_threads
        if workspace is not None:
            args.workspace = data(workspace)
            args.workspace_bytes = workspace.nbytes
        self.run(&args)


cdef inline bint usable(object value, int type_num, int ndim, const cnp.npy_intp *shape) noexcept:
    """Whether the engine can use this object as it is, as a C-contiguous array of the planned type and shape."""
    cdef int axis
    if type(value) is not cnp.ndarray:
        return False
    cdef cnp.ndarray array = <cnp.ndarray>value
    if cnp.PyArray_TYPE(array) != type_num or cnp.PyArray_NDIM(array) != ndim or not cnp.PyArray_ISCARRAY_RO(array):
        return False
    for axis in range(ndim):
        if cnp.PyArray_DIM(array, axis) != shape[axis]:
            return False
    return True


cdef inline bint apart(const char *a, int64_t a_bytes, const char *b, int64_t b_bytes) noexcept:
    return a + a_bytes <= b or b + b_bytes <= a


cdef class PackedConv:
    """A forward plan with its weights packed and its bias: what a prepared operation runs."""

    cdef ConvPlan plan
    cdef fc_conv_args args
    cdef object kept  # the arrays that args points into
    cdef bint residual
    cdef int type_num, ndim
    cdef int64_t x_bytes, y_bytes, residual_bytes
    cdef cnp.npy_intp x_shape[5]
    cdef cnp.npy_intp y_shape[5]
    cdef cnp.npy_intp residual_shape[5]

    def __cinit__(self, ConvPlan plan, cnp.ndarray weight, cnp.ndarray bias, x_shape, y_shape, residual_shape):
        """Pack `weight`, or copy it where the algorithm reads it as it is; the arrays are C-contiguous."""
        cdef int64_t packed_bytes = fc_conv_plan_packed(plan.plan)
        cdef int64_t item = weight.itemsize
        cdef fc_status status
        cdef void *source = data(weight)
        cdef void *packed
        self.plan = plan
        self.type_num = cnp.PyArray_TYPE(weight)
        self.ndim = len(x_shape)
        self.residual = residual_shape is not None
        self.x_bytes, self.y_bytes = item, item
        for axis in range(self.ndim):
            self.x_shape[axis], self.y_shape[axis] = x_shape[axis], y_shape[axis]
            self.x_bytes *= x_shape[axis]
            self.y_bytes *= y_shape[axis]
        if self.residual:
            self.residual_bytes = item
            for axis in range(self.ndim):
                self.residual_shape[axis] = residual_shape[axis]
                self.residual_bytes *= residual_shape[axis]
        memset(&self.args, 0, sizeof(self.args))
        if bias is not None:
            bias = bias.copy()
            self.args.bias = data(bias)
        if packed_bytes > 0:
            weight = np.empty(packed_bytes + 64, np.uint8)
            packed = <void *>((<uintptr_t>data(weight) + 63) & ~<uintptr_t>63)
            with nogil:
                status = fc_conv_pack(plan.plan, source, packed, 0)
            check(status)
            self.args.packed = packed
        else:
            weight = weight.copy()
            self.args.w = data(weight)
        self.kept = (weight, bias)

    def run(self, x, residual, out, int num_threads):
        """Return the result; None, with nothing done, unless every array can be used as it is."""
        cdef fc_conv_args args = self.args
        cdef cnp.ndarray y
        if not usable(x, self.type_num, self.ndim, self.x_shape):
            return None
        args.x = cnp.PyArray_DATA(<cnp.ndarray>x)
        if self.residual:
            if not usable(residual, self.type_num, self.ndim, self.residual_shape):
                return None
            args.residual = cnp.PyArray_DATA(<cnp.ndarray>residual)
        elif residual is not None:
            return None
        if out is None:
            y = cnp.PyArray_EMPTY(self.ndim, self.y_shape, self.type_num, 0)
            args.y = cnp.PyArray_DATA(y)
        else:
            if not usable(out, self.type_num, self.ndim, self.y_shape):
                return None
            y = <cnp.ndarray>out
            args.y = cnp.PyArray_DATA(y)
            if not (cnp.PyArray_ISWRITEABLE(y) and apart(<char *>args.y, self.y_bytes, <char *>args.x, self.x_bytes)):
                return None
            if self.residual and not apart(<char *>args.y, self.y_bytes, <char *>args.residual, self.residual_bytes):
                return None
        args.threads = num_threads
        self.plan.run(&args)
        return y

    def execute(self, cnp.ndarray x, cnp.ndarray y, cnp.ndarray residual, cnp.ndarray workspace, int num_threads):
        """Run on arrays that are known to be of the planned kind."""
        cdef fc_conv_args args = self.args
        args.x = data(x)
        args.y = data(y)
        args.residual = data(residual)
        args.threads = num_threads
        if workspace is not None:
            args.workspace = data(workspace)
            args.workspace_bytes = workspace.nbytes
        self.plan.run(&args)


cdef class PoolPlan:
    """One pooling pass for fixed shapes, strides, dtype and options."""

    cdef fc_pool_desc desc
    cdef public object about

    def __cinit__(self, pass_name, kind, dtype, n, c, in_, out, kernel, stride, dilation, pad, pad_end, *,
                  x_strides=(0, 0, 0, 0, 0), y_strides=(0, 0, 0, 0, 0), index_strides=(0, 0, 0, 0, 0),
                  dx_strides=(0, 0, 0, 0, 0), dy_strides=(0, 0, 0, 0, 0), bint adaptive=False, ties="first",
                  bint count_include_pad=True, int64_t divisor=0, double p=2.0, bint signed=False):
        cdef fc_pool_desc *d = &self.desc
        memset(d, 0, sizeof(fc_pool_desc))
        d.struct_size = sizeof(fc_pool_desc)
        d.pass_ = PASSES[pass_name]
        d.kind = POOLS[kind]
        d.type = DTYPES[dtype]
        d.n, d.c = n, c
        fill(d.in_, in_, 3)
        fill(d.out, out, 3)
        fill(d.kernel, kernel, 3)
        fill(d.stride, stride, 3)
        fill(d.dilation, dilation, 3)
        fill(d.pad, pad, 3)
        fill(d.pad_end, pad_end, 3)
        fill(d.x_stride, x_strides, 5)
        fill(d.y_stride, y_strides, 5)
        fill(d.index_stride, index_strides, 5)
        fill(d.dx_stride, dx_strides, 5)
        fill(d.dy_stride, dy_strides, 5)
        d.adaptive = adaptive
        d.ties = TIES[ties]
        d.count_include_pad = count_include_pad
        d.divisor = divisor
        d.p = p
        d.lp_signed = signed

    def execute(self, cnp.ndarray x=None, cnp.ndarray y=None, cnp.ndarray indices=None, cnp.ndarray dy=None,
                cnp.ndarray dx=None, int num_threads=0):
        cdef fc_pool_args args
        cdef fc_status status
        cdef double start
        memset(&args, 0, sizeof(args))
        args.x = data(x)
        args.y = data(y)
        args.indices = <int64_t *>data(indices)
        args.dy = data(dy)
        args.dx = data(dx)
        args.threads = num_threads
        if recorder is None:
            with nogil:
                status = fc_pool_execute(&self.desc, &args)
            check(status)
            return
        with nogil:
            start = now()
            status = fc_pool_execute(&self.desc, &args)
            start = now() - start
        check(status)
        if recorder is not None:
            recorder(self, start, num_threads if num_threads > 0 else fc_threads())


def activation_forward(kind, double slope, cnp.ndarray x, cnp.ndarray y, int num_threads=0):
    """An activation, or a function of SMOOTH."""
    cdef fc_dtype dtype = FC_FLOAT64 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 else FC_FLOAT32
    cdef fc_activation activation = SMOOTH[kind] if kind in SMOOTH else ACTIVATIONS[kind]
    cdef int64_t count = cnp.PyArray_SIZE(x)
    cdef void *source = data(x)
    cdef void *target = data(y)
    cdef fc_status status
    with nogil:
        status = fc_activation_forward(dtype, activation, slope, count, source, target, num_threads)
    check(status)


def activation_backward(kind, double slope, cnp.ndarray y, cnp.ndarray dy, cnp.ndarray dx, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[y.dtype]
    cdef fc_activation activation = ACTIVATIONS[kind]
    cdef int64_t count = y.size
    cdef void *output = data(y)
    cdef void *gradient = data(dy)
    cdef void *target = data(dx)
    cdef fc_status status
    with nogil:
        status = fc_activation_backward(dtype, activation, slope, count, output, gradient, target, num_threads)
    check(status)


def linear_forward(cnp.ndarray x, cnp.ndarray w, cnp.ndarray b, kind, double slope, cnp.ndarray y, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[x.dtype]
    cdef fc_activation activation = ACTIVATIONS[kind]
    cdef int64_t n = x.shape[0], inputs = w.shape[1], outputs = w.shape[0]
    cdef void *px = data(x)
    cdef void *pw = data(w)
    cdef void *pb = data(b)
    cdef void *py = data(y)
    cdef fc_status status
    with nogil:
        status = fc_linear_forward(dtype, n, inputs, outputs, px, pw, pb, activation, slope, py, num_threads)
    check(status)


def linear_backward(cnp.ndarray x, cnp.ndarray w, cnp.ndarray dy, cnp.ndarray dx, cnp.ndarray dw, cnp.ndarray db,
                    int64_t inputs, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[dy.dtype]
    cdef int64_t n = dy.shape[0], outputs = dy.shape[1]
    cdef void *px = data(x)
    cdef void *pw = data(w)
    cdef void *pdy = data(dy)
    cdef void *pdx = data(dx)
    cdef void *pdw = data(dw)
    cdef void *pdb = data(db)
    cdef fc_status status
    with nogil:
        status = fc_linear_backward(dtype, n, inputs, outputs, px, pw, pdy, pdx, pdw, pdb, num_threads)
    check(status)


def softmax_forward(cnp.ndarray x, cnp.ndarray y, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[x.dtype]
    cdef int64_t rows = x.shape[0], classes = x.shape[1]
    cdef void *px = data(x)
    cdef void *py = data(y)
    cdef fc_status status
    with nogil:
        status = fc_softmax_forward(dtype, rows, classes, px, py, num_threads)
    check(status)


def softmax_backward(cnp.ndarray y, cnp.ndarray dy, cnp.ndarray dx, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[y.dtype]
    cdef int64_t rows = y.shape[0], classes = y.shape[1]
    cdef void *py = data(y)
    cdef void *pdy = data(dy)
    cdef void *pdx = data(dx)
    cdef fc_status status
    with nogil:
        status = fc_softmax_backward(dtype, rows, classes, py, pdy, pdx, num_threads)
    check(status)


def softmax_cross_entropy(cnp.ndarray x, cnp.ndarray labels, double scale, cnp.ndarray losses, cnp.ndarray dx,
                          int num_threads=0):
    cdef fc_dtype dtype = DTYPES[x.dtype]
    cdef int64_t rows = x.shape[0], classes = x.shape[1]
    cdef void *px = data(x)
    cdef const int64_t *plabels = <const int64_t *>data(labels)
    cdef void *plosses = data(losses)
    cdef void *pdx = data(dx)
    cdef fc_status status
    with nogil:
        status = fc_softmax_cross_entropy(dtype, rows, classes, px, plabels, scale, plosses, pdx, num_threads)
    check(status)


cdef fc_norm_desc norm_desc(dtype, size, bint channels_last, bint training, double epsilon, kind, double slope):
    cdef fc_norm_desc d
    memset(&d, 0, sizeof(d))
    d.struct_size = sizeof(d)
    d.type = DTYPES[dtype]
    d.n, d.channels, d.points = size
    d.channels_last = channels_last
    d.training = training
    d.epsilon = epsilon
    d.activation = ACTIVATIONS[kind]
    d.parameter = slope
    return d


def batch_norm_forward(size, bint channels_last, bint training, double epsilon, kind, double slope, cnp.ndarray x,
                       cnp.ndarray weight, cnp.ndarray bias, cnp.ndarray mean, cnp.ndarray var, cnp.ndarray y,
                       int num_threads=0):
    cdef fc_norm_desc d = norm_desc(x.dtype, size, channels_last, training, epsilon, kind, slope)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *pb = data(bias)
    cdef void *pm = data(mean)
    cdef void *pv = data(var)
    cdef void *py = data(y)
    cdef fc_status status
    with nogil:
        status = fc_batch_norm_forward(&d, px, pw, pb, pm, pv, py, num_threads)
    check(status)


def batch_norm_backward(size, bint channels_last, bint training, double epsilon, kind, double slope, cnp.ndarray dy,
                        cnp.ndarray x, cnp.ndarray weight, cnp.ndarray mean, cnp.ndarray var, cnp.ndarray y,
                        cnp.ndarray dx, cnp.ndarray dw, cnp.ndarray db, int num_threads=0):
    cdef fc_norm_desc d = norm_desc(dy.dtype, size, channels_last, training, epsilon, kind, slope)
    cdef void *pdy = data(dy)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *pm = data(mean)
    cdef void *pv = data(var)
    cdef void *py = data(y)
    cdef void *pdx = data(dx)
    cdef void *pdw = data(dw)
    cdef void *pdb = data(db)
    cdef fc_status status
    with nogil:
        status = fc_batch_norm_backward(&d, pdy, px, pw, pm, pv, py, pdx, pdw, pdb, num_threads)
    check(status)


cdef class ScaleShift:
    """Scales and shifts of channels of one shape, for dense arrays that are known to fit."""

    cdef fc_scale_desc desc

    def __cinit__(self, size, bint channels_last, bint scale_by_image, bint shift_by_image, activation, double slope):
        cdef fc_scale_desc *d = &self.desc
        memset(d, 0, sizeof(fc_scale_desc))
        d.struct_size = sizeof(fc_scale_desc)
        d.n, d.channels, d.points = size
        d.channels_last = channels_last
        d.scale_by_image = scale_by_image
        d.shift_by_image = shift_by_image
        d.activation = ACTIVATIONS[activation]
        d.parameter = slope

    def execute(self, cnp.ndarray x, cnp.ndarray scale, cnp.ndarray shift, cnp.ndarray residual, cnp.ndarray y,
                int num_threads=0):
        cdef fc_scale_desc d = self.desc
        cdef fc_status status
        cdef void *px = data(x)
        cdef void *pscale = data(scale)
        cdef void *pshift = data(shift)
        cdef void *presidual = data(residual)
        cdef void *py = data(y)
        d.type = FC_FLOAT64 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 else FC_FLOAT32
        with nogil:
            status = fc_scale_shift(&d, px, pscale, pshift, presidual, py, num_threads)
        check(status)


def correlate_lines(cnp.ndarray x, cnp.ndarray weight, cnp.ndarray y, size, int64_t reach, border, double border_value,
                    double divisor, int num_threads=0):
    """Correlation along the middle axis of dense arrays of size (before, n, after), with float64 weights."""
    cdef fc_line_desc d
    memset(&d, 0, sizeof(fc_line_desc))
    d.struct_size = sizeof(fc_line_desc)
    d.input_type = FC_FLOAT64 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 else FC_FLOAT32
    d.output_type = FC_FLOAT64 if cnp.PyArray_TYPE(y) == cnp.NPY_FLOAT64 else FC_FLOAT32
    d.before, d.n, d.after = size
    d.taps, d.reach = cnp.PyArray_DIM(weight, 0), reach
    d.border, d.border_value, d.divisor = BORDERS[border], border_value, divisor
    cdef fc_status status
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *py = data(y)
    with nogil:
        status = fc_correlate_lines(&d, px, <const double *>pw, py, num_threads)
    check(status)
