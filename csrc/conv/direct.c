/* direct.c: convolution by register tiles on a small padded copy of the source, for every stride, dilation, border,
 * group and layout.
 *
 * A task takes one block of outputs of one image and group: it fills the tile, then runs the register kernel over it in
 * one of two ways, whichever computes and copies less:
 *   by rows     mr filters and xr vectors of one row of outputs at a time, stored where they belong; the last vector of a
 *               row that is no multiple of the vector overlaps the one before. For rows of one run in memory.
 *   flattened   rows run into one another through the padding between them; for each strip of xr vectors, each block of
 *               channels whose part of the tile fits L1, and each mr filters; sums rest in a scratch row per filter, from
 *               which finished rows are copied out, with a residual or a 2x2 max-pool on the way.
 * Tile and scratch fit half of L2. Where there are too few blocks to keep many threads busy, the filters are shared
 * out as well and the tiles are filled beforehand, once for all of them. Wins for kernels larger than 1x1 with more
 * than one filter per group. backward_weights is in weights.c. */
#include <stdlib.h>

#include "conv/blocks.h"
#include "conv/correlate.h"
#include "conv/leave.h"
#include "conv/weights.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { FEW_TILES = 8, MIN_TASKS = 16, MANY_TASKS = 64, MIN_DEPTH = 32, FILL_PARTS = 8 };

/* How one phase is cut into tasks. */
typedef struct blocking {
    fc_blocks blocks;
    int by_rows;
    int64_t channel_block; /* channels per register-kernel call */
    int64_t filter_block;  /* filters whose packed weights stay in L2 from strip to strip */
    int64_t filter_chunk, chunks;
    int64_t tiles;        /* blocks of all images and groups; tasks = tiles * chunks */
    int64_t shared_tiles; /* byte where its shared tiles start, or -1: each task fills its own */
    int32_t *off;         /* of one channel block */
} blocking;

typedef struct direct_plan {
    fc_correlation c;
    blocking *block;                  /* of each phase */
    int64_t *first_task, *first_tile; /* of each phase; shared tiles only */
    int64_t tasks, shared_tiles;
    int64_t tile_bytes;
} direct_plan;

static void release_correlation(direct_plan *state) {
    if (!state) return;
    for (int64_t i = 0; state->block && i < state->c.phases; ++i) free(state->block[i].off);
    free(state->block);
    free(state->first_task);
    free(state->first_tile);
    fc_correlation_release(&state->c);
    free(state);
}

static void release_direct(fc_conv_plan *plan) {
    if (plan->desc.pass == FC_BACKWARD_WEIGHTS) {
        fc_weights_release(plan);
    } else {
        release_correlation(plan->state);
    }
}

static int64_t strip(const fc_kernels *k) { return (int64_t)k->xr * k->lanes; }

static int64_t tile_bytes(const blocking *b, const fc_correlation *c, const fc_kernels *k) {
    return (int64_t)fc_align_up((size_t)fc_tile_elements(&b->blocks.tile, c->channels, k->lanes) * k->element);
}

/* Cycles of one step of the sums of mr filters along `vectors` in strips of nearly equal width: two multiply-adds each,
 * but fewer than 10 sums wait for the adder. */
static double step_cycles(int64_t mr, int64_t vectors, int64_t strips) {
    const int64_t each = vectors / strips, wider = vectors % strips;
    return (double)(wider * fc_max((each + 1) * mr, 10) + (strips - wider) * fc_max(each * mr, 10)) / 2;
}

/* Whether whole rows are one call of the register kernel. */
static int sweeps(const blocking *b, const fc_correlation *c, int by_rows) {
    return by_rows && b->channel_block == c->channels;
}

/* Cycles of one block for some of its filters on one core, filling apart: the sums, some more for loads across lines and
 * for calls (measured), and what it takes to store or to copy out a vector. */
