/* depthwise_kernels.h: contracts of the leaf kernels of depthwise convolution. They read the caller's tensors in place:
 * what lies outside the image counts as zero and is never touched. Rows of a plane are contiguous (a plane's lanes are
 * columns), or channels are (a row of pixels has channels as lanes). */
#ifndef FC_DEPTHWISE_KERNELS_H
#define FC_DEPTHWISE_KERNELS_H

#include <stdint.h>

struct fc_finish;

/* Square kernels 3x3, 5x5, 7x7 of the plane kernels; strides 1 and 2. */
enum { FC_PLANE_SIZES = 3, FC_PLANE_STRIDES = 2, FC_MAX_PIXEL_TAPS = 7 };
static inline int fc_plane_size(int64_t taps) { return taps == 3 || taps == 5 || taps == 7 ? (int)(taps - 3) / 2 : -1; }

/* Output (r, q) and tap (i, j) meet at row top + (r*stride + i)*row_dilation and column left + q*stride + j*dilation of
 * the image at src, height x width with rows pitch apart. With stride 2 the dilation is 1. */
typedef struct fc_plane {
    const void *src;
    int64_t height, width, pitch;
    int64_t top, left, row_dilation, dilation;
    int64_t rows, columns, out_pitch; /* of the outputs */
    const void *zeros;                /* `width` of them: a row outside the image; plane_sums needs none */
    int64_t residual_pitch;           /* of finish->residual, whose rows are contiguous and start at the first output */
} fc_plane;

/* dst[r][q] = finish( sum w[i][j] * src at the meeting place ) */
typedef void (*fc_plane_fn)(const fc_plane *plane, const void *w, void *dst, const struct fc_finish *finish);

/* The gradient of stride 2, all four phases of a place together: dst[r][q] = finish( sum w[i][j] * src[a][b] ) over
 * 2a + i = top + r, 2b + j = left + q. Rows of dst are contiguous too. */
typedef void (*fc_plane_spread_fn)(const fc_plane *plane, const void *w, void *dst, const struct fc_finish *finish);

/* sums[i][j] += sum over (r, q) of dy[r][q] * src at the meeting place; sums[k*k] += sum of dy. */
typedef void (*fc_plane_sums_fn)(const fc_plane *plane, const void *dy, void *sums);

/* One row of outputs of neighbouring channels. Output q and tap (i, j) meet at column left + (q*stride + j)*dilation of
 * rows[i], whose pixels are step apart; rows[i] is NULL outside the image. */
typedef struct fc_pixels {
    const void *const *rows;
    int64_t taps; /* rows of the kernel */
    int64_t step, width, left, dilation;
    int64_t columns, out_step; /* outputs and the distance between them */
    int64_t channels;
} fc_pixels;

/* dst[q*out_step + c] = finish( sum w[i][j][c] * rows[i][place*step + c] ). The weights of every whole vector of channels
 * stand as [i][j][lanes], one vector after the other, then those of the rest as [i][j][rest]; finish->bias and the
 * residual, which lies finish->residual_step apart, are those of the first channel. */
typedef void (*fc_pixels_fn)(const fc_pixels *pixels, const void *w, void *dst, const struct fc_finish *finish);

/* sums[i][j][l] += sum over q of dy[q*out_step + c] * rows[i][place*step + c];  sums[taps*k][l] += sum of dy,  for every
 * vector of channels in turn, the last one filled up. */
typedef void (*fc_pixels_sums_fn)(const fc_pixels *pixels, const void *dy, void *sums);

typedef struct fc_depthwise_kernels {
    fc_plane_fn plane[FC_PLANE_SIZES][FC_PLANE_STRIDES];
    fc_plane_spread_fn spread[FC_PLANE_SIZES];
    fc_plane_sums_fn plane_sums[FC_PLANE_SIZES][FC_PLANE_STRIDES];
    fc_pixels_fn pixels[FC_MAX_PIXEL_TAPS][FC_PLANE_STRIDES]; /* [columns of the kernel - 1][stride - 1] or NULL */
    fc_pixels_sums_fn pixels_sums[FC_PLANE_SIZES][FC_PLANE_STRIDES];
} fc_depthwise_kernels;

#endif
