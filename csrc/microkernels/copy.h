/* copy.h: moving elements between the caller's strides and contiguous scratch, and packing weights. Memory-bound loops;
 * unit and double strides are written out. */

#include "simd/lanes.h"

static void FC_NAME(fc_gather)(void *dst_, const void *src_, int64_t stride, int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    if (stride == 1) {
        int64_t i = 0;
        for (; i + VLANES <= count; i += VLANES) vstore(dst + i, vload(src + i));
        if (i < count) vstore_part(dst + i, vload_part(src + i, (int)(count - i)), (int)(count - i));
        return;
    }
    int64_t i = 0;
    if (stride == 2 && VLANES > 1) { /* nothing past the last element may be read */
        for (; i + VLANES < count; i += VLANES) vstore(dst + i, veven(vload(src + 2 * i), vload(src + 2 * i + VLANES)));
        const int rest = (int)(count - i), elements = 2 * rest - 1;
        if (rest == 0) return;
        const vec low = elements < VLANES ? vload_part(src + 2 * i, elements) : vload(src + 2 * i);
        const vec high = elements > VLANES ? vload_part(src + 2 * i + VLANES, elements - VLANES) : vzero();
        vstore_part(dst + i, veven(low, high), rest);
        return;
    }
    if (stride == 4 && VLANES > 1) { /* first layers */
        for (; i + VLANES < count; i += VLANES) {
            const real *from = src + 4 * i;
            const vec low = veven(vload(from), vload(from + VLANES));
            const vec high = veven(vload(from + 2 * VLANES), vload(from + 3 * VLANES));
            vstore(dst + i, veven(low, high));
        }
    }
    for (; i < count; ++i) dst[i] = src[i * stride];
}

static void FC_NAME(fc_scatter)(void *dst_, int64_t stride, const void *src_, int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    if (stride == 1) {
        int64_t i = 0;
        for (; i + VLANES <= count; i += VLANES) vstore(dst + i, vload(src + i));
        if (i < count) vstore_part(dst + i, vload_part(src + i, (int)(count - i)), (int)(count - i));
    } else {
        for (int64_t i = 0; i < count; ++i) dst[i * stride] = src[i];
    }
}

static void FC_NAME(fc_scatter_rows)(void *dst_, int64_t dst_row, int64_t dst_stride, const void *src_, int64_t src_row,
                                     int64_t rows, int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    for (int64_t r = 0; r < rows; ++r) FC_NAME(fc_scatter)(dst + r * dst_row, dst_stride, src + r * src_row, count);
}

static void FC_NAME(fc_fill)(void *dst_, double value, int64_t count) {
    real *dst = dst_;
    for (int64_t i = 0; i < count; ++i) dst[i] = (real)value;
}

static void FC_NAME(fc_ask)(const void *src_, int64_t row_stride, int64_t rows, int64_t count) {
    const real *src = src_;
    for (int64_t r = 0; r < rows; ++r, src += row_stride) {
        for (int64_t i = 0; i < count; i += 64 / (int64_t)sizeof(real)) __builtin_prefetch(src + i, 0, 2);
        __builtin_prefetch(src + count - 1, 0, 2);
    }
}

static void FC_NAME(fc_block)(void *dst_, int64_t pitch, const void *src_, int64_t row_stride, int64_t stride,
                              int64_t rows, int64_t lead, int64_t count, int64_t trail, double value) {
    real *dst = dst_;
    const real *src = src_;
    for (int64_t r = 0; r < rows; ++r, dst += pitch, src += row_stride) {
        for (int64_t i = 0; i < lead; ++i) dst[i] = (real)value;
        FC_NAME(fc_gather)(dst + lead, src, stride, count);
        for (int64_t i = lead + count; i < lead + count + trail; ++i) dst[i] = (real)value;
    }
}

static void FC_NAME(fc_add)(void *dst_, int64_t stride, const void *src_, int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    if (stride == 1) {
        for (int64_t i = 0; i < count; ++i) dst[i] += src[i];
    } else {
        for (int64_t i = 0; i < count; ++i) dst[i * stride] += src[i];
    }
}