static double compute_cycles(const blocking *b, const fc_blocks *blocks, const fc_correlation *c, const fc_phase *phase,
                             const fc_kernels *k, int64_t filters, int by_rows) {
    const int64_t columns = blocks->tile.columns, rest = filters % k->mr, runs = by_rows ? blocks->tile.rows : 1;
    const int64_t vectors = by_rows ? fc_ceil_div(columns, k->lanes) : blocks->scratch_row / k->lanes;
    const int apart = by_rows && columns % k->lanes != 0 && (!sweeps(b, c, by_rows) || vectors <= k->xr);
    const int64_t strips = fc_ceil_div(fc_max(vectors - apart, 1), k->xr) + apart;
    const double whole = (double)(filters / k->mr) * step_cycles(k->mr, vectors, strips);
    const double steps =
        (whole + (rest ? step_cycles(rest, vectors, strips) : 0)) * (sweeps(b, c, by_rows) ? 1.06 : 1.1);
    const double out = by_rows ? 3 : phase->dst_stride[WIDTH] == 1 ? 8 : 4 + 2 * k->lanes;
    return (double)runs * ((double)(c->channels * phase->taps) * steps + (double)(filters * vectors) * out) + 300;
}

/* Cycles of filling a tile: a load and a store for a vector, or for an element where the source is not one run. */
static double fill_cycles(const fc_tile *tile, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const int64_t distance = phase->source.stride[WIDTH] * phase->source.axis[WIDTH]->step;
    const double elements = (double)(c->channels * tile->channel_stride);
    return elements * (distance == 1 ? 4.0 / k->lanes : distance == 2 || distance == 4 ? 6.0 / k->lanes : 1.5);
}

static int rows_in_place(const fc_phase *phase, const fc_kernels *k) {
    return phase->dst_stride[WIDTH] == 1 && phase->source.axis[WIDTH]->outputs >= k->lanes;
}

/* Few tiles (a small image, one batch): filters are shared out as well. */
static int64_t count_chunks(int64_t tiles, const fc_correlation *c, const fc_kernels *k) {
    const int64_t wanted = tiles >= FEW_TILES ? 1 : fc_ceil_div(MIN_TASKS, tiles);
    return fc_max(1, fc_min(wanted, c->filters / (2 * k->mr)));
}

/* The blocks that take the fewest cycles among those that fit: fewer rows mean more tasks, but also more of the source
 * filled twice. Tasks that eight threads cannot share evenly count as if they could. */
static void choose_block(blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_conv_plan *plan) {
    const fc_kernels *k = plan->kernels;
    const int in_place = !plan->has_residual && !plan->pool2 && rows_in_place(phase, k);
    double least = 0;
    b->blocks.count = 0;
    for (int by_rows = 0; by_rows <= in_place; ++by_rows) {
        const fc_block_aim aim = {.channels = c->channels,
                                  .filters = by_rows ? 0 : c->filters,
                                  .elements = fc_l2_bytes() / 2 / (int64_t)k->element,
                                  .rows = 1,
                                  .columns = strip(k)};
        fc_blocks blocks = fc_blocks_fit(&phase->source, &aim, k->lanes);
        const int64_t before_last = (blocks.column_blocks - 1) * blocks.tile.columns;
        if (by_rows && phase->source.axis[WIDTH]->outputs - before_last < k->lanes) continue; /* no whole vector */
        const int64_t height = phase->source.axis[HEIGHT]->outputs, products = fc_max(1, c->n) * c->groups;
        for (int64_t parts = blocks.row_blocks;; ++parts) {
            const int64_t tiles = products * blocks.count, chunks = count_chunks(tiles, c, k), tasks = tiles * chunks;
            const double even = (double)(tasks < MANY_TASKS ? fc_ceil_div(tasks, 8) * 8 : tasks) / (double)tasks;
            const double compute = compute_cycles(b, &blocks, c, phase, k, c->filters, by_rows);
            const double cycles = (double)tiles * even * (compute + fill_cycles(&blocks.tile, c, phase, k));
            if (b->blocks.count == 0 || cycles < least) {
                least = cycles;
                b->blocks = blocks;
                b->by_rows = by_rows;
            }
            if (parts >= height || tiles >= MANY_TASKS) break;
            blocks = fc_blocks_layout(&phase->source, fc_ceil_div(height, parts + 1), blocks.tile.columns, k->lanes);
        }
    }
    if (plan->pool2) b->blocks = fc_blocks_even(&phase->source, &b->blocks, k->lanes);
    b->tiles = c->n * c->groups * b->blocks.count;
}

