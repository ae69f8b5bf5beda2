/* direct.c: convolution by register tiles on a small padded copy of the source, for every stride, dilation, border, group
 * and layout.
 *
 * A task takes one block of outputs of one image and group: it fills the tile, then for each strip of xr vectors of
 * flattened outputs, each block of channels whose part of the tile fits L1, and each mr filters, runs the register kernel;
 * sums between channel blocks rest in a scratch row per filter, from which finished rows are copied out. Tile and scratch
 * fit half of L2. Where there are too few blocks to keep many threads busy, the filters are shared out as well and the
 * tiles are filled beforehand, once for all of them. Wins for kernels larger than 1x1 with more than one filter per group. backward_weights is in weights.c. */
#include <stdlib.h>

#include "conv/correlate.h"
#include "conv/weights.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MIN_DEPTH = 32, FILL_PARTS = 8 };

/* How one phase is cut into tasks. */
typedef struct blocking {
    fc_tile tile;
    int64_t row_blocks, column_blocks;
    int64_t channel_block; /* channels per register-kernel call */
    int64_t filter_chunk, chunks;
    int64_t scratch_row; /* elements of one filter's scratch */
    int64_t tasks, first_task;
    int64_t shared_tile; /* byte where its shared tiles start, or -1: each task fills its own */
    int64_t packed;      /* element where its packed weights start */
    int32_t *off;        /* of one channel block */
} blocking;

typedef struct direct_plan {
    fc_correlation c;
    blocking *block;
    int64_t tasks;
    int64_t tile_bytes, shared_tiles;
} direct_plan;

static void release_state(direct_plan *state) {
    if (!state) return;
    for (int64_t i = 0; state->block && i < state->c.phases; ++i) free(state->block[i].off);
    free(state->block);
    fc_correlation_release(&state->c);
    free(state);
}

static void release_direct(fc_conv_plan *plan) {
    if (plan->desc.pass == FC_BACKWARD_WEIGHTS) {
        fc_weights_release(plan);
    } else {
        release_state(plan->state);
    }
}

static int64_t strip(const fc_kernels *k) { return (int64_t)k->xr * k->lanes; }

static int64_t scratch_row(const fc_tile *tile, const fc_kernels *k) {
    return fc_ceil_div(fc_tile_outputs(tile, tile->rows, tile->columns), k->lanes) * k->lanes;
}

static int64_t elements(const fc_tile *tile, int64_t channels, int64_t filters, const fc_kernels *k) {
    return fc_tile_elements(tile, channels, k->lanes) + filters * scratch_row(tile, k);
}

/* Largest block of whole rows that fits, else part of one row; then smaller blocks where there would be too few tasks. */
static void choose_block(blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k,
                         int64_t budget) {
    int64_t rows = phase->outputs[HEIGHT], columns = phase->outputs[WIDTH];
    b->tile = fc_tile_layout(&phase->source, rows, columns);
    while (elements(&b->tile, c->channels, c->filters, k) > budget && (rows > 1 || columns > strip(k))) {
        if (rows > 1) {
            rows = fc_ceil_div(rows, 2);
        } else {
            columns = fc_max(strip(k), fc_ceil_div(columns, 2));
        }
        b->tile = fc_tile_layout(&phase->source, rows, columns);
    }
    const int64_t images = c->n * c->groups * phase->outputs[DEPTH];
    while (rows > 1 && images * fc_ceil_div(phase->outputs[HEIGHT], rows) < MIN_TASKS &&
           fc_tile_outputs(&b->tile, rows, columns) >= 8 * strip(k)) {
        rows = fc_ceil_div(rows, 2);
        b->tile = fc_tile_layout(&phase->source, rows, columns);
    }
    b->row_blocks = fc_ceil_div(phase->outputs[HEIGHT], rows);
    b->column_blocks = fc_ceil_div(phase->outputs[WIDTH], columns);
    const int64_t even = fc_ceil_div(phase->outputs[HEIGHT], b->row_blocks);
    b->tile = fc_tile_layout(&phase->source, even, columns);
    b->scratch_row = scratch_row(&b->tile, k);
}

