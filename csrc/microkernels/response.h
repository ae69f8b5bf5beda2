/* response.h: local response normalisation, the leaf loops of csrc/ops/local_response.c. A window is `window` elements
 * `step` apart; those of neighbouring outputs are neighbours. Every sum starts at the window's first element. */

/* s^-beta. The usual 3/4 is made of square roots, which are exact to half a unit each. */
static inline vec fc_response_factor(vec s, double beta) {
    if (beta == 0.75) {
        const vec root = vsqrt(s);
        return vdiv(vbroadcast(1), vmul(root, vsqrt(root)));
    }
    real lanes[VLANES];
    vstore(lanes, s);
    for (int i = 0; i < VLANES; ++i)
        lanes[i] = FC_F64 ? (real)pow(lanes[i], -beta) : powf((float)lanes[i], (float)-beta);
    return vload(lanes);
}

/* y = given * s^-beta with s = k + share * sum of squares of the window; ratio (may be NULL) = y * x / s */
static void FC_NAME(fc_response)(const fc_response *by, int64_t window, int64_t step, int64_t count, const void *first_,
                                 const void *x_, const void *given_, void *y_, void *ratio_) {
    const vec share = vbroadcast((real)by->share), k = vbroadcast((real)by->k);
    const real *x = x_, *given = given_;
    real *y = y_, *ratio = ratio_;
    for (int64_t i = 0; i < count; i += VLANES) {
        const int n = fc_part(count - i);
        const real *first = (const real *)first_ + i;
        vec sum = vzero();
        for (int64_t j = 0; j < window; ++j, first += step) {
            const vec v = fc_norm_load(first, n);
            sum = vfma(v, v, sum);
        }
        const vec s = vfma(sum, share, k), direct = vmul(fc_norm_load(given + i, n), fc_response_factor(s, by->beta));
        vstore_part(y + i, direct, n);
        if (ratio) vstore_part(ratio + i, vdiv(vmul(direct, fc_norm_load(x + i, n)), s), n);
    }
}

/* dx -= 2 share beta x * sum of the window of ratios */
static void FC_NAME(fc_response_through)(const fc_response *by, int64_t window, int64_t step, int64_t count,
                                         const void *first_, const void *x_, void *dx_) {
    const vec factor = vbroadcast((real)(-2 * by->share * by->beta));
    const real *x = x_;
    real *dx = dx_;
    for (int64_t i = 0; i < count; i += VLANES) {
        const int n = fc_part(count - i);
        const real *first = (const real *)first_ + i;
        vec sum = vzero();
        for (int64_t j = 0; j < window; ++j, first += step) sum = vadd(sum, fc_norm_load(first, n));
        const vec scaled = vmul(factor, fc_norm_load(x + i, n));
        vstore_part(dx + i, vfma(scaled, sum, fc_norm_load(dx + i, n)), n);
    }
}