static void choose_chunks(blocking *b, const fc_correlation *c, const fc_kernels *k) {
    const int64_t wanted = count_chunks(fc_max(b->tiles, 1), c, k);
    b->filter_chunk = fc_ceil_div(fc_ceil_div(c->filters, wanted), k->mr) * k->mr;
    b->chunks = fc_ceil_div(c->filters, b->filter_chunk);
}

/* As many channels as keep the lines that one strip reads in half of L1. */
static void choose_channels(blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const fc_axis *const *axis = phase->source.axis;
    const int64_t line = (strip(k) + axis[WIDTH]->reach) * (int64_t)k->element + 64;
    const int64_t bytes = fc_max(1, axis[DEPTH]->taps * axis[HEIGHT]->taps * axis[WIDTH]->phases) * line;
    int64_t channels = fc_max(fc_l1_bytes() * 3 / 4 / bytes, fc_ceil_div(MIN_DEPTH, fc_max(phase->taps, 1)));
    channels = fc_max(1, fc_min(channels, c->channels));
    b->channel_block = fc_ceil_div(c->channels, fc_ceil_div(c->channels, channels));
    const int64_t weights = fc_l2_bytes() / 4 / (int64_t)k->element / fc_max(1, c->channels * phase->taps);
    b->filter_block = fc_max(1, weights / k->mr) * k->mr;
}

static fc_status list_offsets(blocking *b, const fc_phase *phase) {
    b->off = malloc(sizeof(int32_t) * (size_t)fc_max(1, b->channel_block * phase->taps));
    if (!b->off) return FC_NO_MEMORY;
    fc_tile_offsets(&b->blocks.tile, &phase->source, b->channel_block, b->off);
    return FC_OK;
}

static double phase_cycles(const blocking *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const double compute = compute_cycles(b, &b->blocks, c, phase, k, c->filters, b->by_rows);
    const double fill = fill_cycles(&b->blocks.tile, c, phase, k);
    return (double)b->tiles * (compute + fill + 300 * (double)b->chunks);
}

static fc_status plan_phase(fc_conv_plan *plan, direct_plan *state, int64_t index) {
    const fc_correlation *c = &state->c;
    const fc_phase *phase = &c->phase[index];
    const fc_kernels *k = plan->kernels;
    blocking *b = &state->block[index];
    choose_channels(b, c, phase, k);
    choose_block(b, c, phase, plan);
    choose_chunks(b, c, k);
    if (fc_blocks_elements(&b->blocks, c->channels, b->filter_chunk, k->lanes) > INT32_MAX) return FC_UNSUPPORTED;
    const fc_status status = list_offsets(b, phase);
    if (status != FC_OK) return status;

    state->first_task[index] = state->tasks;
    state->first_tile[index] = state->shared_tiles;
    state->tasks += b->tiles * b->chunks;
    b->shared_tiles = -1;
    if (b->chunks > 1) {
        b->shared_tiles = plan->shared_bytes;
        plan->shared_bytes += b->tiles * tile_bytes(b, c, k);
        state->shared_tiles += b->tiles;
    } else {
        state->tile_bytes = fc_max(state->tile_bytes, tile_bytes(b, c, k));
    }
    plan->cost += phase_cycles(b, c, phase, k);
    return FC_OK;
}

