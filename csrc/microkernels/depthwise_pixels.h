/* depthwise_pixels.h: depthwise convolution of rows of pixels with contiguous channels, channels in the vector lanes.
 *
 * A block of neighbouring outputs of one vector of channels stays in registers. Every pixel of an input row that the
 * block reads is loaded once and multiplied by the weights of all the taps it meets: eight outputs of 3x3 take 10 loads
 * of pixels and 3 of weights for 24 multiply-adds. The vectors of channels of a block follow each other, so that the
 * pixels it reads are a few runs of memory. Pixels outside the image are a vector of zeros; only the blocks at
 * either end of a row look for them. Strides and dilations are distances between the pixels. */

enum { PIXEL_BLOCK = 8, PIXEL_HALF = 4, PIXEL_SUMS = 4, PIXEL_STRETCH = 16 };

/* One row of the source from a channel on; a row outside the image is a vector of zeros over and over. */
typedef struct pixel_row {
    const real *at;
    int64_t step;
} pixel_row;

static const real pixel_zeros[VLANES];

FC_INLINE pixel_row pixel_row_of(const fc_pixels *p, int64_t i, int64_t channel) {
    const real *row = p->rows[i];
    return (pixel_row){row ? row + channel : pixel_zeros, row ? p->step : 0};
}

/* How a block reads: all its columns lie inside the row and all lanes are in use; columns may be outside; and fewer
 * lanes may be in use. */
typedef enum pixel_care { PIXELS_INSIDE, PIXELS_RIM, PIXELS_PART } pixel_care;

FC_INLINE vec pixel_load(const pixel_care care, const fc_pixels *p, const real *from, int64_t column, int lanes) {
    if (care != PIXELS_INSIDE && (column < 0 || column >= p->width)) from = pixel_zeros;
    return care == PIXELS_PART ? vload_part(from, lanes) : vload(from);
}

FC_INLINE vec pixel_part(const pixel_care care, const real *from, int lanes) {
    return care == PIXELS_PART ? vload_part(from, lanes) : vload(from);
}

/* pr outputs from q on of `lanes` channels from `channel` on; w are those channels' weights. */
FC_INLINE void pixels_block(const int k, const int stride, const int pr, const pixel_care care, const fc_pixels *p,
                            int64_t q, int64_t channel, int lanes, const real *restrict w, real *restrict dst,
                            const fc_finish *finish) {
    vec sum[PIXEL_BLOCK];
#pragma GCC unroll 8
    for (int x = 0; x < pr; ++x) sum[x] = vzero();
    for (int64_t i = 0; i < p->taps; ++i, w += k * lanes) {
        const pixel_row row = pixel_row_of(p, i, channel);
        vec tap[FC_MAX_PIXEL_TAPS];
#pragma GCC unroll 7
        for (int j = 0; j < k; ++j) tap[j] = vhold(pixel_part(care, w + j * lanes, lanes));
        int64_t column = p->left + q * stride * p->dilation;
        const real *from = row.at + column * row.step;
        const int64_t hop = p->dilation * row.step;
#pragma GCC unroll 21
        for (int c = 0; c < (pr - 1) * stride + k; ++c, column += p->dilation, from += hop) {
            const vec v = vhold(pixel_load(care, p, from, column, lanes));
#pragma GCC unroll 8
            for (int x = 0; x < pr; ++x)
                if (c - x * stride >= 0 && c - x * stride < k) sum[x] = vfma(tap[c - x * stride], v, sum[x]);
        }
    }
    if (finish->bias) {
        const vec bias = pixel_part(care, (const real *)finish->bias + channel, lanes);
#pragma GCC unroll 8
        for (int x = 0; x < pr; ++x) sum[x] = vadd(sum[x], bias);
    }
    if (finish->residual) {
        const real *residual = (const real *)finish->residual + q * finish->residual_step + channel;
#pragma GCC unroll 8
        for (int x = 0; x < pr; ++x, residual += finish->residual_step)
            sum[x] = vadd(sum[x], pixel_part(care, residual, lanes));
    }
    dst += q * p->out_step + channel;
#pragma GCC unroll 8
    for (int x = 0; x < pr; ++x, dst += p->out_step) {
        const vec v = fc_activation_vec(sum[x], finish);
        if (care == PIXELS_PART) {
            vstore_part(dst, v, lanes);
        } else {
            vstore(dst, v);
        }
    }
}

/* pr outputs from q on of all channels in whole vectors: their pixels and the weights stay in L1. */
FC_INLINE void pixels_outputs(const int k, const int stride, const int pr, const pixel_care care, const fc_pixels *p,
                              int64_t q, const real *w, real *dst, const fc_finish *finish) {
    for (int64_t c = 0; c + VLANES <= p->channels; c += VLANES, w += p->taps * k * VLANES)
        pixels_block(k, stride, pr, care, p, q, c, VLANES, w, dst, finish);
}

/* `count` outputs from q on of the channels that fill no vector. */
FC_INLINE void pixels_rest(const int k, const int stride, const fc_pixels *p, int64_t q, int64_t count, const real *w,
                           real *dst, const fc_finish *finish) {
    const int lanes = (int)(p->channels % VLANES);
    const int64_t c = p->channels - lanes, end = q + count;
    if (lanes == 0) return;
    w += c * p->taps * k;
    for (; q + PIXEL_HALF <= end; q += PIXEL_HALF)
        pixels_block(k, stride, PIXEL_HALF, PIXELS_PART, p, q, c, lanes, w, dst, finish);
    for (; q < end; ++q) pixels_block(k, stride, 1, PIXELS_PART, p, q, c, lanes, w, dst, finish);
}

