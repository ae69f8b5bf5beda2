/* outer.h: the register tile with filters in the vector lanes. pr neighbouring outputs by vr vectors of filters stay in
 * registers while the sum runs over channels and taps: per step vr vectors of packed weights and pr broadcast elements
 * of the source feed pr*vr multiply-adds. Neighbouring outputs may lie any distance apart in the source, so it may be a
 * tile of either kind or the caller's tensor itself, with any stride. Each lane adds in the order of k: tiling never
 * changes bits. Wins over corr.h where filters fill the lanes and rows of outputs do not. Tiles: 14x2 with 32
 * registers, 6x2 with 16 (the shapes of Georganas et al., arXiv 1808.05567, and of BLIS's and XNNPACK's products).
 *
 * outer_at takes the outputs of a tile from anywhere: tiles run on from row to row of a narrow map and stay full. Then each
 * output has an address register of its own (with 14 of them some are reloaded, which costs a load and no multiply-add).
 *
 * outer_row runs such tiles along a row and finishes them in registers, straight into channels-last outputs: where sums
 * are short (a first layer) a pass through a buffer costs as much as the sums. */

/* s[p*step] from few address registers: 0, 1, 2, 3, 4, 5 and 6 steps from s, where x86 scales step, 3*step and 5*step
 * itself, and the same from s7 = s + 7*step. */
static inline __attribute__((always_inline)) real fc_outer_step(const real *s, const real *s7, const int p,
                                                                int64_t step, int64_t step3, int64_t step5) {
    const real *from = p < 7 ? s : s7;
    switch (p % 7) {
    case 0:
        return from[0];
    case 1:
        return from[step];
    case 2:
        return from[2 * step];
    case 3:
        return from[step3];
    case 4:
        return from[4 * step];
    case 5:
        return from[step5];
    default:
        return from[2 * step3];
    }
}

/* The sums of a tile on top of acc. pr and vr are constants where this is inlined, so both loops unroll and acc lives in
 * registers. */
static inline __attribute__((always_inline)) void fc_outer_sums(const int pr, const int vr, int64_t depth,
                                                                const real *src, const int32_t *off, int64_t step,
                                                                const real *w,
                                                                vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR]) {
    const int64_t step3 = 3 * step, step5 = 5 * step;
    for (int64_t k = 0; k < depth; ++k, w += vr * VLANES) {
        const real *s = src + off[k], *s7 = s + 7 * step;
        vec v[FC_MAX_OUTER_VR];
#pragma GCC unroll 3
        for (int x = 0; x < vr; ++x) v[x] = vload(w + x * VLANES);
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) {
            const vec b = vbroadcast(fc_outer_step(s, s7, p, step, step3, step5));
#pragma GCC unroll 3
            for (int x = 0; x < vr; ++x) acc[p][x] = vfma(b, v[x], acc[p][x]);
        }
    }
}

static inline __attribute__((always_inline)) void fc_outer_begin(const int pr, const int vr,
                                                                 vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR],
                                                                 const real *c, int64_t ldc, int first) {
#pragma GCC unroll 14
    for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
        for (int x = 0; x < vr; ++x) acc[p][x] = first ? vzero() : vload(c + p * ldc + x * VLANES);
    }
}

static inline __attribute__((always_inline)) void
fc_outer_end(const int pr, const int vr, vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR], real *c, int64_t ldc, int first) {
#pragma GCC unroll 14
    for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
        for (int x = 0; x < vr; ++x) {
            real *to = c + p * ldc + x * VLANES;
            vstore(to, first < 0 ? vadd(vload(to), acc[p][x]) : acc[p][x]);
        }
    }
}

static inline __attribute__((always_inline)) void fc_outer_tile(const int pr, const int vr, int64_t depth,
                                                                const real *src, const int32_t *off, int64_t step,
                                                                const real *w, real *c, int64_t ldc, int first) {
    vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR];
    fc_outer_begin(pr, vr, acc, c, ldc, first);
    fc_outer_sums(pr, vr, depth, src, off, step, w, acc);
    fc_outer_end(pr, vr, acc, c, ldc, first);
}

