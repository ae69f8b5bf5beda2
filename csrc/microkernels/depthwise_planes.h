/* depthwise_planes.h: depthwise convolution of one plane with contiguous rows, columns in the vector lanes.
 *
 * A strip of one or two vectors of columns walks down the plane. Each input row is loaded once, shifted by every column
 * of the kernel, and adds its share to each of the outputs whose windows it crosses, whose sums stay in registers: 3x3
 * takes 3 loads for 9 multiply-adds, and nothing is copied or stored before it is done. The columns outside the image
 * are lanes cut off the loads of the first and last strip, the rows outside are zero vectors. The share of a row is
 * summed by itself first, so that the chain of dependent additions is one per row. Stride 2 splits each load into even
 * and odd columns. Zhang et al., arXiv 2206.12124, keep the padding implicit in the same way. */

#if VREGS == 32
enum { PLANE_WIDE = 7 }; /* largest kernel whose strips are two vectors wide */
#else
enum { PLANE_WIDE = 3 };
#endif

/* Rows that are fetched ahead: a strip is too narrow for the hardware to see that it walks down. */
enum { PLANE_AHEAD = 6 };

/* Loads of one row for a vector of outputs: a shifted one for every tap, or a pair for every two taps of stride 2. */
#define PLANE_LOADS(K, STRIDE) ((STRIDE) == 1 ? (K) : 2 * (((K) + 1) / 2))

FC_INLINE int64_t plane_column(const int stride, const fc_plane *p, int64_t q, int load) {
    const int64_t shift = stride == 1 ? load * p->dilation : load / 2 * 2 + load % 2 * VLANES;
    return p->left + stride * q + shift;
}

/* The lanes of a load that are inside the image and serve one of n outputs. */
FC_INLINE vspan plane_window(const int stride, const fc_plane *p, int64_t q, int load, int64_t n) {
    const int64_t column = plane_column(stride, p, q, load);
    const int64_t served = stride == 1 ? n : 2 * n - load % 2 * VLANES;
    return vspan_of(-column, served < p->width - column ? served : p->width - column);
}

/* Whether the strip of xr vectors at q has every lane in use and reads inside the rows. */
FC_INLINE int plane_inside(const int k, const int stride, const int xr, const fc_plane *p, int64_t q) {
    const int64_t first = plane_column(stride, p, q, 0);
    const int64_t last = plane_column(stride, p, q + (xr - 1) * VLANES, PLANE_LOADS(k, stride) - 1) + VLANES;
    return q + xr * VLANES <= p->columns && first >= 0 && last <= p->width;
}

/* v[j] = the columns that tap j reads for the outputs at q. */
FC_INLINE void plane_taps(const int k, const int stride, const int edge, const fc_plane *p, const real *row, int64_t q,
                          const vspan *window, vec *v) {
    const int loads = PLANE_LOADS(k, stride);
    vec loaded[8];
#pragma GCC unroll 8
    for (int l = 0; l < loads; ++l) {
        const real *from = row + plane_column(stride, p, q, l);
        loaded[l] = edge ? vload_span(from, window[l], vzero()) : vload(from);
    }
#pragma GCC unroll 7
    for (int j = 0; j < k; ++j)
        v[j] = stride == 1 ? loaded[j] : j % 2 == 0 ? veven(loaded[j], loaded[j + 1]) : vodd(loaded[j - 1], loaded[j]);
}

/* dst[0..n) = finish(v); residual: where dst's counterpart stands, or NULL */
FC_INLINE void plane_store(const int edge, real *dst, vec v, vec bias, const real *residual, int64_t n,
                           const fc_finish *finish) {
    if (finish->bias) v = vadd(v, bias);
    if (!edge || n >= VLANES) {
        vstore(dst, fc_activation_vec(residual ? vadd(v, vload(residual)) : v, finish));
    } else if (n > 0) {
        if (residual) v = vadd(v, vload_part(residual, (int)n));
        vstore_part(dst, fc_activation_vec(v, finish), (int)n);
    }
}

/* The residual of the output at row r and column q, or NULL. */
FC_INLINE const real *plane_residual(const fc_plane *p, int64_t r, int64_t q, const fc_finish *finish) {
    return finish->residual ? (const real *)finish->residual + r * p->residual_pitch + q : NULL;
}

