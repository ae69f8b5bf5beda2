/* pool_math.h: what a pool does to one vector of elements: map it, combine it with what is there, finish it. */
#include "microkernels/pool_kernels.h"
#include "simd/lanes.h"

#define FC_INLINE static inline __attribute__((always_inline))

#if FC_F64
#define FC_POW pow
#define FC_FABS fabs
#define FC_SQRT sqrt
#else
#define FC_POW powf
#define FC_FABS fabsf
#define FC_SQRT sqrtf
#endif

/* CALL(reduction) with the reduction as a compile-time constant. */
#define FC_POOL_CASE(REDUCTION, CALL)                                                                                  \
    case REDUCTION:                                                                                                    \
        CALL(REDUCTION);                                                                                               \
        break;
#define FC_POOL_SELECT(REDUCTION, CALL)                                                                                \
    switch (REDUCTION) {                                                                                               \
        FC_POOL_CASE(FC_REDUCE_MAX, CALL)                                                                              \
        FC_POOL_CASE(FC_REDUCE_MAX_ABS, CALL)                                                                          \
        FC_POOL_CASE(FC_REDUCE_SUM, CALL)                                                                              \
        FC_POOL_CASE(FC_REDUCE_SUM_ABS, CALL)                                                                          \
        FC_POOL_CASE(FC_REDUCE_SUM_SQUARES, CALL)                                                                      \
        FC_POOL_CASE(FC_REDUCE_SUM_ABS_POWERS, CALL)                                                                   \
        FC_POOL_CASE(FC_REDUCE_SUM_POWERS, CALL)                                                                       \
    }

FC_INLINE int pool_is_max(fc_pool_reduction reduction) {
    return reduction == FC_REDUCE_MAX || reduction == FC_REDUCE_MAX_ABS;
}

FC_INLINE real pool_identity(fc_pool_reduction reduction) { return reduction == FC_REDUCE_MAX ? -(real)INFINITY : 0; }

/* The larger operand, a if they are equal, a NaN if there is one. */
FC_INLINE vec pool_max(vec a, vec b) { return vselect(vnan(b), b, vmax(b, a)); }

/* Lanes where b, which comes later, takes the place of a as the first maximum. */
FC_INLINE vmask pool_beats(vec b, vec a) { return vor(vgt(b, a), vandnot(vnan(b), vnan(a))); }

FC_INLINE real pool_max_one(real a, real b) { return b > a || b != b ? b : a; }
FC_INLINE int pool_beats_one(real b, real a) { return b > a || (b != b && a == a); }

/* The first n lanes, n <= VLANES. */
FC_INLINE vec pool_load(const real *p, int n) { return n == VLANES ? vload(p) : vload_part(p, n); }
FC_INLINE void pool_store(real *p, vec v, int n) {
    if (n == VLANES) {
        vstore(p, v);
    } else {
        vstore_part(p, v, n);
    }
}

static vec pool_power(vec v, real p) {
    real lanes[VLANES];
    vstore(lanes, v);
    for (int i = 0; i < VLANES; ++i) lanes[i] = FC_POW(lanes[i], p);
    return vload(lanes);
}

FC_INLINE vec pool_map(fc_pool_reduction reduction, vec v, real p) {
    switch (reduction) {
    case FC_REDUCE_MAX_ABS:
    case FC_REDUCE_SUM_ABS:
        return vabs(v);
    case FC_REDUCE_SUM_SQUARES:
        return vmul(v, v);
    case FC_REDUCE_SUM_ABS_POWERS:
        return pool_power(vabs(v), p);
    case FC_REDUCE_SUM_POWERS:
        return pool_power(v, p);
    default:
        return v;
    }
}

FC_INLINE vec pool_combine(fc_pool_reduction reduction, vec sum, vec v, real p) {
    if (reduction == FC_REDUCE_SUM_SQUARES) return vfma(v, v, sum);
    v = pool_map(reduction, v, p);
    return pool_is_max(reduction) ? pool_max(sum, v) : vadd(sum, v);
}

FC_INLINE real pool_combine_mapped_one(fc_pool_reduction reduction, real sum, real v) {
    return pool_is_max(reduction) ? pool_max_one(sum, v) : sum + v;
}

FC_INLINE real pool_combine_one(fc_pool_reduction reduction, real sum, real v, real p) {
    switch (reduction) {
    case FC_REDUCE_MAX_ABS:
    case FC_REDUCE_SUM_ABS:
        v = FC_FABS(v);
        break;
    case FC_REDUCE_SUM_SQUARES:
        v *= v;
        break;
    case FC_REDUCE_SUM_ABS_POWERS:
        v = FC_POW(FC_FABS(v), p);
        break;
    case FC_REDUCE_SUM_POWERS:
        v = FC_POW(v, p);
        break;
    default:
        break;
    }
    return pool_combine_mapped_one(reduction, sum, v);
}

FC_INLINE vec pool_root(fc_pool_root root, vec v, real p) {
    return root == FC_ROOT_SQUARE ? vsqrt(v) : root == FC_ROOT_POWER ? pool_power(v, 1 / p) : v;
}

static void FC_NAME(fc_pool_finish)(const fc_pool_rule *rule, const double *divisors, double outer, int64_t count,
                                    void *y_) {
    real *y = y_;
    const real p = (real)rule->p;
    if (divisors) {
        for (int64_t q = 0; q < count; ++q) y[q] /= (real)(outer * divisors[q]);
    } else if (outer != 1) {
        for (int64_t q = 0; q < count; ++q) y[q] /= (real)outer;
    }
    if (rule->root == FC_ROOT_SQUARE) {
        for (int64_t q = 0; q < count; ++q) y[q] = FC_SQRT(y[q]);
    } else if (rule->root == FC_ROOT_POWER) {
        for (int64_t q = 0; q < count; ++q) y[q] = FC_POW(y[q], 1 / p);
    }
}
