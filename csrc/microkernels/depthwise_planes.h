/* depthwise_planes.h: depthwise convolution of one plane with contiguous rows, columns in the vector lanes.
 *
 * A tile is four rows of outputs, one vector of columns wide (3x3) or two. The source rows pass by one after the other:
 * a vector is loaded once for every column of the kernel and multiplied by a weight for each row of outputs that it
 * reaches, so a 3x3 kernel takes 18 loads for 36 multiply-adds and its nine weights stay in registers. Tiles sweep along
 * the rows, which memory likes. Rows outside the image are a row of zeros; columns outside are lanes cut off the loads of
 * the first and last tile of a row, which have a function of their own. A last tile that would pass the end, of rows or
 * of columns, starts early: its outputs are the same again. Stride 2 splits each pair of loads into even and odd columns,
 * in an order of lanes that is put right once, before the outputs are stored. Zhang et al., arXiv 2206.12124, keep the
 * padding implicit in the same way. */

enum { PLANE_ROWS = 4 };

/* Vectors of a tile, and whether the weights fit the registers beside it. */
#define PLANE_VECTORS(K) ((K) == 3 ? 1 : 2)
#define PLANE_HELD(K) ((K) == 3)

/* Rows that `rows` rows of outputs read. */
#define PLANE_LINES(K, STRIDE, ROWS) (((ROWS)-1) * (STRIDE) + (K))

/* Loads of one row for a vector of outputs: a shifted one for every tap, or a pair for every two taps of stride 2. */
#define PLANE_LOADS(K, STRIDE) ((STRIDE) == 1 ? (K) : 2 * (((K) + 1) / 2))

FC_INLINE int64_t plane_column(const int stride, const fc_plane *p, int64_t q, int load) {
    const int64_t shift = stride == 1 ? load * p->dilation : load / 2 * 2 + load % 2 * VLANES;
    return p->left + stride * q + shift;
}

/* A row of tiles: the rows of the source that it reads, its weights and outputs, and how these are finished. */
typedef struct plane_strip {
    const fc_plane *p;
    const real *lines[PLANE_LINES(7, 2, PLANE_ROWS)]; /* from the column that output 0 reads first; may lie outside */
    const real *w;
    real *dst;
    const real *residual; /* of the outputs at dst, or NULL */
    const fc_finish *finish;
    vec bias;
    int more;  /* a residual or an activation follows the bias */
    int64_t n; /* columns of a vector of outputs */
} plane_strip;

FC_INLINE plane_strip plane_strip_of(const fc_plane *p, const real *w, const fc_finish *finish) {
    return (plane_strip){.p = p,
                         .w = w,
                         .finish = finish,
                         .bias = finish->bias ? vbroadcast(*(const real *)finish->bias) : vzero(),
                         .more = finish->residual || finish->activation != FC_IDENTITY,
                         .n = p->columns < VLANES ? p->columns : VLANES};
}

/* The strip whose first outputs are those of row r, and whose source rows are first, first + step, ... */
FC_INLINE void plane_enter(plane_strip *s, real *dst, int64_t r, int64_t first, int64_t step, const int lines) {
    const fc_plane *p = s->p;
    s->dst = dst + r * p->out_pitch;
    s->residual = s->finish->residual ? (const real *)s->finish->residual + r * p->residual_pitch : NULL;
    if (first >= 0 && first + (lines - 1) * step < p->height) {
        const real *line = (const real *)p->src + first * p->pitch + p->left;
#pragma GCC unroll 13
        for (int i = 0; i < lines; ++i, line += step * p->pitch) s->lines[i] = line;
    } else {
        for (int i = 0; i < lines; ++i) {
            const int64_t y = first + i * step;
            const real *line = y >= 0 && y < p->height ? (const real *)p->src + y * p->pitch : p->zeros;
            s->lines[i] = line + p->left;
        }
    }
}

/* v + residual, then the activation, for the n outputs at `at` of s->dst. */
FC_INLINE vec plane_more(const plane_strip *s, vec v, int64_t at, int64_t n) {
    if (s->residual) v = vadd(v, n == VLANES ? vload(s->residual + at) : vload_part(s->residual + at, (int)n));
    return fc_activation_vec(v, s->finish);
}

FC_INLINE void plane_store(real *dst, vec v, int64_t n) {
    if (n == VLANES) {
        vstore(dst, v);
    } else {
        vstore_part(dst, v, (int)n);
    }
}

/* The columns of `stride` taps from tap l*stride on. */
FC_INLINE void plane_load(const int stride, const int xr, const int edge, const fc_plane *p, const real *from,
                          const vspan *window, int64_t l, vec v[2][2]) {
#pragma GCC unroll 2
    for (int x = 0; x < xr; ++x) {
        const real *at = from + stride * x * VLANES + (stride == 1 ? l * p->dilation : 2 * l);
        const vec a = edge ? vload_cut(at, window[l * stride]) : vload(at);
        if (stride == 1) {
            v[0][x] = vhold(a);
        } else {
            const vec b = edge ? vload_cut(at + VLANES, window[l * 2 + 1]) : vload(at + VLANES);
            v[0][x] = vsplit_even(a, b);
            v[1][x] = vsplit_odd(a, b);
        }
    }
}