static fc_status plan_correlation(fc_conv_plan *plan) {
    direct_plan *state = calloc(1, sizeof *state);
    if (!state) return FC_NO_MEMORY;
    plan->state = state;
    const fc_correlation *c = &state->c;
    fc_status status = fc_correlation_init(&state->c, &plan->desc);
    if (status != FC_OK) return status;
    state->block = calloc((size_t)c->phases, sizeof *state->block);
    state->first_task = calloc((size_t)c->phases, sizeof *state->first_task);
    state->first_tile = calloc((size_t)c->phases, sizeof *state->first_tile);
    if (!state->block || !state->first_task || !state->first_tile) return FC_NO_MEMORY;
    const int64_t element = (int64_t)plan->kernels->element;
    int64_t scratch_bytes = 0;
    for (int64_t i = 0; i < c->phases; ++i) {
        status = plan_phase(plan, state, i);
        if (status != FC_OK) return status;
        const blocking *b = &state->block[i];
        if (!b->by_rows) scratch_bytes = fc_max(scratch_bytes, b->filter_chunk * b->blocks.scratch_row * element);
    }
    plan->cost += (double)c->packed;
    plan->packed_bytes = c->packed * element;
    plan->worker_bytes = state->tile_bytes + (int64_t)fc_align_up((size_t)scratch_bytes);
    plan->reason = "register tiles on a padded tile; wins for kernels larger than 1x1";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const direct_plan *state;
    const void *src, *bias, *residual, *packed;
    void *dst;
    char *shared, *worker;
} job;

/* One block of outputs of one image, group and phase. */
typedef struct place {
    const fc_phase *phase;
    const blocking *b;
    int64_t n, group;
    fc_block block;
} place;

static place place_of(const direct_plan *state, int64_t phase, int64_t tile) {
    place at = {.phase = &state->c.phase[phase], .b = &state->block[phase]};
    const int64_t image = tile / at.b->blocks.count;
    at.block = fc_block_at(&at.b->blocks, &at.phase->source, tile % at.b->blocks.count);
    at.group = image % state->c.groups;
    at.n = image / state->c.groups;
    return at;
}

static void fill_tile(const job *j, const place *at, int64_t channel, int64_t channels, void *tile) {
    const fc_correlation *c = &j->state->c;
    const fc_tile *layout = &at->b->blocks.tile;
    const size_t size = j->plan->kernels->element;
    const int64_t from = at->n * c->src_n + at->group * c->src_group + channel * at->phase->source.channel_stride;
    fc_tile_fill(layout, &at->phase->source, j->plan->kernels, fc_at(j->src, from, size), channels, at->block.start,
                 at->block.rows, fc_at(tile, channel * layout->channel_stride, size));
}

static void *shared_tile(const job *j, const blocking *b, int64_t tile) {
    return j->shared + b->shared_tiles + tile * tile_bytes(b, &j->state->c, j->plan->kernels);
}

/* Fills one share of the channels of one shared tile. */
static void fill_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_correlation *c = &j->state->c;
    const int64_t number = index / FILL_PARTS, part = index % FILL_PARTS;
    const int64_t phase = fc_last_at_most(j->state->first_tile, c->phases, number);
    const int64_t tile = number - j->state->first_tile[phase];
    const place at = place_of(j->state, phase, tile);
    const int64_t first = c->channels * part / FILL_PARTS, end = c->channels * (part + 1) / FILL_PARTS;
    fill_tile(j, &at, first, end - first, shared_tile(j, at.b, tile));
}

static fc_status pack_direct(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const direct_plan *state = plan->state;
    return fc_correlation_pack(&state->c, plan->kernels, w, packed, threads);
}

/* What ends the sums of a block of filters, the first of which has this number. */
static fc_finish finish_of(const job *j, int64_t filter) {
    fc_finish finish = fc_leave_finish(j->plan);
    if (j->bias) finish.bias = fc_at(j->bias, filter, j->plan->kernels->element);
    return finish;
}

