/* dot.h: the register tile of backward-weights and of products of row-major matrices. mr rows of a against tr rows of b
 * (each starting at its own offset), summed along the contiguous axis; mr*tr partial sums stay in vector lanes and meet
 * once, at the end. Tiles: 4x6 with 32 registers, 3x4 with 16. */

#define FC_DOT(MR, TR)                                                                                                 \
    static void FC_NAME(fc_dot_##MR##x##TR)(int64_t count, const void *a_, int64_t lda, const void *b_,               \
                                            const int32_t *off, void *out_, int64_t ldo, int first) {                 \
        const real *a = a_, *b = b_;                                                                                   \
        real *out = out_;                                                                                              \
        const real *row[TR];                                                                                           \
        _Pragma("GCC unroll 6") for (int t = 0; t < TR; ++t) row[t] = b + off[t];                                      \
        vec acc[MR][TR];                                                                                               \
        _Pragma("GCC unroll 4") for (int m = 0; m < MR; ++m) {                                                         \
            _Pragma("GCC unroll 6") for (int t = 0; t < TR; ++t) acc[m][t] = vzero();                                  \
        }                                                                                                              \
        int64_t q = 0;                                                                                                 \
        for (; q + VLANES <= count; q += VLANES) {                                                                     \
            vec va[MR];                                                                                                \
            _Pragma("GCC unroll 4") for (int m = 0; m < MR; ++m) va[m] = vload(a + m * lda + q);                       \
            _Pragma("GCC unroll 6") for (int t = 0; t < TR; ++t) {                                                     \
                const vec vb = vload(row[t] + q);                                                                      \
                _Pragma("GCC unroll 4") for (int m = 0; m < MR; ++m) acc[m][t] = vfma(va[m], vb, acc[m][t]);           \
            }                                                                                                          \
        }                                                                                                              \
        if (q < count) {                                                                                               \
            const int rest = (int)(count - q);                                                                         \
            _Pragma("GCC unroll 6") for (int t = 0; t < TR; ++t) {                                                     \
                const vec vb = vload_part(row[t] + q, rest);                                                           \
                _Pragma("GCC unroll 4") for (int m = 0; m < MR; ++m) acc[m][t] =                                       \
                    vfma(vload_part(a + m * lda + q, rest), vb, acc[m][t]);                                            \
            }                                                                                                          \
        }                                                                                                              \
        _Pragma("GCC unroll 4") for (int m = 0; m < MR; ++m) {                                                         \
            _Pragma("GCC unroll 6") for (int t = 0; t < TR; ++t) {                                                     \
                const real sum = vsum(acc[m][t]);                                                                      \
                out[m * ldo + t] = first ? sum : out[m * ldo + t] + sum;                                               \
            }                                                                                                          \
        }                                                                                                              \
    }

#define FC_DOT_ROW4(MR) FC_DOT(MR, 1) FC_DOT(MR, 2) FC_DOT(MR, 3) FC_DOT(MR, 4)
#define FC_DOT_ROW6(MR) FC_DOT_ROW4(MR) FC_DOT(MR, 5) FC_DOT(MR, 6)
#define FC_DOT_ENTRIES4(MR)                                                                                            \
    FC_NAME(fc_dot_##MR##x1), FC_NAME(fc_dot_##MR##x2), FC_NAME(fc_dot_##MR##x3), FC_NAME(fc_dot_##MR##x4)
#define FC_DOT_ENTRIES6(MR) FC_DOT_ENTRIES4(MR), FC_NAME(fc_dot_##MR##x5), FC_NAME(fc_dot_##MR##x6)

#if FC_REGISTERS == 32
FC_DOT_ROW6(1)
FC_DOT_ROW6(2)
FC_DOT_ROW6(3)
FC_DOT_ROW6(4)
#else
FC_DOT_ROW4(1)
FC_DOT_ROW4(2)
FC_DOT_ROW4(3)
#endif