/* The outputs q .. q + xr*VLANES of every row. sum[t] belongs to the output t rows above the newest one. */
FC_INLINE void plane_strip(const int k, const int stride, const int xr, const int edge, const fc_plane *p, int64_t q,
                           const real *restrict w, real *restrict dst, const fc_finish *finish) {
    const int behind = (k - 1) / stride;
    const vec bias = finish->bias ? vbroadcast(*(const real *)finish->bias) : vzero();
    const int held = k == 3 && VREGS == 32; /* the weights fit the registers */
    vec weight[9];
    if (held) {
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i) weight[i] = vbroadcast(w[i]);
    }
    vspan window[2][8];
    if (edge) {
        for (int x = 0; x < xr; ++x)
            for (int l = 0; l < PLANE_LOADS(k, stride); ++l)
                window[x][l] = plane_window(stride, p, q + x * VLANES, l, p->columns - q - x * VLANES);
    }
    vec sum[7][2];
#pragma GCC unroll 7
    for (int t = 0; t <= behind; ++t) sum[t][0] = sum[t][1] = vzero();
    int64_t y = p->top;
    dst += q - behind * p->out_pitch;
    for (int64_t r = 0; r < p->rows + behind; ++r, dst += p->out_pitch) {
#pragma GCC unroll 7
        for (int t = behind; t > 0; --t) {
            sum[t][0] = sum[t - 1][0];
            sum[t][1] = sum[t - 1][1];
        }
#pragma GCC unroll 2
        for (int a = 0; a < stride; ++a, y += p->row_dilation) {
            vec v[2][7];
            if (y >= 0 && y < p->height) {
                const real *row = (const real *)p->src + y * p->pitch;
#pragma GCC unroll 4
                for (int x = 0; x < xr * stride; ++x)
                    vprefetch(row + PLANE_AHEAD * p->pitch + p->left + stride * q + x * VLANES + VLANES / 2);
#pragma GCC unroll 2
                for (int x = 0; x < xr; ++x) plane_taps(k, stride, edge, p, row, q + x * VLANES, window[x], v[x]);
            } else {
#pragma GCC unroll 14
                for (int i = 0; i < xr * k; ++i) v[i / k][i % k] = vzero();
            }
#pragma GCC unroll 7
            for (int t = 0; a + stride * t < k; ++t) {
                const int i = (a + stride * t) * k;
                vec share[2];
#pragma GCC unroll 7
                for (int j = 0; j < k; ++j) {
                    const vec tap = held ? weight[i + j] : vbroadcast(w[i + j]);
#pragma GCC unroll 2
                    for (int x = 0; x < xr; ++x) share[x] = j == 0 ? vmul(tap, v[x][j]) : vfma(tap, v[x][j], share[x]);
                }
#pragma GCC unroll 2
                for (int x = 0; x < xr; ++x) sum[t][x] = a == 0 && t == 0 ? share[x] : vadd(sum[t][x], share[x]);
            }
        }
        if (r < behind) continue;
#pragma GCC unroll 2
        for (int x = 0; x < xr; ++x)
            plane_store(edge, dst + x * VLANES, sum[behind][x], bias,
                        plane_residual(p, r - behind, q + x * VLANES, finish), p->columns - q - x * VLANES, finish);
    }
}

FC_INLINE void plane_body(const int k, const int stride, const fc_plane *p, const real *w, real *dst,
                          const fc_finish *finish) {
    int64_t q = 0;
    for (; k <= PLANE_WIDE && q + VLANES < p->columns; q += 2 * VLANES) {
        if (plane_inside(k, stride, 2, p, q)) {
            plane_strip(k, stride, 2, 0, p, q, w, dst, finish);
        } else {
            plane_strip(k, stride, 2, 1, p, q, w, dst, finish);
        }
    }
    for (; q < p->columns; q += VLANES) {
        if (plane_inside(k, stride, 1, p, q)) {
            plane_strip(k, stride, 1, 0, p, q, w, dst, finish);
        } else {
            plane_strip(k, stride, 1, 1, p, q, w, dst, finish);
        }
    }
}

/* The places 2a + i of a row of the gradient that both parities of the outputs q, q + 2, ... read: with an even `left`
 * the even taps give the first output of a pair and the odd ones the second, all from columns q/2 + left/2 - j; with an
 * odd one the odd taps give the first, and the even ones read one column further right. */
