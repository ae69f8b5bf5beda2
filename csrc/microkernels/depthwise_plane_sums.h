/* depthwise_plane_sums.h: the gradient of the weights of one plane: sums of all taps stay in registers while a strip of
 * one vector of columns walks down the plane. */

/* The lanes of a load that are inside the image and serve one of n outputs. */
FC_INLINE vspan sums_window(const int stride, const fc_plane *p, int64_t q, int load, int64_t n) {
    const int64_t column = plane_column(stride, p, q, load);
    const int64_t served = stride == 1 ? n : 2 * n - load % 2 * VLANES;
    return vspan_of(-column, served < p->width - column ? served : p->width - column);
}

/* Whether the strip at q has every lane in use and reads inside the rows. */
FC_INLINE int sums_inside(const int k, const int stride, const fc_plane *p, int64_t q) {
    const int64_t last = plane_column(stride, p, q, PLANE_LOADS(k, stride) - 1) + VLANES;
    return q + VLANES <= p->columns && plane_column(stride, p, q, 0) >= 0 && last <= p->width;
}

/* v[j] = the columns that tap j reads for the outputs at q. */
FC_INLINE void sums_taps(const int k, const int stride, const int edge, const fc_plane *p, const real *row, int64_t q,
                         const vspan *window, vec *v) {
    const int loads = PLANE_LOADS(k, stride);
    vec loaded[8];
#pragma GCC unroll 8
    for (int l = 0; l < loads; ++l) {
        const real *from = row + plane_column(stride, p, q, l);
        loaded[l] = edge ? vload_cut(from, window[l]) : vload(from);
    }
#pragma GCC unroll 7
    for (int j = 0; j < k; ++j)
        v[j] = stride == 1 ? loaded[j] : j % 2 == 0 ? veven(loaded[j], loaded[j + 1]) : vodd(loaded[j - 1], loaded[j]);
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
        for (int l = 0; l < PLANE_LOADS(k, stride); ++l) window[l] = sums_window(stride, p, q, l, n);
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
            d[0] = edge ? vload_cut(dy, own) : vload(dy);
            b = vadd(b, d[0]);
        }
#pragma GCC unroll 2
        for (int a = 0; a < stride; ++a, y += p->row_dilation) {
            if (a >= g) continue;
            vec v[7];
            if (y >= 0 && y < p->height) {
                sums_taps(k, stride, edge, p, (const real *)p->src + y * p->pitch, q, window, v);
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
            if (sums_inside(k, stride, p, q)) {
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

#define FC_PLANE_SUMS(K, STRIDE)                                                                                       \
    static void FC_NAME(fc_plane_sums_##K##_##STRIDE)(const fc_plane *p, const void *dy, void *sums) {                 \
        plane_sums_body(K, STRIDE, p, dy, sums);                                                                       \
    }
FC_PLANE_SUMS(3, 1)
FC_PLANE_SUMS(3, 2)
FC_PLANE_SUMS(5, 1)
FC_PLANE_SUMS(5, 2)
FC_PLANE_SUMS(7, 1)
FC_PLANE_SUMS(7, 2)

#define FC_PLANE_SUMS_TABLE                                                                                            \
    { FC_PLANE_ROW(fc_plane_sums, 3), FC_PLANE_ROW(fc_plane_sums, 5), FC_PLANE_ROW(fc_plane_sums, 7) }
