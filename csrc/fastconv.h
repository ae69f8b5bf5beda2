/* fastconv.h: the engine's whole public interface, and the only header Cython includes.
 *
 * A descriptor says *what* is computed, a plan says *how* (algorithm, blocking, workspace), execute runs it.
 * One- and two-dimensional problems are three-dimensional ones with unit axes: spatial arrays hold depth, height,
 * width.
 * Tensors are addressed by element strides, so channels-first, channels-last and any view of them are the same code.
 * Nothing here prints, exits or aborts; every call that can fail returns an fc_status. */
#ifndef FASTCONV_H
#define FASTCONV_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FC_SPATIAL = 3, FC_AXES = 5, FC_MAX_EPILOGUE = 4 };

typedef enum fc_status {
    FC_OK,
    FC_INVALID,     /* the caller's mistake: sizes, strides or pointers that make no sense */
    FC_UNSUPPORTED, /* valid, but nobody filled this combination */
    FC_NO_MEMORY,
    FC_OVERFLOW,            /* a size product does not fit in 63 bits */
    FC_WORKSPACE_TOO_SMALL, /* the given workspace, or workspace_limit, is below what one thread needs */
} fc_status;

typedef enum fc_dtype {
    FC_FLOAT32,
    FC_FLOAT64,
    FC_BFLOAT16,
    FC_INT8,
    FC_INT32,
    FC_UINT8,
    FC_INT16,
    FC_UINT16,
    FC_UINT32,
    FC_INT64,
    FC_UINT64,
    FC_DTYPES
} fc_dtype;
typedef enum fc_pass { FC_FORWARD, FC_BACKWARD_DATA, FC_BACKWARD_WEIGHTS } fc_pass;
typedef enum fc_layout { FC_CHANNELS_FIRST, FC_CHANNELS_LAST, FC_BLOCKED } fc_layout;
typedef enum fc_border { FC_CONSTANT, FC_REFLECT, FC_SYMMETRIC, FC_EDGE, FC_WRAP } fc_border;
typedef enum fc_accuracy { FC_DEFAULT, FC_STRICT, FC_FAST } fc_accuracy;
/* Those after FC_LEAKY_RELU are functions of elements only, for fc_activation_forward. */
typedef enum fc_activation {
    FC_IDENTITY,
    FC_RELU,
    FC_RELU6,
    FC_LEAKY_RELU,
    FC_SIGMOID,
    FC_TANH,
    FC_SILU,
    FC_GELU,      /* x Phi(x) */
    FC_GELU_TANH, /* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
    FC_HARDSIGMOID,
    FC_HARDSWISH
} fc_activation;
/* FC_POOL2X2: the largest of 2x2 outputs along height and width; the last step, forward only. y and its strides are
 * then those of the pooled tensor of floor(out/2); desc.out stays the convolution's. */
typedef enum fc_epilogue_kind { FC_BIAS, FC_SCALE, FC_RESIDUAL, FC_ACTIVATE, FC_POOL2X2 } fc_epilogue_kind;

/* One step applied to the register tile before its only store; steps run in the order of the list. */
typedef struct fc_epilogue {
    fc_epilogue_kind kind;
    fc_activation activation; /* FC_ACTIVATE only */
    double parameter;         /* slope of FC_LEAKY_RELU */
} fc_epilogue;

/* ---- library ------------------------------------------------------------------------------------------------- */

const char *fc_status_message(fc_status status);
const char *fc_version(void);

typedef struct fc_cpu_info {
    char name[64];                        /* brand string, "unknown" where the CPU does not tell */
    const char *arch;                     /* "x86_64", "aarch64", "other" */
    int64_t l1_bytes, l2_bytes, l3_bytes; /* data caches seen by one core; defaults where the system does not tell */
    int logical_cpus;                     /* CPUs this process may run on */
    int openmp;                           /* _OPENMP, or 0 for a serial build */
} fc_cpu_info;
void fc_cpu(fc_cpu_info *info);

int fc_isa_count(void); /* ISAs compiled into this build, weakest first */
const char *fc_isa_name(int index);
int fc_isa_supported(int index); /* by this CPU and its operating system */
int fc_isa(void);                /* the active one; at start the best supported, or FASTCONV_ISA */
fc_status fc_set_isa(int index); /* FC_UNSUPPORTED if this CPU lacks it; plans keep the ISA they were made with */
int fc_isa_lanes(int index, fc_dtype type); /* elements of a vector; 0 where the type has no kernels */
fc_status fc_isa_environment(void); /* FC_INVALID: FASTCONV_ISA names no ISA; FC_UNSUPPORTED: this CPU lacks it */

int fc_threads(void);                /* default number of threads of a call */
fc_status fc_set_threads(int count); /* count >= 1 */
/* A block of at least `bytes`, aligned to 64, uninitialised; NULL when memory is short. Blocks come from a pool of a few
 * recycled ones, so the pool's size is that of the largest calls, not of the number of shapes seen. */
void *fc_scratch_acquire(size_t bytes);
void fc_scratch_release(void *block);
int64_t fc_scratch_bytes(void); /* bytes the scratch pool holds for the next calls */
void fc_scratch_trim(void);     /* gives them back */

/* What this machine does at best, measured in about 10 ms with the active ISA; threads <= 0 means fc_threads().
 * multiply_adds: of single elements a second, in registers. copy: bytes read and written a second by a copy of `bytes`
 * bytes, which takes twice as many of memory. */
fc_status fc_measure_multiply_adds(fc_dtype type, int threads, double *per_second);
fc_status fc_measure_copy(int64_t bytes, int threads, double *per_second);

/* ---- convolution --------------------------------------------------------------------------------------------- */

/* forward:           y[n,o,p] = epilogue( sum_{c,k} x[n,c, p*stride + k*dilation - pad] * w[o,c,k] )   (groups apart)
 * backward_data:     x (=dx) from y (=dy) and w; the epilogue applies to x, so it is transposed convolution as well
 * backward_weights:  w (=dw) from x and y (=dy); bias (=db) if given; no epilogue
 * flip reverses the spatial axes of w. Strides count elements: x and y (n,c,d,h,w), w (o, i/groups, kd,kh,kw). */
typedef struct fc_conv_desc {
    uint32_t struct_size; /* sizeof(fc_conv_desc): later versions append fields */
    fc_pass pass;
    fc_dtype input_type, weight_type, accumulator_type, output_type;
    fc_layout input_layout, output_layout;
    int64_t n, ic, oc, groups;
    int64_t in[FC_SPATIAL], out[FC_SPATIAL], kernel[FC_SPATIAL];
    int64_t stride[FC_SPATIAL], dilation[FC_SPATIAL], pad[FC_SPATIAL]; /* pad: before the first element */
    int64_t x_stride[FC_AXES], w_stride[FC_AXES], y_stride[FC_AXES], residual_stride[FC_AXES];
    fc_border border;
    double border_value; /* FC_CONSTANT */
    int flip;
    fc_accuracy accuracy;
    int algorithm;           /* row of the ordered list, or -1: the cheapest supported */
    int prepared;            /* weights come packed by fc_conv_pack */
    int64_t workspace_limit; /* bytes, or -1 */
    int epilogue_count;
    fc_epilogue epilogue[FC_MAX_EPILOGUE];
} fc_conv_desc;

typedef struct fc_conv_plan fc_conv_plan;

/* One row of the ordered list, seen by one descriptor. */
typedef struct fc_conv_candidate {
    const char *name;
    fc_status status;        /* FC_OK, FC_UNSUPPORTED, or FC_WORKSPACE_TOO_SMALL */
    const char *reason;      /* why not, or when it wins; static text */
    double cost;             /* predicted cycles on one core */
    double macs;             /* multiply-adds it does, taps on padding included */
    int64_t workspace_bytes; /* for one thread */
} fc_conv_candidate;

int fc_conv_algorithm_count(void);
const char *fc_conv_algorithm_name(int row);
fc_status fc_conv_candidates(const fc_conv_desc *desc, fc_conv_candidate *rows); /* rows[fc_conv_algorithm_count()] */

fc_status fc_conv_plan_create(const fc_conv_desc *desc, fc_conv_plan **plan);
void fc_conv_plan_destroy(fc_conv_plan *plan); /* NULL is allowed */
int fc_conv_plan_algorithm(const fc_conv_plan *plan);
int64_t fc_conv_plan_workspace(const fc_conv_plan *plan, int threads);
/* Threads that an execution starts: what its work deserves and its memory allows. workspace_bytes: -1 for the pool's. */
int fc_conv_plan_threads(const fc_conv_plan *plan, int64_t workspace_bytes, int threads);
int64_t fc_conv_plan_packed(const fc_conv_plan *plan); /* bytes of packed weights, 0 if this algorithm packs none */
fc_status fc_conv_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads);