/* Adds row y of the source, the products of a row summed by themselves first, so that no chain of additions is long. */
FC_INLINE void plane_row_held(const int k, const int stride, const int rows, const int edge, const int y,
                              const plane_strip *s, const vspan *window, const vec *weight, int64_t q,
                              vec sum[PLANE_ROWS][2]) {
    vec share[PLANE_ROWS];
    const real *from = s->lines[y] + stride * q;
#pragma GCC unroll 3
    for (int l = 0; l < (k + stride - 1) / stride; ++l) {
        vec v[2][2];
        plane_load(stride, 1, edge, s->p, from, window, l, v);
#pragma GCC unroll 2
        for (int j = 0; j < stride; ++j) {
#pragma GCC unroll 4
            for (int m = 0; m < rows; ++m) {
                const int i = y - m * stride, tap = i * k + l * stride + j;
                if (l * stride + j >= k || i < 0 || i >= k) continue;
                const vec w = edge ? vbroadcast(s->w[tap]) : weight[tap];
                share[m] = l + j == 0 ? vmul(w, v[j][0]) : vfma(w, v[j][0], share[m]);
            }
        }
    }
#pragma GCC unroll 4
    for (int m = 0; m < rows; ++m) {
        const int i = y - m * stride;
        if (i >= 0 && i < k) sum[m][0] = i == 0 ? share[m] : vadd(sum[m][0], share[m]);
    }
}

/* The taps l*stride .. l*stride + taps of row y; l is no constant, or else compilers would keep all weights on the stack. */
FC_INLINE void plane_taps(const int k, const int stride, const int taps, const int rows, const int xr, const int edge,
                          const int y, const plane_strip *s, const vspan *window, const real *from, int64_t l,
                          vec sum[PLANE_ROWS][2]) {
    vec v[2][2];
    plane_load(stride, xr, edge, s->p, from, window, l, v);
#pragma GCC unroll 2
    for (int j = 0; j < taps; ++j) {
#pragma GCC unroll 4
        for (int m = 0; m < rows; ++m) {
            const int i = y - m * stride;
            if (i < 0 || i >= k) continue;
            const vec tap = vbroadcast(s->w[i * k + l * stride + j]);
#pragma GCC unroll 2
            for (int x = 0; x < xr; ++x) sum[m][x] = vfma(tap, v[j][x], sum[m][x]);
        }
    }
}

FC_INLINE void plane_row_loaded(const int k, const int stride, const int rows, const int xr, const int edge,
                                const int y, const plane_strip *s, const vspan *window, int64_t q,
                                vec sum[PLANE_ROWS][2]) {
    const real *from = s->lines[y] + stride * q;
    int64_t whole = k / stride;
    __asm__("" : "+r"(whole));
    for (int64_t l = 0; l < whole; ++l) plane_taps(k, stride, stride, rows, xr, edge, y, s, window, from, l, sum);
    if (stride == 2) plane_taps(k, stride, 1, rows, xr, edge, y, s, window, from, whole, sum);
}

/* `rows` rows of outputs at the columns q .. q + xr*VLANES. At an edge, window: the lanes of each load inside the image;
 * the weights stay in memory there. Elsewhere weight: those that are held. */
FC_INLINE void plane_tile(const int k, const int stride, const int rows, const int xr, const int edge,
                          const plane_strip *s, const vspan *window, const vec *weight, int64_t q) {
    const fc_plane *p = s->p;
    const int64_t n = edge ? s->n : VLANES;
    vec sum[PLANE_ROWS][2];
#pragma GCC unroll 4
    for (int m = 0; m < rows; ++m) sum[m][0] = sum[m][1] = vzero();
#pragma GCC unroll 16
    for (int y = 0; y < PLANE_LINES(k, stride, rows); ++y) {
        if (PLANE_HELD(k)) {
            plane_row_held(k, stride, rows, edge, y, s, window, weight, q, sum);
        } else {
            plane_row_loaded(k, stride, rows, xr, edge, y, s, window, q, sum);
        }
    }
#pragma GCC unroll 4
    for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 2
        for (int x = 0; x < xr; ++x) sum[m][x] = vadd(stride == 1 ? sum[m][x] : vjoin(sum[m][x]), s->bias);
    }
    if (s->more) {
#pragma GCC unroll 4
        for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 2
            for (int x = 0; x < xr; ++x)
                sum[m][x] = plane_more(s, sum[m][x], m * p->residual_pitch + q + x * VLANES, n);
        }
    }
#pragma GCC unroll 4
    for (int m = 0; m < rows; ++m) {
#pragma GCC unroll 2
        for (int x = 0; x < xr; ++x) plane_store(s->dst + m * p->out_pitch + q + x * VLANES, sum[m][x], n);
    }
}

