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
    if (stride == 2) { /* stops short of the last element, past which nothing may be read */
        for (; i + VLANES < count; i += VLANES) vstore(dst + i, veven(vload(src + 2 * i), vload(src + 2 * i + VLANES)));
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

/* Eight (or mr) rows of weights become columns, so that a step of the sum reads its mr weights from one place. */
static void FC_NAME(fc_pack)(void *dst_, int mr, const void *w_, int64_t m_stride, int64_t c_stride, int64_t channels,
                             const int64_t *tap, int64_t taps) {
    real *restrict dst = dst_;
    const real *w = w_;
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
