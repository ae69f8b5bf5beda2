/* kernels.h: the table of leaf kernels, one per ISA and element type. Drivers hold a pointer to one table and never
 * see a vector. Pointers are untyped because the same drivers serve float32 and float64; counts and strides are in
 * elements. */
#ifndef FC_KERNELS_H
#define FC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "core/numbers.h"
#include "fastconv.h"
#include "microkernels/depthwise_kernels.h"
#include "microkernels/integer_kernels.h"
#include "microkernels/line_kernels.h"
#include "microkernels/norm_kernels.h"
#include "microkernels/pool_kernels.h"

enum { FC_MAX_MR = 8, FC_MAX_XR = 3, FC_MAX_DOT_MR = 4, FC_MAX_DOT_TR = 6 };
enum { FC_MAX_OUTER_PR = 14, FC_MAX_OUTER_VR = 3, FC_MAX_STENCIL = 6 };

/* What happens to a finished sum before its only store: + bias, + residual, then the activation. The residual is known
 * to lanes_out, lanes_max2x2 and product alone; it is shaped like the outputs of the call, with element strides of its own
 * (those here are lanes_out's). */
typedef struct fc_finish {
    const void *bias;     /* one for each filter of the call, or NULL */
    const void *residual; /* or NULL */
    int64_t residual_channel, residual_row, residual_step;
    fc_activation activation;
    double parameter;
} fc_finish;

/* corr[mr-1][xr-1]: c[m*ldc + q] (+)= sum_{k<depth} w[k*mr + m] * src[off[k] + q],  m < mr, q < xr*lanes.
 * first: start from zero instead of c. finish: NULL unless this call ends the sum. */
typedef void (*fc_corr_fn)(int64_t depth, const void *src, const int32_t *off, const void *w, void *c, int64_t ldc,
                           int first, const fc_finish *finish);

/* corr_sweep[mr-1]: c[m*ldc + q] = finish( sum_{k<depth} w[k*mr + m] * src[off[k] + q] ),  m < mr, q < count, count >= lanes.
 * Nothing past count is read or written. */
typedef void (*fc_corr_sweep_fn)(int64_t depth, const void *src, const int32_t *off, const void *w, void *c,
                                 int64_t ldc, int64_t count, const fc_finish *finish);

/* c[q] = finish( sum_{k<depth} w[k] * src[off[k] + q] ) for q < count rounded up to whole vectors. */
typedef void (*fc_corr_row_fn)(int64_t depth, const void *src, const int32_t *off, const void *w, void *c,
                               int64_t count, const fc_finish *finish);

/* outer[vr-1][pr-1]: c[p*ldc + l] (+)= sum_{k<depth} src[off[k] + p*step] * w[k*vr*lanes + l],  p < pr, l < vr*lanes.
 * first > 0: start from zero instead of c; < 0: start from zero and add c at the end, which rounds less where sums are
 * long. step: the distance between neighbouring outputs in the source: 1 (a tile with channels first), lanes (a lane
 * tile), the number of channels (channels last, in place), or a multiple. */
typedef void (*fc_outer_fn)(int64_t depth, const void *src, const int32_t *off, int64_t step, const void *w, void *c,
                            int64_t ldc, int first);

/* outer_at[vr-1]: the same for the pr of the largest outer[vr-1], with src[off[k] + at[p]]. */
typedef void (*fc_outer_at_fn)(int64_t depth, const void *src, const int32_t *off, const int32_t *at, const void *w,
                               void *c, int64_t ldc, int first);

/* dst[p*dst_step + l] = finish( the sum of outer[vr-1] ),  p < count, l < filters, (vr-1)*lanes < filters <= vr*lanes;
 * count is at least the pr of the largest outer[vr-1]. finish->residual is ignored. */
typedef void (*fc_outer_row_fn)(int64_t depth, const void *src, const int32_t *off, int64_t step, const void *w,
                                void *dst, int64_t dst_step, int64_t filters, int64_t count, const fc_finish *finish);

