/* integer_winograd.h: Winograd's tiles of small integers, exact: F(2x2, 3x3), F(4x4, 3x3), and 4x4 outputs of stride 2.
 *
 * Of stride 2 a line is the sum of F(4, 2) over even data, with the first and the last tap, and of the products of odd data
 * with the tap between: 9 products in place of 12.
 *
 * All transforms are whole numbers: what their fractions divide by is left in the weights, so that sums come out as a
 * multiple of the true ones, an odd number times a power of two. The odd factor has an inverse modulo 2^32; the power is
 * shifted out, which is exact while the sum times that power fits an int32 (conv/integer_tiles.c sees to it). Data are int16:
 * those of F(4x4) grow to 100 times |x| < 256. */

/* Points of a line: as many as its outputs read. */
#define FC_INTEGER_POINTS(OUTPUTS, STRIDE) (((OUTPUTS)-1) * (STRIDE) + 3)

/* One line of data: from d[i*from] to the points v[i*to]. */
static inline __attribute__((always_inline)) void fc_integer_points(const int outputs, const int stride,
                                                                    const vwords *d, int from, vwords *v, int to) {
    if (outputs == 2) {
        v[0] = d[0] - d[2 * from];
        v[to] = d[from] + d[2 * from];
        v[2 * to] = d[2 * from] - d[from];
        v[3 * to] = d[from] - d[3 * from];
        return;
    }
    if (stride == 2) {
        const vwords *e = d, *o = d + from;
        from *= 2;
        const vwords p = e[3 * from] - e[from], q = e[3 * from] - e[2 * from], r = e[from] + e[from];
        const vwords s = e[2 * from] + e[2 * from];
        v[0] = e[0] + e[0] - s + p;
        v[to] = q - r;
        v[2 * to] = q + r - s;
        v[3 * to] = p;
        v[4 * to] = e[4 * from] - e[2 * from] - (p + p);
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) v[(5 + i) * to] = o[i * from];
        return;
    }
    const vwords a = d[4 * from] - (d[2 * from] << 2), b = d[3 * from] - (d[from] << 2);
    const vwords c = d[4 * from] - d[2 * from], e = d[3 * from] - d[from], f = e + e;
    v[0] = ((d[0] - d[2 * from]) << 2) + c;
    v[to] = a + b;
    v[2 * to] = a - b;
    v[3 * to] = c + f;
    v[4 * to] = c - f;
    v[5 * to] = (d[5 * from] - d[3 * from]) - (f + f);
}

/* One line of sums: from the points m[i*from] to y[i*to]; 2, 24 and 6 times the true ones. */
static inline __attribute__((always_inline)) void fc_integer_outputs(const int outputs, const int stride,
                                                                     const vbits *m, int from, vbits *y, int to) {
    const vbits s = m[from] + m[2 * from], t = m[from] - m[2 * from];
    if (outputs == 2) {
        y[0] = m[0] + s;
        y[to] = t - m[3 * from];
        return;
    }
    if (stride == 2) {
        const vbits u = m[3 * from], w = u + u;
        y[0] = m[0] + s + u + m[5 * from];
        y[to] = t + w + m[6 * from];
        y[2 * to] = s + (w + w) + m[7 * from];
        y[3 * to] = t + (w << 2) + m[4 * from] + m[8 * from];
        return;
    }
    const vbits u = m[3 * from] + m[4 * from], v = m[3 * from] - m[4 * from], w = v + v;
    y[0] = m[0] + s + u;
    y[to] = t + w;
    y[2 * to] = s + (u << 2);
    y[3 * to] = t + (w << 2) + (m[5 * from] + m[5 * from]);
}

