/* depthwise_tiles.c: forward and backward_data of one channel per group for any view, border, kernel and stride.
 *
 * A task takes a few neighbouring channels of one image and phase: each is copied into its padded tile once, and every
 * filter of the channel runs over the flattened outputs eight vectors at a time, with no sum over channels and nothing
 * packed beyond its own taps. */
#include <stdlib.h>

#include "conv/blocks.h"
#include "conv/depthwise.h"
#include "conv/leave.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_ROWS = 4, MIN_VECTORS = 64 };

typedef struct tiles_plan {
    fc_correlation c;
    fc_blocks *blocks;   /* of each phase */
    int32_t **off;       /* of each phase */
    int64_t *first_task; /* of each phase */
    int64_t groups_per_task, group_blocks, tasks, tile_bytes;
} tiles_plan;

static void release_tiles(fc_conv_plan *plan) {
    tiles_plan *s = plan->state;
    if (!s) return;
    for (int64_t i = 0; s->off && i < s->c.phases; ++i) free(s->off[i]);
    free(s->off);
    free(s->blocks);
    free(s->first_task);
    fc_correlation_release(&s->c);
    free(s);
}

/* A channel's tile and outputs fit L1, as far as that leaves rows and columns worth a copy. */
static fc_status plan_phase(tiles_plan *s, int64_t index, const fc_kernels *k) {
    const fc_phase *phase = &s->c.phase[index];
    const fc_block_aim aim = {.channels = 1,
                              .filters = 1,
                              .elements = fc_l1_bytes() / (int64_t)k->element,
                              .rows = MIN_ROWS,
                              .columns = MIN_VECTORS * k->lanes};
    fc_blocks *b = &s->blocks[index];
    *b = fc_blocks_fit(&phase->source, &aim, k->lanes);
    if (fc_blocks_elements(b, 1, 1, k->lanes) > INT32_MAX) return FC_UNSUPPORTED;
    s->off[index] = malloc(sizeof(int32_t) * (size_t)fc_max(1, phase->taps));
    if (!s->off[index]) return FC_NO_MEMORY;
    fc_tile_offsets(&b->tile, &phase->source, 1, s->off[index]);
    s->first_task[index] = s->tasks;
    s->tasks += s->c.n * s->group_blocks * b->count;
    return FC_OK;
}

static fc_status plan_tiles(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    if (d->pass == FC_BACKWARD_WEIGHTS) {
        plan->reason = "backward_weights of this view or kernel is the direct row's";
        return FC_UNSUPPORTED;
    }
    const fc_kernels *k = plan->kernels;
    tiles_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    s->blocks = calloc((size_t)c->phases, sizeof *s->blocks);
    s->off = calloc((size_t)c->phases, sizeof *s->off);
    s->first_task = calloc((size_t)c->phases, sizeof *s->first_task);
    if (!s->blocks || !s->off || !s->first_task) return FC_NO_MEMORY;
    s->groups_per_task = fc_max(1, fc_min(FC_DEPTHWISE_GROUPS, c->n * c->groups / FC_DEPTHWISE_TASKS));
    s->group_blocks = fc_ceil_div(c->groups, s->groups_per_task);
    int64_t tile_elements = 0, scratch_elements = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        status = plan_phase(s, i, k);
        if (status != FC_OK) return status;
        const fc_blocks *b = &s->blocks[i];
        tile_elements = fc_max(tile_elements, fc_tile_elements(&b->tile, 1, k->lanes));
        scratch_elements = fc_max(scratch_elements, b->scratch_row);
        const double vectors = (double)b->scratch_row / k->lanes, taps = (double)c->phase[i].taps;
        plan->cost += (double)(c->n * s->group_blocks * b->count * s->groups_per_task) *
                      (vectors * (double)c->filters * (taps + 4) + (double)b->tile.channel_stride / k->lanes * 2 + 100);
    }
    plan->packed_bytes = c->packed * (int64_t)k->element;
    s->tile_bytes = (int64_t)fc_align_up((size_t)tile_elements * k->element);
    plan->worker_bytes = s->tile_bytes + (int64_t)fc_align_up((size_t)scratch_elements * k->element);
    plan->reason = "one channel at a time; wins for depthwise layers";
    return FC_OK;
}