/* spread[mr-1]: c[m*ldc + q] += sum_{k<depth} w[k*mr + m] * src[k*ld + q],  m < mr, q < vectors*lanes */
typedef void (*fc_spread_fn)(int64_t depth, const void *src, int64_t ld, const void *w, void *c, int64_t ldc,
                             int64_t vectors);

/* The taps of a kernel along each axis, and how far apart their source elements lie. */
typedef struct fc_window {
    int64_t depth, height, width;
    int64_t plane, row, step;
} fc_window;

/* stencil[rows-1], rows <= window.height: outputs of `rows` rows, in the source window.row and in dst dst_row apart:
 * dst[m*dst_row + q] = finish( sum over d, i, j of w[(d*width + j)*height + i] * src[d*plane + (m+i)*row + j*step + q] )
 * for q < count. Reads what these outputs need; where count < lanes up to a whole vector of it. */
typedef void (*fc_stencil_fn)(const fc_window *window, const void *src, const void *w, void *dst, int64_t dst_row,
                              int64_t count, const fc_finish *finish);

/* A product of matrices in place: element (m, k) of a at m*a_row + k*a_step, rows of b b_step apart, rows of c ldc, of
 * finish->residual residual_row, with neighbouring columns. */
typedef struct fc_product {
    int64_t depth, a_row, a_step, b_step, ldc, residual_row;
    int bias_columns; /* finish->bias belongs to columns, else to rows */
    void *panel;      /* if not NULL, b is copied to panel[k*xr*lanes + q] on the way, in whole vectors */
} fc_product;

/* product[mr-1][xr-1]: c[m*ldc + q] = finish( sum_{k<depth} a[m*a_row + k*a_step] * b[k*b_step + q] ),  m < mr,
 * q < count, (xr-1)*lanes < count <= xr*lanes. Whole vectors of b are read; nothing is written past count. */
typedef void (*fc_product_fn)(const fc_product *p, const void *a, const void *b, void *c, int64_t count,
                              const fc_finish *finish);

/* A complex transform of `length` points, the product of its radices (8, 4, 3, 2), with `twiddles` elements of factors in
 * the kernel's element type (fft.h). No pass: a length whose points are left alone. */
enum { FC_MAX_FFT_PASSES = 16 };
typedef struct fc_fft {
    int64_t length, twiddles;
    int passes, radix[FC_MAX_FFT_PASSES];
    void *twiddle;
} fc_fft;

/* Local response normalisation by s^-beta, s = k + share * the sum of squares of a window. */
typedef struct fc_response {
    double share, k, beta;
} fc_response;

/* Runs of `count` elements that lie apart: run r starts at a + r*a_step and b + r*b_step. */
typedef struct fc_runs {
    int64_t runs, count, a_step, b_step;
} fc_runs;

/* dot[mr-1][tr-1]: out[m*ldo + t] (+)= sum over runs and q < count of a[m*lda + q] * b[off[t] + q],  m < mr, t < tr;
 * nothing is read past count. */
typedef void (*fc_dot_fn)(const fc_runs *runs, const void *a, int64_t lda, const void *b, const int32_t *off, void *out,
                          int64_t ldo, int first);

/* Winograd tiles: outputs of one tile along height and width; kernels are 3 wide but for the last. */
enum {
    FC_WINOGRAD_2X2,
    FC_WINOGRAD_4X4,
    FC_WINOGRAD_6X6,
    FC_WINOGRAD_2X4,
    FC_WINOGRAD_1X4,
    FC_WINOGRAD_4X1,
    FC_WINOGRAD_2X2_5X5,
    FC_WINOGRAD_TILES
};

/* The transforms of one kind of tile (winograd.h), one vector of channels or filters at a time. points = (outputs + taps
 * - 1) along height times that along width, width the faster. Pitches count positions of one vector each, other
 * distances elements. */
