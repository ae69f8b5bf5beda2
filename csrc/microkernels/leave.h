/* leave.h: the last steps of an epilogue, on rows of sums that wait in scratch: residual and activation, 2x2 max; with
 * outputs or with filters in the lanes. */

/* dst[i*dst_stride] = activation(src[i] + residual[i*residual_stride]); dst may be src */
static void FC_NAME(fc_leave)(void *dst_, int64_t dst_stride, const void *src_, const void *residual_,
                              int64_t residual_stride, int64_t count, const fc_finish *finish) {
    real *dst = dst_;
    const real *src = src_, *residual = residual_;
    for (int64_t i = 0; i < count; i += VLANES) {
        const int n = fc_part(count - i);
        const vec v = vadd(pool_load(src + i, n), fc_load_run(residual + i * residual_stride, residual_stride, n));
        fc_store_run(dst + i * dst_stride, dst_stride, fc_activation_vec(v, finish), n);
    }
}

/* dst[i*dst_stride] = the largest of top[2i], top[2i+1], bottom[2i], bottom[2i+1]; a NaN if there is one */
static void FC_NAME(fc_max2x2)(void *dst_, int64_t dst_stride, const void *top_, const void *bottom_, int64_t count) {
    real *dst = dst_;
    const real *top = top_, *bottom = bottom_;
    for (int64_t i = 0; i < count; i += VLANES) {
        const int n = fc_part(count - i);
        vec a, b, c, d;
        pool_tile_load(top + 2 * i, n, &a, &b);
        pool_tile_load(bottom + 2 * i, n, &c, &d);
        fc_store_run(dst + i * dst_stride, dst_stride, vjoin(pool_max(pool_max(a, b), pool_max(c, d))), n);
    }
}

/* The largest of four finished outputs, src[0], src[ld] and the same a row further on, in the order of max_pool2d. */
static inline vec fc_lanes_window(const real *src, int64_t ld, int64_t row, vec bias, const fc_finish *finish,
                                  const real *residual, int n) {
    vec v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        v[i] = vload(src + i / 2 * row + i % 2 * ld);
        if (finish->bias) v[i] = vadd(v[i], bias);
        if (residual) {
            const real *from = residual + i / 2 * finish->residual_row + i % 2 * finish->residual_step;
            v[i] = vadd(v[i], fc_load_run(from, finish->residual_channel, n));
        }
        v[i] = fc_activation_vec(v[i], finish);
    }
    return pool_max(pool_max(v[0], v[1]), pool_max(v[2], v[3]));
}

static void FC_NAME(fc_lanes_max2x2)(void *dst_, int64_t channel_stride, int64_t stride, const void *src_, int64_t ld,
                                     int64_t row, int64_t filters, int64_t count, const fc_finish *finish) {
    real *dst = dst_;
    const real *src = src_, *residual = finish->residual;
    for (int64_t f = 0; f < filters; f += VLANES) {
        const int lanes = fc_part(filters - f);
        const vec bias = finish->bias ? fc_load_run((const real *)finish->bias + f, 1, lanes) : vzero();
        const real *other = residual ? residual + f * finish->residual_channel : NULL;
        for (int64_t i = 0; i < count; i += VLANES) {
            const int points = fc_part(count - i);
            real windows[VLANES * VLANES] __attribute__((aligned(64)));
            for (int p = 0; p < points; ++p)
                vstore(windows + p * VLANES,
                       fc_lanes_window(src + 2 * (i + p) * ld + f, ld, row, bias, finish,
                                       other ? other + 2 * (i + p) * finish->residual_step : NULL, lanes));
            const fc_finish none = {.activation = FC_IDENTITY};
            FC_NAME(fc_lanes_out)
            (dst + f * channel_stride + i * stride, channel_stride, stride, windows, VLANES, lanes, points, &none);
        }
    }
}
