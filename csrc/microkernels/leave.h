/* leave.h: the last steps of an epilogue, on rows of sums that wait in scratch: residual and activation, 2x2 max. */

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
        fc_store_run(dst + i * dst_stride, dst_stride, pool_max(pool_max(a, b), pool_max(c, d)), n);
    }
}