/* The tensor that the pass computes is written, the others are only read; it may overlap none of them.
 * packed: from fc_conv_pack when desc.prepared, else NULL; w is read where fc_conv_plan_packed is 0. workspace: NULL lets the scratch pool serve.
 * threads <= 0 means fc_threads(). */
typedef struct fc_conv_args {
    void *x, *w, *y;
    void *bias; /* [channels written], read by the FC_BIAS epilogue; written by backward_weights if not NULL */
    const void *residual; /* shaped as the written tensor, strides of desc.residual_stride */
    const void *packed;
    void *workspace;
    int64_t workspace_bytes;
    int threads;
} fc_conv_args;
fc_status fc_conv_execute(const fc_conv_plan *plan, const fc_conv_args *args);

/* ---- convolution of small integers --------------------------------------------------------------------------- */

/* sum[n,o,p] = bias[o] + sum_{c,k} (x[n,c, p*stride + k*dilation - pad] - x_zero) * w[o,c,k]   (groups apart), where what
 * lies outside of x counts as x_zero. Sums are exact modulo 2^32, as those of int32 are. y is
 *   FC_INT32:           the sums
 *   FC_INT8, FC_UINT8:  clip(rint(sum * factor[o]) + y_zero), half to even, the product rounded to double
 * Weights are int16 with their zero points taken off: w (o, i/groups, kd,kh,kw), dense. */
