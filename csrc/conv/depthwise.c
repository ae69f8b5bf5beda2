/* depthwise.c: one input channel per group, any channel multiplier.
 *
 * A task takes a few neighbouring channels of one image and phase: each is copied into its padded tile once, and every
 * filter of the channel runs over the flattened outputs eight vectors at a time, with no sum over channels and nothing
 * packed beyond its own taps. Wins when a group has one channel, where the register tile of direct would be one row.
 * backward_data is the same when a group has one filter as well. */
#include <stdlib.h>

#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16 };

typedef struct blocking {
    fc_tile tile;
    int64_t row_blocks, scratch_row, tasks, first_task, packed;
    int32_t *off;
} blocking;

typedef struct depthwise_plan {
    fc_correlation c;
    blocking *block;
    int64_t groups_per_task, group_blocks, tasks, tile_bytes;
} depthwise_plan;

static void release_depthwise(fc_conv_plan *plan) {
    depthwise_plan *s = plan->state;
    if (!s) return;
    for (int64_t i = 0; s->block && i < s->c.phases; ++i) free(s->block[i].off);
    free(s->block);
    fc_correlation_release(&s->c);
    free(s);
}

static int64_t scratch_row(const fc_tile *tile, const fc_kernels *k) {
    return fc_ceil_div(fc_tile_outputs(tile, tile->rows, tile->columns), k->lanes) * k->lanes;
}

static fc_status plan_phase(depthwise_plan *s, int64_t index, const fc_kernels *k) {
    const fc_phase *phase = &s->c.phase[index];
    blocking *b = &s->block[index];
    const int64_t budget = fc_l1_bytes() / (int64_t)k->element, columns = phase->outputs[WIDTH];
    int64_t rows = phase->outputs[HEIGHT];
    b->tile = fc_tile_layout(&phase->source, rows, columns);
    while (rows > 4 && fc_tile_elements(&b->tile, 1, k->lanes) + scratch_row(&b->tile, k) > budget) {
        rows = fc_ceil_div(rows, 2);
        b->tile = fc_tile_layout(&phase->source, rows, columns);
    }
    b->row_blocks = fc_ceil_div(phase->outputs[HEIGHT], rows);
    b->tile = fc_tile_layout(&phase->source, fc_ceil_div(phase->outputs[HEIGHT], b->row_blocks), columns);
    b->scratch_row = scratch_row(&b->tile, k);
    if (b->tile.channel_stride + b->scratch_row > INT32_MAX) return FC_UNSUPPORTED;
    b->off = malloc(sizeof(int32_t) * (size_t)fc_max(1, phase->taps));
    if (!b->off) return FC_NO_MEMORY;
    fc_tile_offsets(&b->tile, &phase->source, 1, b->off);
    return FC_OK;
}

static fc_status plan_depthwise(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const int64_t channels = d->pass == FC_BACKWARD_DATA ? d->oc / d->groups : d->ic / d->groups;
    if (d->pass == FC_BACKWARD_WEIGHTS || channels != 1 || plan->has_residual) {
        plan->reason = d->pass == FC_BACKWARD_WEIGHTS ? "backward_weights is the direct row's"
                       : channels != 1                ? "a group sums over more than one channel"
                                                      : "this epilogue is not fused yet";
        return FC_UNSUPPORTED;
    }
    const fc_kernels *k = plan->kernels;
    depthwise_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    s->block = calloc((size_t)c->phases, sizeof *s->block);
    if (!s->block) return FC_NO_MEMORY;
    s->groups_per_task = fc_max(1, fc_min(8, c->n * c->groups / MIN_TASKS));
    s->group_blocks = fc_ceil_div(c->groups, s->groups_per_task);
    int64_t packed = 0, tile_bytes = 0, scratch_bytes = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        blocking *b = &s->block[i];
        status = plan_phase(s, i, k);
        if (status != FC_OK) return status;
        b->first_task = s->tasks;
        b->tasks = c->n * s->group_blocks * phase->outputs[DEPTH] * b->row_blocks;
        b->packed = packed;
        s->tasks += b->tasks;
        packed += c->groups * c->filters * phase->taps;
        tile_bytes = fc_max(tile_bytes, fc_tile_elements(&b->tile, 1, k->lanes) * (int64_t)k->element);
        scratch_bytes = fc_max(scratch_bytes, b->scratch_row * (int64_t)k->element);
        const double vectors = (double)b->scratch_row / k->lanes;
        plan->cost +=
            (double)(b->tasks * s->groups_per_task) * (vectors * (double)c->filters * ((double)phase->taps + 4) +
                                                       (double)b->tile.channel_stride / k->lanes * 2 + 100);
    }
    plan->packed_bytes = packed * (int64_t)k->element;
    s->tile_bytes = (int64_t)fc_align_up((size_t)tile_bytes);
    plan->worker_bytes = s->tile_bytes + (int64_t)fc_align_up((size_t)scratch_bytes);
    plan->reason = "one channel at a time; wins for depthwise layers";
    return FC_OK;
}