static double FC_NAME(fc_sum)(const void *src_, int64_t count) {
    const real *src = src_;
    vec acc = vzero();
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) acc = vadd(acc, vload(src + i));
    if (i < count) acc = vadd(acc, vload_part(src + i, (int)(count - i)));
    return vsum(acc);
}

/* dst[i*n + m] = src[m*stride + i]: n runs become one of n-tuples. */
static inline __attribute__((always_inline)) void fc_tuples(real *dst, const int n, const real *src, int64_t stride,
                                                            int64_t count) {
    vec v[8];
    int64_t i = 0;
    for (; VLANES > 1 && i + VLANES <= count; i += VLANES, dst += n * VLANES) {
#pragma GCC unroll 8
        for (int m = 0; m < n; ++m) v[m] = vload(src + m * stride + i);
        fc_interleave(v, n);
#pragma GCC unroll 8
        for (int m = 0; m < n; ++m) vstore(dst + m * VLANES, v[m]);
    }
    for (; i < count; ++i, dst += n)
        for (int m = 0; m < n; ++m) dst[m] = src[m * stride + i];
}

static void FC_NAME(fc_transpose)(void *dst_, int64_t ld, const void *src_, const int32_t *off, int64_t rows,
                                  int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    int64_t i = 0;
    for (; i + VLANES <= rows; i += VLANES) {
        for (int64_t p = 0; p < count; p += VLANES) {
            const int points = count - p < VLANES ? (int)(count - p) : VLANES;
            vec v[VLANES];
#pragma GCC unroll 16
            for (int l = 0; l < VLANES; ++l) {
                const real *from = src + off[i + l] + p;
                v[l] = points == VLANES ? vload(from) : vload_part(from, points);
            }
            vtranspose(v);
#pragma GCC unroll 16
            for (int l = 0; l < VLANES; ++l)
                if (l < points) vstore(dst + (p + l) * ld + i, v[l]);
        }
    }
    for (; i < rows; ++i)
        for (int64_t p = 0; p < count; ++p) dst[p * ld + i] = src[off[i] + p];
}

/* `points` positions of `channels` channels, each at most VLANES, transposed in registers. Short runs of many channels
 * are too much for the hardware's prefetchers: what is read next is asked for here. */
static inline __attribute__((always_inline)) void fc_pixels_block(real *dst, int64_t ld, const real *src,
                                                                  int64_t channel_stride, int64_t ahead,
                                                                  const int channels, const int points) {
    vec v[VLANES];
#pragma GCC unroll 16
    for (int c = 0; c < VLANES; ++c) {
        const real *from = src + c * channel_stride;
        if (c < channels) __builtin_prefetch(from + ahead);
        v[c] = c >= channels ? vzero() : points == VLANES ? vload(from) : vload_part(from, points);
    }
    vtranspose(v);
#pragma GCC unroll 16
    for (int l = 0; l < VLANES; ++l) {
        if (l >= points) continue;
        if (channels == VLANES) {
            vstore(dst + l * ld, v[l]);
        } else {
            vstore_part(dst + l * ld, v[l], channels);
        }
    }
}

/* Few channels, or positions that lie apart, are moved one by one. */
static void FC_NAME(fc_pixels_in)(void *dst_, int64_t ld, const void *src_, int64_t channel_stride, int64_t stride,
                                  int64_t channels, int64_t count, int64_t ahead) {
    real *dst = dst_;
    const real *src = src_;
    if (channel_stride == 1) {
        if (stride == channels && ld == channels) {
            channels *= count;
            count = 1;
        }
        for (int64_t i = 0; i < count; ++i) FC_NAME(fc_gather)(dst + i * ld, src + i * stride, 1, channels);
        return;
    }
    int64_t c = 0;
    for (; stride == 1 && c + VLANES / 4 < channels; c += VLANES) {
        const int lanes = channels - c < VLANES ? (int)(channels - c) : VLANES;
        const real *from = src + c * channel_stride;
        int64_t i = 0;
        for (; lanes == VLANES && i + VLANES <= count; i += VLANES)
            fc_pixels_block(dst + i * ld + c, ld, from + i, channel_stride, ahead, VLANES, VLANES);
        for (; i < count; i += VLANES)
            fc_pixels_block(dst + i * ld + c, ld, from + i, channel_stride, ahead, lanes,
                            count - i < VLANES ? (int)(count - i) : VLANES);
    }
    for (; c < channels; ++c)
        for (int64_t i = 0; i < count; ++i) dst[i * ld + c] = src[c * channel_stride + i * stride];
}

