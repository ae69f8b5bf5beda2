/* weights.c: dw[o][c][k] = sum over images and outputs p of dy[o][p] * x[c][p*stride + k*dilation - pad].
 *
 * x goes into the same padded tile as in the forward pass and dy into rows of the same pitch, zero between rows, so
 * each weight is a dot product of two contiguous runs; a register tile takes dot_mr filters by dot_tr (channel, tap)
 * pairs at a time. Small images go into the tile several at a time, so that a register tile is summed up less often.
 * A task owns a chunk of filters and a fixed share ("part") of the images and row blocks; parts are added in order
 * at the end. Chunks and parts follow from the shape alone, so the bits do not depend on the number of threads.
 * accuracy="strict" sums row by row, so that a NaN between rows meets no zero of dy. */
#include "conv/weights.h"

#include <stdlib.h>

#include "conv/blocks.h"
#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MIN_CHUNK = 16 };

/* Private sums of all parts together stay below this. */
static const int64_t parts_bytes = 8 << 20;

typedef struct weights_plan {
    fc_source source;
    fc_axis axis[FC_SPATIAL];
    fc_blocks blocks;
    int64_t channels, filters; /* per group */
    int64_t taps, depth;       /* of one channel, of all */
    int64_t filter_chunk, chunks, parts;
    int64_t run;               /* outputs summed per register-kernel call */
    int64_t images;            /* in the tile at a time; 1 where an image has several blocks */
    int64_t gradient_row;      /* elements of one filter's dy in the tile */
    int64_t x_image, dy_image; /* elements of one image in the tiles */
    int64_t tile_bytes, sums_bytes;
    int64_t *tap;
    int32_t *off;
} weights_plan;

void fc_weights_release(fc_conv_plan *plan) {
    weights_plan *s = plan->state;
    if (!s) return;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s->off);
    free(s);
}

fc_status fc_weights_plan(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    weights_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_axis *const axis[FC_SPATIAL] = {&s->axis[DEPTH], &s->axis[HEIGHT], &s->axis[WIDTH]};
    const fc_status status = fc_source_forward(&s->source, axis, d);
    if (status != FC_OK) return status;
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    const int64_t chunks = fc_max(1, fc_min(fc_ceil_div(MIN_TASKS, d->groups), s->filters / MIN_CHUNK));
    s->filter_chunk = fc_min(s->filters, fc_ceil_div(fc_ceil_div(s->filters, chunks), k->dot_mr) * k->dot_mr);
    s->chunks = fc_ceil_div(s->filters, s->filter_chunk);
    const fc_block_aim aim = {.channels = s->channels,
                              .filters = s->filter_chunk,
                              .elements = fc_l2_bytes() / 2 / (int64_t)k->element,
                              .rows = 1,
                              .columns = 8 * k->lanes};
    s->blocks = fc_blocks_fit(&s->source, &aim, k->lanes);
    const fc_tile *tile = &s->blocks.tile;
    s->gradient_row = fc_capped_product(fc_ceil_div(fc_capped_product(tile->rows, tile->pitch), k->lanes), k->lanes);
    const int64_t gradient = fc_capped_product(s->filter_chunk, s->gradient_row);
    const int64_t elements = fc_tile_elements(tile, s->channels, k->lanes);
    s->taps = tile->taps;
    s->depth = fc_capped_product(s->channels, s->taps);
    if (elements > INT32_MAX || gradient > INT32_MAX || s->depth > INT32_MAX) return FC_UNSUPPORTED;

    const int64_t blocks = d->n * s->blocks.count;
    const int64_t sums = (int64_t)fc_align_up((size_t)((s->depth + 1) * d->oc) * k->element);
    const int64_t affordable = fc_max(1, parts_bytes / sums);
    s->parts = fc_max(1, fc_min(fc_min(fc_ceil_div(MIN_TASKS, d->groups * s->chunks), affordable), blocks));
    s->sums_bytes = sums;
    s->x_image = elements;
    s->dy_image = gradient;
    s->run = fc_max(1, fc_l1_bytes() / 2 / (k->dot_mr * (int64_t)k->element) / k->lanes) * k->lanes;
    s->images = 1;
    if (s->blocks.count == 1)
        s->images = fc_max(
            1, fc_min(fc_min(fc_ceil_div(d->n, s->parts), s->run / fc_tile_outputs(tile, tile->rows, tile->columns)),
                      aim.elements / (elements + gradient)));

    s->tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    s->off = malloc(sizeof(int32_t) * (size_t)s->depth);
    if (!s->tap || !s->off) return FC_NO_MEMORY;
    fc_weight_taps(&s->source, &d->w_stride[2], s->tap);
    fc_tile_offsets(tile, &s->source, s->channels, s->off);

    s->tile_bytes = (int64_t)fc_align_up((size_t)(s->images * elements) * k->element);
    plan->shared_bytes = s->parts * sums;
    plan->worker_bytes = s->tile_bytes + (int64_t)fc_align_up((size_t)(s->images * gradient) * k->element);
    const double vectors = (double)s->gradient_row / k->lanes;
    const double fill = (double)(s->channels * tile->channel_stride + gradient) / k->lanes * 2;
    plan->cost = (double)(blocks * s->chunks * d->groups) *
                 ((double)s->filter_chunk * (double)s->depth * (vectors * 0.62 + 5.0 / (double)s->images) + fill + 300);
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
        k->block(fc_at(tile, f * s->gradient_row, k->element), s->blocks.tile.pitch,
                 fc_at(dy, f * stride[AXIS_C], k->element), stride[AXIS_H], stride[AXIS_W], rows, 0, columns,
                 s->blocks.tile.pitch - columns, 0);
}

