/* pool_rows.h: rows of a plane combined column by column, and windows along the width of the result. */

FC_INLINE vec pool_column(const fc_pool_reduction reduction, const void *const *rows, int64_t row_count, int64_t i,
                          const int n, real p) {
    vec sum = pool_map(reduction, pool_load((const real *)rows[0] + i, n), p);
    for (int64_t r = 1; r < row_count; ++r)
        sum = pool_combine(reduction, sum, pool_load((const real *)rows[r] + i, n), p);
    return sum;
}

FC_INLINE void pool_columns_body(const fc_pool_reduction reduction, const void *const *rows, int64_t row_count,
                                 int64_t step, int64_t before, int64_t length, int64_t after, real *buffer, real p) {
    for (int64_t i = 0; i < before; ++i) buffer[i] = pool_identity(reduction);
    buffer += before;
    for (int64_t i = 0; i < after; ++i) buffer[length + i] = pool_identity(reduction);
    if (step == 1) {
        int64_t i = 0;
        for (; i + VLANES <= length; i += VLANES)
            vstore(buffer + i, pool_column(reduction, rows, row_count, i, VLANES, p));
        if (i < length) {
            const int n = (int)(length - i);
            vstore_part(buffer + i, pool_column(reduction, rows, row_count, i, n, p), n);
        }
        return;
    }
    for (int64_t i = 0; i < length; ++i) {
        real sum = pool_combine_one(reduction, pool_identity(reduction), ((const real *)rows[0])[i * step], p);
        for (int64_t r = 1; r < row_count; ++r)
            sum = pool_combine_one(reduction, sum, ((const real *)rows[r])[i * step], p);
        buffer[i] = sum;
    }
}

static void FC_NAME(fc_pool_columns)(const fc_pool_rule *rule, const void *const *rows, int64_t row_count, int64_t step,
                                     int64_t before, int64_t length, int64_t after, void *buffer){
#define CALL(REDUCTION)                                                                                                \
    pool_columns_body(REDUCTION, rows, row_count, step, before, length, after, buffer, (real)rule->p)
    FC_POOL_SELECT(rule->reduction, CALL)
#undef CALL
}

/* Elements 0, stride, 2*stride ...: stride 1 and 2 as constants are loads and shuffles of whole vectors, others read n. */
FC_INLINE vec pool_load_strided(const real *p, int64_t stride, int64_t n) {
    if (stride == 1) return vload(p);
    if (stride == 2) return veven(vload(p), vload(p + VLANES));
    real lanes[VLANES] = {0};
    for (int i = 0; i < VLANES && i < n; ++i) lanes[i] = p[i * stride];
    return vload(lanes);
}

/* CALL(stride) with the strides 1 and 2 as compile-time constants. */
#define FC_POOL_STRIDE(STRIDE, CALL)                                                                                   \
    if ((STRIDE) == 1) {                                                                                               \
        CALL(1);                                                                                                       \
    } else if ((STRIDE) == 2) {                                                                                        \
        CALL(2);                                                                                                       \
    } else {                                                                                                           \
        CALL(STRIDE);                                                                                                  \
    }

FC_INLINE void pool_windows_body(const fc_pool_reduction combine, const int64_t stride, const real *buffer,
                                 int64_t dilation, int64_t taps, int64_t count, real *y) {
    for (int64_t q = 0; q < count; q += VLANES) {
        const real *p = buffer + q * stride;
        vec sum = pool_load_strided(p, stride, count - q);
        for (int64_t t = 1; t < taps; ++t)
            sum = pool_combine(combine, sum, pool_load_strided(p + t * dilation, stride, count - q), 0);
        pool_store(y + q, sum, count - q < VLANES ? (int)(count - q) : VLANES);
    }
}

static void FC_NAME(fc_pool_windows)(const fc_pool_rule *rule, const void *buffer, int64_t stride, int64_t dilation,
                                     int64_t taps, int64_t count, void *y) {
    if (pool_is_max(rule->reduction)) {
#define CALL(STRIDE) pool_windows_body(FC_REDUCE_MAX, STRIDE, buffer, dilation, taps, count, y)
        FC_POOL_STRIDE(stride, CALL)
#undef CALL
    } else {
#define CALL(STRIDE) pool_windows_body(FC_REDUCE_SUM, STRIDE, buffer, dilation, taps, count, y)
        FC_POOL_STRIDE(stride, CALL)
#undef CALL
    }
}

FC_INLINE real pool_span(const fc_pool_reduction combine, const real *p, int64_t count) {
    real sum = pool_identity(combine);
    int64_t i = 0;
    if (VLANES > 1 && count >= 2 * VLANES) {
        vec lanes = vload(p);
        for (i = VLANES; i + VLANES <= count; i += VLANES) lanes = pool_combine(combine, lanes, vload(p + i), 0);
        real parts[VLANES];
        vstore(parts, lanes);
        for (int half = VLANES / 2; half > 0; half /= 2)
            for (int k = 0; k < half; ++k) parts[k] = pool_combine_mapped_one(combine, parts[k], parts[k + half]);
        sum = parts[0];
    }
    for (; i < count; ++i) sum = pool_combine_mapped_one(combine, sum, p[i]);
    return sum;
}

static void FC_NAME(fc_pool_spans)(const fc_pool_rule *rule, const void *buffer, int64_t origin,
                                   const fc_pool_spans *spans, void *y_) {
    real *y = y_;
    const real *p = buffer;
    if (pool_is_max(rule->reduction)) {
        for (int64_t q = 0; q < spans->n; ++q)
            y[q] = pool_span(FC_REDUCE_MAX, p + spans->first[q] - origin, spans->count[q]);
    } else {
        for (int64_t q = 0; q < spans->n; ++q)
            y[q] = pool_span(FC_REDUCE_SUM, p + spans->first[q] - origin, spans->count[q]);
    }
}

static void FC_NAME(fc_pool_spread)(const void *values_, int64_t stride, int64_t dilation, int64_t taps, int64_t count,
                                    void *buffer_, int64_t length) {
    const real *restrict values = values_;
    real *restrict buffer = buffer_;
    memset(buffer, 0, (size_t)length * sizeof(real));
    for (int64_t t = 0; t < taps; ++t) {
        real *restrict to = buffer + t * dilation;
        if (stride == 1) {
            for (int64_t q = 0; q < count; ++q) to[q] += values[q];
        } else {
            for (int64_t q = 0; q < count; ++q) to[q * stride] += values[q];
        }
    }
}

static void FC_NAME(fc_pool_spread_spans)(const void *values_, int64_t origin, const fc_pool_spans *spans,
                                          void *buffer_, int64_t length) {
    const real *values = values_;
    real *buffer = buffer_;
    memset(buffer, 0, (size_t)length * sizeof(real));
    for (int64_t q = 0; q < spans->n; ++q) {
        real *restrict to = buffer + spans->first[q] - origin;
        const real value = values[q];
        for (int64_t t = 0; t < spans->count[q]; ++t) to[t] += value;
    }
}

static void FC_NAME(fc_pool_add_rows)(const void *values_, void *const *rows, int64_t row_count, int64_t step,
                                      int64_t length) {
    const real *restrict values = values_;
    for (int64_t r = 0; r < row_count; ++r) {
        real *restrict row = rows[r];
        if (step == 1) {
            for (int64_t i = 0; i < length; ++i) row[i] += values[i];
        } else {
            for (int64_t i = 0; i < length; ++i) row[i * step] += values[i];
        }
    }
}
