/* depthwise_pixels.c: forward and backward_data of one channel per group where channels are contiguous (channels last).
 *
 * A task takes a band of rows of one image and a few vectors of channels, one vector after the other, so that the rows
 * of a window come from L1. Each row of outputs is one call (microkernels/depthwise_pixels.h) that reads the source and
 * writes the outputs in place. A strided backward_data runs its phases row by row, each a correlation of the same few
 * rows of the gradient. */
#include <stdlib.h>

#include "conv/depthwise.h"
#include "core/parallel.h"

enum { MAX_ROWS = 32, BLOCKS_PER_TASK = 4 };

typedef struct pixels_plan {
    fc_correlation c;
    int64_t blocks, blocks_per_task, block_tasks; /* vectors of channels */
    int64_t rows, band, bands;                    /* of the phase with most rows */
} pixels_plan;

static void release_pixels(fc_conv_plan *plan) {
    pixels_plan *s = plan->state;
    if (!s) return;
    fc_correlation_release(&s->c);
    free(s);
}

/* The kernel of a phase; one without taps is finished by any. NULL: none. */
static fc_pixels_fn kernel_of(const fc_kernels *k, const fc_phase *phase) {
    const fc_axis *w = phase->source.axis[WIDTH];
    if (w->taps == 0) return k->depthwise.pixels[0][0];
    if (w->taps > FC_MAX_PIXEL_TAPS || w->step > FC_PLANE_STRIDES) return NULL;
    if (w->step > 1 && fc_tap_distance(w) != 1) return NULL;
    return k->depthwise.pixels[w->taps - 1][w->step - 1];
}

static fc_status plan_pixels(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass == FC_BACKWARD_WEIGHTS || d->oc != d->ic || !fc_depthwise_in_place(d)) return FC_UNSUPPORTED;
    if (d->x_stride[AXIS_C] != 1 || d->y_stride[AXIS_C] != 1) return FC_UNSUPPORTED;
    pixels_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    const fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    double cycles = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        const fc_axis *h = phase->source.axis[HEIGHT], *w = phase->source.axis[WIDTH];
        if (h->taps > MAX_ROWS || !kernel_of(k, phase)) return FC_UNSUPPORTED;
        s->rows = fc_max(s->rows, h->outputs);
        cycles += (double)h->outputs * ((double)w->outputs * ((double)phase->taps * (w->step > 1 ? 2 : 1.5) + 2) + 20);
    }
    s->blocks = fc_ceil_div(c->groups, k->lanes);
    s->blocks_per_task = fc_max(1, fc_min(BLOCKS_PER_TASK, c->n * s->blocks / FC_DEPTHWISE_TASKS));
    s->block_tasks = fc_ceil_div(s->blocks, s->blocks_per_task);
    s->band = fc_depthwise_band(c->n * s->block_tasks, s->rows);
    s->bands = fc_ceil_div(s->rows, s->band);
    plan->packed_bytes = c->packed * (int64_t)k->element;
    plan->cost = (double)(c->n * s->blocks) * cycles;
    plan->reason = "a vector of channels at a time, in place; wins for depthwise layers";
    return FC_OK;
}

/* The channels of block number `block`. */
static int lanes_of(const fc_conv_plan *plan, int64_t block) {
    const int lanes = plan->kernels->lanes;
    return (int)fc_min(lanes, plan->desc.groups - block * lanes);
}

/* Phase by phase and block by block as [taps][channels]. */
static fc_status pack_pixels(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const pixels_plan *s = plan->state;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        for (int64_t b = 0; b < s->blocks; ++b)
            k->pack(fc_at(packed, fc_packed_at(c, phase, b * k->lanes), k->element), lanes_of(plan, b),
                    fc_at(w, b * k->lanes * c->w_group, k->element), c->w_group, 0, 1, phase->tap, phase->taps);
    }
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const pixels_plan *s;
    const void *src, *bias, *packed;
    void *dst;
} job;

/* Row r of a phase; columns that a dilation keeps apart are rows of their own. */
static void run_row(const job *j, const fc_phase *phase, int64_t r, const void *src, const void *w, void *dst,
                    int lanes, const fc_finish *finish) {
    const fc_source *source = &phase->source;
    const fc_axis *h = source->axis[HEIGHT], *width = source->axis[WIDTH];
    const size_t size = j->plan->kernels->element;
    const fc_pixels_fn run = kernel_of(j->plan->kernels, phase);
    const int64_t distance = fc_tap_distance(width), sets = fc_min(distance, width->outputs);
    const void *rows[MAX_ROWS];
    for (int64_t i = 0; i < h->taps; ++i) {
        const int64_t y = r * h->step + h->offset[i];
        rows[i] = y >= 0 && y < source->size[HEIGHT] ? fc_at(src, y * source->stride[HEIGHT], size) : NULL;
    }
    fc_pixels pixels = {.rows = rows,
                        .taps = width->taps > 0 ? h->taps : 0,
                        .step = source->stride[WIDTH],
                        .width = source->size[WIDTH],
                        .dilation = distance,
                        .out_step = phase->dst_stride[WIDTH] * distance,
                        .lanes = lanes};
    dst = fc_at(dst, phase->dst_offset + r * phase->dst_stride[HEIGHT], size);
    for (int64_t set = 0; set < sets; ++set) {
        pixels.left = width->low + set;
        pixels.columns = fc_ceil_div(width->outputs - set, distance);
        run(&pixels, w, fc_at(dst, set * phase->dst_stride[WIDTH], size), finish);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const pixels_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t band = index % s->bands, task = index / s->bands % s->block_tasks;
    const int64_t n = index / s->bands / s->block_tasks;
    const int64_t end = fc_min(s->rows, (band + 1) * s->band);
    const int64_t last_block = fc_min(s->blocks, (task + 1) * s->blocks_per_task);
    fc_finish finish = j->plan->finish;
    for (int64_t b = task * s->blocks_per_task; b < last_block; ++b) {
        const int64_t channel = b * k->lanes;
        const int lanes = lanes_of(j->plan, b);
        if (j->bias) finish.bias = fc_at(j->bias, channel, k->element);
        const void *src = fc_at(j->src, n * c->src_n + channel, k->element);
        void *dst = fc_at(j->dst, n * c->dst_n + channel, k->element);
        for (int64_t r = band * s->band; r < end; ++r) {
            for (int64_t i = 0; i < c->phases; ++i) {
                const fc_phase *phase = &c->phase[i];
                if (r < phase->source.axis[HEIGHT]->outputs)
                    run_row(j, phase, r, src, fc_at(j->packed, fc_packed_at(c, phase, channel), k->element), dst, lanes,
                            &finish);
            }
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
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
    };
    fc_parallel_for(s->c.n * s->block_tasks * s->bands, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_pixels = {"pixels", plan_pixels, pack_pixels, execute_pixels, release_pixels};
