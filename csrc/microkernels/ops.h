/* ops.h: the leaf loops of csrc/ops: activations, the finish and the column sums of fully connected layers, softmax.
 * Rows are contiguous unless a row stride ld is given. Outputs may be the inputs themselves, element for element. */

static void FC_NAME(fc_activate)(fc_activation kind, double parameter, int64_t count, const void *x_, void *y_) {
    const fc_finish finish = {.bias = NULL, .activation = kind, .parameter = parameter};
    const real *x = x_;
    real *y = y_;
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(y + i, fc_finish_vec(vload(x + i), &finish, 0));
    if (i < count) {
        const int rest = (int)(count - i);
        vstore_part(y + i, fc_finish_vec(vload_part(x + i, rest), &finish, 0), rest);
    }
}

/* dy times the derivative, which the output y tells: 1 above zero (and below six), the slope or 0 elsewhere. */
static inline vec fc_derive_vec(vec y, vec dy, fc_activation kind, vec slope) {
    switch (kind) {
    case FC_RELU6:
        dy = vselect(vgt(vbroadcast(6), y), dy, vzero());
        /* fall through */
    case FC_RELU:
        return vselect(vgt(y, vzero()), dy, vzero());
    case FC_LEAKY_RELU:
        return vselect(vgt(y, vzero()), dy, vmul(dy, slope));
    default:
        return dy;
    }
}

static void FC_NAME(fc_activate_backward)(fc_activation kind, double parameter, int64_t count, const void *y_,
                                          const void *dy_, void *dx_) {
    const vec slope = vbroadcast((real)parameter);
    const real *y = y_, *dy = dy_;
    real *dx = dx_;
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(dx + i, fc_derive_vec(vload(y + i), vload(dy + i), kind, slope));
    if (i < count) {
        const int rest = (int)(count - i);
        const vec part = fc_derive_vec(vload_part(y + i, rest), vload_part(dy + i, rest), kind, slope);
        vstore_part(dx + i, part, rest);
    }
}

/* y[r*ld + q] = activation(y[r*ld + q] + bias[q]),  q < count; bias may be NULL */
static void FC_NAME(fc_finish_rows)(int64_t rows, int64_t count, int64_t ld, const void *bias_, fc_activation kind,
                                    double parameter, void *y_) {
    const fc_finish finish = {.bias = NULL, .activation = kind, .parameter = parameter};
    const real *bias = bias_;
    const int rest = (int)(count % VLANES);
    real *y = y_;
    for (int64_t r = 0; r < rows; ++r, y += ld) {
        int64_t q = 0;
        for (; q + VLANES <= count; q += VLANES) {
            const vec v = vload(y + q);
            vstore(y + q, fc_finish_vec(bias ? vadd(v, vload(bias + q)) : v, &finish, 0));
        }
        if (rest > 0) {
            const vec v = vload_part(y + q, rest);
            vstore_part(y + q, fc_finish_vec(bias ? vadd(v, vload_part(bias + q, rest)) : v, &finish, 0), rest);
        }
    }
}

/* dst[q] = sum_r src[r*ld + q],  q < count */
static void FC_NAME(fc_column_sums)(int64_t rows, int64_t count, int64_t ld, const void *src_, void *dst_) {
    const real *src = src_;
    real *dst = dst_;
    int64_t q = 0;
    for (; q + 4 * VLANES <= count; q += 4 * VLANES) {
        vec acc[4] = {vzero(), vzero(), vzero(), vzero()};
        for (int64_t r = 0; r < rows; ++r)
            for (int x = 0; x < 4; ++x) acc[x] = vadd(acc[x], vload(src + r * ld + q + x * VLANES));
        for (int x = 0; x < 4; ++x) vstore(dst + q + x * VLANES, acc[x]);
    }
    for (; q < count; q += VLANES) {
        const int lanes = count - q < VLANES ? (int)(count - q) : VLANES;
        vec acc = vzero();
        for (int64_t r = 0; r < rows; ++r) acc = vadd(acc, vload_part(src + r * ld + q, lanes));
        vstore_part(dst + q, acc, lanes);
    }
}

/* v = exp(v),  v <= 0 or NaN */
static void FC_NAME(fc_exp)(real *v, int64_t count) {
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(v + i, fc_smooth_exp(vload(v + i)));
    const int rest = (int)(count - i);
    if (rest) vstore_part(v + i, fc_smooth_exp(vload_part(v + i, rest)), rest);
}

/* v = x - subtrahend */
static inline void fc_less(int64_t count, const real *x, real subtrahend, real *v) {
    const vec s = vbroadcast(subtrahend);
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(v + i, vsub(vload(x + i), s));
    const int rest = (int)(count - i);
    if (rest) vstore_part(v + i, vsub(vload_part(x + i, rest), s), rest);
}

