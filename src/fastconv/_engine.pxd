# The C interface of csrc/fastconv.h, as far as the wrappers of _engine.pyx use it.
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t


cdef extern from "fastconv.h" nogil:
    enum:
        FC_MAX_EPILOGUE
    ctypedef enum fc_status:
        FC_OK
        FC_INVALID
        FC_UNSUPPORTED
        FC_NO_MEMORY
        FC_OVERFLOW
        FC_WORKSPACE_TOO_SMALL
    ctypedef enum fc_dtype:
        FC_FLOAT32
        FC_FLOAT64
        FC_INT8
        FC_INT32
        FC_UINT8
        FC_INT16
        FC_UINT16
        FC_UINT32
        FC_INT64
        FC_UINT64
    ctypedef enum fc_pass:
        FC_FORWARD
        FC_BACKWARD_DATA
        FC_BACKWARD_WEIGHTS
    ctypedef enum fc_layout:
        FC_CHANNELS_FIRST
        FC_CHANNELS_LAST
    ctypedef enum fc_border:
        FC_CONSTANT
        FC_REFLECT
        FC_SYMMETRIC
        FC_EDGE
        FC_WRAP
    ctypedef enum fc_accuracy:
        FC_DEFAULT
        FC_STRICT
        FC_FAST
    ctypedef enum fc_activation:
        FC_IDENTITY
        FC_RELU
        FC_RELU6
        FC_LEAKY_RELU
        FC_SIGMOID
        FC_TANH
        FC_SILU
        FC_GELU
        FC_GELU_TANH
        FC_HARDSIGMOID
        FC_HARDSWISH
    ctypedef enum fc_epilogue_kind:
        FC_BIAS
        FC_RESIDUAL
        FC_ACTIVATE
        FC_POOL2X2

    ctypedef struct fc_epilogue:
        fc_epilogue_kind kind
        fc_activation activation
        double parameter

    const char *fc_status_message(fc_status status)
    const char *fc_version()

    ctypedef struct fc_cpu_info:
        char name[64]
        const char *arch
        int64_t l1_bytes, l2_bytes, l3_bytes
        int logical_cpus
        int openmp
    void fc_cpu(fc_cpu_info *info)

    int fc_isa_count()
    const char *fc_isa_name(int index)
    int fc_isa_supported(int index)
    int fc_isa()
    fc_status fc_set_isa(int index)
    int fc_isa_lanes(int index, fc_dtype type)
    fc_status fc_isa_environment()

    int fc_threads()
    fc_status fc_set_threads(int count)
    void *fc_scratch_acquire(size_t bytes)
    void fc_scratch_release(void *block)
    int64_t fc_scratch_bytes()
    void fc_scratch_trim()
    fc_status fc_measure_multiply_adds(fc_dtype type, int threads, double *per_second)
    fc_status fc_measure_copy(int64_t bytes, int threads, double *per_second)

    ctypedef struct fc_conv_desc:
        uint32_t struct_size
        fc_pass pass_ "pass"
        fc_dtype input_type, weight_type, accumulator_type, output_type
        fc_layout input_layout, output_layout
        int64_t n, ic, oc, groups
        int64_t in_ "in" [3]
        int64_t out[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t pad[3]
        int64_t x_stride[5]
        int64_t w_stride[5]
        int64_t y_stride[5]
        int64_t residual_stride[5]
        fc_border border
        double border_value
        int flip
        fc_accuracy accuracy
        int algorithm
        int prepared
        int64_t workspace_limit
        int epilogue_count
        fc_epilogue epilogue[4]

    ctypedef struct fc_conv_plan:
        pass

    ctypedef struct fc_conv_candidate:
        const char *name
        fc_status status
        const char *reason
        double cost
        double macs
        int64_t workspace_bytes

    int fc_conv_algorithm_count()
    const char *fc_conv_algorithm_name(int row)
    fc_status fc_conv_candidates(const fc_conv_desc *desc, fc_conv_candidate *rows)
    fc_status fc_conv_plan_create(const fc_conv_desc *desc, fc_conv_plan **plan)
    void fc_conv_plan_destroy(fc_conv_plan *plan)
    int fc_conv_plan_algorithm(const fc_conv_plan *plan)
    int64_t fc_conv_plan_workspace(const fc_conv_plan *plan, int threads)
    int fc_conv_plan_threads(const fc_conv_plan *plan, int64_t workspace_bytes, int threads)
    int64_t fc_conv_plan_packed(const fc_conv_plan *plan)
    fc_status fc_conv_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads)

    ctypedef struct fc_conv_args:
        void *x
        void *w
        void *y
        void *bias
        const void *residual
        const void *packed
        void *workspace
        int64_t workspace_bytes
        int threads
    fc_status fc_conv_execute(const fc_conv_plan *plan, const fc_conv_args *args)

    ctypedef struct fc_integer_desc:
        uint32_t struct_size
        fc_dtype input_type, output_type
        int64_t n, ic, oc, groups
        int64_t in_ "in" [3]
        int64_t out[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t pad[3]
        int64_t x_stride[5]
        int64_t y_stride[5]
        int32_t x_zero, y_zero, prepared
    fc_status fc_integer_bound(fc_integer_desc *desc, const int16_t *w)
    ctypedef struct fc_integer_plan:
        pass
    fc_status fc_integer_plan_create(const fc_integer_desc *desc, fc_integer_plan **plan)
    void fc_integer_plan_destroy(fc_integer_plan *plan)
    int64_t fc_integer_plan_packed(const fc_integer_plan *plan)
    fc_status fc_integer_pack(const fc_integer_plan *plan, const int16_t *w, const int32_t *bias, const double *factor,
                              void *packed)
    fc_status fc_integer_execute(const fc_integer_plan *plan, const void *x, const void *packed, void *y, int threads)

    ctypedef struct fc_meaning:
        fc_dtype type
        int32_t zero
        float scale
    ctypedef struct fc_combine_desc:
        uint32_t struct_size
        fc_meaning a, b, y
        int product
        int64_t count, every, period
    fc_status fc_combine(const fc_combine_desc *desc, const void *a, const void *b, void *y, int threads)
    fc_status fc_lookup(const uint8_t *table, int64_t count, const uint8_t *x, uint8_t *y, int threads)

    ctypedef enum fc_pool_kind:
        FC_POOL_MAX
        FC_POOL_AVG
        FC_POOL_LP
        FC_POOL_UNPOOL
    ctypedef enum fc_pool_ties:
        FC_TIES_FIRST
        FC_TIES_SPLIT
        FC_TIES_ALL

    ctypedef struct fc_pool_desc:
        uint32_t struct_size
        fc_pass pass_ "pass"
        fc_pool_kind kind
        fc_dtype type
        int64_t n, c
        int64_t in_ "in" [3]
        int64_t out[3]
        int64_t kernel[3]
        int64_t stride[3]
        int64_t dilation[3]
        int64_t pad[3]
        int64_t pad_end[3]
        int64_t x_stride[5]
        int64_t y_stride[5]
        int64_t index_stride[5]
        int64_t dx_stride[5]
        int64_t dy_stride[5]
        int adaptive
        fc_pool_ties ties
        int count_include_pad
        int64_t divisor
        double p
        int lp_signed

    ctypedef struct fc_pool_args:
        const void *x
        const void *dy
        void *y
        void *dx
        int64_t *indices
        int threads
    fc_status fc_pool_execute(const fc_pool_desc *desc, const fc_pool_args *args)

    fc_status fc_activation_forward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *x,
                                    void *y, int threads)
    fc_status fc_activation_backward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *y,
                                     const void *dy, void *dx, int threads)
    fc_status fc_linear_forward(fc_dtype type, int64_t n, int64_t inputs, int64_t outputs, const void *x, const void *w,
                                const void *b, fc_activation act, double parameter, void *y, int threads)
    fc_status fc_linear_backward(fc_dtype type, int64_t n, int64_t inputs, int64_t outputs, const void *x, const void *w,
                                 const void *dy, void *dx, void *dw, void *db, int threads)
    ctypedef struct fc_matmul_desc:
        uint32_t struct_size
        fc_dtype type
        int64_t batch[4]
        int64_t rows, depth, columns
        int64_t a_stride[6]
        int64_t b_stride[6]
        int64_t c_stride[6]
        double scale
    fc_status fc_matmul(const fc_matmul_desc *desc, const void *a, const void *b, void *c, int threads)
    fc_status fc_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads)
    fc_status fc_log_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads)
    fc_status fc_softmax_backward(fc_dtype type, int64_t rows, int64_t classes, const void *y, const void *dy, void *dx,
                                  int threads)
    fc_status fc_softmax_cross_entropy(fc_dtype type, int64_t rows, int64_t classes, const void *x,
                                       const int64_t *labels, double scale, void *losses, void *dx, int threads)

    ctypedef struct fc_norm_desc:
        uint32_t struct_size
        fc_dtype type
        int64_t n, channels, points
        int channels_last, training
        double epsilon
        fc_activation activation
        double parameter
    fc_status fc_batch_norm_forward(const fc_norm_desc *desc, const void *x, const void *weight, const void *bias,
                                    void *mean, void *var, void *y, int threads)
    fc_status fc_batch_norm_backward(const fc_norm_desc *desc, const void *dy, const void *x, const void *weight,
                                     const void *mean, const void *var, const void *y, void *dx, void *dweight,
                                     void *dbias, int threads)

    fc_status fc_layer_norm(fc_dtype type, int64_t rows, int64_t count, double epsilon, const void *x,
                            const void *weight, const void *bias, void *y, void *mean, void *inverse, int threads)

    ctypedef struct fc_scale_desc:
        uint32_t struct_size
        fc_dtype type
        int64_t n, channels, points
        int channels_last, scale_by_image, shift_by_image
        fc_activation activation
        double parameter
    fc_status fc_scale_shift(const fc_scale_desc *desc, const void *x, const void *scale, const void *shift,
                             const void *residual, void *y, int threads)

    ctypedef struct fc_response_desc:
        uint32_t struct_size
        fc_dtype type
        int64_t n, channels, points, size
        double share, beta, k
    fc_status fc_local_response(const fc_response_desc *desc, const void *x, const void *dy, void *out, int threads)

    ctypedef struct fc_line_desc:
        uint32_t struct_size
        fc_dtype input_type, output_type
        int swapped
        int64_t before, n, after
        int64_t x_stride[3]
        int64_t y_stride[3]
        int64_t first, outputs, taps, reach
        fc_border border
        double border_value, divisor
    fc_status fc_correlate_lines(const fc_line_desc *desc, const void *x, const double *weight, void *y, int threads)