static inline __attribute__((always_inline)) void fc_outer_at_tile(const int pr, const int vr, int64_t depth,
                                                                   const real *src, const int32_t *off,
                                                                   const int32_t *at, const real *w, real *c,
                                                                   int64_t ldc, int first) {
    vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR];
    const real *s[FC_MAX_OUTER_PR];
#pragma GCC unroll 14
    for (int p = 0; p < pr; ++p) s[p] = src + at[p];
    fc_outer_begin(pr, vr, acc, c, ldc, first);
    for (int64_t k = 0; k < depth; ++k, w += vr * VLANES) {
        const int64_t o = off[k];
        vec v[FC_MAX_OUTER_VR];
#pragma GCC unroll 3
        for (int x = 0; x < vr; ++x) v[x] = vload(w + x * VLANES);
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) {
            const vec b = vbroadcast(s[p][o]);
#pragma GCC unroll 3
            for (int x = 0; x < vr; ++x) acc[p][x] = vfma(b, v[x], acc[p][x]);
        }
    }
    fc_outer_end(pr, vr, acc, c, ldc, first);
}

#define FC_OUTER(PR, VR)                                                                                               \
    static void FC_NAME(fc_outer_##PR##x##VR)(int64_t depth, const void *src, const int32_t *off, int64_t step,        \
                                              const void *w, void *c, int64_t ldc, int first) {                        \
        fc_outer_tile(PR, VR, depth, src, off, step, w, c, ldc, first);                                                \
    }
#define FC_OUTER_ENTRY(PR, VR) FC_NAME(fc_outer_##PR##x##VR)
#define FC_OUTER_4(DO, VR, SEPARATE) DO(1, VR) SEPARATE() DO(2, VR) SEPARATE() DO(3, VR) SEPARATE() DO(4, VR)
#define FC_OUTER_6(DO, VR, SEPARATE) FC_OUTER_4(DO, VR, SEPARATE) SEPARATE() DO(5, VR) SEPARATE() DO(6, VR)
#define FC_OUTER_9(DO, VR, SEPARATE)                                                                                   \
    FC_OUTER_6(DO, VR, SEPARATE) SEPARATE() DO(7, VR) SEPARATE() DO(8, VR) SEPARATE() DO(9, VR)
#define FC_OUTER_14(DO, VR, SEPARATE)                                                                                  \
    FC_OUTER_9(DO, VR, SEPARATE)                                                                                       \
    SEPARATE() DO(10, VR) SEPARATE() DO(11, VR) SEPARATE() DO(12, VR) SEPARATE() DO(13, VR) SEPARATE() DO(14, VR)
#define FC_OUTER_COMMA() ,
#define FC_OUTER_NOTHING()

/* As many pixels as leave registers for the vr weights and one broadcast. */
FC_OUTER_14(FC_OUTER, 1, FC_OUTER_NOTHING)
#if VREGS == 32
FC_OUTER_14(FC_OUTER, 2, FC_OUTER_NOTHING)
FC_OUTER_9(FC_OUTER, 3, FC_OUTER_NOTHING)
#define FC_OUTER_TABLE                                                                                                 \
    {                                                                                                                  \
        {FC_OUTER_14(FC_OUTER_ENTRY, 1, FC_OUTER_COMMA)}, {FC_OUTER_14(FC_OUTER_ENTRY, 2, FC_OUTER_COMMA)}, {          \
            FC_OUTER_9(FC_OUTER_ENTRY, 3, FC_OUTER_COMMA)                                                              \
        }                                                                                                              \
    }
#else
FC_OUTER_6(FC_OUTER, 2, FC_OUTER_NOTHING)
FC_OUTER_4(FC_OUTER, 3, FC_OUTER_NOTHING)
#define FC_OUTER_TABLE                                                                                                 \
    {                                                                                                                  \
        {FC_OUTER_14(FC_OUTER_ENTRY, 1, FC_OUTER_COMMA)}, {FC_OUTER_6(FC_OUTER_ENTRY, 2, FC_OUTER_COMMA)}, {           \
            FC_OUTER_4(FC_OUTER_ENTRY, 3, FC_OUTER_COMMA)                                                              \
        }                                                                                                              \
    }
