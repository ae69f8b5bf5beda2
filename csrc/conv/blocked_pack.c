/* blocked_pack.c: weights in the order of the outer kernel: [group][filter block][depth tap][height tap][channel]
 * [width tap][filters of the block].
 *
 * Memory is read in its own order wherever that is dense: a run of weights of each of `lanes` filters is transposed in
 * registers, and a table says to which step each of its elements belongs (none, for taps of another phase). */
#include <stdlib.h>

#include "conv/blocked.h"
#include "core/parallel.h"

enum { PARTS = 4 };

/* Below this many bytes a second thread packs nothing faster. */
static const int64_t serial_bytes = 64 << 10;

/* The step of a channel and a tap. */
static int64_t step_of(const fc_blocked *s, int64_t phase, int64_t channel, int64_t tap) {
    const int64_t columns = s->c.phase[phase].source.axis[WIDTH]->taps;
    return tap / columns * s->phase[phase].row_depth + channel * columns + tap % columns;
}

fc_status fc_blocked_plan_runs(const fc_blocked *s, int64_t phase, int lanes, int64_t w_volume) {
    const fc_correlation *c = &s->c;
    const int64_t taps = c->phase[phase].taps, *tap = c->phase[phase].tap;
    fc_weight_runs *r = &s->phase[phase].runs;
    if (taps == 0) return FC_OK;
    int64_t low = tap[0], high = tap[0];
    for (int64_t t = 1; t < taps; ++t) {
        low = fc_min(low, tap[t]);
        high = fc_max(high, tap[t]);
    }
    const int64_t span = high - low + 1;
    r->per_tap = c->w_filter == 1 || span > w_volume || span > 4 * taps;
    if (r->per_tap) {
        r->channels = r->count = c->channels;
        r->stride = c->w_channel;
    } else {
        r->channels = c->w_channel == w_volume ? fc_min(lanes, c->channels) : 1;
        r->count = (r->channels - 1) * w_volume + span;
        r->stride = 1;
        r->start = low;
    }
    if (r->count > INT32_MAX) return FC_UNSUPPORTED;
    r->row = malloc(sizeof(int32_t) * (size_t)r->count);
    if (!r->row) return FC_NO_MEMORY;
    if (r->per_tap) {
        for (int64_t i = 0; i < c->channels; ++i) r->row[i] = (int32_t)step_of(s, phase, i, 0);
        return FC_OK;
    }
    for (int64_t j = 0; j < r->count; ++j) r->row[j] = -1;
    for (int64_t i = 0; i < r->channels; ++i)
        for (int64_t t = 0; t < taps; ++t) r->row[i * w_volume + tap[t] - low] = (int32_t)step_of(s, phase, i, t);
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const fc_blocked *s;
    const void *w;
    void *packed;
} job;

/* A part of the channels of one vector of filters. */
static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_blocked *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t part = index % PARTS, vector = index / PARTS % s->vectors;
    const int64_t group = index / PARTS / s->vectors % c->groups, phase = index / PARTS / s->vectors / c->groups;
    const fc_weight_runs *r = &s->phase[phase].runs;
    const int64_t first = vector * k->lanes, filters = fc_min(k->lanes, c->filters - first);
    const int64_t block = vector / k->outer_vr * k->outer_vr;
    const int64_t ld = fc_min(k->outer_vr, s->vectors - block) * k->lanes;
    const void *w = fc_at(j->w, group * c->w_group + first * c->w_filter, k->element);
    void *to = fc_at(j->packed, fc_blocked_weights(s, phase, group, block, k->lanes) + (vector - block) * k->lanes,
                     k->element);
    const int64_t columns = c->phase[phase].source.axis[WIDTH]->taps, taps = c->phase[phase].taps;
    if (taps == 0) return;
    if (r->per_tap) {
        for (int64_t t = taps * part / PARTS; t < taps * (part + 1) / PARTS; ++t)
            k->lanes_pack(fc_at(to, step_of(s, phase, 0, t) * ld, k->element), ld, r->row,
                          fc_at(w, c->phase[phase].tap[t], k->element), c->w_filter, r->stride, filters, r->count);
        return;
    }
    const int64_t runs = fc_ceil_div(c->channels, r->channels);
    for (int64_t i = runs * part / PARTS * r->channels;
         i < fc_min(c->channels, runs * (part + 1) / PARTS * r->channels); i += r->channels) {
        const int64_t missing = fc_max(0, i + r->channels - c->channels);
        k->lanes_pack(fc_at(to, i * columns * ld, k->element), ld, r->row,
                      fc_at(w, i * c->w_channel + r->start, k->element), c->w_filter, 1, filters,
                      r->count - missing * c->w_channel);
    }
}

fc_status fc_blocked_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    job j = {plan, plan->state, w, packed};
    fc_parallel_for(j.s->c.phases * j.s->c.groups * j.s->vectors * PARTS,
                    plan->packed_bytes <= serial_bytes ? 1 : threads, pack_task, &j);
    return FC_OK;
}