/* Rows of mr tuples out of mr grids: the gradient of mr filters, point by point. */
static void FC_NAME(fc_pack_grid)(void *dst_, int mr, const void *src_, int64_t m_stride, int64_t row_stride,
                                  int64_t rows, int64_t stride, int64_t columns) {
    real *restrict dst = dst_;
    const real *src = src_;
    if (row_stride == columns * stride) {
        columns *= rows;
        rows = 1;
    }
    for (int64_t r = 0; r < rows; ++r, src += row_stride, dst += mr * columns) {
        if (stride == 1 && mr == 8) {
            fc_tuples(dst, 8, src, m_stride, columns);
        } else if (stride == 1 && mr == 4) {
            fc_tuples(dst, 4, src, m_stride, columns);
        } else if (stride == 1 && mr == 3) { /* pictures: a loop of constant width is vectorized */
            for (int64_t i = 0; i < columns; ++i)
                for (int m = 0; m < 3; ++m) dst[i * 3 + m] = src[i + m * m_stride];
        } else {
            for (int64_t i = 0; i < columns; ++i)
                for (int m = 0; m < mr; ++m) dst[i * mr + m] = src[i * stride + m * m_stride];
        }
    }
}

/* Eight (or mr) rows of weights become columns, so that a step of the sum reads its mr weights from one place. */
static void FC_NAME(fc_pack)(void *dst_, int mr, const void *w_, int64_t m_stride, int64_t c_stride, int64_t channels,
                             const int64_t *tap, int64_t taps) {
    real *restrict dst = dst_;
    const real *w = w_;
    if (m_stride == 1) { /* backward_data of 1x1: the weights of a step are neighbours already */
        for (int64_t c = 0; c < channels; ++c, w += c_stride) {
            for (int64_t t = 0; t < taps; ++t, dst += mr) {
                if (mr == 8) {
                    memcpy(dst, w + tap[t], sizeof(real) * 8);
                } else {
                    for (int m = 0; m < mr; ++m) dst[m] = w[tap[t] + m];
                }
            }
        }
        return;
    }
    int in_order = 1;
    for (int64_t t = 0; t < taps && in_order; ++t) in_order = tap[t] == t;
    if (in_order) {
        FC_NAME(fc_pack_grid)(dst, mr, w, m_stride, c_stride, channels, 1, taps);
        return;
    }
    for (int64_t c = 0; c < channels; ++c, w += c_stride) {
        for (int64_t t = 0; t < taps; ++t, dst += mr) {
            const real *from = w + tap[t];
            for (int m = 0; m < mr; ++m) dst[m] = from[m * m_stride];
        }
    }
}

static void FC_NAME(fc_unpack)(void *w_, int64_t c_stride, const void *src_, int64_t channels, const int64_t *tap,
                               int64_t taps) {
    real *w = w_;
    const real *src = src_;
    int in_order = c_stride == taps;
    for (int64_t t = 0; t < taps; ++t) in_order = in_order && tap[t] == t;
    if (in_order) {
        memcpy(w, src, sizeof(real) * (size_t)(channels * taps));
        return;
    }
    for (int64_t c = 0; c < channels; ++c, w += c_stride, src += taps)
        for (int64_t t = 0; t < taps; ++t) w[tap[t]] = src[t];
}