typedef struct fc_integer_desc {
    uint32_t struct_size;             /* sizeof(fc_integer_desc) */
    fc_dtype input_type, output_type; /* input: FC_INT8 or FC_UINT8 */
    int64_t n, ic, oc, groups;
    int64_t in[FC_SPATIAL], out[FC_SPATIAL], kernel[FC_SPATIAL];
    int64_t stride[FC_SPATIAL], dilation[FC_SPATIAL], pad[FC_SPATIAL]; /* pad: before the first element */
    int64_t x_stride[FC_AXES], y_stride[FC_AXES];
    int32_t x_zero, y_zero; /* values of their types; y_zero is 0 with FC_INT32 */
    int32_t prepared;       /* packing is not part of the call */
    int32_t weight_most;    /* no |w| is larger, and no sum of |w| of a filter than weight_sum; 0 and 0: not known */
    int64_t weight_sum;
} fc_integer_desc;

/* Fills in the bounds of the weights. */
fc_status fc_integer_bound(fc_integer_desc *desc, const int16_t *w);

typedef struct fc_integer_plan fc_integer_plan;
fc_status fc_integer_plan_create(const fc_integer_desc *desc, fc_integer_plan **plan);
void fc_integer_plan_destroy(fc_integer_plan *plan);         /* NULL is allowed */
int fc_integer_plan_tile(const fc_integer_plan *plan);       /* outputs of a Winograd tile along a side, 1: direct */
int64_t fc_integer_plan_packed(const fc_integer_plan *plan); /* bytes that fc_integer_pack writes */
int64_t fc_integer_plan_workspace(const fc_integer_plan *plan, int threads);
/* bias may be NULL: 0. factor is read where y is not FC_INT32. packed: aligned to 64. FC_INVALID if weights are beyond the
 * bounds that the plan was made with. */