FC_INLINE void spread_strip(const int k, const int odd, const int edge, const fc_plane *p, int64_t pair,
                            const real *restrict w, real *restrict dst, const fc_finish *finish) {
    const int reach = (k - 1) / 2;
    const vec bias = finish->bias ? vbroadcast(*(const real *)finish->bias) : vzero();
    const int held = k == 3 && VREGS == 32;
    vec weight[9];
    if (held) {
#pragma GCC unroll 9
        for (int i = 0; i < 9; ++i) weight[i] = vbroadcast(w[i]);
    }
    const int64_t newest = pair + (p->left - odd) / 2 + odd;
    const int64_t n = p->columns - 2 * pair;
    vspan window[4];
    if (edge) {
        for (int j = 0; j <= reach; ++j) window[j] = vspan_of(j - newest, p->width - newest + j);
    }
    dst += 2 * pair - (p->top & 1) * p->out_pitch;
    const int64_t end = p->top + p->rows;
    for (int64_t y = p->top >> 1; 2 * y < end; ++y, dst += 2 * p->out_pitch) {
        vec sum[2][2] = {{vzero(), vzero()}, {vzero(), vzero()}};
#pragma GCC unroll 4
        for (int u = 0; u <= reach; ++u) {
            vec v[4];
            if (y - u >= 0 && y - u < p->height) {
                const real *row = (const real *)p->src + (y - u) * p->pitch + newest;
#pragma GCC unroll 4
                for (int j = 0; j <= reach; ++j) v[j] = edge ? vload_span(row - j, window[j], vzero()) : vload(row - j);
            } else {
#pragma GCC unroll 4
                for (int j = 0; j <= reach; ++j) v[j] = vzero();
            }
#pragma GCC unroll 2
            for (int a = 0; a < 2; ++a) {
                if (2 * u + a >= k) continue;
                const int i = (2 * u + a) * k;
                vec even, other;
#pragma GCC unroll 7
                for (int j = 0; j < k; ++j) {
                    const vec tap = held ? weight[i + j] : vbroadcast(w[i + j]);
                    if (j % 2 == 0) even = j == 0 ? vmul(tap, v[0]) : vfma(tap, v[j / 2], even);
                    if (j % 2 == 1) other = j == 1 ? vmul(tap, v[odd]) : vfma(tap, v[j / 2 + odd], other);
                }
                sum[a][odd] = u == 0 ? even : vadd(sum[a][odd], even);
                sum[a][1 - odd] = u == 0 ? other : vadd(sum[a][1 - odd], other);
            }
        }
#pragma GCC unroll 2
        for (int a = 0; a < 2; ++a) {
            if (2 * y + a < p->top || 2 * y + a >= end) continue;
            real *at = dst + a * p->out_pitch;
            const real *residual = plane_residual(p, 2 * y + a - p->top, 2 * pair, finish);
            plane_store(edge, at, vziplow(sum[a][0], sum[a][1]), bias, residual, n, finish);
            plane_store(edge, at + VLANES, vziphigh(sum[a][0], sum[a][1]), bias, residual ? residual + VLANES : NULL,
                        n - VLANES, finish);
        }
    }
}

FC_INLINE void spread_body(const int k, const int odd, const fc_plane *p, const real *w, real *dst,
                           const fc_finish *finish) {
    for (int64_t pair = 0; 2 * pair < p->columns; pair += VLANES) {
        const int64_t newest = pair + (p->left + 1) / 2;
        if (2 * (pair + VLANES) <= p->columns && newest >= (k - 1) / 2 && newest + VLANES <= p->width) {
            spread_strip(k, odd, 0, p, pair, w, dst, finish);
        } else {
            spread_strip(k, odd, 1, p, pair, w, dst, finish);
        }
    }
}

/* Rows of the kernel whose sums fit the registers together. */
#if VREGS == 32
#define PLANE_SUMS_ROWS(K) 3
#else
#define PLANE_SUMS_ROWS(K) ((K) == 3 ? 3 : (K) == 5 ? 2 : 1)
#endif

/* Adds the outputs q .. q + VLANES to sum[g*k] for the kernel's rows first .. first + g, and dy to *bias. The rows of dy
 * in use stay in registers while the rows of the image pass. A row meets only the dy of windows that hold it, so that a
 * NaN elsewhere meets no zero. */