/* Few tasks left (a small image, one batch): filters are shared out as well. */
static void choose_chunks(blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const int64_t tasks = c->n * c->groups * phase->outputs[DEPTH] * b->row_blocks * b->column_blocks;
    const int64_t wanted = fc_max(1, fc_min(fc_ceil_div(MIN_TASKS, fc_max(tasks, 1)), c->filters / (2 * k->mr)));
    b->filter_chunk = fc_ceil_div(fc_ceil_div(c->filters, wanted), k->mr) * k->mr;
    b->chunks = fc_ceil_div(c->filters, b->filter_chunk);
    b->tasks = tasks * b->chunks;
}

/* As many channels as keep the lines that one strip reads in half of L1. */
static fc_status choose_channels(blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const fc_axis *axis = phase->source.axis;
    const int64_t line = (strip(k) + axis[WIDTH].reach) * (int64_t)k->element + 64;
    const int64_t bytes = fc_max(1, axis[DEPTH].taps * axis[HEIGHT].taps * axis[WIDTH].phases) * line;
    int64_t channels = fc_max(fc_l1_bytes() / 2 / bytes, fc_ceil_div(MIN_DEPTH, fc_max(phase->taps, 1)));
    channels = fc_max(1, fc_min(channels, c->channels));
    b->channel_block = fc_ceil_div(c->channels, fc_ceil_div(c->channels, channels));
    if (b->channel_block * b->tile.channel_stride > INT32_MAX) return FC_UNSUPPORTED;
    b->off = malloc(sizeof(int32_t) * (size_t)fc_max(1, b->channel_block * phase->taps));
    if (!b->off) return FC_NO_MEMORY;
    fc_tile_offsets(&b->tile, &phase->source, b->channel_block, b->off);
    return FC_OK;
}

/* Cycles of one task on one core: two vector multiply-adds each, one load and store per tile element and output. */
static double task_cycles(const blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const double vectors = (double)b->scratch_row / k->lanes, depth = (double)(c->channels * phase->taps);
    const double fill = (double)(c->channels * b->tile.channel_stride) / k->lanes * 2;
    const int64_t filters = fc_min(b->filter_chunk, c->filters);
    const int mr = (int)fc_min(k->mr, filters);
    const double step = fc_max(mr * k->xr, 8) / 2.0 / (mr * k->xr); /* fewer than 8 sums wait for the adder */
    return (double)filters * vectors * (depth * step + 4) + fill / (b->shared_tile < 0 ? 1 : (double)b->chunks) + 300;
}

static fc_status plan_correlation(fc_conv_plan *plan) {
    direct_plan *state = calloc(1, sizeof *state);
    if (!state) return FC_NO_MEMORY;
    plan->state = state;
    fc_correlation *c = &state->c;
    fc_status status = fc_correlation_init(c, &plan->desc);
    if (status != FC_OK) return status;
    state->block = calloc((size_t)c->phases, sizeof *state->block);
    if (!state->block) return FC_NO_MEMORY;
    const fc_kernels *k = plan->kernels;
    const int64_t budget = fc_l2_bytes() / 2 / (int64_t)k->element;
    int64_t packed = 0, tile_bytes = 0, scratch_bytes = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_phase *phase = &c->phase[i];
        blocking *b = &state->block[i];
        choose_block(b, c, phase, k, budget);
        choose_chunks(b, c, phase, k);
        if (elements(&b->tile, c->channels, b->filter_chunk, k) > INT32_MAX) return FC_UNSUPPORTED;
        status = choose_channels(b, c, phase, k);
        if (status != FC_OK) return status;
        b->first_task = state->tasks;
        b->shared_tile = -1;
        const int64_t bytes =
            (int64_t)fc_align_up((size_t)fc_tile_elements(&b->tile, c->channels, k->lanes) * k->element);
        if (b->chunks > 1) {
            b->shared_tile = plan->shared_bytes;
            plan->shared_bytes += b->tasks / b->chunks * bytes;
            state->shared_tiles += b->tasks / b->chunks;
        } else {
            tile_bytes = fc_max(tile_bytes, bytes);
        }
        b->packed = packed;
        state->tasks += b->tasks;
        packed += c->groups * c->filters * c->channels * phase->taps;
        scratch_bytes = fc_max(scratch_bytes, b->filter_chunk * b->scratch_row * (int64_t)k->element);
        plan->cost += (double)b->tasks * task_cycles(b, c, phase, k);
    }
    plan->cost += (double)packed;
    plan->packed_bytes = packed * (int64_t)k->element;
    state->tile_bytes = tile_bytes;
    plan->worker_bytes = state->tile_bytes + (int64_t)fc_align_up((size_t)scratch_bytes);
    plan->reason = "register tiles on a padded tile; wins for kernels larger than 1x1";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const direct_plan *state;
    const void *src, *w, *bias;
    void *dst, *packed;
    char *shared, *worker;
} job;

