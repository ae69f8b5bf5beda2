/* blocked_pack.c: weights in the order of the outer kernel: [group][block of filters][piece of channels][phase]
 * [depth tap][height tap][channel][width tap][filters of the block].
 *
 * Memory is read in its own order wherever that is dense: a run of weights of each of `lanes` filters is transposed in
 * registers, and a table says to which step each of its elements belongs (none, for taps of another phase). */
#include <stdlib.h>

#include "conv/blocked.h"
#include "core/parallel.h"

/* Below this many bytes a second thread packs nothing faster. */
static const int64_t serial_bytes = 64 << 10;

/* The step of a channel and a tap in a piece of `channels`. */
static int64_t step_of(const fc_phase *phase, int64_t channels, int64_t channel, int64_t tap) {
    const int64_t columns = phase->source.axis[WIDTH]->taps;
    return (tap / columns * channels + channel) * columns + tap % columns;
}

static int32_t *table(const fc_phase *phase, const fc_weight_runs *r, int64_t channels, int64_t w_volume) {
    int32_t *row = malloc(sizeof(int32_t) * (size_t)r->count);
    if (!row) return NULL;
    if (r->per_tap) {
        for (int64_t i = 0; i < r->count; ++i) row[i] = (int32_t)step_of(phase, channels, i, 0);
        return row;
    }
    for (int64_t j = 0; j < r->count; ++j) row[j] = -1;
    for (int64_t i = 0; i < r->channels; ++i)
        for (int64_t t = 0; t < phase->taps; ++t)
            row[i * w_volume + phase->tap[t] - r->start] = (int32_t)step_of(phase, channels, i, t);
    return row;
}

fc_status fc_blocked_plan_runs(const fc_blocked *s, int64_t phase, int lanes, int64_t w_volume) {
    const fc_correlation *c = &s->c;
    const fc_phase *from = &c->phase[phase];
    const int64_t *tap = from->tap;
    fc_weight_runs *r = &s->phase[phase].runs;
    if (from->taps == 0) return FC_OK;
    int64_t low = tap[0], high = tap[0];
    for (int64_t t = 1; t < from->taps; ++t) {
        low = fc_min(low, tap[t]);
        high = fc_max(high, tap[t]);
    }
    const int64_t span = high - low + 1;
    r->per_tap = c->w_filter == 1 || span > w_volume || span > 4 * from->taps;
    if (r->per_tap) {
        r->channels = r->count = s->piece;
    } else {
        r->channels = c->w_channel == w_volume ? fc_min(lanes, c->channels) : 1;
        r->count = (r->channels - 1) * w_volume + span;
        r->start = low;
    }
    if (r->count > INT32_MAX) return FC_UNSUPPORTED;
    for (int last = 0; last < 2; ++last) {
        r->row[last] = table(from, r, fc_blocked_piece(s, last ? s->pieces - 1 : 0), w_volume);
        if (!r->row[last]) return FC_NO_MEMORY;
    }
    return FC_OK;
}

/* One phase of one piece of one vector of filters; to: its first step. */
static void pack_phase(const fc_blocked *s, const fc_kernels *k, const void *w, int64_t filters, int64_t phase,
                       int64_t piece, void *to, int64_t ld) {
    const fc_correlation *c = &s->c;
    const fc_phase *from = &c->phase[phase];
    const fc_weight_runs *r = &s->phase[phase].runs;
    const int32_t *row = r->row[piece == s->pieces - 1];
    const int64_t channels = fc_blocked_piece(s, piece), columns = from->source.axis[WIDTH]->taps;
    w = fc_at(w, piece * s->piece * c->w_channel, k->element);
    if (r->per_tap) {
        for (int64_t t = 0; t < from->taps; ++t)
            k->lanes_pack(fc_at(to, step_of(from, channels, 0, t) * ld, k->element), ld, row,
                          fc_at(w, from->tap[t], k->element), c->w_filter, c->w_channel, filters, channels);
        return;
    }
    for (int64_t i = 0; from->taps > 0 && i < channels; i += r->channels) {
        const int64_t missing = fc_max(0, i + r->channels - channels);
        k->lanes_pack(fc_at(to, i * columns * ld, k->element), ld, row,
                      fc_at(w, i * c->w_channel + r->start, k->element), c->w_filter, 1, filters,
                      r->count - missing * c->w_channel);
    }
}

void fc_blocked_pack_piece(const fc_blocked *s, const fc_kernels *k, const void *w, int64_t group, int64_t vector,
                           int64_t vr, int64_t piece, void *packed) {
    const fc_correlation *c = &s->c;
    const int64_t ld = vr * k->lanes;
    for (int64_t v = 0; v < vr; ++v) {
        const int64_t first = (vector + v) * k->lanes;
        const void *from = fc_at(w, group * c->w_group + first * c->w_filter, k->element);
        for (int64_t phase = 0; phase < c->phases; ++phase) {
            const int64_t step = s->phase[phase].first_tap * fc_blocked_piece(s, piece);
            pack_phase(s, k, from, fc_min(k->lanes, c->filters - first), phase, piece,
                       fc_at(packed, step * ld + v * k->lanes, k->element), ld);
        }
    }
}

typedef struct job {
    const fc_conv_plan *plan;
    const fc_blocked *s;
    const void *w;
    void *packed;
    int64_t blocks;
} job;

/* One piece of one block of filters. */
static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_blocked *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t piece = index % s->pieces, vector = index / s->pieces % j->blocks * k->outer_vr;
    const int64_t group = index / s->pieces / j->blocks, vr = fc_min(k->outer_vr, s->vectors - vector);
    const int64_t to = fc_blocked_weights(s, group, vector, k->lanes) + piece * s->piece * s->taps * vr * k->lanes;
    fc_blocked_pack_piece(s, k, j->w, group, vector, vr, piece, fc_at(j->packed, to, k->element));
}

fc_status fc_blocked_pack(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const fc_blocked *s = plan->state;
    job j = {plan, s, w, packed, fc_ceil_div(s->vectors, plan->kernels->outer_vr)};
    fc_parallel_for(s->c.groups * j.blocks * s->pieces, plan->packed_bytes <= serial_bytes ? 1 : threads, pack_task,
                    &j);
    return FC_OK;
}
