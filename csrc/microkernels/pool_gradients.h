/* pool_gradients.h: gradients that need the values, element by element: Lp pools, and maxima whose ties share. */

/* sign(v) * g; 0 and NaN carry over. */
FC_INLINE vec pool_signed(vec v, vec g) {
    const vec zero = vzero();
    return vselect(vgt(v, zero), g, vselect(vgt(zero, v), vsub(zero, g), vmul(v, g)));
}

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

static int FC_NAME(fc_pool_norm_values)(const fc_pool_rule *rule, const void *dy_, const void *y_, int64_t count,
                                        void *values_) {
    const real *dy = dy_, *y = y_;
    real *values = values_;
    const real low = (real)1e-30, high = (real)1e30;
    const int squares = rule->reduction == FC_REDUCE_SUM_SQUARES;
    int unsafe = 0;
    for (int64_t q = 0; q < count; ++q) {
        unsafe |= !(y[q] == 0 || (y[q] > low && y[q] < high));
        values[q] = y[q] == 0 ? 0 : squares ? dy[q] / y[q] : dy[q];
    }
    return !unsafe;
}

static void FC_NAME(fc_pool_norm_rows)(const fc_pool_rule *rule, const void *values_, const void *const *rows,
                                       int64_t x_step, void *const *dx_rows, int64_t dx_step, int64_t row_count,
                                       int64_t length) {
    const real *values = values_;
    const int squares = rule->reduction == FC_REDUCE_SUM_SQUARES;
    for (int64_t r = 0; r < row_count; ++r) {
        const real *x = rows[r];
        real *dx = dx_rows[r];
        if (x_step == 1 && dx_step == 1) {
            for (int64_t i = 0; i < length; i += VLANES) {
                const int n = length - i < VLANES ? (int)(length - i) : VLANES;
                const vec v = pool_load(x + i, n), g = pool_load(values + i, n), sum = pool_load(dx + i, n);
                pool_store(dx + i, squares ? vfma(v, g, sum) : vadd(sum, pool_signed(v, g)), n);
            }
            continue;
        }
        for (int64_t i = 0; i < length; ++i) {
            const real v = x[i * x_step];
            dx[i * dx_step] += squares ? v * values[i] : v > 0 ? values[i] : v < 0 ? -values[i] : v * values[i];
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
