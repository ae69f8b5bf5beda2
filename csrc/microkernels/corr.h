/* corr.h: the register tile of convolution. mr output channels by xr vectors of neighbouring outputs stay in registers
 * while the sum runs over channels and taps: per step xr unaligned loads of the padded tile and mr broadcast weights feed
 * mr*xr multiply-adds. The offsets say where each (channel, tap) starts in the tile, so stride, dilation and the number of
 * axes are the tile's business and this loop has no branch. Each lane adds in the order of k: tiling never changes bits.
 * Tiles: 8x3 with 32 registers, 4x3 with 16 (Georganas et al., arXiv 1808.05567, blocks the same way over pixels). */

static inline vec fc_finish_vec(vec v, const fc_finish *finish, int m) {
    if (finish->bias) v = vadd(v, vbroadcast(((const real *)finish->bias)[m]));
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

#define FC_CORR(MR, XR)                                                                                                \
    static void FC_NAME(fc_corr_##MR##x##XR)(int64_t depth, const void *src_, const int32_t *off, const void *w_,     \
                                             void *c_, int64_t ldc, int first, const fc_finish *finish) {             \
        const real *src = src_, *w = w_;                                                                               \
        real *c = c_;                                                                                                  \
        vec acc[MR][XR];                                                                                               \
        _Pragma("GCC unroll 8") for (int m = 0; m < MR; ++m) {                                                         \
            _Pragma("GCC unroll 3") for (int x = 0; x < XR; ++x) acc[m][x] =                                           \
                first ? vzero() : vload(c + m * ldc + x * VLANES);                                                     \
        }                                                                                                              \
        for (int64_t k = 0; k < depth; ++k, w += MR) {                                                                 \
            const real *s = src + off[k];                                                                              \
            vec v[XR];                                                                                                 \
            _Pragma("GCC unroll 3") for (int x = 0; x < XR; ++x) v[x] = vload(s + x * VLANES);                         \
            _Pragma("GCC unroll 8") for (int m = 0; m < MR; ++m) {                                                     \
                const vec b = vbroadcast(w[m]);                                                                        \
                _Pragma("GCC unroll 3") for (int x = 0; x < XR; ++x) acc[m][x] = vfma(b, v[x], acc[m][x]);             \
            }                                                                                                          \
        }                                                                                                              \
        if (finish) {                                                                                                  \
            _Pragma("GCC unroll 8") for (int m = 0; m < MR; ++m) {                                                     \
                _Pragma("GCC unroll 3") for (int x = 0; x < XR; ++x) vstore(c + m * ldc + x * VLANES,                  \
                                                                            fc_finish_vec(acc[m][x], finish, m));     \
            }                                                                                                          \
        } else {                                                                                                       \
            _Pragma("GCC unroll 8") for (int m = 0; m < MR; ++m) {                                                     \
                _Pragma("GCC unroll 3") for (int x = 0; x < XR; ++x) vstore(c + m * ldc + x * VLANES, acc[m][x]);      \
            }                                                                                                          \
        }                                                                                                              \
    }

#define FC_CORR_ROW(MR) FC_CORR(MR, 1) FC_CORR(MR, 2) FC_CORR(MR, 3)
#define FC_CORR_ENTRIES(MR) {FC_NAME(fc_corr_##MR##x1), FC_NAME(fc_corr_##MR##x2), FC_NAME(fc_corr_##MR##x3)}

FC_CORR_ROW(1)
FC_CORR_ROW(2)
FC_CORR_ROW(3)
FC_CORR_ROW(4)
#if FC_REGISTERS == 32
FC_CORR_ROW(5)
FC_CORR_ROW(6)
FC_CORR_ROW(7)
FC_CORR_ROW(8)
#endif

/* One output channel (depthwise): eight vectors of outputs give the FMA units enough independent sums. */
static void FC_NAME(fc_corr_row)(int64_t depth, const void *src_, const int32_t *off, const void *w_, void *c_, int64_t count,
                                 const fc_finish *finish) {
    const real *src = src_, *w = w_;
    real *c = c_;
    int64_t q = 0;
    for (; q + 7 * VLANES < count; q += 8 * VLANES) {
        vec acc[8];
        _Pragma("GCC unroll 8") for (int x = 0; x < 8; ++x) acc[x] = vzero();
        for (int64_t k = 0; k < depth; ++k) {
            const real *s = src + off[k] + q;
            const vec b = vbroadcast(w[k]);
            _Pragma("GCC unroll 8") for (int x = 0; x < 8; ++x) acc[x] = vfma(b, vload(s + x * VLANES), acc[x]);
        }
        _Pragma("GCC unroll 8") for (int x = 0; x < 8; ++x) vstore(c + q + x * VLANES, fc_finish_vec(acc[x], finish, 0));
    }
    for (; q < count; q += VLANES) {
        vec acc = vzero();
        for (int64_t k = 0; k < depth; ++k) acc = vfma(vbroadcast(w[k]), vload(src + off[k] + q), acc);
        vstore(c + q, fc_finish_vec(acc, finish, 0));
    }
}
