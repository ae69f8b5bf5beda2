/* dot.h: the register tile of backward-weights and of products of row-major matrices. mr rows of a against tr rows
 * of b (each starting at its own offset), summed along the contiguous axis and over runs that lie apart (rows, or
 * small images); mr*tr partial sums stay in vector lanes and meet once, at the end. Tiles: 4x6 with 32 registers,
 * 3x4 with 16. */

/* mr and tr are constants where this is inlined, so the loops over them unroll and acc lives in registers. */
static inline __attribute__((always_inline)) void fc_dot_tile(const int mr, const int tr, const fc_runs *runs,
                                                              const real *a, int64_t lda, const real *b,
                                                              const int32_t *off, real *out, int64_t ldo, int first) {
    vec acc[FC_MAX_DOT_MR][FC_MAX_DOT_TR];
#pragma GCC unroll 4
    for (int m = 0; m < mr; ++m) {
#pragma GCC unroll 6
        for (int t = 0; t < tr; ++t) acc[m][t] = vzero();
    }
    const int64_t count = runs->count;
    for (int64_t r = 0; r < runs->runs; ++r, a += runs->a_step, b += runs->b_step) {
        int64_t q = 0;
        for (; q + VLANES <= count; q += VLANES) {
            vec va[FC_MAX_DOT_MR];
#pragma GCC unroll 4
            for (int m = 0; m < mr; ++m) va[m] = vload(a + m * lda + q);
#pragma GCC unroll 6
            for (int t = 0; t < tr; ++t) {
                const vec vb = vload(b + off[t] + q);
#pragma GCC unroll 4
                for (int m = 0; m < mr; ++m) acc[m][t] = vfma(va[m], vb, acc[m][t]);
            }
        }
        if (q < count) {
            const int rest = (int)(count - q);
            vec va[FC_MAX_DOT_MR];
#pragma GCC unroll 4
            for (int m = 0; m < mr; ++m) va[m] = vload_part(a + m * lda + q, rest);
#pragma GCC unroll 6
            for (int t = 0; t < tr; ++t) {
                const vec vb = vload_part(b + off[t] + q, rest);
#pragma GCC unroll 4
                for (int m = 0; m < mr; ++m) acc[m][t] = vfma(va[m], vb, acc[m][t]);
            }
        }
    }
    real sums[FC_MAX_DOT_MR * FC_MAX_DOT_TR];
#pragma GCC unroll 6
    for (int i = 0; i < mr * tr; i += 4) {
        vec four[4];
#pragma GCC unroll 4
        for (int l = 0; l < 4; ++l) four[l] = i + l < mr * tr ? acc[(i + l) / tr][(i + l) % tr] : vzero();
        vsum4(four, sums + i);
    }
    for (int m = 0; m < mr; ++m)
        for (int t = 0; t < tr; ++t) out[m * ldo + t] = first ? sums[m * tr + t] : out[m * ldo + t] + sums[m * tr + t];
}

#define FC_DOT(MR, TR)                                                                                                 \
    static void FC_NAME(fc_dot_##MR##x##TR)(const fc_runs *runs, const void *a, int64_t lda, const void *b,            \
                                            const int32_t *off, void *out, int64_t ldo, int first) {                   \
        fc_dot_tile(MR, TR, runs, a, lda, b, off, out, ldo, first);                                                    \
    }

#define FC_DOT_ROW4(MR) FC_DOT(MR, 1) FC_DOT(MR, 2) FC_DOT(MR, 3) FC_DOT(MR, 4)
#define FC_DOT_ROW6(MR) FC_DOT_ROW4(MR) FC_DOT(MR, 5) FC_DOT(MR, 6)
#define FC_DOT_ENTRIES4(MR)                                                                                            \
    FC_NAME(fc_dot_##MR##x1), FC_NAME(fc_dot_##MR##x2), FC_NAME(fc_dot_##MR##x3), FC_NAME(fc_dot_##MR##x4)
#define FC_DOT_ENTRIES6(MR) FC_DOT_ENTRIES4(MR), FC_NAME(fc_dot_##MR##x5), FC_NAME(fc_dot_##MR##x6)

#if VREGS == 32
FC_DOT_ROW6(1)
FC_DOT_ROW6(2)
FC_DOT_ROW6(3)
FC_DOT_ROW6(4)
#else
FC_DOT_ROW4(1)
FC_DOT_ROW4(2)
FC_DOT_ROW4(3)
#endif