/* One block of outputs of one phase. */
typedef struct place {
    const fc_phase *phase;
    const blocking *block;
    int64_t n, group, start[FC_SPATIAL], rows, columns;
} place;

static const blocking *find_phase(const direct_plan *state, int64_t task, const fc_phase **phase) {
    int64_t p = 0;
    while (p + 1 < state->c.phases && task >= state->block[p + 1].first_task) ++p;
    *phase = &state->c.phase[p];
    return &state->block[p];
}

static place place_of(const fc_correlation *c, const fc_phase *phase, const blocking *b, int64_t tile) {
    place at = {.phase = phase, .block = b};
    const int64_t column_block = tile % b->column_blocks;
    const int64_t row_block = (tile /= b->column_blocks) % b->row_blocks;
    at.start[DEPTH] = (tile /= b->row_blocks) % phase->outputs[DEPTH];
    at.group = (tile /= phase->outputs[DEPTH]) % c->groups;
    at.n = tile / c->groups;
    at.start[HEIGHT] = row_block * b->tile.rows;
    at.start[WIDTH] = column_block * b->tile.columns;
    at.rows = fc_max(0, fc_min(b->tile.rows, phase->outputs[HEIGHT] - at.start[HEIGHT]));
    at.columns = fc_max(0, fc_min(b->tile.columns, phase->outputs[WIDTH] - at.start[WIDTH]));
    return at;
}

static void fill_tile(const job *j, const place *at, int64_t channel, int64_t channels, void *tile) {
    const fc_correlation *c = &j->state->c;
    const size_t size = j->plan->kernels->element;
    const int64_t from = at->n * c->src_n + at->group * c->src_group + channel * at->phase->source.channel_stride;
    fc_tile_fill(&at->block->tile, &at->phase->source, j->plan->kernels, fc_at(j->src, from, size), channels, at->start,
                 at->rows, fc_at(tile, channel * at->block->tile.channel_stride, size));
}

static void *shared_tile(const job *j, const blocking *b, int64_t tile) {
    const fc_kernels *k = j->plan->kernels;
    const size_t bytes = fc_align_up((size_t)fc_tile_elements(&b->tile, j->state->c.channels, k->lanes) * k->element);
    return j->shared + b->shared_tile + tile * (int64_t)bytes;
}

/* Fills one share of the channels of one shared tile. */
static void fill_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_correlation *c = &j->state->c;
    int64_t tile = index / FILL_PARTS, p = 0;
    for (; j->state->block[p].shared_tile < 0 || tile >= j->state->block[p].tasks / j->state->block[p].chunks; ++p)
        if (j->state->block[p].shared_tile >= 0) tile -= j->state->block[p].tasks / j->state->block[p].chunks;
    const blocking *b = &j->state->block[p];
    const place at = place_of(c, &c->phase[p], b, tile);
    const int64_t part = index % FILL_PARTS, first = c->channels * part / FILL_PARTS;
    if (at.rows > 0) fill_tile(j, &at, first, c->channels * (part + 1) / FILL_PARTS - first, shared_tile(j, b, tile));
}

static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_correlation *c = &j->state->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t blocks = fc_ceil_div(c->filters, k->mr);
    const int64_t first = index % blocks * k->mr, group = index / blocks % c->groups, p = index / blocks / c->groups;
    const int mr = (int)fc_min(k->mr, c->filters - first);
    const int64_t depth = c->channels * c->phase[p].taps;
    const int64_t at = j->state->block[p].packed + (group * c->filters + first) * depth;
    fc_correlation_pack(c, &c->phase[p], k, j->w, group, first, mr, fc_at(j->packed, at, k->element));
}

static fc_status pack_correlation(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const direct_plan *state = plan->state;
    job j = {.plan = plan, .state = state, .w = w, .packed = packed};
    const int64_t tasks = state->c.phases * state->c.groups * fc_ceil_div(state->c.filters, plan->kernels->mr);
    fc_parallel_for(tasks, plan->packed_bytes > (64 << 10) ? threads : 1, pack_task, &j);
    return FC_OK;
}

