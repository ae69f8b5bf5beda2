/* depthwise_pixels.h: depthwise convolution of rows of pixels with contiguous channels, channels in the vector lanes.
 *
 * A block of neighbouring outputs of one vector of channels stays in registers. Every pixel of an input row that the
 * block reads is loaded once and multiplied by the weights of all the taps it meets: eight outputs of 3x3 take 10 loads
 * of pixels and 3 of weights for 24 multiply-adds. Pixels outside the image are a vector of zeros; only the blocks at
 * either end of a row look for them. Strides and dilations are distances between the pixels. */

enum { PIXEL_BLOCK = 8, PIXEL_HALF = 4, PIXEL_SUMS = 4 };

/* The vector of channels of the pixel at column `at` of a row, zero outside. careful: the column may be outside, or fewer
 * lanes are in use. */
FC_INLINE vec pixel_load(const int careful, const fc_pixels *p, const real *row, int64_t at) {
    if (!careful) return vload(row + at * p->step);
    if (at < 0 || at >= p->width) return vzero();
    return p->lanes == VLANES ? vload(row + at * p->step) : vload_part(row + at * p->step, p->lanes);
}

FC_INLINE vec pixel_part(const int careful, const fc_pixels *p, const real *from) {
    return careful && p->lanes < VLANES ? vload_part(from, p->lanes) : vload(from);
}

FC_INLINE void pixels_block(const int k, const int stride, const int pr, const int careful, const fc_pixels *p,
                            int64_t q, const real *restrict w, real *restrict dst, const fc_finish *finish) {
    vec sum[PIXEL_BLOCK];
#pragma GCC unroll 8
    for (int x = 0; x < pr; ++x) sum[x] = vzero();
    for (int64_t i = 0; i < p->taps; ++i, w += k * p->lanes) {
        const real *row = p->rows[i];
        vec tap[FC_MAX_PIXEL_TAPS];
#pragma GCC unroll 7
        for (int j = 0; j < k; ++j) tap[j] = pixel_part(careful, p, w + j * p->lanes);
        int64_t at = p->left + q * stride * p->dilation;
#pragma GCC unroll 21
        for (int c = 0; c < (pr - 1) * stride + k; ++c, at += p->dilation) {
            const vec v = row ? pixel_load(careful, p, row, at) : vzero();
#pragma GCC unroll 8
            for (int x = 0; x < pr; ++x)
                if (c - x * stride >= 0 && c - x * stride < k) sum[x] = vfma(tap[c - x * stride], v, sum[x]);
        }
    }
    const vec bias = finish->bias ? pixel_part(careful, p, finish->bias) : vzero();
    dst += q * p->out_step;
#pragma GCC unroll 8
    for (int x = 0; x < pr; ++x, dst += p->out_step) {
        const vec v = fc_activation_vec(finish->bias ? vadd(sum[x], bias) : sum[x], finish);
        if (careful && p->lanes < VLANES) {
            vstore_part(dst, v, p->lanes);
        } else {
            vstore(dst, v);
        }
    }
}

/* Whether a block of pr outputs at q lies inside the row with all lanes in use. */
FC_INLINE int pixels_inside(const int k, const int stride, const int pr, const fc_pixels *p, int64_t q) {
    const int64_t first = p->left + q * stride * p->dilation;
    return p->lanes == VLANES && first >= 0 && first + ((pr - 1) * stride + k - 1) * p->dilation < p->width;
}

/* Blocks of eight, four and one; a rest that a block of eight or four ends flush with is computed by one that overlaps
 * the block before. */
FC_INLINE void pixels_body(const int k, const int stride, const fc_pixels *p, const real *w, real *dst,
                           const fc_finish *finish) {
    for (int64_t q = 0; q < p->columns;) {
        const int64_t rest = p->columns - q;
        const int64_t size = p->columns >= PIXEL_BLOCK && rest > PIXEL_HALF ? PIXEL_BLOCK
                             : p->columns >= PIXEL_HALF                     ? PIXEL_HALF
                                                                            : 1;
        const int64_t at = rest < size ? p->columns - size : q;
        q = at + size;
        if (size == PIXEL_BLOCK) {
            if (pixels_inside(k, stride, PIXEL_BLOCK, p, at)) {
                pixels_block(k, stride, PIXEL_BLOCK, 0, p, at, w, dst, finish);
            } else {
                pixels_block(k, stride, PIXEL_BLOCK, 1, p, at, w, dst, finish);
            }
        } else if (size == PIXEL_HALF) {
            pixels_block(k, stride, PIXEL_HALF, 1, p, at, w, dst, finish);
        } else {
            pixels_block(k, stride, 1, 1, p, at, w, dst, finish);
        }
    }
}

/* Rows of the kernel whose sums fit the registers together with four vectors of dy. */
#if VREGS == 32
#define PIXEL_SUMS_ROWS(K) 3
#else
#define PIXEL_SUMS_ROWS(K) ((K) == 3 ? 3 : 1)
#endif

