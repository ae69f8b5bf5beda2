/* corr.h: the register tile of convolution. mr output channels by xr vectors of neighbouring outputs stay in
 * registers while the sum runs over channels and taps: per step xr unaligned loads of the padded tile and mr
 * broadcast weights feed mr*xr multiply-adds. The offsets say where each (channel, tap) starts in the tile, so
 * stride, dilation and the number of axes are the tile's business and this loop has no branch. Each lane adds in the
 * order of k: tiling never changes bits. Tiles: 8x3 with 32 registers, 4x3 with 16 (Georganas et al., arXiv
 * 1808.05567, blocks the same way over pixels). */

static inline vec fc_activation_vec(vec v, const fc_finish *finish) {
    switch (finish->activation) {
    case FC_RELU6:
        v = vmin(vbroadcast(6), v);
        /* fall through */
    case FC_RELU:
        return vmax(vzero(), v);
    case FC_LEAKY_RELU:
        return vselect(vgt(vzero(), v), vmul(v, vbroadcast((real)finish->parameter)), v);
    default:
        return v;
    }
}

static inline vec fc_finish_vec(vec v, const fc_finish *finish, int m) {
    if (finish->bias) v = vadd(v, vbroadcast(((const real *)finish->bias)[m]));
    return fc_activation_vec(v, finish);
}

/* The sums of a tile on top of acc. mr and xr are constants where this is inlined, so both loops unroll and acc lives in
 * registers. */
static inline __attribute__((always_inline)) void fc_corr_sums(const int mr, const int xr, int64_t depth,
                                                               const real *src, const int32_t *off, const real *w,
                                                               vec acc[FC_MAX_MR][FC_MAX_XR]) {
    for (int64_t k = 0; k < depth; ++k, w += mr) {
        const real *s = src + off[k];
        vec v[FC_MAX_XR];
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) v[x] = vload(s + x * VLANES);
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec b = vbroadcast(w[m]);
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vfma(b, v[x], acc[m][x]);
        }
    }
}

/* All sums of a tile but leaky ones end alike, between two bounds. */
typedef struct fc_bounds {
    vec low, high;
} fc_bounds;

static inline fc_bounds fc_bounds_of(const fc_finish *finish) {
    const real infinite = (real)__builtin_inf();
    return (fc_bounds){vzero(), vbroadcast(finish->activation == FC_RELU6 ? 6 : infinite)};
}
static inline vec fc_bounded(vec v, fc_bounds b) { return vmax(b.low, vmin(b.high, v)); }

/* Bias and activation are decided once for a tile: short sums end often. */
static inline __attribute__((always_inline)) void fc_corr_end(const int mr, const int xr, vec acc[FC_MAX_MR][FC_MAX_XR],
                                                              real *c, int64_t ldc, const fc_finish *finish) {
    if (finish && finish->bias) {
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
            const vec bias = vbroadcast(((const real *)finish->bias)[m]);
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = vadd(acc[m][x], bias);
        }
    }
    if (finish && finish->activation == FC_LEAKY_RELU) {
        const fc_finish leaky = {.activation = FC_LEAKY_RELU, .parameter = finish->parameter};
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = fc_activation_vec(acc[m][x], &leaky);
        }
    } else if (finish && finish->activation != FC_IDENTITY) {
        const fc_bounds bounds = fc_bounds_of(finish);
#pragma GCC unroll 8
        for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
            for (int x = 0; x < xr; ++x) acc[m][x] = fc_bounded(acc[m][x], bounds);
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) vstore(c + m * ldc + x * VLANES, acc[m][x]);
    }
}

static inline __attribute__((always_inline)) void fc_corr_tile(const int mr, const int xr, int64_t depth,
                                                               const real *src, const int32_t *off, const real *w,
                                                               real *c, int64_t ldc, int first,
                                                               const fc_finish *finish) {
    vec acc[FC_MAX_MR][FC_MAX_XR];
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 3
        for (int x = 0; x < xr; ++x) acc[m][x] = first ? vzero() : vload(c + m * ldc + x * VLANES);
    }
    fc_corr_sums(mr, xr, depth, src, off, w, acc);
    fc_corr_end(mr, xr, acc, c, ldc, finish);
}

#define FC_CORR(MR, XR)                                                                                                \
    static void FC_NAME(fc_corr_##MR##x##XR)(int64_t depth, const void *src, const int32_t *off, const void *w,        \
                                             void *c, int64_t ldc, int first, const fc_finish *finish) {               \
        fc_corr_tile(MR, XR, depth, src, off, w, c, ldc, first, finish);                                               \
    }
