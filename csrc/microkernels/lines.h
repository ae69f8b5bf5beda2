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

/* Elements of one type as another, by way of a third: a fixed count, which compilers turn into vectors. The last ones
 * are made up to as many: what becomes of numbers that do not fit a type depends on the instruction. */
enum { FC_LINE_CHUNK = 32 };
#if defined(FC_ISA_scalar) || !defined(_OPENMP)
#define FC_LINE_VECTORS
#else
#define FC_LINE_VECTORS _Pragma("omp simd")
#endif

#define FC_LINE_CAST(name, from, middle, to)                                                                           \
    static void FC_NAME(name)(void *dst, const void *src, int64_t count) {                                             \
        const from *restrict source = src;                                                                             \
        to *restrict target = dst;                                                                                     \
        for (; count >= FC_LINE_CHUNK; count -= FC_LINE_CHUNK) {                                                       \
            FC_LINE_VECTORS for (int i = 0; i < FC_LINE_CHUNK; ++i) target[i] = (to)(middle)source[i];                 \
            source += FC_LINE_CHUNK, target += FC_LINE_CHUNK;                                                          \
        }                                                                                                              \
        if (count == 0) return;                                                                                        \
        from last[FC_LINE_CHUNK] = {0};                                                                                \
        to cast[FC_LINE_CHUNK];                                                                                        \
        memcpy(last, source, (size_t)count * sizeof(from));                                                            \
        FC_LINE_VECTORS for (int i = 0; i < FC_LINE_CHUNK; ++i) cast[i] = (to)(middle)last[i];                         \
        memcpy(target, cast, (size_t)count * sizeof(to));                                                              \
    }
#define FC_LINE_CASTS(name, type, middle)                                                                              \
    FC_LINE_CAST(fc_line_widen_##name, type, middle, double)                                                           \
    FC_LINE_CAST(fc_line_narrow_##name, double, middle, type)

FC_LINE_CASTS(f32, float, float)
FC_LINE_CASTS(f64, double, double)
FC_LINE_CASTS(i8, int8_t, int32_t)
FC_LINE_CASTS(u8, uint8_t, int32_t)
FC_LINE_CASTS(i16, int16_t, int32_t)
FC_LINE_CASTS(u16, uint16_t, int32_t)
FC_LINE_CASTS(i32, int32_t, int32_t)
FC_LINE_CASTS(u32, uint32_t, int64_t)
FC_LINE_CASTS(i64, int64_t, int64_t)
FC_LINE_CAST(fc_line_widen_u64, uint64_t, uint64_t, double)

#define FC_LINE_ROWS(way)                                                                                              \
    [FC_FLOAT32] = FC_NAME(way##_f32), [FC_FLOAT64] = FC_NAME(way##_f64), [FC_INT8] = FC_NAME(way##_i8),               \
    [FC_UINT8] = FC_NAME(way##_u8), [FC_INT16] = FC_NAME(way##_i16), [FC_UINT16] = FC_NAME(way##_u16),                 \
    [FC_INT32] = FC_NAME(way##_i32), [FC_UINT32] = FC_NAME(way##_u32), [FC_INT64] = FC_NAME(way##_i64)
#define FC_LINE_TABLE                                                                                                  \
    {                                                                                                                  \
        FC_NAME(fc_line_correlate), {FC_LINE_ROWS(fc_line_widen), [FC_UINT64] = FC_NAME(fc_line_widen_u64)}, {         \
            FC_LINE_ROWS(fc_line_narrow)                                                                               \
        }                                                                                                              \
    }
#else
#define FC_LINE_TABLE                                                                                                  \
    {                                                                                                                  \
        NULL, {NULL}, { NULL }                                                                                         \
    }
#endif