FC_INLINE void plane_hold(const int k, const real *w, vec *weight) {
    if (!PLANE_HELD(k)) return;
#pragma GCC unroll 9
    for (int i = 0; i < 9; ++i) weight[i] = vhold(vbroadcast(w[i]));
}

/* The lanes inside the image of the loads of two tiles at the edge, kept from row to row: that at column 0, and the last
 * other one that was asked for. */
typedef struct plane_windows {
    int64_t at[2];
    vspan lanes[2][8];
} plane_windows;

FC_INLINE const vspan *plane_window(const int k, const int stride, const fc_plane *p, int64_t q, plane_windows *kept) {
    const int slot = q > 0;
    if (kept->at[slot] != q) {
        kept->at[slot] = q;
        for (int l = 0; l < PLANE_LOADS(k, stride); ++l) {
            const int64_t column = plane_column(stride, p, q, l);
            kept->lanes[slot][l] = vspan_of(-column, p->width - column);
        }
    }
    return kept->lanes[slot];
}

typedef void plane_edge_fn(const plane_strip *s, const vspan *window, int64_t q);

/* Planes of fewer rows than a tile has take `one` row after the other, everywhere. */
FC_INLINE void plane_body(const int k, const int stride, const fc_plane *p, plane_edge_fn *edge, plane_edge_fn *one,
                          const real *w, real *dst, const fc_finish *finish) {
    const int xr = PLANE_VECTORS(k);
    plane_strip s = plane_strip_of(p, w, finish);
    plane_windows kept = {.at = {-1, -1}};
    vec weight[9];
    plane_hold(k, w, weight);
    /* tiles at low <= q <= high are inside the image */
    const int64_t before = -p->left, step = stride * VLANES, final = p->columns - s.n;
    const int64_t low = before > 0 ? (before + step - 1) / step * VLANES : 0;
    const int64_t room = p->width - plane_column(stride, p, 0, PLANE_LOADS(k, stride) - 1) - VLANES;
    const int64_t most = p->columns - VLANES, high = room < 0 ? -1 : room / stride < most ? room / stride : most;
    const int few = p->rows < PLANE_ROWS, rows = few ? 1 : PLANE_ROWS;
    for (int64_t row = 0; row < p->rows; row += rows) {
        const int64_t r = row + rows <= p->rows ? row : p->rows - rows, first = p->top + r * stride * p->row_dilation;
        int64_t q = 0;
        if (few) {
            plane_enter(&s, dst, r, first, p->row_dilation, PLANE_LINES(k, stride, 1));
        } else {
            plane_enter(&s, dst, r, first, p->row_dilation, PLANE_LINES(k, stride, PLANE_ROWS));
            for (; q < low && q < p->columns; q += VLANES) {
                const int64_t at = q < final ? q : final;
                edge(&s, plane_window(k, stride, p, at, &kept), at);
            }
            for (; q + (xr - 1) * VLANES <= high; q += xr * VLANES)
                plane_tile(k, stride, PLANE_ROWS, xr, 0, &s, NULL, weight, q);
        }
        for (; q < p->columns; q += VLANES) {
            const int64_t at = q < final ? q : final;
            (few ? one : edge)(&s, plane_window(k, stride, p, at, &kept), at);
        }
    }
}

#define FC_PLANE_EDGE(K, STRIDE, ROWS)                                                                                 \
    static __attribute__((noinline)) void FC_NAME(fc_plane_edge_##K##_##STRIDE##_##ROWS)(                              \
        const plane_strip *s, const vspan *window, int64_t q) {                                                        \
        plane_tile(K, STRIDE, ROWS, 1, 1, s, window, NULL, q);                                                         \
    }
#define FC_PLANE(K, STRIDE)                                                                                            \
    FC_PLANE_EDGE(K, STRIDE, 1)                                                                                        \
    FC_PLANE_EDGE(K, STRIDE, 4)                                                                                        \
    static void FC_NAME(fc_plane_##K##_##STRIDE)(const fc_plane *p, const void *w, void *dst,                          \
                                                 const fc_finish *finish) {                                            \
        plane_body(K, STRIDE, p, FC_NAME(fc_plane_edge_##K##_##STRIDE##_4), FC_NAME(fc_plane_edge_##K##_##STRIDE##_1), \
                   w, dst, finish);                                                                                    \
    }
FC_PLANE(3, 1)
FC_PLANE(3, 2)
FC_PLANE(5, 1)
FC_PLANE(5, 2)
FC_PLANE(7, 1)
FC_PLANE(7, 2)

#define FC_PLANE_ROW(STEM, K)                                                                                          \
    { FC_NAME(STEM##_##K##_1), FC_NAME(STEM##_##K##_2) }
#define FC_PLANE_TABLE                                                                                                 \
    { FC_PLANE_ROW(fc_plane, 3), FC_PLANE_ROW(fc_plane, 5), FC_PLANE_ROW(fc_plane, 7) }