fc_status fc_integer_pack(const fc_integer_plan *plan, const int16_t *w, const int32_t *bias, const double *factor,
                          void *packed);
fc_status fc_integer_execute(const fc_integer_plan *plan, const void *x, const void *packed, void *y, int threads);

/* ---- small integers that stand for real numbers ---------------------------------------------------------------- */

/* (q - zero) * scale for FC_INT8 and FC_UINT8; FC_FLOAT32 stands for itself. */
typedef struct fc_meaning {
    fc_dtype type;
    int32_t zero; /* a value of the type */
    float scale;  /* finite, not 0 */
} fc_meaning;

/* y[i] stands for a[i] + b[(i / every) % period], or for their product; without b (NULL) for a[i]:
 * clip(rint(v / scale) + zero), half to even, NaN the lowest integer. All steps are rounded to float32. y may be a, or b with
 * every 1 and period count, if its elements are as large. */
typedef struct fc_combine_desc {
    uint32_t struct_size; /* sizeof(fc_combine_desc) */
    fc_meaning a, b, y;
    int product;
    int64_t count;
    int64_t every, period; /* of b: outputs that share an element, elements; at least 1, read where there is b */
} fc_combine_desc;
fc_status fc_combine(const fc_combine_desc *desc, const void *a, const void *b, void *y, int threads);

/* y[i] = table[x[i]]; y may be x. */
fc_status fc_lookup(const uint8_t table[256], int64_t count, const uint8_t *x, uint8_t *y, int threads);

/* ---- pooling ------------------------------------------------------------------------------------------------- */

typedef enum fc_pool_kind { FC_POOL_MAX, FC_POOL_AVG, FC_POOL_LP, FC_POOL_UNPOOL } fc_pool_kind;
typedef enum fc_pool_ties { FC_TIES_FIRST, FC_TIES_SPLIT, FC_TIES_ALL } fc_pool_ties;

/* Windows: output index p covers p*stride + k*dilation - pad, clipped to the input; adaptive windows are
 * floor(p*in/out) .. ceil((p+1)*in/out) and ignore kernel, stride, dilation, pad.
 * forward: y (and indices for max) from x. backward_data: dx from dy, and x (max without indices, lp), indices (max),
 * y (lp).
 * unpool: forward scatters x to y at indices; backward gathers dy at indices into dx.
 * Indices are flat within one input plane (d*ih + h)*iw + w. */
typedef struct fc_pool_desc {
    uint32_t struct_size;
    fc_pass pass; /* FC_FORWARD or FC_BACKWARD_DATA */
    fc_pool_kind kind;
    fc_dtype type;
    int64_t n, c;
    int64_t in[FC_SPATIAL], out[FC_SPATIAL], kernel[FC_SPATIAL];
    int64_t stride[FC_SPATIAL], dilation[FC_SPATIAL], pad[FC_SPATIAL];
    int64_t pad_end[FC_SPATIAL]; /* counted by count_include_pad */
    int64_t x_stride[FC_AXES], y_stride[FC_AXES], index_stride[FC_AXES];
    int64_t dx_stride[FC_AXES], dy_stride[FC_AXES]; /* backward only */
    int adaptive;
    fc_pool_ties ties;
    int count_include_pad;
    int64_t divisor; /* avg: 0 = size of the window, else this */
    double p;        /* lp: (sum |x|^p)^(1/p), p = INFINITY is max |x| */
    int lp_signed;   /* lp: PyTorch's formula (sign(s)*relu(|s|))^(1/p), s the mean of x^p times the kernel size */
} fc_pool_desc;

typedef struct fc_pool_args {
    const void *x, *dy;
    void *y, *dx;
    int64_t *indices; /* NULL: not wanted (forward), recomputed from x (backward of max) */
    int threads;
} fc_pool_args;
fc_status fc_pool_execute(const fc_pool_desc *desc, const fc_pool_args *args);

