/* lanes_copy.h: between the caller's tensors and vectors with channels in their lanes.
 *
 * On one side a vector holds the channels (or filters) of one position, on the other a run of positions of one channel
 * lies in the caller's memory. Where the caller's channels are neighbours (channels last) vectors are copied as they
 * are; otherwise blocks of lanes x lanes are transposed in registers, so that both sides are read and written
 * in whole vectors. */

/* n <= VLANES elements that lie `stride` apart; the lanes beyond are zero. */
static inline vec fc_load_run(const real *p, int64_t stride, int n) {
    if (stride == 1) return n == VLANES ? vload(p) : vload_part(p, n);
    real lanes[VLANES] = {0};
    for (int i = 0; i < n; ++i) lanes[i] = p[i * stride];
    return vload(lanes);
}

static inline void fc_store_run(real *p, int64_t stride, vec v, int n) {
    if (stride == 1) {
        if (n == VLANES) {
            vstore(p, v);
        } else {
            vstore_part(p, v, n);
        }
        return;
    }
    real lanes[VLANES];
    vstore(lanes, v);
    for (int i = 0; i < n; ++i) p[i * stride] = lanes[i];
}

static inline int fc_part(int64_t rest) { return rest < VLANES ? (int)rest : VLANES; }

/* `points` positions of `channels` channels, each at most VLANES. */
static inline __attribute__((always_inline)) void fc_lanes_block(real *dst, const real *src, int64_t channel_stride,
                                                                 int64_t stride, const int channels, const int points) {
    vec v[VLANES];
#pragma GCC unroll 16
    for (int c = 0; c < VLANES; ++c)
        v[c] = c < channels ? fc_load_run(src + c * channel_stride, stride, points) : vzero();
    vtranspose(v);
#pragma GCC unroll 16
    for (int l = 0; l < VLANES; ++l)
        if (l < points) vstore(dst + l * VLANES, v[l]);
}

static void FC_NAME(fc_lanes_in)(void *dst_, const void *src_, int64_t channel_stride, int64_t stride, int64_t channels,
                                 int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    const int lanes = (int)channels;
    if (channel_stride == 1) {
        for (int64_t i = 0; i < count; ++i) vstore(dst + i * VLANES, fc_load_run(src + i * stride, 1, lanes));
        return;
    }
    int64_t i = 0;
    if (stride == 1 && lanes == VLANES) {
        for (; i + VLANES <= count; i += VLANES)
            fc_lanes_block(dst + i * VLANES, src + i, channel_stride, 1, VLANES, VLANES);
        if (i < count && count > VLANES) { /* the rest with some of the block before */
            i = count - VLANES;
            fc_lanes_block(dst + i * VLANES, src + i, channel_stride, 1, VLANES, VLANES);
            return;
        }
    }
    for (; i < count; i += VLANES)
        fc_lanes_block(dst + i * VLANES, src + i * stride, channel_stride, stride, lanes, fc_part(count - i));
}

/* One vector of finished outputs: after the bias, the residual and the activation. */
static inline vec fc_finish_run(vec v, const fc_finish *finish, int64_t filter, int64_t i, int64_t stride, int n) {
    if (finish->residual) {
        const real *from =
            (const real *)finish->residual + filter * finish->residual_channel + i * finish->residual_step;
        v = vadd(v, fc_load_run(from, stride, n));
    }
    return fc_activation_vec(v, finish);
}

/* Outputs whose filters are neighbours. */
static void FC_NAME(fc_lanes_across)(real *dst, int64_t stride, const real *src, int64_t ld, int64_t filters,
                                     int64_t count, const fc_finish *finish) {
    for (int64_t f = 0; f < filters; f += VLANES) {
        const int n = fc_part(filters - f);
        const vec bias = finish->bias ? fc_load_run((const real *)finish->bias + f, 1, n) : vzero();
        for (int64_t i = 0; i < count; ++i) {
            vec v = vload(src + i * ld + f);
            if (finish->bias) v = vadd(v, bias);
            v = fc_finish_run(v, finish, f, i, finish->residual_channel, n);
            fc_store_run(dst + i * stride + f, 1, v, n);
        }
    }
}

/* `points` outputs of `filters` filters, each at most VLANES, into rows of the filters: the bias is added, and without a
 * residual the activation applied, while the filters are still in the lanes. src, dst, finish: of these outputs. */