/* sums[f][i] += dy . x over the runs of outputs that start at q */
static void add_products(const job *j, const void *x, const void *dy, int64_t q, const fc_runs *runs, int64_t filters,
                         void *sums, int first) {
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    for (int64_t f = 0; f < filters; f += k->dot_mr) {
        const int mr = (int)fc_min(k->dot_mr, filters - f);
        const void *a = fc_at(dy, f * s->gradient_row + q, k->element);
        for (int64_t i = 0; i < s->depth; i += k->dot_tr) {
            const int tr = (int)fc_min(k->dot_tr, s->depth - i);
            k->dot[mr - 1][tr - 1](runs, a, s->gradient_row, fc_at(x, q, k->element), s->off + i,
                                   fc_at(sums, f * (s->depth + 1) + i, k->element), s->depth + 1, first);
        }
    }
}

/* db of each filter: the sum of its rows of dy, whose gaps are zero. */
static void add_bias(const job *j, const void *dy, int64_t rows, int64_t images, int64_t filters, void *sums,
                     int first) {
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    for (int64_t f = 0; f < filters; ++f) {
        void *bias = fc_at(sums, f * (s->depth + 1) + s->depth, k->element);
        double sum = first ? 0 : k->sum(bias, 1);
        for (int64_t i = 0; i < images; ++i)
            sum += k->sum(fc_at(dy, i * s->dy_image + f * s->gradient_row, k->element), rows * s->blocks.tile.pitch);
        k->fill(bias, sum, 1);
    }
}

/* One block of one image, or `images` images of one block each. */
static void run_block(const job *j, int64_t block, int64_t images, int64_t group, int64_t first_filter, int64_t filters,
                      void *sums, int first, void *x_tile, void *dy_tile) {
    const weights_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const fc_tile *tile = &s->blocks.tile;
    const fc_block at = fc_block_at(&s->blocks, &s->source, block % s->blocks.count);
    const int64_t n = block / s->blocks.count;

    const int64_t x_at = n * d->x_stride[AXIS_N] + group * s->channels * d->x_stride[AXIS_C];
    int64_t dy_at = n * d->y_stride[AXIS_N] + (group * s->filters + first_filter) * d->y_stride[AXIS_C];
    for (int a = 0; a < FC_SPATIAL; ++a) dy_at += at.start[a] * d->y_stride[AXIS_D + a];
    for (int64_t i = 0; i < images; ++i) {
        fc_tile_fill(tile, &s->source, k, fc_at(j->args->x, x_at + i * d->x_stride[AXIS_N], k->element), s->channels,
                     at.start, at.rows, fc_at(x_tile, i * s->x_image, k->element));
        fill_gradient(j, fc_at(j->args->y, dy_at + i * d->y_stride[AXIS_N], k->element), filters, at.rows, at.columns,
                      fc_at(dy_tile, i * s->dy_image, k->element));
    }

    if (d->accuracy == FC_STRICT) {
        const fc_runs rows = {at.rows, at.columns, tile->pitch, tile->pitch};
        for (int64_t i = 0; i < images; ++i)
            add_products(j, fc_at(x_tile, i * s->x_image, k->element), fc_at(dy_tile, i * s->dy_image, k->element), 0,
                         &rows, filters, sums, first && i == 0);
    } else {
        const int64_t outputs = fc_tile_outputs(tile, at.rows, at.columns);
        for (int64_t q = 0; q < outputs; q += s->run) {
            const fc_runs runs = {images, fc_min(s->run, outputs - q), s->dy_image, s->x_image};
            add_products(j, x_tile, dy_tile, q, &runs, filters, sums, first && q == 0);
        }
    }
    if (j->args->bias) add_bias(j, dy_tile, at.rows, images, filters, sums, first);
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const weights_plan *s = j->s;
    const int64_t part = index % s->parts, chunk = index / s->parts % s->chunks, group = index / s->parts / s->chunks;
    const int64_t first_filter = chunk * s->filter_chunk, filters = fc_min(s->filter_chunk, s->filters - first_filter);
    void *sums = sums_of(j, part, group * s->filters + first_filter);
    char *x_tile = j->worker + worker * j->plan->worker_bytes;
    const int64_t blocks = j->plan->desc.n * s->blocks.count;
    const int64_t begin = blocks * part / s->parts, end = blocks * (part + 1) / s->parts;
    if (begin == end) j->plan->kernels->fill(sums, 0, filters * (s->depth + 1)); /* an empty batch */
    for (int64_t block = begin; block < end; block += s->images)
        run_block(j, block, fc_min(s->images, end - block), group, first_filter, filters, sums, block == begin, x_tile,
                  x_tile + s->tile_bytes);
}

static void finish_filter(void *ctx, int64_t filter, int worker) {
    (void)worker;
    const job *j = ctx;
    const weights_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.w_stride;
    void *sums = sums_of(j, 0, filter);
    for (int64_t part = 1; part < s->parts; ++part) k->add(sums, 1, sums_of(j, part, filter), s->depth + 1);
    k->unpack(fc_at(j->args->w, filter * stride[0], k->element), stride[1], sums, s->channels, s->tap, s->taps);
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
