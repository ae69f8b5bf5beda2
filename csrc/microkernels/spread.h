/* spread.h: the register tile of backward_data from the gradient's side. mr channels of dx by xr vectors of neighbouring
 * positions stay in registers while the sum runs over the filters: per step xr loads of a dense panel of the gradient and
 * mr broadcast weights feed mr*xr multiply-adds, on top of the sums that lie in memory. One call takes one tap along a
 * panel. Where channels are few the tiles are wide: 12 sums with 16 registers, 24 with 32, whatever mr. */

#if VREGS == 32
enum { FC_SPREAD_SUMS = 24 };
#else
enum { FC_SPREAD_SUMS = 12 };
#endif

static inline __attribute__((always_inline)) void fc_spread_tile(const int mr, const int xr, int64_t depth,
                                                                 const real *src, int64_t ld, const real *w, real *c,
                                                                 int64_t ldc) {
    vec acc[FC_MAX_MR][FC_SPREAD_SUMS];
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 24
        for (int x = 0; x < xr; ++x) acc[m][x] = vload(c + m * ldc + x * VLANES);
    }
    for (int64_t k = 0; k < depth; ++k, w += mr, src += ld) {
        vec held[FC_SPREAD_SUMS]; /* the fewer operands, so that sums, operands and one more fit the registers */
        if (mr <= xr) {
#pragma GCC unroll 8
            for (int m = 0; m < mr; ++m) held[m] = vbroadcast(w[m]);
#pragma GCC unroll 24
            for (int x = 0; x < xr; ++x) {
                const vec v = vload(src + x * VLANES);
#pragma GCC unroll 8
                for (int m = 0; m < mr; ++m) acc[m][x] = vfma(held[m], v, acc[m][x]);
            }
        } else {
#pragma GCC unroll 24
            for (int x = 0; x < xr; ++x) held[x] = vload(src + x * VLANES);
#pragma GCC unroll 8
            for (int m = 0; m < mr; ++m) {
                const vec b = vbroadcast(w[m]);
#pragma GCC unroll 24
                for (int x = 0; x < xr; ++x) acc[m][x] = vfma(b, held[x], acc[m][x]);
            }
        }
    }
#pragma GCC unroll 8
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 24
        for (int x = 0; x < xr; ++x) vstore(c + m * ldc + x * VLANES, acc[m][x]);
    }
}

/* Whole tiles, then narrower ones. */
#define FC_SPREAD(MR)                                                                                                  \
    static void FC_NAME(fc_spread_##MR)(int64_t depth, const void *src_, int64_t ld, const void *w, void *c_,          \
                                        int64_t ldc, int64_t vectors) {                                                \
        enum { XR = FC_SPREAD_SUMS / MR };                                                                             \
        const real *src = src_;                                                                                        \
        real *c = c_;                                                                                                  \
        int64_t q = 0;                                                                                                 \
        for (; q + XR <= vectors; q += XR)                                                                             \
            fc_spread_tile(MR, XR, depth, src + q * VLANES, ld, w, c + q * VLANES, ldc);                               \
        for (; q + (XR + 1) / 2 <= vectors; q += (XR + 1) / 2)                                                         \
            fc_spread_tile(MR, (XR + 1) / 2, depth, src + q * VLANES, ld, w, c + q * VLANES, ldc);                     \
        for (; q < vectors; ++q) fc_spread_tile(MR, 1, depth, src + q * VLANES, ld, w, c + q * VLANES, ldc);           \
    }

FC_SPREAD(1)
FC_SPREAD(2)
FC_SPREAD(3)
FC_SPREAD(4)
#if VREGS == 32
FC_SPREAD(5)
FC_SPREAD(6)
FC_SPREAD(7)
FC_SPREAD(8)
#define FC_SPREAD_TABLE                                                                                                \
    {                                                                                                                  \
        FC_NAME(fc_spread_1), FC_NAME(fc_spread_2), FC_NAME(fc_spread_3), FC_NAME(fc_spread_4), FC_NAME(fc_spread_5),  \
            FC_NAME(fc_spread_6), FC_NAME(fc_spread_7), FC_NAME(fc_spread_8)                                           \
    }
#else
#define FC_SPREAD_TABLE                                                                                                \
    { FC_NAME(fc_spread_1), FC_NAME(fc_spread_2), FC_NAME(fc_spread_3), FC_NAME(fc_spread_4) }
#endif