/* v = x - max(x); a NaN in x stays one in v. */
static void FC_NAME(fc_below_max)(int64_t count, const real *x, real *v) {
    real most = x[0];
    int64_t i = 0;
    if (count >= VLANES) {
        real lanes[VLANES];
        vec best = vload(x);
        for (i = VLANES; i + VLANES <= count; i += VLANES) best = vmax(vload(x + i), best);
        vstore(lanes, best);
        for (int lane = 0; lane < VLANES; ++lane) most = lanes[lane] > most ? lanes[lane] : most;
    }
    for (; i < count; ++i) most = x[i] > most ? x[i] : most;
    fc_less(count, x, most, v);
}

/* Blocks keep the rounding of long sums that of short ones. */
static double FC_NAME(fc_row_sum)(const real *v, int64_t count) {
    double total = 0;
    for (int64_t i = 0; i < count; i += 128) total += FC_NAME(fc_sum)(v + i, count - i < 128 ? count - i : 128);
    return total;
}

static inline void fc_scale_row(int64_t count, real factor, real *v) {
    const vec s = vbroadcast(factor);
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(v + i, vmul(vload(v + i), s));
    const int rest = (int)(count - i);
    if (rest) vstore_part(v + i, vmul(vload_part(v + i, rest), s), rest);
}

/* The rows' exponentials are taken in one go, because a row of ten classes would fill no vector. */
static void FC_NAME(fc_softmax)(int64_t rows, int64_t classes, const void *x_, void *y_) {
    const real *x = x_;
    real *y = y_;
    for (int64_t r = 0; r < rows; ++r) FC_NAME(fc_below_max)(classes, x + r * classes, y + r * classes);
    FC_NAME(fc_exp)(y, rows * classes);
    for (int64_t r = 0; r < rows; ++r, y += classes)
        fc_scale_row(classes, (real)(1 / FC_NAME(fc_row_sum)(y, classes)), y);
}

/* y = x - max(x) - log(sum(exp(x - max(x)))) */
static void FC_NAME(fc_log_softmax)(int64_t rows, int64_t classes, const void *x_, void *y_) {
    const real *x = x_;
    real *y = y_, block[128];
    for (int64_t r = 0; r < rows; ++r, x += classes, y += classes) {
        double total = 0;
        FC_NAME(fc_below_max)(classes, x, y);
        for (int64_t i = 0; i < classes; i += 128) {
            const int64_t count = classes - i < 128 ? classes - i : 128;
            memcpy(block, y + i, (size_t)count * sizeof *block);
            FC_NAME(fc_exp)(block, count);
            total += FC_NAME(fc_sum)(block, count);
        }
        fc_less(classes, y, (real)log(total), y);
    }
}

/* dx = y * (dy - sum(dy*y)) */
static void FC_NAME(fc_softmax_backward)(int64_t rows, int64_t classes, const void *y_, const void *dy_, void *dx_) {
    const real *y = y_, *dy = dy_;
    real *dx = dx_;
    for (int64_t r = 0; r < rows; ++r, y += classes, dy += classes, dx += classes) {
        vec acc = vzero();
        int64_t i = 0;
        for (; i + VLANES <= classes; i += VLANES) acc = vfma(vload(y + i), vload(dy + i), acc);
        real mean = vsum(acc);
        for (; i < classes; ++i) mean += y[i] * dy[i];
        for (i = 0; i < classes; ++i) dx[i] = y[i] * (dy[i] - mean);
    }
}

/* losses[r] = log(sum(exp(x[r]))) - x[r][labels[r]];  dx = (softmax(x) - onehot) * scale */
static void FC_NAME(fc_cross_entropy)(int64_t rows, int64_t classes, const void *x_, const int64_t *labels,
                                      double scale_, void *losses_, void *dx_) {
    const real *x = x_, scale = (real)scale_;
    real *losses = losses_, *dx = dx_;
    for (int64_t r = 0; r < rows; ++r) {
        FC_NAME(fc_below_max)(classes, x + r * classes, dx + r * classes);
        losses[r] = -dx[r * classes + labels[r]];
    }
    FC_NAME(fc_exp)(dx, rows * classes);
    for (int64_t r = 0; r < rows; ++r, dx += classes) {
        const real sum = (real)FC_NAME(fc_row_sum)(dx, classes);
        losses[r] += FC_F64 ? (real)log(sum) : (real)logf((float)sum);
        fc_scale_row(classes, scale / sum, dx);
        dx[labels[r]] -= scale;
    }
}