typedef struct fc_winograd_kernels {
    int outputs[2], taps[2];
    /* v[point*point_stride + t*lanes]: the tile of data that starts at src[t * outputs[1] * lanes],  t < tiles */
    void (*data)(void *v, int64_t point_stride, const void *src, int64_t pitch, int64_t tiles);
    /* dst[(i*pitch + t*outputs[1] + j) * lanes]: output (i, j) from m[point*point_stride + t*step]. Where the tiles are
     * wider than pitch, rows of the first `pitch` positions come out right; beyond the last row up to outputs[1] - 1
     * more positions are written. */
    void (*sums)(void *dst, int64_t pitch, const void *m, int64_t point_stride, int64_t step, int64_t tiles);
    /* u[point*point_stride + c*ld] from the taps src[tap[t] + c*step],  c < channels */
    void (*taps_points)(void *u, int64_t point_stride, int64_t ld, const void *src, const int32_t *tap, int64_t step,
                        int64_t channels);
} fc_winograd_kernels;

/* The transforms of the gradient (winograd_weights.h) for the same kinds of tiles; NULL where there are none. */
typedef struct fc_winograd_weights_kernels {
    /* m[point*point_stride + t*step]: the tile of gradients that starts at src[t * outputs[1] * lanes],  t < tiles */
    void (*gradient)(void *m, int64_t point_stride, int64_t step, const void *src, int64_t pitch, int64_t tiles);
    /* dst[tap*tap_stride + c*step] from the points u[point*point_stride + c*ld],  c < channels */
    void (*products)(void *dst, int64_t tap_stride, int64_t step, const void *u, int64_t point_stride, int64_t ld,
                     int64_t channels);
} fc_winograd_weights_kernels;