/* One strip of outputs for some filters: channel blocks outermost, so that their lines stay in L1. */
static void run_strip(const job *j, const place *at, const void *src, int64_t first, int64_t filters, int vectors,
                      void *out, int64_t ldc) {
    const fc_correlation *c = &j->state->c;
    const fc_kernels *k = j->plan->kernels;
    const blocking *b = at->b;
    const size_t size = k->element;
    const int64_t taps = at->phase->taps;
    for (int64_t channel = 0; channel < c->channels; channel += b->channel_block) {
        const int64_t channels = fc_min(b->channel_block, c->channels - channel);
        const int last = channel + channels == c->channels;
        const void *from = fc_at(src, channel * b->blocks.tile.channel_stride, size);
        for (int64_t f = 0; f < filters; f += k->mr) {
            const int mr = (int)fc_min(k->mr, filters - f);
            const int64_t filter = at->group * c->filters + first + f;
            const fc_finish finish = finish_of(j, filter);
            const void *w = fc_at(j->packed, fc_packed_at(c, at->phase, filter) + channel * taps * mr, size);
            k->corr[mr - 1][vectors - 1](channels * taps, from, b->off, w, fc_at(out, f * ldc, size), ldc, channel == 0,
                                         last ? &finish : NULL);
        }
    }
}

/* One row of outputs of a block of filters in strips of nearly equal width, and a last vector that overlaps them. */
static void run_strips(const job *j, const place *at, const void *src, int64_t first, int64_t filters, void *line) {
    const int64_t ldc = j->state->c.dst_channel, columns = at->block.columns;
    const fc_kernels *k = j->plan->kernels;
    const int64_t vectors = columns / k->lanes, strips = fc_ceil_div(vectors, k->xr), last = columns - k->lanes;
    for (int64_t i = 0; i < strips; ++i) {
        const int64_t v = vectors * i / strips, q = v * k->lanes;
        run_strip(j, at, fc_at(src, q, k->element), first, filters, (int)(vectors * (i + 1) / strips - v),
                  fc_at(line, q, k->element), ldc);
    }
    if (columns % k->lanes != 0)
        run_strip(j, at, fc_at(src, last, k->element), first, filters, 1, fc_at(line, last, k->element), ldc);
}

/* Row by row, mr filters at a time so that their rows are written in one go; dst: the block's first output of the first
 * filter. */
static void run_rows(const job *j, const place *at, const void *tile, int64_t first, int64_t filters, void *dst) {
    const fc_correlation *c = &j->state->c;
    const fc_kernels *k = j->plan->kernels;
    const blocking *b = at->b;
    for (int64_t row = 0; row < at->block.rows; ++row) {
        const void *src = fc_at(tile, row * b->blocks.tile.pitch, k->element);
        void *line = fc_at(dst, row * at->phase->dst_stride[HEIGHT], k->element);
        for (int64_t f = 0; f < filters; f += k->mr, line = fc_at(line, k->mr * c->dst_channel, k->element)) {
            const int64_t mr = fc_min(k->mr, filters - f), filter = at->group * c->filters + first + f;
            if (!sweeps(b, c, 1)) {
                run_strips(j, at, src, first + f, mr, line);
                continue;
            }
            const fc_finish finish = finish_of(j, filter);
            k->corr_sweep[mr - 1](c->channels * at->phase->taps, src, b->off,
                                  fc_at(j->packed, fc_packed_at(c, at->phase, filter), k->element), line,
                                  c->dst_channel, at->block.columns, &finish);
        }
    }
}