static inline __attribute__((always_inline)) void fc_integer_data(const int outputs, const int stride, int16_t *v,
                                                                  int64_t point_step, int64_t v_ld, const int16_t *src,
                                                                  int64_t row_step, int64_t ld, int64_t channels,
                                                                  int64_t tiles) {
    enum { MOST = FC_INTEGER_MOST_POINTS };
    const int points = FC_INTEGER_POINTS(outputs, stride);
    for (int64_t t = 0; t < tiles; ++t, src += outputs * stride * ld, v += v_ld)
        for (int64_t c = 0; c < channels; c += 2 * VLANES) {
            vwords half[MOST * MOST];
            for (int j = 0; j < points; ++j) {
                vwords d[MOST];
#pragma GCC unroll 9
                for (int i = 0; i < points; ++i) d[i] = vwords_load(src + i * row_step + j * ld + c);
                fc_integer_points(outputs, stride, d, 1, half + j, MOST);
            }
            int16_t *to = v + c;
            for (int i = 0; i < points; ++i) {
                vwords line[MOST];
                fc_integer_points(outputs, stride, half + i * MOST, 1, line, 1);
#pragma GCC unroll 9
                for (int j = 0; j < points; ++j, to += point_step) vwords_store(to, line[j]);
            }
        }
}

/* The true sum is (y * inverse) >> shift, here of an unsigned number: 2^31 more, and taken off again with the bias. */
static inline __attribute__((always_inline)) void
fc_integer_tiles(const int outputs, const int stride, const uint32_t inverse, const int shift, int32_t *dst,
                 int64_t rows, int64_t columns, const int32_t *m, int64_t point_step, int64_t ld, const int32_t *bias) {
    enum { MOST = FC_INTEGER_MOST_POINTS };
    const int points = FC_INTEGER_POINTS(outputs, stride);
    const vbits half = vbits_all(0x80000000), factor = vbits_all(inverse);
    for (int64_t at = 0; at < columns; at += outputs, m += ld)
        for (int64_t l = 0; l < ld; l += VLANES) {
            vbits lines[MOST * MOST];
            for (int j = 0; j < points; ++j) {
                vbits d[MOST];
#pragma GCC unroll 9
                for (int i = 0; i < points; ++i) d[i] = vbits_load(m + (i * points + j) * point_step + l);
                fc_integer_outputs(outputs, stride, d, 1, lines + j, MOST);
            }
            const vbits last = vbits_load(bias + l) - (half >> shift);
            for (int i = 0; i < outputs; ++i) {
                if (i >= rows) break;
                vbits y[MOST];
                fc_integer_outputs(outputs, stride, lines + i * MOST, 1, y, 1);
#pragma GCC unroll 9
                for (int j = 0; j < outputs; ++j) {
                    if (j >= columns - at) break;
                    const vbits sum = ((inverse == 1 ? y[j] : y[j] * factor) + half) >> shift;
                    vbits_store(dst + (i * columns + at + j) * ld + l, sum + last);
                }
            }
        }
}

#define FC_INTEGER_WINOGRAD(NAME, OUTPUTS, STRIDE, INVERSE, SHIFT)                                                     \
    static void FC_NAME(fc_integer_data_##NAME)(int16_t * v, int64_t point_step, int64_t v_ld, const int16_t *src,     \
                                                int64_t row_step, int64_t ld, int64_t channels, int64_t tiles) {       \
        fc_integer_data(OUTPUTS, STRIDE, v, point_step, v_ld, src, row_step, ld, channels, tiles);                     \
    }                                                                                                                  \
    static void FC_NAME(fc_integer_tiles_##NAME)(int32_t * dst, int64_t rows, int64_t columns, const int32_t *m,       \
                                                 int64_t point_step, int64_t ld, const int32_t *bias) {                \
        fc_integer_tiles(OUTPUTS, STRIDE, INVERSE, SHIFT, dst, rows, columns, m, point_step, ld, bias);                \
    }
#define FC_INTEGER_NINTH 0x38e38e39 /* modulo 2^32 */
FC_INTEGER_WINOGRAD(2x2, 2, 1, 1, 2)
FC_INTEGER_WINOGRAD(4x4, 4, 1, FC_INTEGER_NINTH, 6)
FC_INTEGER_WINOGRAD(strided, 4, 2, FC_INTEGER_NINTH, 2)

#define FC_INTEGER_WINOGRAD_ROW(NAME)                                                                                  \
    { FC_NAME(fc_integer_data_##NAME), FC_NAME(fc_integer_tiles_##NAME) }
#define FC_INTEGER_WINOGRAD_TABLE                                                                                      \
    { FC_INTEGER_WINOGRAD_ROW(2x2), FC_INTEGER_WINOGRAD_ROW(4x4), FC_INTEGER_WINOGRAD_ROW(strided) }