typedef struct fc_kernels {
    const char *isa;
    int lanes;
    size_t element; /* bytes */

    int mr, xr, dot_mr, dot_tr; /* the register tiles that reach the FMA peak; smaller ones serve the tails */
    fc_corr_fn corr[FC_MAX_MR][FC_MAX_XR];
    fc_corr_sweep_fn corr_sweep[FC_MAX_MR]; /* up to mr */
    fc_corr_row_fn corr_row;
    int spread_sums;                /* vectors of sums of a whole tile of spread: mr by spread_sums / mr */
    fc_spread_fn spread[FC_MAX_MR]; /* up to mr */
    int stencil_rows;
    fc_stencil_fn stencil[FC_MAX_STENCIL];
    int product_xr, product_rows[FC_MAX_XR];     /* the best tile's vectors; rows that fit beside xr of them */
    fc_product_fn product[FC_MAX_MR][FC_MAX_XR]; /* NULL where the tile does not fit the registers */

    /* Transforms in place of `columns` (whole vectors) side by side, their points stride apart, unscaled; frequencies
     * stand in the order of reversed digits. */
    void (*fft_forward)(const fc_fft *fft, void *re, void *im, int64_t stride, int64_t columns);
    void (*fft_inverse)(const fc_fft *fft, void *re, void *im, int64_t stride, int64_t columns);
    /* Complex numbers as [vector][re, im][lanes]: a[i] *= b[i] or its conjugate,  i < count vectors */
    void (*fft_multiply)(void *a, const void *b, int64_t count, int conjugate);
    /* y[i] = sum_{c<depth} a[c*a_step + i] * b[c*b_step + i],  i < count vectors, count a multiple of 4 */
    void (*fft_accumulate)(void *y, const void *a, int64_t a_step, const void *b, int64_t b_step, int64_t depth,
                           int64_t count);
    /* dst[r*dst_row + i*dst_stride] = finish(src[r*src_row + i]),  r < rows, i < count; reads whole vectors */
    void (*store_rows)(void *dst, int64_t dst_row, int64_t dst_stride, const void *src, int64_t src_row, int64_t rows,
                       int64_t count, const fc_finish *finish);

    fc_dot_fn dot[FC_MAX_DOT_MR][FC_MAX_DOT_TR];

    int outer_pr, outer_vr;                              /* the tile that reaches the peak; every smaller one exists */
    fc_outer_fn outer[FC_MAX_OUTER_VR][FC_MAX_OUTER_PR]; /* NULL where the tile does not fit the registers */
    fc_outer_at_fn outer_at[FC_MAX_OUTER_VR];            /* up to outer_vr */
    fc_outer_row_fn outer_row[FC_MAX_OUTER_VR];          /* up to outer_vr */

    /* dst[i*dst_stride] = activation(src[i] + residual[i*residual_stride]), i < count; dst may be src */
    void (*leave)(void *dst, int64_t dst_stride, const void *src, const void *residual, int64_t residual_stride,
                  int64_t count, const fc_finish *finish);
    /* dst[i*dst_stride] = the largest of top[2i], top[2i+1], bottom[2i], bottom[2i+1], i < count */
    void (*max2x2)(void *dst, int64_t dst_stride, const void *top, const void *bottom, int64_t count);

    /* dst[i] = src[i*stride], dst[i*stride] = src[i], dst[i] = value, sum of src[0..count) */
    void (*gather)(void *dst, const void *src, int64_t stride, int64_t count);
    void (*scatter)(void *dst, int64_t stride, const void *src, int64_t count);
    void (*fill)(void *dst, double value, int64_t count);
    /* asks for rows of `count` neighbours to come into L2; they are not read, so any address will do */
    void (*ask)(const void *src, int64_t row_stride, int64_t rows, int64_t count);
    /* rows of a tile, pitch apart: `lead` values, then count of gather, then `trail` values */
    void (*block)(void *dst, int64_t pitch, const void *src, int64_t row_stride, int64_t stride, int64_t rows,
                  int64_t lead, int64_t count, int64_t trail, double value);
    double (*sum)(const void *src, int64_t count);
    /* dst[r*dst_row + i*dst_stride] = src[r*src_row + i],  r < rows, i < count */
    void (*scatter_rows)(void *dst, int64_t dst_row, int64_t dst_stride, const void *src, int64_t src_row, int64_t rows,
                         int64_t count);
    /* dst[i*lanes + c] = src[c*channel_stride + i*stride],  c < channels <= lanes (zero beyond), i < count; fast where
     * either stride is 1 */
    void (*lanes_in)(void *dst, const void *src, int64_t channel_stride, int64_t stride, int64_t channels,
                     int64_t count);
    /* dst[f*channel_stride + i*stride] = finish(src[i*ld + f]),  f < filters, i < count; fast where either stride is
     * 1. src is read in whole vectors of filters, finish->bias up to the last filter. */
    void (*lanes_out)(void *dst, int64_t channel_stride, int64_t stride, const void *src, int64_t ld, int64_t filters,
                      int64_t count, const fc_finish *finish);
    /* dst[f*channel_stride + i*stride] = the largest of finish(src[2i*ld + f]), finish(src[(2i + 1)*ld + f]) and the two
     * of the next row, `row` further on;  f < filters, i < count; a NaN if there is one. Reads as lanes_out does. */
    void (*lanes_max2x2)(void *dst, int64_t channel_stride, int64_t stride, const void *src, int64_t ld, int64_t row,
                         int64_t filters, int64_t count, const fc_finish *finish);
    /* dst[row[j]*ld + l] = src[l*filter_stride + j*stride],  l < filters <= lanes (zero beyond), j < count; nothing is
     * stored where row[j] < 0 */
    void (*lanes_pack)(void *dst, int64_t ld, const int32_t *row, const void *src, int64_t filter_stride,
                       int64_t stride, int64_t filters, int64_t count);
    /* dst[(c*taps + t)*mr + m] = w[m*m_stride + c*c_stride + tap[t]],  c < channels */
    void (*pack)(void *dst, int mr, const void *w, int64_t m_stride, int64_t c_stride, int64_t channels,
                 const int64_t *tap, int64_t taps);
    /* dst[(r*columns + i)*mr + m] = src[m*m_stride + r*row_stride + i*stride],  r < rows, i < columns */
    void (*pack_grid)(void *dst, int mr, const void *src, int64_t m_stride, int64_t row_stride, int64_t rows,
                      int64_t stride, int64_t columns);
    /* dst[p*ld + i] = src[off[i] + p],  i < rows, p < count */
    void (*transpose)(void *dst, int64_t ld, const void *src, const int32_t *off, int64_t rows, int64_t count);
    /* dst[i*ld + c] = src[c*channel_stride + i*stride],  c < channels, i < count; fast where either stride is 1. The next
     * call reads src + ahead. */
    void (*pixels_in)(void *dst, int64_t ld, const void *src, int64_t channel_stride, int64_t stride, int64_t channels,
                      int64_t count, int64_t ahead);
    /* the inverse of pack for one filter: w[c*c_stride + tap[t]] = src[c*taps + t] */
    void (*unpack)(void *w, int64_t c_stride, const void *src, int64_t channels, const int64_t *tap, int64_t taps);
    /* dst[i*stride] += src[i] */
    void (*add)(void *dst, int64_t stride, const void *src, int64_t count);

    fc_winograd_kernels winograd[FC_WINOGRAD_TILES];
    fc_winograd_weights_kernels winograd_weights[FC_WINOGRAD_TILES];
    /* depthwise section: leaf kernels that read the caller's tensors in place */
    fc_depthwise_kernels depthwise;

    /* pool section: helper pointers of csrc/pool */
    fc_pool_kernels pool;

    /* batch normalisation: helper pointers of csrc/ops/batch_norm.c */
    fc_norm_kernels norm;

    /* filters along one axis, of csrc/ops/lines.c; NULL in float32 */
    fc_line_kernels line;

    /* small integers, of csrc/conv/integers.c: those of float32 move and add, that of float64 rounds */
    fc_integer_kernels integer;

    /* ops section: helper pointers of csrc/ops (ops.h); rows are contiguous, outputs may be the inputs themselves */
    void (*activate)(fc_activation kind, double parameter, int64_t count, const void *x, void *y);
    /* the kinds after FC_LEAKY_RELU */
    void (*smooth)(fc_activation kind, int64_t count, const void *x, void *y);
    void (*activate_backward)(fc_activation kind, double parameter, int64_t count, const void *y, const void *dy,
                              void *dx);
    /* y[r*ld + q] = activation(y[r*ld + q] + bias[q]); dst[q] = sum_r src[r*ld + q];  q < count */
    void (*finish_rows)(int64_t rows, int64_t count, int64_t ld, const void *bias, fc_activation kind, double parameter,
                        void *y);
    void (*column_sums)(int64_t rows, int64_t count, int64_t ld, const void *src, void *dst);
    void (*softmax)(int64_t rows, int64_t classes, const void *x, void *y);
    void (*log_softmax)(int64_t rows, int64_t classes, const void *x, void *y);
    void (*softmax_backward)(int64_t rows, int64_t classes, const void *y, const void *dy, void *dx);
    void (*cross_entropy)(int64_t rows, int64_t classes, const void *x, const int64_t *labels, double scale,
                          void *losses, void *dx);
    /* fc_combine on whole vectors of a and b[i * step], step 1 or 0; NULL in the table of float64 */
    void (*combine)(const fc_combine_desc *desc, int64_t count, const void *a, const void *b, int64_t step, void *y);
    /* y[i] = given[i] * s^-beta, the window of i being first[i + j*step], j < window; ratio[i] (may be NULL) = y[i] * x[i] / s */
    void (*response)(const fc_response *by, int64_t window, int64_t step, int64_t count, const void *first,
                     const void *x, const void *given, void *y, void *ratio);
    /* dx[i] -= 2 share beta x[i] * the sum of first[i + j*step], j < window */
    void (*response_through)(const fc_response *by, int64_t window, int64_t step, int64_t count, const void *first,
                             const void *x, void *dx);
    /* rounds of multiply-adds in registers; stores one vector to sink and returns how many of elements were done */
    int64_t (*multiply_adds)(int64_t rounds, void *sink);
} fc_kernels;

/* Strips of nearly equal width for some vectors of columns of a product: as many as the best tile asks for, an odd one in a
 * wider. */
static inline int64_t fc_product_strips(const fc_kernels *k, int64_t vectors) {
    return fc_max(fc_ceil_div(vectors, FC_MAX_XR), vectors / k->product_xr);
}

/* The table of an ISA, numbered as in fastconv.h; NULL where the type has none. */
const fc_kernels *fc_kernels_for(int isa, fc_dtype type);

#endif