/* Adds pr outputs from q on to the sums of the kernel's rows first .. first + g. */
FC_INLINE void pixels_sums_block(const int k, const int stride, const int g, const int pr, const int careful,
                                 const fc_pixels *p, int64_t q, int64_t first, const real *dy, vec *sum, vec *bias) {
    vec d[PIXEL_SUMS];
    dy += q * p->out_step;
#pragma GCC unroll 4
    for (int x = 0; x < pr; ++x) {
        d[x] = pixel_part(careful, p, dy + x * p->out_step);
        *bias = vadd(*bias, d[x]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < g; ++i) {
        const real *row = p->rows[first + i];
        int64_t at = p->left + q * stride * p->dilation;
#pragma GCC unroll 13
        for (int c = 0; c < (pr - 1) * stride + k; ++c, at += p->dilation) {
            const vec v = row ? pixel_load(careful, p, row, at) : vzero();
#pragma GCC unroll 4
            for (int x = 0; x < pr; ++x)
                if (c - x * stride >= 0 && c - x * stride < k)
                    sum[i * k + c - x * stride] = vfma(d[x], v, sum[i * k + c - x * stride]);
        }
    }
}

FC_INLINE void pixels_sums_rows(const int k, const int stride, const int g, const fc_pixels *p, int64_t first,
                                const real *dy, real *sums, real *bias_sum) {
    vec sum[21], bias = vload(bias_sum);
    real *at = sums + first * k * VLANES;
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) sum[i] = vload(at + i * VLANES);
    for (int64_t q = 0; q < p->columns;) {
        if (q + PIXEL_SUMS > p->columns) {
            pixels_sums_block(k, stride, g, 1, 1, p, q++, first, dy, sum, &bias);
        } else {
            if (pixels_inside(k, stride, PIXEL_SUMS, p, q)) {
                pixels_sums_block(k, stride, g, PIXEL_SUMS, 0, p, q, first, dy, sum, &bias);
            } else {
                pixels_sums_block(k, stride, g, PIXEL_SUMS, 1, p, q, first, dy, sum, &bias);
            }
            q += PIXEL_SUMS;
        }
    }
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) vstore(at + i * VLANES, sum[i]);
    if (first == 0) vstore(bias_sum, bias);
}

FC_INLINE void pixels_sums_body(const int k, const int stride, const fc_pixels *p, const real *dy, real *sums) {
    const int g = PIXEL_SUMS_ROWS(k);
    real *bias = sums + p->taps * k * VLANES;
    int64_t i = 0;
    for (; i + g <= p->taps; i += g) pixels_sums_rows(k, stride, g, p, i, dy, sums, bias);
    for (; i < p->taps; ++i) pixels_sums_rows(k, stride, 1, p, i, dy, sums, bias);
}

#define FC_PIXELS(K, STRIDE)                                                                                           \
    static void FC_NAME(fc_pixels_##K##_##STRIDE)(const fc_pixels *p, const void *w, void *dst,                        \
                                                  const fc_finish *finish) {                                           \
        pixels_body(K, STRIDE, p, w, dst, finish);                                                                     \
    }
#define FC_PIXELS_SUMS(K, STRIDE)                                                                                      \
    static void FC_NAME(fc_pixels_sums_##K##_##STRIDE)(const fc_pixels *p, const void *dy, void *sums) {               \
        pixels_sums_body(K, STRIDE, p, dy, sums);                                                                      \
    }
FC_PIXELS(1, 1)
FC_PIXELS(2, 1)
FC_PIXELS(3, 1)
FC_PIXELS(4, 1)
FC_PIXELS(5, 1)
FC_PIXELS(6, 1)
FC_PIXELS(7, 1)
FC_PIXELS(3, 2)
FC_PIXELS(5, 2)
FC_PIXELS(7, 2)
FC_PIXELS_SUMS(3, 1)
FC_PIXELS_SUMS(5, 1)
FC_PIXELS_SUMS(7, 1)
FC_PIXELS_SUMS(3, 2)
FC_PIXELS_SUMS(5, 2)
FC_PIXELS_SUMS(7, 2)

#define FC_PIXELS_ONE(K)                                                                                               \
    { FC_NAME(fc_pixels_##K##_1), NULL }
#define FC_PIXELS_BOTH(STEM, K)                                                                                        \
    { FC_NAME(STEM##_##K##_1), FC_NAME(STEM##_##K##_2) }
#define FC_PIXELS_TABLE                                                                                                \
    {                                                                                                                  \
        FC_PIXELS_ONE(1), FC_PIXELS_ONE(2), FC_PIXELS_BOTH(fc_pixels, 3), FC_PIXELS_ONE(4),                            \
            FC_PIXELS_BOTH(fc_pixels, 5), FC_PIXELS_ONE(6), FC_PIXELS_BOTH(fc_pixels, 7),                              \
    }
#define FC_PIXELS_SUMS_TABLE                                                                                           \
    { FC_PIXELS_BOTH(fc_pixels_sums, 3), FC_PIXELS_BOTH(fc_pixels_sums, 5), FC_PIXELS_BOTH(fc_pixels_sums, 7), }