/* ---- the other layers ---------------------------------------------------------------------------------------- */

/* Elementwise over `count` contiguous elements; out may be the input itself. In units in the last place sigmoid and tanh are
 * off by at most 4, SiLU and exact GELU by 4 and 5 where sigmoid and Phi are normal numbers (GELU by x^2 more where the ISA
 * does not fuse multiply-adds), GELU by tanh by 4 + 8 x^2. */
fc_status fc_activation_forward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *x,
                                void *y, int threads);
/* dx = dy * activation'(.), the derivative read off the forward's output y (relu' = 1 where y > 0). */
fc_status fc_activation_backward(fc_dtype type, fc_activation kind, double parameter, int64_t count, const void *y,
                                 const void *dy, void *dx, int threads);

/* y[n][o] = sum_i x[n][i] w[o][i] + b[o]; row-major, contiguous. act is applied to y. b may be NULL. */
fc_status fc_linear_forward(fc_dtype type, int64_t n, int64_t in, int64_t out, const void *x, const void *w,
                            const void *b, fc_activation act, double parameter, void *y, int threads);
/* dx[n][i] = sum_o dy[n][o] w[o][i]; dw[o][i] = sum_n dy[n][o] x[n][i]; db[o] = sum_n dy[n][o]. Each may be NULL. */
fc_status fc_linear_backward(fc_dtype type, int64_t n, int64_t in, int64_t out, const void *x, const void *w,
                             const void *dy, void *dx, void *dw, void *db, int threads);

/* Batches of products of matrices: c[.., m, n] = sum over k < depth of a[.., m, k] * (scale * b[.., k, n]). Strides count
 * elements, along the axes of the batch and the two of the matrix; those of a and b are any, 0 too, and neighbouring columns
 * of c are neighbours (else FC_UNSUPPORTED). */
enum { FC_MATMUL_BATCH = 4 };
typedef struct fc_matmul_desc {
    uint32_t struct_size; /* sizeof(fc_matmul_desc) */
    fc_dtype type;
    int64_t batch[FC_MATMUL_BATCH], rows, depth, columns;
    int64_t a_stride[FC_MATMUL_BATCH + 2], b_stride[FC_MATMUL_BATCH + 2], c_stride[FC_MATMUL_BATCH + 2];
    double scale;
} fc_matmul_desc;

/* c may overlap neither a nor b. */
fc_status fc_matmul(const fc_matmul_desc *desc, const void *a, const void *b, void *c, int threads);

/* Rows of classes, contiguous. softmax: y = exp(x - max) / sum; log_softmax: its logarithm; y may be x. backward of softmax:
 * dx = y * (dy - sum(dy*y)). */
fc_status fc_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads);
fc_status fc_log_softmax_forward(fc_dtype type, int64_t rows, int64_t classes, const void *x, void *y, int threads);
fc_status fc_softmax_backward(fc_dtype type, int64_t rows, int64_t classes, const void *y, const void *dy, void *dx,
                              int threads);
/* losses[r] = logsumexp(x[r]) - x[r][label[r]]; dx (may be NULL) = (softmax(x) - onehot) * scale.
 * FC_INVALID if a label is outside 0..classes-1. */
fc_status fc_softmax_cross_entropy(fc_dtype type, int64_t rows, int64_t classes, const void *x, const int64_t *labels,
                                   double scale, void *losses, void *dx, int threads);

/* Batch normalisation of x: channels first it lies as (n, channels, points), channels last as (n, points, channels), dense.
 * y = activation((x - mean[c]) / sqrt(var[c] + epsilon) * weight[c] + bias[c]); weight and bias may be NULL: 1 and 0. */
typedef struct fc_norm_desc {
    uint32_t struct_size; /* sizeof(fc_norm_desc) */
    fc_dtype type;
    int64_t n, channels, points;
    int channels_last;
    int training; /* mean and var are those of x, the variance over all its elements */
    double epsilon;
    fc_activation activation;
    double parameter;
} fc_norm_desc;