#endif

#define FC_OUTER_AT(PR, VR)                                                                                            \
    static void FC_NAME(fc_outer_at_##VR)(int64_t depth, const void *src, const int32_t *off, const int32_t *at,       \
                                          const void *w, void *c, int64_t ldc, int first) {                            \
        fc_outer_at_tile(PR, VR, depth, src, off, at, w, c, ldc, first);                                               \
    }
FC_OUTER_AT(14, 1)
#if VREGS == 32
FC_OUTER_AT(14, 2)
#else
FC_OUTER_AT(6, 2)
#endif

/* The first n filters of a tile of a row leave, after the bias and the activation, which are decided once for all. */
static inline __attribute__((always_inline)) void fc_outer_leave(const int pr, const int vr,
                                                                 vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR], real *dst,
                                                                 int64_t dst_step, int n, const fc_finish *finish) {
    if (finish->bias) {
#pragma GCC unroll 3
        for (int x = 0; x < vr; ++x) {
            const vec bias = fc_load_run((const real *)finish->bias + x * VLANES, 1, x < vr - 1 ? VLANES : n);
#pragma GCC unroll 14
            for (int p = 0; p < pr; ++p) acc[p][x] = vadd(acc[p][x], bias);
        }
    }
    if (finish->activation == FC_LEAKY_RELU) {
        const fc_finish leaky = {.activation = FC_LEAKY_RELU, .parameter = finish->parameter};
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
            for (int x = 0; x < vr; ++x) acc[p][x] = fc_activation_vec(acc[p][x], &leaky);
        }
    } else if (finish->activation != FC_IDENTITY) {
        const fc_bounds bounds = fc_bounds_of(finish);
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
            for (int x = 0; x < vr; ++x) acc[p][x] = fc_bounded(acc[p][x], bounds);
        }
    }
#pragma GCC unroll 14
    for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
        for (int x = 0; x < vr - 1; ++x) vstore(dst + p * dst_step + x * VLANES, acc[p][x]);
    }
    dst += (vr - 1) * VLANES;
    if (n == VLANES) {
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) vstore(dst + p * dst_step, acc[p][vr - 1]);
    } else {
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) vstore_part(dst + p * dst_step, acc[p][vr - 1], n);
    }
}

/* The last tile of a row overlaps the one before. */
static inline __attribute__((always_inline)) void
fc_outer_row(const int pr, const int vr, int64_t depth, const real *src, const int32_t *off, int64_t step,
             const real *w, real *dst, int64_t dst_step, int64_t filters, int64_t count, const fc_finish *finish) {
    const int n = (int)(filters - (vr - 1) * VLANES);
    for (int64_t i = 0; i < count; i += pr) {
        const int64_t q = i + pr <= count ? i : count - pr;
        vec acc[FC_MAX_OUTER_PR][FC_MAX_OUTER_VR];
#pragma GCC unroll 14
        for (int p = 0; p < pr; ++p) {
#pragma GCC unroll 3
            for (int x = 0; x < vr; ++x) acc[p][x] = vzero();
        }
        fc_outer_sums(pr, vr, depth, src + q * step, off, step, w, acc);
        fc_outer_leave(pr, vr, acc, dst + q * dst_step, dst_step, n, finish);
    }
}

#define FC_OUTER_ROW(PR, VR)                                                                                           \
    static void FC_NAME(fc_outer_row_##VR)(int64_t depth, const void *src, const int32_t *off, int64_t step,           \
                                           const void *w, void *dst, int64_t dst_step, int64_t filters, int64_t count, \
                                           const fc_finish *finish) {                                                  \
        fc_outer_row(PR, VR, depth, src, off, step, w, dst, dst_step, filters, count, finish);                         \
    }
FC_OUTER_ROW(14, 1)
#if VREGS == 32
FC_OUTER_ROW(14, 2)
#else
FC_OUTER_ROW(6, 2)
#endif
