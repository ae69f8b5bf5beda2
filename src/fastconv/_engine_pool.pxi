# Pools. Part of _engine.pyx.

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