/* Each filter's taps in turn; filters that follow each other evenly through all groups are packed in one go. */
static fc_status pack_tiles(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const tiles_plan *s = plan->state;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    const int even = c->w_group == c->filters * c->w_filter;
    const int64_t runs = even ? 1 : c->groups, filters = even ? c->groups * c->filters : c->filters;
    for (int64_t p = 0; p < c->phases; ++p) {
        const fc_phase *phase = &c->phase[p];
        for (int64_t g = 0; g < runs; ++g)
            k->pack(fc_at(packed, fc_packed_at(c, phase, g * filters), k->element), 1,
                    fc_at(w, g * c->w_group, k->element), 0, c->w_filter, filters, phase->tap, phase->taps);
    }
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const tiles_plan *s;
    const void *src, *bias, *residual, *packed;
    void *dst;
    char *worker;
} job;

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const tiles_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t p = fc_last_at_most(s->first_task, c->phases, index), task = index - s->first_task[p];
    const fc_blocks *b = &s->blocks[p];
    const fc_phase *phase = &c->phase[p];
    const fc_block block = fc_block_at(b, &phase->source, task % b->count);
    const int64_t group_block = task / b->count % s->group_blocks, n = task / b->count / s->group_blocks;
    const int64_t outputs = fc_tile_outputs(&b->tile, block.rows, block.columns);
    char *tile = j->worker + worker * j->plan->worker_bytes, *scratch = tile + s->tile_bytes;
    const int64_t *other = j->plan->desc.residual_stride;
    int64_t at = n * c->dst_n + phase->dst_offset, from = n * other[AXIS_N];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        at += block.start[a] * phase->dst_stride[a];
        from += (phase->start[a] + block.start[a] * phase->step[a]) * other[AXIS_D + a];
    }
    const int64_t end = fc_min(c->groups, (group_block + 1) * s->groups_per_task);
    for (int64_t g = group_block * s->groups_per_task; g < end; ++g) {
        fc_tile_fill(&b->tile, &phase->source, k, fc_at(j->src, n * c->src_n + g * c->src_group, k->element), 1,
                     block.start, block.rows, tile);
        for (int64_t f = 0; f < c->filters; ++f) {
            const int64_t filter = g * c->filters + f;
            fc_finish finish = fc_leave_finish(j->plan);
            if (j->bias) finish.bias = fc_at(j->bias, filter, k->element);
            k->corr_row(phase->taps, tile, s->off[p], fc_at(j->packed, fc_packed_at(c, phase, filter), k->element),
                        scratch, outputs, &finish);
            const fc_exit to = {.dst = fc_at(j->dst, at + g * c->dst_group + f * c->dst_channel, k->element),
                                .dst_row = phase->dst_stride[HEIGHT],
                                .dst_step = phase->dst_stride[WIDTH],
                                .residual =
                                    j->residual ? fc_at(j->residual, from + filter * other[AXIS_C], k->element) : NULL,
                                .residual_row = phase->step[HEIGHT] * other[AXIS_H],
                                .residual_step = phase->step[WIDTH] * other[AXIS_W]};
            fc_leave_rows(j->plan, &to, scratch, b->tile.pitch, block.rows, block.columns);
        }
    }
}

static fc_status execute_tiles(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const tiles_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .dst = fc_correlation_dst(plan, args),
        .worker = scratch->worker,
    };
    fc_parallel_for(s->tasks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_depthwise_tiles = {"tiles", plan_tiles, pack_tiles, execute_tiles, release_tiles};
