/* depthwise_pixels.c: forward and backward_data of one channel per group where channels are contiguous (channels last).
 *
 * A task takes a band of rows of one image and as many channels as leave a block of outputs, its pixels and its weights
 * in L1, so that memory is read and written in long runs. Each row of outputs is one call
 * (microkernels/depthwise_pixels.h) that reads the source and writes the outputs in place. A strided backward_data runs
 * its phases row by row, each a correlation of the same few rows of the gradient. */
#include <stdlib.h>

#include "conv/depthwise.h"
#include "core/cpu.h"
#include "core/parallel.h"

typedef struct pixels_plan {
    fc_correlation c;
    int64_t channels, chunks;  /* channels of a task, and their number; whole vectors but for the last */
    int64_t rows, band, bands; /* of the phase with most rows */
} pixels_plan;

static void release_pixels(fc_conv_plan *plan) {
    pixels_plan *s = plan->state;
    if (!s) return;
    fc_correlation_release(&s->c);
    free(s);
}

static fc_status plan_pixels(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass == FC_BACKWARD_WEIGHTS || d->oc != d->ic || !fc_depthwise_in_place(d)) return FC_UNSUPPORTED;
    if (d->x_stride[AXIS_C] != 1 || d->y_stride[AXIS_C] != 1) return FC_UNSUPPORTED;
    if (plan->has_residual && d->residual_stride[AXIS_C] != 1) return FC_UNSUPPORTED;
    pixels_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    const fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    double cycles = 0;
    int64_t reach = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        const fc_axis *h = phase->source.axis[HEIGHT], *w = phase->source.axis[WIDTH];
        if (!fc_pixels_kernel(k, phase)) return FC_UNSUPPORTED;
        s->rows = fc_max(s->rows, h->outputs);
        reach = fc_max(reach, fc_depthwise_reach(h->taps, w->taps, w->step));
        cycles += (double)h->outputs * ((double)w->outputs * ((double)phase->taps * (w->step > 1 ? 1 : 0.75) + 2) + 20);
    }
    s->channels = fc_depthwise_chunk(d->groups, reach, k);
    s->chunks = fc_ceil_div(d->groups, s->channels);
    s->band = fc_depthwise_band(c->n * s->chunks, s->rows, FC_PIXEL_ROWS);
    s->bands = fc_ceil_div(s->rows, s->band);
    plan->packed_bytes = c->packed * (int64_t)k->element;
    plan->cost = (double)(c->n * fc_ceil_div(c->groups, k->lanes)) * cycles;
    plan->reason = "a vector of channels at a time, in place; wins for depthwise layers";
    return FC_OK;
}

static fc_status pack_pixels(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    fc_pixels_pack(&((const pixels_plan *)plan->state)->c, plan->kernels, w, packed);
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const pixels_plan *s;
    const void *src, *bias, *residual, *packed;
    void *dst;
} job;

static void run_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const pixels_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t chunk = index % s->chunks, band = index / s->chunks % s->bands, n = index / s->chunks / s->bands;
    const int64_t end = fc_min(s->rows, (band + 1) * s->band), channel = chunk * s->channels;
    const int64_t channels = fc_min(s->channels, c->groups - channel);
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, channel, k->element);
    if (j->residual)
        finish.residual = fc_at(j->residual, n * j->plan->desc.residual_stride[AXIS_N] + channel, k->element);
    const void *src = fc_at(j->src, n * c->src_n + channel, k->element);
    void *dst = fc_at(j->dst, n * c->dst_n + channel, k->element);
    for (int64_t r = band * s->band; r < end; ++r) {
        for (int64_t i = 0; i < c->phases; ++i) {
            const fc_phase *phase = &c->phase[i];
            if (r < phase->source.axis[HEIGHT]->outputs)
                fc_pixels_row(k, phase, r, src, fc_at(j->packed, fc_packed_at(c, phase, channel), k->element), dst,
                              channels, &finish, j->plan->desc.residual_stride);
        }
    }
}

static fc_status execute_pixels(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const pixels_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
    };
    fc_parallel_for(s->c.n * s->bands * s->chunks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_pixels = {"pixels", plan_pixels, pack_pixels, execute_pixels, release_pixels};
