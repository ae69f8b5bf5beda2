/* pool_gradients.h: gradients that need the values, element by element: Lp pools, and maxima whose ties share. */

FC_INLINE real pool_norm_slope(real x, real y, real p, int signed_powers) {
    if (y == 0) return 0;
    if (signed_powers) return x == 0 && p < 1 ? 0 : FC_POW(x / y, p - 1);
    if (x == 0) return 0;
    const real sign = x > 0 ? 1 : x < 0 ? -1 : x;
    if (p == 1) return sign;
    const real t = FC_FABS(x) / y;
    return sign * (p == 2 ? t : FC_POW(t, p - 1));
}

static void FC_NAME(fc_pool_norm_row)(const fc_pool_rule *rule, const fc_pool_spans *spans, const void *x_,
                                      int64_t x_step, void *dx_, int64_t dx_step, const void *dy_, const void *y_,
                                      const double *divisors, double outer) {
    const real *x = x_, *dy = dy_, *y = y_;
    real *dx = dx_;
    const real p = (real)rule->p;
    const int signed_powers = rule->reduction == FC_REDUCE_SUM_POWERS;
    for (int64_t q = 0; q < spans->n; ++q) {
        const real scaled = dy[q] / (real)(divisors ? outer * divisors[q] : outer);
        for (int64_t t = 0; t < spans->count[q]; ++t) {
            const int64_t i = spans->first[q] + t * spans->step;
            dx[i * dx_step] += scaled * pool_norm_slope(x[i * x_step], y[q], p, signed_powers);
        }
    }
}

static void FC_NAME(fc_pool_match_row)(fc_pool_match match, int absolute, const fc_pool_spans *spans, const void *x_,
                                       int64_t x_step, void *dx_, int64_t dx_step, const void *dy_, const void *y_,
                                       int64_t *counts) {
    const real *x = x_, *dy = dy_, *y = y_;
    real *dx = dx_;
    for (int64_t q = 0; q < spans->n; ++q) {
        for (int64_t t = 0; t < spans->count[q]; ++t) {
            const int64_t i = spans->first[q] + t * spans->step;
            const real value = x[i * x_step], size = absolute ? FC_FABS(value) : value;
            if (size != y[q] && !(size != size && y[q] != y[q])) continue;
            if (match == FC_MATCH_COUNT) {
                counts[q] += 1;
                continue;
            }
            if (match == FC_MATCH_FIRST && counts[q]++) continue;
            real share = match == FC_MATCH_SPLIT ? dy[q] / (real)counts[q] : dy[q];
            if (absolute) share *= (real)((value > 0) - (value < 0));
            dx[i * dx_step] += share;
        }
    }
}