FC_INLINE void plane_sums_strip(const int k, const int stride, const int g, const int edge, const fc_plane *p,
                                int64_t q, int first, const real *dy, vec *total, vec *bias) {
    const int behind = (g - 1) / stride;
    const int64_t n = p->columns - q;
    vspan window[8], own;
    if (edge) {
        own = vspan_of(0, n);
        for (int l = 0; l < PLANE_LOADS(k, stride); ++l) window[l] = plane_window(stride, p, q, l, n);
    }
    vec sum[21], d[7], b = *bias;
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) sum[i] = total[i];
#pragma GCC unroll 7
    for (int t = 0; t <= behind; ++t) d[t] = vzero();
    int64_t y = p->top + first * p->row_dilation;
    dy += q;
    for (int64_t r = 0; r < p->rows + behind; ++r, dy += p->out_pitch) {
#pragma GCC unroll 7
        for (int t = behind; t > 0; --t) d[t] = d[t - 1];
        if (r < p->rows) {
            d[0] = edge ? vload_span(dy, own, vzero()) : vload(dy);
            b = vadd(b, d[0]);
        }
#pragma GCC unroll 2
        for (int a = 0; a < stride; ++a, y += p->row_dilation) {
            if (a >= g) continue;
            vec v[7];
            if (y >= 0 && y < p->height) {
                plane_taps(k, stride, edge, p, (const real *)p->src + y * p->pitch, q, window, v);
            } else {
#pragma GCC unroll 7
                for (int j = 0; j < k; ++j) v[j] = vzero();
            }
#pragma GCC unroll 7
            for (int t = 0; a + stride * t < g; ++t) {
                if (r < t || r - t >= p->rows) continue;
#pragma GCC unroll 7
                for (int j = 0; j < k; ++j)
                    sum[(a + stride * t) * k + j] = vfma(d[t], v[j], sum[(a + stride * t) * k + j]);
            }
        }
    }
#pragma GCC unroll 21
    for (int i = 0; i < g * k; ++i) total[i] = sum[i];
    *bias = b;
}

/* The kernel's rows in overlapping groups of g; a row that two groups share has the same sum in both. */
FC_INLINE void plane_sums_body(const int k, const int stride, const fc_plane *p, const real *dy, real *sums) {
    const int g = PLANE_SUMS_ROWS(k);
    real products[7 * 7];
    vec bias;
    for (int at = 0; at < k; at += g) {
        const int first = at + g <= k ? at : k - g;
        vec total[21];
        bias = vzero();
        for (int i = 0; i < g * k; ++i) total[i] = vzero();
        for (int64_t q = 0; q < p->columns; q += VLANES) {
            if (plane_inside(k, stride, 1, p, q)) {
                plane_sums_strip(k, stride, g, 0, p, q, first, dy, total, &bias);
            } else {
                plane_sums_strip(k, stride, g, 1, p, q, first, dy, total, &bias);
            }
        }
        for (int i = 0; i < g * k; ++i) products[first * k + i] = vsum(total[i]);
    }
    for (int i = 0; i < k * k; ++i) sums[i] += products[i];
    sums[k * k] += vsum(bias);
}

#define FC_PLANE(K, STRIDE)                                                                                            \
    static void FC_NAME(fc_plane_##K##_##STRIDE)(const fc_plane *p, const void *w, void *dst,                          \
                                                 const fc_finish *finish) {                                            \
        plane_body(K, STRIDE, p, w, dst, finish);                                                                      \
    }                                                                                                                  \
    static void FC_NAME(fc_plane_sums_##K##_##STRIDE)(const fc_plane *p, const void *dy, void *sums) {                 \
        plane_sums_body(K, STRIDE, p, dy, sums);                                                                       \
    }
#define FC_PLANE_SPREAD(K)                                                                                             \
    static void FC_NAME(fc_plane_spread_##K)(const fc_plane *p, const void *w, void *dst, const fc_finish *finish) {   \
        if (p->left & 1) {                                                                                             \
            spread_body(K, 1, p, w, dst, finish);                                                                      \
        } else {                                                                                                       \
            spread_body(K, 0, p, w, dst, finish);                                                                      \
        }                                                                                                              \
    }
FC_PLANE(3, 1)
FC_PLANE(3, 2)
FC_PLANE(5, 1)
FC_PLANE(5, 2)
FC_PLANE(7, 1)
FC_PLANE(7, 2)
FC_PLANE_SPREAD(3)
FC_PLANE_SPREAD(5)
FC_PLANE_SPREAD(7)

#define FC_PLANE_ROW(STEM, K)                                                                                          \
    { FC_NAME(STEM##_##K##_1), FC_NAME(STEM##_##K##_2) }
#define FC_PLANE_TABLE                                                                                                 \
    { FC_PLANE_ROW(fc_plane, 3), FC_PLANE_ROW(fc_plane, 5), FC_PLANE_ROW(fc_plane, 7) }
#define FC_PLANE_SUMS_TABLE                                                                                            \
    { FC_PLANE_ROW(fc_plane_sums, 3), FC_PLANE_ROW(fc_plane_sums, 5), FC_PLANE_ROW(fc_plane_sums, 7) }
#define FC_PLANE_SPREAD_TABLE                                                                                          \
    { FC_NAME(fc_plane_spread_3), FC_NAME(fc_plane_spread_5), FC_NAME(fc_plane_spread_7) }