static inline __attribute__((always_inline)) void fc_lanes_leave(real *dst, int64_t channel_stride, int64_t stride,
                                                                 const real *src, int64_t ld, const int filters,
                                                                 const int points, const fc_finish *finish, vec bias) {
    vec v[VLANES];
#pragma GCC unroll 16
    for (int p = 0; p < VLANES; ++p) v[p] = p < points ? vload(src + p * ld) : vzero();
    if (finish->bias) {
#pragma GCC unroll 16
        for (int p = 0; p < VLANES; ++p) v[p] = vadd(v[p], bias);
    }
    if (!finish->residual && finish->activation != FC_IDENTITY) {
#pragma GCC unroll 16
        for (int p = 0; p < VLANES; ++p) v[p] = fc_activation_vec(v[p], finish);
    }
    vtranspose(v);
    if (finish->residual) {
#pragma GCC unroll 16
        for (int l = 0; l < VLANES; ++l)
            if (l < filters) v[l] = fc_finish_run(v[l], finish, l, 0, finish->residual_step, points);
    }
#pragma GCC unroll 16
    for (int l = 0; l < VLANES; ++l)
        if (l < filters) fc_store_run(dst + l * channel_stride, stride, v[l], points);
}

static void FC_NAME(fc_lanes_out)(void *dst_, int64_t channel_stride, int64_t stride, const void *src_, int64_t ld,
                                  int64_t filters, int64_t count, const fc_finish *finish) {
    real *dst = dst_;
    const real *src = src_;
    if (channel_stride == 1) {
        FC_NAME(fc_lanes_across)(dst, stride, src, ld, filters, count, finish);
        return;
    }
    for (int64_t f = 0; f < filters; f += VLANES) {
        const int lanes = fc_part(filters - f);
        const vec bias = finish->bias ? fc_load_run((const real *)finish->bias + f, 1, lanes) : vzero();
        const fc_finish plain = {
            .bias = finish->bias, .activation = finish->activation, .parameter = finish->parameter};
        int64_t i = 0;
        if (stride == 1 && lanes == VLANES && !finish->residual) {
            for (; i + VLANES <= count; i += VLANES)
                fc_lanes_leave(dst + f * channel_stride + i, channel_stride, 1, src + i * ld + f, ld, VLANES, VLANES,
                               &plain, bias);
            if (i < count && count > VLANES) { /* the rest with some of the block before */
                i = count - VLANES;
                fc_lanes_leave(dst + f * channel_stride + i, channel_stride, 1, src + i * ld + f, ld, VLANES, VLANES,
                               &plain, bias);
                continue;
            }
        }
        for (; i < count; i += VLANES) {
            fc_finish here = *finish;
            if (here.residual)
                here.residual = (const real *)here.residual + f * here.residual_channel + i * here.residual_step;
            fc_lanes_leave(dst + f * channel_stride + i * stride, channel_stride, stride, src + i * ld + f, ld, lanes,
                           fc_part(count - i), &here, bias);
        }
    }
}

/* Weights for the outer kernel, one vector of filters: the filters' weights follow each other in the caller's memory (a
 * run of each is transposed), or those of one step do (copied), or neither. */
static void FC_NAME(fc_lanes_pack)(void *dst_, int64_t ld, const int32_t *row, const void *src_, int64_t filter_stride,
                                   int64_t stride, int64_t filters, int64_t count) {
    real *dst = dst_;
    const real *src = src_;
    const int lanes = (int)filters;
    if (stride != 1 || filter_stride == 1) {
        for (int64_t j = 0; j < count; ++j)
            if (row[j] >= 0) vstore(dst + row[j] * ld, fc_load_run(src + j * stride, filter_stride, lanes));
        return;
    }
    for (int64_t j = 0; j < count; j += VLANES) {
        const int points = fc_part(count - j);
        vec v[VLANES];
#pragma GCC unroll 16
        for (int l = 0; l < VLANES; ++l)
            v[l] = l < lanes ? fc_load_run(src + l * filter_stride + j, 1, points) : vzero();
        vtranspose(v);
#pragma GCC unroll 16
        for (int p = 0; p < VLANES; ++p)
            if (p < points && row[j + p] >= 0) vstore(dst + row[j + p] * ld, v[p]);
    }
}