static fc_status pack_depthwise(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const depthwise_plan *s = plan->state;
    const fc_correlation *c = &s->c;
    for (int64_t p = 0; p < c->phases; ++p)
        for (int64_t g = 0; g < c->groups; ++g)
            for (int64_t f = 0; f < c->filters; ++f)
                fc_correlation_pack(c, &c->phase[p], plan->kernels, w, g, f, 1,
                                    fc_at(packed, s->block[p].packed + (g * c->filters + f) * c->phase[p].taps,
                                          plan->kernels->element));
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const depthwise_plan *s;
    const void *src, *bias, *packed;
    void *dst;
    char *worker;
} job;

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const depthwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    int64_t p = 0;
    while (p + 1 < c->phases && index >= s->block[p + 1].first_task) ++p;
    const blocking *b = &s->block[p];
    const fc_phase *phase = &c->phase[p];
    int64_t t = index - b->first_task;
    const int64_t row_block = t % b->row_blocks, depth = (t /= b->row_blocks) % phase->outputs[DEPTH];
    const int64_t group_block = (t /= phase->outputs[DEPTH]) % s->group_blocks, n = t / s->group_blocks;
    const int64_t start[FC_SPATIAL] = {depth, row_block * b->tile.rows, 0};
    const int64_t rows = fc_min(b->tile.rows, phase->outputs[HEIGHT] - start[HEIGHT]), columns = phase->outputs[WIDTH];
    if (rows <= 0) return;
    const int64_t outputs = fc_tile_outputs(&b->tile, rows, columns);
    char *tile = j->worker + worker * j->plan->worker_bytes, *scratch = tile + s->tile_bytes;
    const int64_t at =
        n * c->dst_n + phase->dst_offset + depth * phase->dst_stride[DEPTH] + start[HEIGHT] * phase->dst_stride[HEIGHT];
    const int64_t end = fc_min(c->groups, (group_block + 1) * s->groups_per_task);
    for (int64_t g = group_block * s->groups_per_task; g < end; ++g) {
        fc_tile_fill(&b->tile, &phase->source, k, fc_at(j->src, n * c->src_n + g * c->src_group, k->element), 1, start,
                     rows, tile);
        for (int64_t f = 0; f < c->filters; ++f) {
            const int64_t filter = g * c->filters + f;
            fc_finish finish = j->plan->finish;
            if (j->bias) finish.bias = fc_at(j->bias, filter, k->element);
            k->corr_row(phase->taps, tile, b->off, fc_at(j->packed, b->packed + filter * phase->taps, k->element),
                        scratch, outputs, &finish);
            k->scatter_rows(fc_at(j->dst, at + g * c->dst_group + f * c->dst_channel, k->element),
                            phase->dst_stride[HEIGHT], phase->dst_stride[WIDTH], scratch, b->tile.pitch, rows, columns);
        }
    }
}

static fc_status execute_depthwise(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const depthwise_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
        .worker = scratch->worker,
    };
    fc_parallel_for(s->tasks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_depthwise = {"depthwise", plan_depthwise, pack_depthwise, execute_depthwise,
                                             release_depthwise};
