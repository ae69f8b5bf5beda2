/* weights.c: dw[o][c][k] = sum over images and outputs p of dy[o][p] * x[c][p*stride + k*dilation - pad].
 *
 * x goes into the same padded tile as in the forward pass and dy into rows of the same pitch, zero between rows, so each
 * weight is a dot product of two contiguous runs; a register tile takes dot_mr filters by dot_tr (channel, tap) pairs at a
 * time. A task owns a chunk of filters and a fixed share ("part") of the images and row blocks; parts are added in order
 * at the end. Chunks and parts follow from the shape alone, so the bits do not depend on the number of threads.
 * accuracy="strict" sums row by row, so that a NaN between rows meets no zero of dy. */
#include "conv/weights.h"

#include <stdlib.h>

#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MIN_CHUNK = 16 };

/* Private sums of all parts together stay below this. */
static const int64_t parts_bytes = 8 << 20;

typedef struct weights_plan {
    fc_source source;
    fc_tile tile;
    int64_t channels, filters; /* per group */
    int64_t depth;             /* channels * taps */
    int64_t row_blocks, column_blocks, blocks;
    int64_t filter_chunk, chunks, parts;
    int64_t run;          /* outputs summed per register-kernel call */
    int64_t gradient_row; /* elements of one filter's dy in the tile */
    int64_t tile_bytes, sums_bytes;
    int64_t *tap;
    int32_t *off;
} weights_plan;

void fc_weights_release(fc_conv_plan *plan) {
    weights_plan *s = plan->state;
    if (!s) return;
    fc_source_release(&s->source);
    free(s->tap);
    free(s->off);
    free(s);
    plan->state = NULL;
}

static int64_t gradient_row(const fc_tile *tile, int lanes) {
    return fc_ceil_div(tile->rows * tile->pitch, lanes) * lanes;
}

static void choose_block(weights_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const int64_t budget = fc_l2_bytes() / 2 / (int64_t)k->element;
    int64_t rows = d->out[HEIGHT], columns = d->out[WIDTH];
    for (;;) {
        s->tile = fc_tile_layout(&s->source, rows, columns);
        const int64_t need =
            fc_tile_elements(&s->tile, s->channels, k->lanes) + s->filter_chunk * gradient_row(&s->tile, k->lanes);
        if (need <= budget || (rows == 1 && columns <= 8 * k->lanes)) break;
        if (rows > 1) {
            rows = fc_ceil_div(rows, 2);
        } else {
            columns = fc_max(8 * k->lanes, fc_ceil_div(columns, 2));
        }
    }
    s->row_blocks = fc_ceil_div(d->out[HEIGHT], rows);
    s->tile = fc_tile_layout(&s->source, fc_ceil_div(d->out[HEIGHT], s->row_blocks), columns);
    s->column_blocks = fc_ceil_div(d->out[WIDTH], columns);
    s->blocks = d->n * d->out[DEPTH] * s->row_blocks * s->column_blocks;
    s->gradient_row = gradient_row(&s->tile, k->lanes);
}

fc_status fc_weights_plan(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    weights_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_source_forward(&s->source, d);
    if (status != FC_OK) return status;
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    const int64_t chunks = fc_max(1, fc_min(fc_ceil_div(MIN_TASKS, d->groups), s->filters / MIN_CHUNK));
    s->filter_chunk = fc_min(s->filters, fc_ceil_div(fc_ceil_div(s->filters, chunks), k->dot_mr) * k->dot_mr);
    s->chunks = fc_ceil_div(s->filters, s->filter_chunk);
    choose_block(s, d, k);

    s->depth = s->channels * s->tile.taps;
    const int64_t sums = (int64_t)fc_align_up((size_t)((s->depth + 1) * d->oc) * k->element);
    const int64_t affordable = fc_max(1, parts_bytes / sums);
    s->parts = fc_max(1, fc_min(fc_min(fc_ceil_div(MIN_TASKS, d->groups * s->chunks), affordable), s->blocks));
    s->sums_bytes = sums;
    s->run = fc_max(k->lanes, fc_l1_bytes() / 2 / (k->dot_mr * (int64_t)k->element));
    if (s->channels * s->tile.channel_stride > INT32_MAX || s->filter_chunk * s->gradient_row > INT32_MAX)
        return FC_UNSUPPORTED;

    s->tap = malloc(sizeof(int64_t) * (size_t)s->tile.taps);
    s->off = malloc(sizeof(int32_t) * (size_t)s->depth);
    if (!s->tap || !s->off) return FC_NO_MEMORY;
    fc_weight_taps(&s->source, &d->w_stride[2], s->tap);
    fc_tile_offsets(&s->tile, &s->source, s->channels, s->off);

    s->tile_bytes = (int64_t)fc_align_up((size_t)fc_tile_elements(&s->tile, s->channels, k->lanes) * k->element);
    plan->shared_bytes = s->parts * sums;
    plan->worker_bytes = s->tile_bytes + (int64_t)fc_align_up((size_t)(s->filter_chunk * s->gradient_row) * k->element);
    const double vectors = (double)s->gradient_row / k->lanes;
    const double fill =
        (double)(s->channels * s->tile.channel_stride + s->filter_chunk * s->gradient_row) / k->lanes * 2;
    plan->cost = (double)(s->blocks * s->chunks * d->groups) *
                 ((double)s->filter_chunk * (double)s->depth * (vectors / 2 + 5) + fill + 300);
    plan->reason = "register tiles of dot products along rows";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const weights_plan *s;
    const fc_conv_args *args;
    char *sums, *worker;
} job;

