/* lines.h: a kernel along one axis in float64, several vectors of neighbouring outputs at a time; taps are rows.
 *
 * SciPy's order of summation: what is symmetric stays so to the bit, the derivative of a constant is zero, and results
 * are SciPy's own wherever its compiler does not fuse. Wins over the stencil, which multiplies every tap, from about 9. */
#if FC_F64

enum { FC_LINE_XR = 4 };

/* Two rounded steps: the compiler would fuse a product into a sum. */
static inline __attribute__((always_inline)) vec fc_line_step(vec sum, vec weight, vec v) {
    return vadd(sum, vhold(vmul(v, weight)));
}

static inline __attribute__((always_inline)) void fc_line_tile(const fc_line_symmetry symmetry, const int xr,
                                                               const double *const *tap, int64_t taps, int64_t at,
                                                               const double *weight, double divisor, double *dst) {
    vec sum[FC_LINE_XR];
    const int64_t first = symmetry == FC_LINE_PLAIN ? taps - 1 : taps / 2;
#pragma GCC unroll 4
    for (int x = 0; x < xr; ++x) sum[x] = vhold(vmul(vload(tap[first] + at + x * VLANES), vbroadcast(weight[first])));
    for (int64_t t = 0; t < first; ++t) {
        const vec w = vbroadcast(weight[t]);
        const double *near = tap[t] + at, *far = tap[taps - 1 - t] + at;
#pragma GCC unroll 4
        for (int x = 0; x < xr; ++x) {
            vec v = vload(near + x * VLANES);
            if (symmetry == FC_LINE_EVEN) v = vadd(v, vload(far + x * VLANES));
            if (symmetry == FC_LINE_ODD) v = vsub(v, vload(far + x * VLANES));
            sum[x] = fc_line_step(sum[x], w, v);
        }
    }
    if (divisor != 1) {
#pragma GCC unroll 4
        for (int x = 0; x < xr; ++x) sum[x] = vdiv(sum[x], vbroadcast(divisor));
    }
#pragma GCC unroll 4
    for (int x = 0; x < xr; ++x) vstore(dst + x * VLANES, sum[x]);
}

/* The last vector starts early: its outputs are the same again. count >= VLANES. */
static inline __attribute__((always_inline)) void fc_line_row(const fc_line_symmetry symmetry, const double *const *tap,
                                                              int64_t taps, const double *weight, double divisor,
                                                              int64_t count, double *dst) {
    int64_t q = 0;
    for (; q + FC_LINE_XR * VLANES <= count; q += FC_LINE_XR * VLANES)
        fc_line_tile(symmetry, FC_LINE_XR, tap, taps, q, weight, divisor, dst + q);
    for (; q < count; q += VLANES) {
        const int64_t at = q + VLANES <= count ? q : count - VLANES;
        fc_line_tile(symmetry, 1, tap, taps, at, weight, divisor, dst + at);
    }
}

static void FC_NAME(fc_line_correlate)(const double *const *tap, int64_t taps, fc_line_symmetry symmetry,
                                       const double *weight, double divisor, int64_t count, double *dst) {
    if (symmetry == FC_LINE_EVEN) {
        fc_line_row(FC_LINE_EVEN, tap, taps, weight, divisor, count, dst);
    } else if (symmetry == FC_LINE_ODD) {
        fc_line_row(FC_LINE_ODD, tap, taps, weight, divisor, count, dst);
    } else {
        fc_line_row(FC_LINE_PLAIN, tap, taps, weight, divisor, count, dst);
    }
}

#if !defined(FC_ISA_scalar)
typedef float fc_narrow_vec __attribute__((vector_size(VLANES * sizeof(float))));
#endif

static void FC_NAME(fc_line_widen)(double *dst, const float *src, int64_t count) {
    int64_t i = 0;
#if !defined(FC_ISA_scalar)
    for (; i + VLANES <= count; i += VLANES) {
        fc_narrow_vec v;
        memcpy(&v, src + i, sizeof v);
        vstore(dst + i, __builtin_convertvector(v, vec));
    }
#endif
    for (; i < count; ++i) dst[i] = src[i];
}

static void FC_NAME(fc_line_narrow)(float *dst, const double *src, int64_t count) {
    int64_t i = 0;
#if !defined(FC_ISA_scalar)
    for (; i + VLANES <= count; i += VLANES) {
        const fc_narrow_vec v = __builtin_convertvector(vload(src + i), fc_narrow_vec);
        memcpy(dst + i, &v, sizeof v);
    }
#endif
    for (; i < count; ++i) dst[i] = (float)src[i];
}

#define FC_LINE_TABLE                                                                                                  \
    { FC_NAME(fc_line_correlate), FC_NAME(fc_line_widen), FC_NAME(fc_line_narrow) }
#else
#define FC_LINE_TABLE                                                                                                  \
    { NULL, NULL, NULL }
#endif
