/* smooth.h: activations made of exponentials, and their piecewise relatives, over contiguous arrays.
 *
 * Every exponential is that of a number <= 0, so nothing overflows. How far results are from the true ones is said where
 * they are made public (fastconv.h). */

#if FC_F64
#define FC_SMOOTH(wide, narrow) ((real)(wide))
#define FC_SMOOTH_TAYLOR 13
#define FC_SMOOTH_TAIL 10
#define FC_SMOOTH_MANTISSA 52
#define FC_SMOOTH_BIAS ((fc_word)1023)
#else
#define FC_SMOOTH(wide, narrow) ((real)(narrow))
#define FC_SMOOTH_TAYLOR 7
#define FC_SMOOTH_TAIL 5
#define FC_SMOOTH_MANTISSA 23
#define FC_SMOOTH_BIAS ((fc_word)127)
#endif

/* v = n log(2) + r with a whole n, |r| <= log(2) / 2. Adding 1.5 * 2^(mantissa bits) rounds to n, and leaves n in the low
 * bits of `shifted`. */
typedef struct fc_smooth_parts {
    vec shifted, r;
} fc_smooth_parts;

static inline vec fc_smooth_shifter(void) { return vbroadcast(FC_SMOOTH(6755399441055744.0, 12582912.0)); }

static inline fc_smooth_parts fc_smooth_reduce(vec v) {
    const vec shifted = vfma(v, vbroadcast((real)1.4426950408889634), fc_smooth_shifter());
    const vec n = vsub(shifted, fc_smooth_shifter());
    const vec r = vfma(n, vbroadcast(FC_SMOOTH(-6.93147180369123816490e-01, -0.693359375)), v);
    return (fc_smooth_parts){shifted, vfma(n, vbroadcast(FC_SMOOTH(-1.90821492927058770002e-10, 2.12194440e-4)), r)};
}

/* 2^n of a number that was reduced, for a normal result. */
static inline vec fc_smooth_power(vec shifted) {
    return vbits_real((vbits_of(shifted) + FC_SMOOTH_BIAS) << FC_SMOOTH_MANTISSA);
}

static inline __attribute__((always_inline)) vec fc_smooth_polynomial(const int degree, const real *c, vec v) {
    vec sum = vbroadcast(c[degree]);
#pragma GCC unroll 14
    for (int k = degree - 1; k >= 0; --k) sum = vfma(sum, v, vbroadcast(c[k]));
    return sum;
}

/* 1 / (k + 1)!: (exp(r) - 1) / r. The sums end below half a unit in the last place. */
static const real FC_NAME(fc_smooth_taylor)[] = {
    1,          1. / 2,      1. / 6,       1. / 24,       1. / 120,       1. / 720,        1. / 5040,
    1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800.};

/* exp(v) - 1 = 2^n (exp(r) - 1) + (2^n - 1) for a v <= 0 of at most some 80: no digits go where v is small. */
static inline vec fc_smooth_exp_less_one(vec v) {
    const fc_smooth_parts at = fc_smooth_reduce(v);
    const vec less = vmul(at.r, fc_smooth_polynomial(FC_SMOOTH_TAYLOR - 1, FC_NAME(fc_smooth_taylor), at.r));
    const vec power = fc_smooth_power(at.shifted);
    return vfma(less, power, vsub(power, vbroadcast(1)));
}

/* exp(v) for any v <= 0, which fades into the subnormal numbers as 2^n goes in as two factors. A NaN stays. */
static inline vec fc_smooth_exp(vec v) {
    const fc_smooth_parts at = fc_smooth_reduce(vmax(vbroadcast(FC_SMOOTH(-746, -104)), v));
    const vec sum =
        vfma(at.r, fc_smooth_polynomial(FC_SMOOTH_TAYLOR - 1, FC_NAME(fc_smooth_taylor), at.r), vbroadcast(1));
    const vbits both = vbits_of(at.shifted) - vbits_of(fc_smooth_shifter()) + 2 * FC_SMOOTH_BIAS, half = both >> 1;
    return vmul(vmul(sum, vbits_real(half << FC_SMOOTH_MANTISSA)), vbits_real((both - half) << FC_SMOOTH_MANTISSA));
}

/* v / (1 + exp(-x)), v 1 or such that the quotient of an infinite x is what it should be. */
static inline vec fc_smooth_gated(vec v, vec x) {
    const vec e = fc_smooth_exp(vsub(vzero(), vabs(x)));
    const vec top = vselect(vgt(vzero(), x), vmul(v, e), v);
    return vdiv(top, vadd(vbroadcast(1), e));
}

static inline vec fc_smooth_tanh(vec x) {
    const vec e = fc_smooth_exp_less_one(vmul(vbroadcast(-2), vmin(vbroadcast(FC_SMOOTH(20, 10)), vabs(x))));
    return vsigned(vdiv(e, vadd(vbroadcast(2), e)), x);
}