#define FC_CORR_ROW(MR) FC_CORR(MR, 1) FC_CORR(MR, 2) FC_CORR(MR, 3)
#define FC_CORR_ENTRIES(MR)                                                                                            \
    { FC_NAME(fc_corr_##MR##x1), FC_NAME(fc_corr_##MR##x2), FC_NAME(fc_corr_##MR##x3) }

FC_CORR_ROW(1)
FC_CORR_ROW(2)
FC_CORR_ROW(3)
FC_CORR_ROW(4)
#if VREGS == 32
FC_CORR_ROW(5)
FC_CORR_ROW(6)
FC_CORR_ROW(7)
FC_CORR_ROW(8)
#endif

/* Tiles of nearly equal width along a row; the last one overlaps the one before. */
#define FC_CORR_SWEEP(MR)                                                                                              \
    static void FC_NAME(fc_corr_sweep_##MR)(int64_t depth, const void *src_, const int32_t *off, const void *w,        \
                                            void *c_, int64_t ldc, int64_t count, const fc_finish *finish) {           \
        const real *src = src_;                                                                                        \
        real *c = c_;                                                                                                  \
        int64_t left = (count + VLANES - 1) / VLANES, tiles = (left + FC_MAX_XR - 1) / FC_MAX_XR;                      \
        if (tiles == 1 && count % VLANES != 0) tiles = left;                                                           \
        for (int64_t q = 0; tiles > 0; --tiles) {                                                                      \
            const int64_t x = (left + tiles - 1) / tiles;                                                              \
            if (q + x * VLANES > count) q = count - x * VLANES;                                                        \
            if (x == 3) {                                                                                              \
                fc_corr_tile(MR, 3, depth, src + q, off, w, c + q, ldc, 1, finish);                                    \
            } else if (x == 2) {                                                                                       \
                fc_corr_tile(MR, 2, depth, src + q, off, w, c + q, ldc, 1, finish);                                    \
            } else {                                                                                                   \
                fc_corr_tile(MR, 1, depth, src + q, off, w, c + q, ldc, 1, finish);                                    \
            }                                                                                                          \
            q += x * VLANES;                                                                                           \
            left -= x;                                                                                                 \
        }                                                                                                              \
    }

FC_CORR_SWEEP(1)
FC_CORR_SWEEP(2)
FC_CORR_SWEEP(3)
FC_CORR_SWEEP(4)
#if VREGS == 32
FC_CORR_SWEEP(5)
FC_CORR_SWEEP(6)
FC_CORR_SWEEP(7)
FC_CORR_SWEEP(8)
#define FC_CORR_SWEEP_TABLE                                                                                            \
    {                                                                                                                  \
        FC_NAME(fc_corr_sweep_1), FC_NAME(fc_corr_sweep_2), FC_NAME(fc_corr_sweep_3), FC_NAME(fc_corr_sweep_4),        \
            FC_NAME(fc_corr_sweep_5), FC_NAME(fc_corr_sweep_6), FC_NAME(fc_corr_sweep_7), FC_NAME(fc_corr_sweep_8)     \
    }
#else
#define FC_CORR_SWEEP_TABLE                                                                                            \
    { FC_NAME(fc_corr_sweep_1), FC_NAME(fc_corr_sweep_2), FC_NAME(fc_corr_sweep_3), FC_NAME(fc_corr_sweep_4) }
#endif

/* One output channel (depthwise): eight vectors of outputs give the FMA units enough independent sums. */
static void FC_NAME(fc_corr_row)(int64_t depth, const void *src_, const int32_t *off, const void *w_, void *c_,
                                 int64_t count, const fc_finish *finish) {
    const real *src = src_, *w = w_;
    real *c = c_;
    int64_t q = 0;
    for (; q + 7 * VLANES < count; q += 8 * VLANES) {
        vec acc[8];

#pragma GCC unroll 8
        for (int x = 0; x < 8; ++x) acc[x] = vzero();
        for (int64_t k = 0; k < depth; ++k) {
            const real *s = src + off[k] + q;
            const vec b = vbroadcast(w[k]);

#pragma GCC unroll 8
            for (int x = 0; x < 8; ++x) acc[x] = vfma(b, vload(s + x * VLANES), acc[x]);
        }

#pragma GCC unroll 8
        for (int x = 0; x < 8; ++x) vstore(c + q + x * VLANES, fc_finish_vec(acc[x], finish, 0));
    }
    for (; q < count; q += VLANES) {
        vec acc = vzero();
        for (int64_t k = 0; k < depth; ++k) acc = vfma(vbroadcast(w[k]), vload(src + off[k] + q), acc);
        vstore(c + q, fc_finish_vec(acc, finish, 0));
    }
}