/* Sums of one filter: depth weights, then the bias. */
static void *sums_of(const job *j, int64_t part, int64_t filter) {
    return fc_at(j->sums + part * j->s->sums_bytes, filter * (j->s->depth + 1), j->plan->kernels->element);
}

static void fill_gradient(const job *j, const void *dy, int64_t filters, int64_t rows, int64_t columns, void *tile) {
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.y_stride;
    for (int64_t f = 0; f < filters; ++f)
        k->block(fc_at(tile, f * s->gradient_row, k->element), s->tile.pitch, fc_at(dy, f * stride[AXIS_C], k->element),
                 stride[AXIS_H], stride[AXIS_W], rows, 0, columns, s->tile.pitch - columns, 0);
}

/* sums[f][i] += dy rows . x rows over outputs [q, q + count) of the tile */
static void add_products(const job *j, const void *x, const void *dy, int64_t q, int64_t count, int64_t filters,
                         void *sums, int first) {
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    for (int64_t f = 0; f < filters; f += k->dot_mr) {
        const int mr = (int)fc_min(k->dot_mr, filters - f);
        const void *a = fc_at(dy, f * s->gradient_row + q, k->element);
        for (int64_t i = 0; i < s->depth; i += k->dot_tr) {
            const int tr = (int)fc_min(k->dot_tr, s->depth - i);
            k->dot[mr - 1][tr - 1](count, a, s->gradient_row, fc_at(x, q, k->element), s->off + i,
                                   fc_at(sums, f * (s->depth + 1) + i, k->element), s->depth + 1, first);
        }
    }
}

static void run_block(const job *j, int64_t block, int64_t group, int64_t first_filter, int64_t filters, void *sums,
                      int first, void *x_tile, void *dy_tile) {
    const weights_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = block;
    const int64_t column_block = t % s->column_blocks;
    const int64_t row_block = (t /= s->column_blocks) % s->row_blocks;
    const int64_t depth = (t /= s->row_blocks) % d->out[DEPTH], n = t / d->out[DEPTH];
    const int64_t start[FC_SPATIAL] = {depth, row_block * s->tile.rows, column_block * s->tile.columns};
    const int64_t rows = fc_min(s->tile.rows, d->out[HEIGHT] - start[HEIGHT]);
    const int64_t columns = fc_min(s->tile.columns, d->out[WIDTH] - start[WIDTH]);

    const int64_t x_at = n * d->x_stride[AXIS_N] + group * s->channels * d->x_stride[AXIS_C];
    int64_t dy_at = n * d->y_stride[AXIS_N] + (group * s->filters + first_filter) * d->y_stride[AXIS_C];
    for (int a = 0; a < FC_SPATIAL; ++a) dy_at += start[a] * d->y_stride[AXIS_D + a];
    fc_tile_fill(&s->tile, &s->source, k, fc_at(j->args->x, x_at, k->element), s->channels, start, rows, x_tile);
    fill_gradient(j, fc_at(j->args->y, dy_at, k->element), filters, rows, columns, dy_tile);

    if (d->accuracy == FC_STRICT) {
        for (int64_t r = 0; r < rows; ++r)
            add_products(j, x_tile, dy_tile, r * s->tile.pitch, columns, filters, sums, first && r == 0);
    } else {
        const int64_t outputs = fc_tile_outputs(&s->tile, rows, columns);
        for (int64_t q = 0; q < outputs; q += s->run)
            add_products(j, x_tile, dy_tile, q, fc_min(s->run, outputs - q), filters, sums, first && q == 0);
    }
    if (!j->args->bias) return;
    for (int64_t f = 0; f < filters; ++f) {
        void *at = fc_at(sums, f * (s->depth + 1) + s->depth, k->element);
        double sum = k->sum(fc_at(dy_tile, f * s->gradient_row, k->element), rows * s->tile.pitch);
        if (!first) sum += k->sum(at, 1);
        k->fill(at, sum, 1);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const weights_plan *s = j->s;
    const int64_t part = index % s->parts, chunk = index / s->parts % s->chunks, group = index / s->parts / s->chunks;
    const int64_t first_filter = chunk * s->filter_chunk, filters = fc_min(s->filter_chunk, s->filters - first_filter);
    void *sums = sums_of(j, part, group * s->filters + first_filter);
    char *x_tile = j->worker + worker * j->plan->worker_bytes;
    const int64_t begin = s->blocks * part / s->parts, end = s->blocks * (part + 1) / s->parts;
    if (begin == end) j->plan->kernels->fill(sums, 0, filters * (s->depth + 1));
    for (int64_t block = begin; block < end; ++block)
        run_block(j, block, group, first_filter, filters, sums, block == begin, x_tile, x_tile + s->tile_bytes);
}

static void finish_filter(void *ctx, int64_t filter, int worker) {
    (void)worker;
    const job *j = ctx;
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.w_stride;
    void *sums = sums_of(j, 0, filter);
    for (int64_t part = 1; part < s->parts; ++part) k->add(sums, 1, sums_of(j, part, filter), s->depth + 1);
    k->unpack(fc_at(j->args->w, filter * stride[0], k->element), stride[1], sums, s->channels, s->tap, s->tile.taps);
    if (j->args->bias) k->gather(fc_at(j->args->bias, filter, k->element), fc_at(sums, s->depth, k->element), 1, 1);
}

fc_status fc_weights_execute(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const weights_plan *s = plan->state;
    job j = {plan, s, args, scratch->shared, scratch->worker};
    fc_parallel_for(plan->desc.groups * s->chunks * s->parts, scratch->threads, run_task, &j);
    const int small = plan->shared_bytes < (256 << 10);
    fc_parallel_for(plan->desc.oc, small ? 1 : scratch->threads, finish_filter, &j);
    return FC_OK;
}