/* Whether all columns that pr outputs from q on read lie inside the row. */
FC_INLINE int pixels_inside(const int k, const int stride, const int pr, const fc_pixels *p, int64_t q) {
    const int64_t first = p->left + q * stride * p->dilation;
    return first >= 0 && first + ((pr - 1) * stride + k - 1) * p->dilation < p->width;
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
        if (size == PIXEL_BLOCK && pixels_inside(k, stride, PIXEL_BLOCK, p, at)) {
            pixels_outputs(k, stride, PIXEL_BLOCK, PIXELS_INSIDE, p, at, w, dst, finish);
        } else if (size == PIXEL_BLOCK) {
            pixels_outputs(k, stride, PIXEL_BLOCK, PIXELS_RIM, p, at, w, dst, finish);
        } else if (size == PIXEL_HALF && pixels_inside(k, stride, PIXEL_HALF, p, at)) {
            pixels_outputs(k, stride, PIXEL_HALF, PIXELS_INSIDE, p, at, w, dst, finish);
        } else if (size == PIXEL_HALF) {
            pixels_outputs(k, stride, PIXEL_HALF, PIXELS_RIM, p, at, w, dst, finish);
        } else {
            pixels_outputs(k, stride, 1, PIXELS_RIM, p, at, w, dst, finish);
        }
        pixels_rest(k, stride, p, at, size, w, dst, finish);
    }
}

/* Rows of the kernel whose sums fit the registers together with four vectors of dy. */
#if VREGS == 32
#define PIXEL_SUMS_ROWS(K) 3
#else
#define PIXEL_SUMS_ROWS(K) ((K) == 3 ? 3 : 1)
#endif

/* Adds pr outputs from q on to the sums of the kernel's rows first .. first + g. */
FC_INLINE void pixels_sums_block(const int k, const int stride, const int g, const int pr, const pixel_care care,
                                 const fc_pixels *p, int64_t q, int64_t channel, int lanes, int64_t first,
                                 const real *dy, vec *sum, vec *bias) {
    vec d[PIXEL_SUMS];
    dy += q * p->out_step + channel;
#pragma GCC unroll 4
    for (int x = 0; x < pr; ++x) {
        d[x] = pixel_part(care, dy + x * p->out_step, lanes);
        *bias = vadd(*bias, d[x]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < g; ++i) {
        const pixel_row row = pixel_row_of(p, first + i, channel);
        int64_t column = p->left + q * stride * p->dilation;
        const real *from = row.at + column * row.step;
        const int64_t hop = p->dilation * row.step;
#pragma GCC unroll 13
        for (int c = 0; c < (pr - 1) * stride + k; ++c, column += p->dilation, from += hop) {
            const vec v = pixel_load(care, p, from, column, lanes);
#pragma GCC unroll 4
            for (int x = 0; x < pr; ++x)
                if (c - x * stride >= 0 && c - x * stride < k)
                    sum[i * k + c - x * stride] = vfma(d[x], v, sum[i * k + c - x * stride]);
        }
    }
}

/* The outputs q .. q + count of the kernel's rows first .. first + g and of `lanes` channels from `channel` on. */
FC_INLINE void pixels_sums_rows(const int k, const int stride, const int g, const fc_pixels *p, int64_t q,
                                int64_t count, int64_t channel, int lanes, int64_t first, const real *dy, real *sums) {
    real *at = sums + first * k * VLANES, *bias_sum = sums + p->taps * k * VLANES;
    vec sum[21], bias = vload(bias_sum);
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) sum[i] = vload(at + i * VLANES);
    const int64_t end = q + count;
    for (; lanes == VLANES && q + PIXEL_SUMS <= end; q += PIXEL_SUMS) {
        if (pixels_inside(k, stride, PIXEL_SUMS, p, q)) {
            pixels_sums_block(k, stride, g, PIXEL_SUMS, PIXELS_INSIDE, p, q, channel, VLANES, first, dy, sum, &bias);
        } else {
            pixels_sums_block(k, stride, g, PIXEL_SUMS, PIXELS_RIM, p, q, channel, VLANES, first, dy, sum, &bias);
        }
    }
    for (; q < end; ++q) pixels_sums_block(k, stride, g, 1, PIXELS_PART, p, q, channel, lanes, first, dy, sum, &bias);
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) vstore(at + i * VLANES, sum[i]);
    if (first == 0) vstore(bias_sum, bias);
}

/* A stretch of columns at a time, whose pixels stay in L1 from one group of the kernel's rows to the next. */
FC_INLINE void pixels_sums_body(const int k, const int stride, const fc_pixels *p, const real *dy, real *sums) {
    const int g = PIXEL_SUMS_ROWS(k);
    for (int64_t q = 0; q < p->columns; q += PIXEL_STRETCH) {
        const int64_t count = p->columns - q < PIXEL_STRETCH ? p->columns - q : PIXEL_STRETCH;
        real *at = sums;
        for (int64_t c = 0; c < p->channels; c += VLANES, at += (p->taps * k + 1) * VLANES) {
            const int lanes = p->channels - c < VLANES ? (int)(p->channels - c) : VLANES;
            int64_t i = 0;
            for (; i + g <= p->taps; i += g) pixels_sums_rows(k, stride, g, p, q, count, c, lanes, i, dy, at);
            for (; i < p->taps; ++i) pixels_sums_rows(k, stride, 1, p, q, count, c, lanes, i, dy, at);
        }
    }
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