/* x Phi(x), Phi(-t) = exp(-t^2 / 2) P(t) / Q(t) for t >= 0 with polynomials of positive coefficients, whose quotient is
 * off by at most 7e-9 (float32) or 6e-17 (float64) of its value; the rounding of t^2 is made good to first order. */
static inline vec fc_smooth_gelu(vec x) {
#if FC_F64
    static const real top[] = {0.49999999999999997649,   0.77485908973956007819,    0.59402215443346139367,
                               0.28931365657966550273,   0.097690000820104397893,   0.023619285966344685388,
                               0.0040885770622321446051, 0.00049029873012971573951, 0.000037241993382222870418,
                               1.3850728965491729698e-6};
    static const real bottom[] = {1.0,
                                  2.3476027402819761128,
                                  2.5611602902367152714,
                                  1.7142977166033804431,
                                  0.78198353103456860841,
                                  0.25493434570095665281,
                                  0.060426823388810193563,
                                  0.010341894689648550722,
                                  0.0012324685230425574209,
                                  0.000093351833613371623481,
                                  3.4718628849254928316e-6};
#else
    static const real top[] = {0.50000000290997707572, 0.43914652383376906793, 0.18385869256178110598,
                               0.040841247031759306027, 0.0041465403937157691747};
    static const real bottom[] = {1.0,
                                  1.6761780278054570673,
                                  1.2051091054714345548,
                                  0.47111478241107898023,
                                  0.10237995300549508385,
                                  0.010393723541982006678};
#endif
    const vec end = vbroadcast(FC_SMOOTH(39, 15)), t = vmin(end, vabs(x)), square = vmul(t, t);
    const vec lost = vfma(t, t, vsub(vzero(), square));
    const vec bell = fc_smooth_exp(vmul(vbroadcast((real)-0.5), square));
    const vec close = vfma(vmul(bell, lost), vbroadcast((real)-0.5), bell);
    const vec tail = vmul(
        close, vdiv(fc_smooth_polynomial(FC_SMOOTH_TAIL - 1, top, t), fc_smooth_polynomial(FC_SMOOTH_TAIL, bottom, t)));
    return vmul(vmax(vsub(vzero(), end), x), vselect(vgt(x, vzero()), vsub(vbroadcast(1), tail), tail));
}

/* x / 2 (1 + tanh(u)) = x / (1 + exp(-2u)) with 2u = sqrt(8 / pi) (x + 0.044715 x^3). */
static inline vec fc_smooth_gelu_tanh(vec x) {
    const vec inner = vfma(vmul(x, x), vbroadcast((real)0.044715), vbroadcast(1));
    const vec twice = vmul(vmul(x, vbroadcast((real)1.5957691216057307)), inner);
    return fc_smooth_gated(vmax(vbroadcast(FC_SMOOTH(-60, -30)), x), twice);
}

static inline vec fc_smooth_ramp(vec x) {
    const vec within = vmax(vzero(), vmin(vbroadcast(6), vadd(x, vbroadcast(3))));
    return vmul(within, vbroadcast((real)(1. / 6)));
}

static inline __attribute__((always_inline)) vec fc_smooth_vec(const fc_activation kind, vec x) {
    switch (kind) {
    case FC_SIGMOID:
        return fc_smooth_gated(vbroadcast(1), x);
    case FC_TANH:
        return fc_smooth_tanh(x);
    case FC_SILU:
        return fc_smooth_gated(vmax(vbroadcast(FC_SMOOTH(-800, -120)), x), x);
    case FC_GELU:
        return fc_smooth_gelu(x);
    case FC_GELU_TANH:
        return fc_smooth_gelu_tanh(x);
    case FC_HARDSIGMOID:
        return fc_smooth_ramp(x);
    default:
        return vmul(x, fc_smooth_ramp(x));
    }
}

static inline __attribute__((always_inline)) void fc_smooth_run(const fc_activation kind, int64_t count, const real *x,
                                                                real *y) {
    int64_t i = 0;
    for (; i + VLANES <= count; i += VLANES) vstore(y + i, fc_smooth_vec(kind, vload(x + i)));
    const int rest = (int)(count - i);
    if (rest) vstore_part(y + i, fc_smooth_vec(kind, vload_part(x + i, rest)), rest);
}

/* One body for each kind. */
static void FC_NAME(fc_smooth)(fc_activation kind, int64_t count, const void *x, void *y) {
    switch (kind) {
#define CASE(KIND)                                                                                                     \
    case KIND:                                                                                                         \
        fc_smooth_run(KIND, count, x, y);                                                                              \
        return
        CASE(FC_SIGMOID);
        CASE(FC_TANH);
        CASE(FC_SILU);
        CASE(FC_GELU);
        CASE(FC_GELU_TANH);
        CASE(FC_HARDSIGMOID);
    default:
        fc_smooth_run(FC_HARDSWISH, count, x, y);
#undef CASE
    }
}
