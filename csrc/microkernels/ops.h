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

/* exp(v) for v <= 0 (NaN stays): v = n log(2) + r, exp(v) = 2^n exp(r), |r| <= log(2) / 2. Adding and taking away
 * 1.5 * 2^(mantissa bits) rounds to the integer n and leaves n in the low bits. The Taylor sum ends below half an
 * ulp. 2^n goes in as two factors, so that results fade into the subnormal numbers. Plain C, for the compiler to
 * vectorise. */
#if FC_F64
typedef uint64_t fc_bits;
#define FC_EXP_MANTISSA 52
#define FC_EXP_BIAS 1023
#define FC_EXP_LOWEST (-746.0)
#define FC_EXP_LN2_HIGH 6.93147180369123816490e-01
#define FC_EXP_LN2_LOW 1.90821492927058770002e-10
#define FC_EXP_DEGREE 13
#else
typedef uint32_t fc_bits;
#define FC_EXP_MANTISSA 23
#define FC_EXP_BIAS 127
#define FC_EXP_LOWEST (-104.0)
#define FC_EXP_LN2_HIGH 0.693359375
#define FC_EXP_LN2_LOW (-2.12194440e-4)
#define FC_EXP_DEGREE 7
#endif

static inline real fc_power_of_two(fc_bits biased) {
    real value;
    biased <<= FC_EXP_MANTISSA;
    memcpy(&value, &biased, sizeof value);
    return value;
}

static void FC_NAME(fc_exp)(real *v, int64_t count) {
    static const real over_factorial[] = {
        1,         1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,
        1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};
    const real shifter = (real)3 * (real)((fc_bits)1 << (FC_EXP_MANTISSA - 1));
    fc_bits zero;
    memcpy(&zero, &shifter, sizeof zero);
    for (int64_t i = 0; i < count; ++i) {
        const real x = v[i] < (real)FC_EXP_LOWEST ? (real)FC_EXP_LOWEST : v[i];
        const real shifted = x * (real)1.4426950408889634 + shifter;
        const real n = shifted - shifter;
        const real r = (x - n * (real)FC_EXP_LN2_HIGH) - n * (real)FC_EXP_LN2_LOW;
        real sum = over_factorial[FC_EXP_DEGREE];
        _Pragma("GCC unroll 14") for (int k = FC_EXP_DEGREE - 1; k >= 0; --k) sum = sum * r + over_factorial[k];
        fc_bits bits;
        memcpy(&bits, &shifted, sizeof bits);
        const fc_bits biased = bits - zero + 2 * FC_EXP_BIAS, half = biased >> 1;
        v[i] = sum * fc_power_of_two(half) * fc_power_of_two(biased - half);
    }
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
    for (i = 0; i < count; ++i) v[i] = x[i] - most;
}

/* Blocks keep the rounding of long sums that of short ones. */
static double FC_NAME(fc_row_sum)(const real *v, int64_t count) {
    double total = 0;
    for (int64_t i = 0; i < count; i += 128) total += FC_NAME(fc_sum)(v + i, count - i < 128 ? count - i : 128);
    return total;
}

static inline void fc_scale_row(int64_t count, real factor, real *v) {
    for (int64_t i = 0; i < count; ++i) v[i] *= factor;
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