/* One strip of outputs for all filters of the chunk: channel blocks outermost, so that their lines stay in L1. */
static void run_strip(const job *j, const blocking *b, const fc_phase *phase, const void *tile, const void *packed,
                      int64_t group, int64_t first, int64_t filters, int64_t q, int vectors, void *scratch) {
    const fc_correlation *c = &j->state->c;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    const int64_t depth = c->channels * phase->taps;
    for (int64_t channel = 0; channel < c->channels; channel += b->channel_block) {
        const int64_t channels = fc_min(b->channel_block, c->channels - channel);
        const int last = channel + channels == c->channels;
        const void *src = fc_at(tile, channel * b->tile.channel_stride + q, size);
        for (int64_t f = 0; f < filters; f += k->mr) {
            const int mr = (int)fc_min(k->mr, filters - f);
            const int64_t filter = group * c->filters + first + f;
            fc_finish finish = j->plan->finish;
            if (j->bias) finish.bias = fc_at(j->bias, filter, size);
            const void *w = fc_at(packed, b->packed + filter * depth + channel * phase->taps * mr, size);
            k->corr[mr - 1][vectors - 1](channels * phase->taps, src, b->off, w,
                                         fc_at(scratch, f * b->scratch_row + q, size), b->scratch_row, channel == 0,
                                         last ? &finish : NULL);
        }
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_correlation *c = &j->state->c;
    const fc_kernels *k = j->plan->kernels;
    const fc_phase *phase;
    const blocking *b = find_phase(j->state, index, &phase);
    const int64_t tile_index = (index - b->first_task) / b->chunks, chunk = (index - b->first_task) % b->chunks;
    const place at = place_of(c, phase, b, tile_index);
    if (at.rows == 0 || at.columns == 0) return;
    const int64_t first = chunk * b->filter_chunk, filters = fc_min(b->filter_chunk, c->filters - first);

    char *private = j->worker + worker * j->plan->worker_bytes;
    void *tile = b->shared_tile < 0 ? private : shared_tile(j, b, tile_index),
         *scratch = private + j->state->tile_bytes;
    if (b->shared_tile < 0) fill_tile(j, &at, 0, c->channels, tile);
    const int64_t vectors = fc_ceil_div(fc_tile_outputs(&b->tile, at.rows, at.columns), k->lanes);
    for (int64_t v = 0; v < vectors; v += k->xr)
        run_strip(j, b, phase, tile, j->packed, at.group, first, filters, v * k->lanes, (int)fc_min(k->xr, vectors - v),
                  scratch);

    int64_t to = at.n * c->dst_n + at.group * c->dst_group + first * c->dst_channel + phase->dst_offset;
    for (int a = 0; a < FC_SPATIAL; ++a) to += at.start[a] * phase->dst_stride[a];
    for (int64_t f = 0; f < filters; ++f)
        k->scatter_rows(fc_at(j->dst, to + f * c->dst_channel, k->element), phase->dst_stride[HEIGHT],
                        phase->dst_stride[WIDTH], fc_at(scratch, f * b->scratch_row, k->element), b->tile.pitch,
                        at.rows, at.columns);
}

static fc_status execute_correlation(const fc_conv_plan *plan, const fc_conv_args *args,
                                     const fc_conv_scratch *scratch) {
    const direct_plan *state = plan->state;
    job j = {
        .plan = plan,
        .state = state,
        .src = fc_correlation_src(plan, args),
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .shared = scratch->shared,
        .worker = scratch->worker,
    };
    fc_parallel_for(state->shared_tiles * FILL_PARTS, scratch->threads, fill_task, &j);
    fc_parallel_for(state->tasks, scratch->threads, run_task, &j);
    return FC_OK;
}

static fc_status plan_direct(fc_conv_plan *plan) {
    if (plan->has_residual) {
        plan->reason = "this epilogue is not fused yet";
        return FC_UNSUPPORTED;
    }
    return plan->desc.pass == FC_BACKWARD_WEIGHTS ? fc_weights_plan(plan) : plan_correlation(plan);
}

static fc_status execute_direct(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    return plan->desc.pass == FC_BACKWARD_WEIGHTS ? fc_weights_execute(plan, args, scratch)
                                                  : execute_correlation(plan, args, scratch);
}

const fc_conv_algorithm fc_conv_direct = {"direct", plan_direct, pack_correlation, execute_direct, release_direct};
