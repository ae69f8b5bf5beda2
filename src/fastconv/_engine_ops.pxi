# The other layers, and filters along lines. Part of _engine.pyx.

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


cdef class Matmul:
    """Products of matrices that lie in three arrays of known shapes, `offsets` elements from where these begin."""

    cdef fc_matmul_desc desc
    cdef int64_t offset[3]

    def __cinit__(self, dtype, batch, size, a_stride, b_stride, c_stride, offsets, double scale):
        cdef fc_matmul_desc *d = &self.desc
        memset(d, 0, sizeof(fc_matmul_desc))
        d.struct_size = sizeof(fc_matmul_desc)
        d.type = DTYPES[dtype]
        fill(d.batch, batch, 4)
        d.rows, d.depth, d.columns = size
        fill(d.a_stride, a_stride, 6)
        fill(d.b_stride, b_stride, 6)
        fill(d.c_stride, c_stride, 6)
        fill(self.offset, offsets, 3)
        d.scale = scale

    def execute(self, cnp.ndarray a, cnp.ndarray b, cnp.ndarray c, int num_threads=0):
        cdef fc_status status
        cdef int64_t item = cnp.PyArray_ITEMSIZE(a)
        cdef char *pa = <char *>data(a) + self.offset[0] * item
        cdef char *pb = <char *>data(b) + self.offset[1] * item
        cdef char *pc = <char *>data(c) + self.offset[2] * item
        with nogil:
            status = fc_matmul(&self.desc, pa, pb, pc, num_threads)
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


def log_softmax_forward(cnp.ndarray x, cnp.ndarray y, int num_threads=0):
    cdef fc_dtype dtype = DTYPES[x.dtype]
    cdef int64_t rows = x.shape[0], classes = x.shape[1]
    cdef void *px = data(x)
    cdef void *py = data(y)
    cdef fc_status status
    with nogil:
        status = fc_log_softmax_forward(dtype, rows, classes, px, py, num_threads)
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


def layer_norm(int64_t rows, int64_t count, double epsilon, cnp.ndarray x, cnp.ndarray weight, cnp.ndarray bias,
               cnp.ndarray y, cnp.ndarray mean, cnp.ndarray inverse, int num_threads=0):
    cdef fc_dtype dtype = FC_FLOAT64 if cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT64 else FC_FLOAT32
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *pb = data(bias)
    cdef void *py = data(y)
    cdef void *pm = data(mean)
    cdef void *pi = data(inverse)
    cdef fc_status status
    with nogil:
        status = fc_layer_norm(dtype, rows, count, epsilon, px, pw, pb, py, pm, pi, num_threads)
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


def local_response(shape, int64_t size, double share, double beta, double k, cnp.ndarray x, cnp.ndarray dy,
                   cnp.ndarray out, int num_threads=0):
    """Local response normalization of x as (n, channels, points), or with dy its gradient."""
    cdef fc_response_desc d
    memset(&d, 0, sizeof(fc_response_desc))
    d.struct_size = sizeof(fc_response_desc)
    d.type = DTYPES[x.dtype]
    d.n, d.channels, d.points = shape
    d.size, d.share, d.beta, d.k = size, share, beta, k
    cdef fc_status status
    cdef void *px = data(x)
    cdef void *pdy = data(dy)
    cdef void *pout = data(out)
    with nogil:
        status = fc_local_response(&d, px, pdy, pout, num_threads)
    check(status)


def correlate_lines(cnp.ndarray x, x_type, size, x_stride, cnp.ndarray weight, cnp.ndarray y, y_type, y_stride,
                    int64_t first, int64_t outputs, int64_t reach, border, double border_value, double divisor,
                    int num_threads=0):
    """Correlation along the middle axis of arrays of size (before, n, after), with float64 weights.

    Types are names as in NUMBERS, strides bytes along the three axes; y has `outputs` elements along the middle one.
    """
    cdef fc_line_desc d
    memset(&d, 0, sizeof(fc_line_desc))
    d.struct_size = sizeof(fc_line_desc)
    d.input_type, d.output_type = NUMBERS[x_type], NUMBERS[y_type]
    d.swapped = not x.dtype.isnative
    d.before, d.n, d.after = size
    fill(d.x_stride, x_stride, 3)
    fill(d.y_stride, y_stride, 3)
    d.first, d.outputs = first, outputs
    d.taps, d.reach = cnp.PyArray_DIM(weight, 0), reach
    d.border, d.border_value, d.divisor = BORDERS[border], border_value, divisor
    cdef fc_status status
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *py = data(y)
    with nogil:
        status = fc_correlate_lines(&d, px, <const double *>pw, py, num_threads)
    check(status)
