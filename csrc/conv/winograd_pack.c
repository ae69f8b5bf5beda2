/* winograd_pack.c: U = G g G^T for every filter and channel, SIMD over filters.
 *
 * U is stored [group][filter block][point][channel][vectors * lanes], as the register tile reads it, its points an odd
 * number of cache lines apart: they are written side by side, and would else share a few sets. A few channels at a time are transposed into a small buffer, in which one vector holds one tap of `lanes` filters, and transformed from
 * there; every vector of U is written once. The buffer keeps the weights' own order of channels and taps where the
 * taps of a channel lie in a row, so that one long run per filter is transposed. */
#include "conv/winograd.h"

#include "core/memory.h"
#include "core/parallel.h"

enum { BUFFER_BYTES = 16384, MOST_TAPS = 25 };

int64_t fc_winograd_group_weights(const fc_winograd *w, const fc_kernels *k) {
    const int64_t last = w->filter_blocks - 1, vectors = fc_winograd_vectors(w, k, last);
    return fc_winograd_weights_at(w, k, last) + w->points * fc_winograd_stride(w->c.channels * vectors * k->lanes, k);
}

int64_t fc_winograd_weights_at(const fc_winograd *w, const fc_kernels *k, int64_t block) {
    return block * w->points * fc_winograd_stride(w->c.channels * k->outer_vr * k->lanes, k);
}

/* Whether the taps are neighbours, in order or in reverse. */
static int in_a_row(const fc_phase *phase) {
    int forward = 1, backward = 1;
    for (int64_t t = 0; t < phase->taps; ++t) {
        forward = forward && phase->tap[t] == t;
        backward = backward && phase->tap[t] == phase->taps - 1 - t;
    }
    return forward || backward;
}

static int64_t channels_at_a_time(const fc_winograd *w, const fc_kernels *k) {
    return BUFFER_BYTES / (w->c.phase->taps * k->lanes * (int64_t)k->element);
}

/* Channels first .. first + channels of vector number `vector` of a group; u: those channels, points u_stride apart. */
static void pack_vector(const fc_conv_plan *plan, const void *weights, int64_t group, int64_t vector, int64_t first,
                        int64_t channels, void *u, int64_t u_stride) {
    const fc_winograd *w = plan->state;
    const fc_correlation *c = &w->c;
    const fc_phase *phase = c->phase;
    const fc_kernels *k = plan->kernels;
    const int64_t block = vector / k->outer_vr, ld = fc_winograd_vectors(w, k, block) * k->lanes;
    const int64_t filters = fc_min(k->lanes, c->filters - vector * k->lanes);
    const void *from =
        fc_at(weights, group * c->w_group + vector * k->lanes * c->w_filter + first * c->w_channel, k->element);
    char buffer[BUFFER_BYTES] __attribute__((aligned(FC_ALIGN)));
    int32_t tap[MOST_TAPS];
    int64_t step = phase->taps * k->lanes;
    if (in_a_row(phase)) {
        const int64_t runs = c->w_channel == phase->taps ? 1 : channels;
        for (int64_t i = 0; i < runs; ++i)
            k->lanes_in(fc_at(buffer, i * step, k->element), fc_at(from, i * c->w_channel, k->element), c->w_filter, 1,
                        filters, runs == 1 ? channels * phase->taps : phase->taps);
        for (int64_t t = 0; t < phase->taps; ++t) tap[t] = (int32_t)(phase->tap[t] * k->lanes);
    } else {
        step = k->lanes;
        for (int64_t t = 0; t < phase->taps; ++t) {
            tap[t] = (int32_t)(t * channels * k->lanes);
            k->lanes_in(fc_at(buffer, tap[t], k->element), fc_at(from, phase->tap[t], k->element), c->w_filter,
                        c->w_channel, filters, channels);
        }
    }
    w->tile->taps_points(fc_at(u, vector % k->outer_vr * k->lanes, k->element), u_stride, ld, buffer, tap, step,
                         channels);
}

void fc_winograd_pack_block(const fc_conv_plan *plan, const void *weights, int64_t group, int64_t block, int64_t first,
                            int64_t channels, void *u) {
    const fc_winograd *w = plan->state;
    const fc_kernels *k = plan->kernels;
    const int64_t run = channels_at_a_time(w, k), vectors = fc_winograd_vectors(w, k, block), ld = vectors * k->lanes;
    const int64_t u_stride = fc_winograd_stride(channels * ld, k);
    for (int64_t done = 0; done < channels; done += run)
        for (int64_t v = 0; v < vectors; ++v)
            pack_vector(plan, weights, group, block * k->outer_vr + v, first + done, fc_min(run, channels - done),
                        fc_at(u, done * ld, k->element), u_stride);
}

typedef struct pack_job {
    const fc_conv_plan *plan;
    const void *weights;
    void *packed;
    int64_t runs; /* of channels */
} pack_job;

static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = ctx;
    const fc_winograd *w = j->plan->state;
    const fc_kernels *k = j->plan->kernels;
    const int64_t run = channels_at_a_time(w, k), first = index % j->runs * run;
    const int64_t vector = index / j->runs % w->filter_vectors, group = index / j->runs / w->filter_vectors;
    const int64_t block = vector / k->outer_vr, ld = fc_winograd_vectors(w, k, block) * k->lanes;
    const int64_t at = group * fc_winograd_group_weights(w, k) + fc_winograd_weights_at(w, k, block) + first * ld;
    pack_vector(j->plan, j->weights, group, vector, first, fc_min(run, w->c.channels - first),
                fc_at(j->packed, at, k->element), fc_winograd_stride(w->c.channels * ld, k));
}

fc_status fc_winograd_pack(const fc_conv_plan *plan, const void *weights, void *packed, int threads) {
    const fc_winograd *w = plan->state;
    pack_job j = {plan, weights, packed, fc_ceil_div(w->c.channels, channels_at_a_time(w, plan->kernels))};
    fc_parallel_for(w->c.groups * w->filter_vectors * j.runs, threads, pack_task, &j);
    return FC_OK;
}