static fc_exit exit_of(const job *j, const place *at, int64_t filter) {
    const fc_correlation *c = &j->state->c;
    const size_t size = j->plan->kernels->element;
    const int64_t *dst = at->phase->dst_stride, *other = j->plan->desc.residual_stride;
    int64_t to = at->n * c->dst_n + at->group * c->dst_group + filter * c->dst_channel + at->phase->dst_offset;
    int64_t from = at->n * other[AXIS_N] + (at->group * c->filters + filter) * other[AXIS_C];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        to += at->block.start[a] / (j->plan->pool2 && a != DEPTH ? 2 : 1) * dst[a];
        from += (at->phase->start[a] + at->block.start[a] * at->phase->step[a]) * other[AXIS_D + a];
    }
    return (fc_exit){.dst = fc_at(j->dst, to, size),
                     .dst_row = dst[HEIGHT],
                     .dst_step = dst[WIDTH],
                     .residual = j->residual ? fc_at(j->residual, from, size) : NULL,
                     .residual_row = at->phase->step[HEIGHT] * other[AXIS_H],
                     .residual_step = at->phase->step[WIDTH] * other[AXIS_W]};
}

/* The rows of the block as one run, and then row by row to where they belong. */
static void run_flattened(const job *j, const place *at, const void *tile, int64_t first, int64_t filters,
                          void *scratch) {
    const fc_kernels *k = j->plan->kernels;
    const blocking *b = at->b;
    const fc_tile *layout = &b->blocks.tile;
    const int64_t row = b->blocks.scratch_row;
    const int64_t vectors = fc_ceil_div(fc_tile_outputs(layout, at->block.rows, at->block.columns), k->lanes);
    for (int64_t f = 0; f < filters; f += b->filter_block)
        for (int64_t v = 0; v < vectors; v += k->xr)
            run_strip(j, at, fc_at(tile, v * k->lanes, k->element), first + f, fc_min(b->filter_block, filters - f),
                      (int)fc_min(k->xr, vectors - v), fc_at(scratch, f * row + v * k->lanes, k->element), row);
    for (int64_t f = 0; f < filters; ++f) {
        const fc_exit to = exit_of(j, at, first + f);
        fc_leave_rows(j->plan, &to, fc_at(scratch, f * row, k->element), layout->pitch, at->block.rows,
                      at->block.columns);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const direct_plan *state = j->state;
    const fc_correlation *c = &state->c;
    const int64_t phase = fc_last_at_most(state->first_task, c->phases, index);
    const blocking *b = &state->block[phase];
    const int64_t tile_index = (index - state->first_task[phase]) / b->chunks;
    const int64_t chunk = (index - state->first_task[phase]) % b->chunks;
    const place at = place_of(state, phase, tile_index);
    const int64_t first = chunk * b->filter_chunk, filters = fc_min(b->filter_chunk, c->filters - first);

    char *private = j->worker + worker * j->plan->worker_bytes;
    void *tile = b->shared_tiles < 0 ? private : shared_tile(j, b, tile_index), *scratch = private + state->tile_bytes;
    if (b->shared_tiles < 0) fill_tile(j, &at, 0, c->channels, tile);

    if (b->by_rows) {
        const fc_exit to = exit_of(j, &at, first);
        run_rows(j, &at, tile, first, filters, to.dst);
    } else {
        run_flattened(j, &at, tile, first, filters, scratch);
    }
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
        .residual = plan->has_residual ? args->residual : NULL,
        .packed = scratch->packed,
        .shared = scratch->shared,
        .worker = scratch->worker,
    };
    fc_parallel_for(state->shared_tiles * FILL_PARTS, scratch->threads, fill_task, &j);
    fc_parallel_for(state->tasks, scratch->threads, run_task, &j);
    return FC_OK;
}

static fc_status plan_direct(fc_conv_plan *plan) {
    if (plan->other_steps != plan->has_residual + plan->pool2) {
        plan->reason = "this epilogue is not fused yet";
        return FC_UNSUPPORTED;
    }
    return plan->desc.pass == FC_BACKWARD_WEIGHTS ? fc_weights_plan(plan) : plan_correlation(plan);
}

static fc_status execute_direct(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    return plan->desc.pass == FC_BACKWARD_WEIGHTS ? fc_weights_execute(plan, args, scratch)
                                                  : execute_correlation(plan, args, scratch);
}

const fc_conv_algorithm fc_conv_direct = {"direct", plan_direct, pack_direct, execute_direct, release_direct};