/* mean and var are written when training, else read. y may be x. */
fc_status fc_batch_norm_forward(const fc_norm_desc *desc, const void *x, const void *weight, const void *bias,
                                void *mean, void *var, void *y, int threads);
/* The gradients of the same call, when training through mean and var as well. y: the forward's output, read where there
 * is an activation. x may be NULL for dbias, and for dx when not training. dx, dweight, dbias: each may be NULL; dx
 * may be dy, x or y. */
fc_status fc_batch_norm_backward(const fc_norm_desc *desc, const void *dy, const void *x, const void *weight,
                                 const void *mean, const void *var, const void *y, void *dx, void *dweight, void *dbias,
                                 int threads);

/* Layer normalisation of contiguous rows of `count` elements: y = (x - mean) * inverse * weight[i] + bias[i], inverse =
 * 1 / sqrt(var + epsilon), with a row's mean and mean squared distance from it. weight and bias may be NULL: 1 and 0. mean and
 * inverse, one for each row, are written where they are not NULL. y may be x. */
fc_status fc_layer_norm(fc_dtype type, int64_t rows, int64_t count, double epsilon, const void *x, const void *weight,
                        const void *bias, void *y, void *mean, void *inverse, int threads);

/* y = activation(x * scale + shift + residual), x lying as batch normalisation has it. scale and shift have an entry for each
 * channel, or by image for each image and channel (n, channels); residual lies as x. Each may be NULL: 1, 0 and 0. */
typedef struct fc_scale_desc {
    uint32_t struct_size; /* sizeof(fc_scale_desc) */
    fc_dtype type;
    int64_t n, channels, points;
    int channels_last;
    int scale_by_image, shift_by_image;
    fc_activation activation;
    double parameter;
} fc_scale_desc;

/* y may be x or residual. */
fc_status fc_scale_shift(const fc_scale_desc *desc, const void *x, const void *scale, const void *shift,
                         const void *residual, void *y, int threads);

/* Local response normalisation of x, dense as (n, channels, points); points is 1 with channels last. With
 * s[c] = k + share * sum of x[j]^2 over the channels c - size/2 <= j <= c + (size - 1)/2 there are,
 *   forward, dy NULL:  out = x s^-beta
 *   backward:          out = dy s^-beta - 2 share beta x[c] * sum of dy[i] x[i] s[i]^(-beta - 1) over the i that c is among */
typedef struct fc_response_desc {
    uint32_t struct_size; /* sizeof(fc_response_desc) */
    fc_dtype type;
    int64_t n, channels, points, size;
    double share, beta, k;
} fc_response_desc;

/* out may overlap neither x nor dy. */
fc_status fc_local_response(const fc_response_desc *desc, const void *x, const void *dy, void *out, int threads);

/* Correlation of an array (before, n, after) with `taps` weights along its axis of n, in float64 whatever the elements are:
 * y[b, i, a] = (sum over t of weight[t] * x[b, first + i + t - reach, a]) / divisor, in SciPy's order of summation (lines.h),
 * for i < outputs. Sums lose their fractions where y holds integers, and what does not fit its type becomes what the
 * conversion to int32 (to int64, for 8 bytes and for FC_UINT32) and from there makes of it. FC_UINT64 is for x alone. */
typedef struct fc_line_desc {
    uint32_t struct_size; /* sizeof(fc_line_desc) */
    fc_dtype input_type, output_type;
    int swapped; /* the elements of x have the other byte order */
    int64_t before, n, after;
    int64_t x_stride[3], y_stride[3]; /* bytes from one element to the next along each axis, of any sign */
    int64_t first, outputs;
    int64_t taps, reach; /* 0 <= reach < taps */
    fc_border border;
    double border_value;
    double divisor;
} fc_line_desc;

/* y may not overlap x. */
fc_status fc_correlate_lines(const fc_line_desc *desc, const void *x, const double *weight, void *y, int threads);

#ifdef __cplusplus
}
#endif
#endif
