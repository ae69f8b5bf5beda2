# Convolution: plans, packed operations, and what records their times. Part of _engine.pyx.

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
