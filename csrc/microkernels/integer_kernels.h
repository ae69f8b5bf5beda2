/* integer_kernels.h: the leaf kernels of convolutions of small integers, a part of the table in kernels.h. */
#ifndef FC_INTEGER_KERNELS_H
#define FC_INTEGER_KERNELS_H

#include <stdint.h>

enum { FC_INTEGER_VECTORS = 2 };      /* of a block of filters, at most */
enum { FC_INTEGER_SIZES = 3 };        /* of register tiles */
enum { FC_INTEGER_MOST_PIXELS = 12 }; /* of one */
enum { FC_INTEGER_LANES = 16 };       /* of a vector, at most */
enum { FC_INTEGER_MOST_POINTS = 9 };  /* of a Winograd tile along a side */

/* Winograd tiles: outputs of one along each side, for 3x3 kernels of stride 1 and of stride 2. */
enum { FC_INTEGER_2X2, FC_INTEGER_4X4, FC_INTEGER_4X4_STRIDED, FC_INTEGER_WINOGRADS };

/* Bytes of the input and what they stand for: (byte ^ flip) - zero, where flip 128 makes int8 of uint8 with a zero moved by
 * as much. */
typedef struct fc_centre {
    uint8_t flip;
    int16_t zero;
} fc_centre;

/* How sums become small integers: clip(rint(sum * factor), low, high) + zero, half to even. */
typedef struct fc_requantize {
    double low, high;
    int32_t zero;
} fc_requantize;

/* Distances count elements of their arrays; a pixel of the tile is a run of int16 channels. */
typedef void (*fc_integer_sums_fn)(int64_t taps, int64_t pairs, const int16_t *src, const int32_t *off,
                                   const int32_t *at, const int16_t *w, const int32_t *bias, int32_t *c);

/* Tiles of `points` points along each side, which are the sums of `outputs` outputs. */
typedef struct fc_integer_winograd {
    /* v[(i*points + j)*point_step + t*v_ld + c] = point (i, j) of tile t of channel c, of src[y*row_step + x*ld + c] from
     * x = t*outputs*stride on,  t < tiles, c < channels rounded up to whole vectors of int16 */
    void (*data)(int16_t *v, int64_t point_step, int64_t v_ld, const int16_t *src, int64_t row_step, int64_t ld,
                 int64_t channels, int64_t tiles);
    /* dst[(y*columns + x)*ld + l] = bias[l] + the outputs of the tiles m[(i*points + j)*point_step + t*ld + l] side by side,
     * y < rows, x < columns, l < ld, whole vectors of it;  rows <= outputs */
    void (*sums)(int32_t *dst, int64_t rows, int64_t columns, const int32_t *m, int64_t point_step, int64_t ld,
                 const int32_t *bias);
} fc_integer_winograd;

typedef struct fc_integer_kernels {
    int pixels[FC_INTEGER_SIZES], depthwise_pixels; /* of a register tile, ascending */

    /* sums[vectors-1][size]: c[p*vectors*lanes + l] = bias[l] + sum_{t<taps, k<pairs} of both products of the pairs
     * src[at[p] + off[t] + 2*k] and w[((t*pairs + k)*vectors*lanes + l)*2],  p < pixels[size], l < vectors*lanes */
    fc_integer_sums_fn sums[FC_INTEGER_VECTORS][FC_INTEGER_SIZES];
    /* c[p*2*lanes + l] = bias[l] + sum_{k<2*depth} src[at[p] + off[k] + l] * w[(k/2*2*lanes + l)*2 + k%2],
     * p < depthwise_pixels, l < 2*lanes: every lane has its own channel */
    void (*depthwise)(int64_t depth, const int16_t *src, const int32_t *off, const int32_t *at, const int16_t *w,
                      const int32_t *bias, int32_t *c);

    fc_integer_winograd winograd[FC_INTEGER_WINOGRADS];

    /* dst[q*ld + c] = src[c*channel_stride + q] centred,  q < count, c < channels, which may be followed by one more */
    void (*fill_planes)(int16_t *dst, int64_t ld, const uint8_t *src, int64_t channel_stride, int64_t channels,
                        int64_t count, fc_centre centre);
    /* dst[q*ld + c] = src[q*pixel_stride + c] centred */
    void (*fill_pixels)(int16_t *dst, int64_t ld, const uint8_t *src, int64_t pixel_stride, int64_t channels,
                        int64_t count, fc_centre centre);

    /* The low bytes, or the whole, of c[q*ld + f] to dst[f*filter_stride + q],  q < count, f < filters; ld is that of whole
     * vectors */
    void (*bytes_planes)(uint8_t *dst, int64_t filter_stride, const int32_t *c, int64_t ld, int64_t filters,
                         int64_t count);
    void (*words_planes)(int32_t *dst, int64_t filter_stride, const int32_t *c, int64_t ld, int64_t filters,
                         int64_t count);
    /* c[q*ld + f] to dst[q*pixel_stride + f] */
    void (*bytes_pixels)(uint8_t *dst, int64_t pixel_stride, const int32_t *c, int64_t ld, int64_t filters,
                         int64_t count);

    /* Of the float64 table, the only entry there: c[q*ld + f] in place,  q < count, f < ld, whole vectors of it */
    void (*requantize)(int32_t *c, int64_t ld, int64_t count, const double *factor, const fc_requantize *how);
} fc_integer_kernels;

#endif
