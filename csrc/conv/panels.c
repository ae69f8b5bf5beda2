/* panels.c: backward_weights as a product of matrices, for images too small for long dot products.
 *
 * dw[o][j] = sum_p dy[o][p] * x_j[p], where j numbers (channel, tap) and x_j is the tile of x read at that tap. Neighbouring j
 * become vector lanes: a strip of xr vectors of j is copied, transposed, into a panel [p][strip], dy is packed [p][mr], and the
 * register tile of the forward pass adds mr filters by one strip over the points p. Nothing is summed across lanes at
 * the end, which is what direct's dot products spend their time on when an image has few points. A task owns a few channels,
 * a share of the filters, and a fixed share ("part") of the images and blocks; parts are added in order, so the bits do not depend on the number of
 * threads. Rows are taken one by one, so a NaN between rows meets nothing. Wins for 1x1 and for maps up to about 14x14 when
 * there are enough filters to pay for the panel. */
#include <stdlib.h>

#include "conv/blocks.h"
#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 8, MIN_POINTS = 32 };

/* Private sums of all parts together stay below this. */
static const int64_t parts_bytes = 8 << 20;

typedef struct panels_plan {
    fc_source source;
    fc_axis axis[FC_SPATIAL];
    fc_blocks blocks;
    int64_t channels, filters; /* per group */
    int64_t taps, width;       /* of one channel; of a strip */
    int64_t chunk, chunks;     /* channels of a task */
    int64_t strips, parts;     /* strips of one chunk */
    int64_t share, shares;     /* filters of a task */
    int64_t row;               /* elements of one filter's sums: every chunk in whole strips, then the bias */
    int64_t points;            /* of a block */
    int in_place;              /* whole strips are summed where they belong in dw: one part, weights in order */
    int64_t tile_bytes, panel_bytes, sums_bytes;
    int64_t *tap;
    int32_t *off, *step; /* of the chunk's (channel, tap) pairs in the tile; of the points in the panel */
} panels_plan;

static void release_panels(fc_conv_plan *plan) {
    panels_plan *s = plan->state;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s->off);
    free(s->step);
    free(s);
}

/* Channels of a task: whole strips if possible, and enough tasks. */
static void choose_chunk(panels_plan *s, const fc_conv_desc *d) {
    int64_t unit = 1;
    while (unit < s->channels && unit * s->taps % s->width != 0 && unit < s->width) ++unit;
    if (unit * s->taps % s->width != 0) unit = fc_max(1, s->width / s->taps);
    const int64_t wanted = fc_max(1, fc_ceil_div(MIN_TASKS, d->groups));
    s->chunk = fc_min(s->channels, unit * fc_max(1, s->channels / (unit * wanted)));
    s->chunks = fc_ceil_div(s->channels, s->chunk);
    s->strips = fc_ceil_div(s->chunk * s->taps, s->width);
}

static fc_status plan_panels(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass != FC_BACKWARD_WEIGHTS) {
        plan->reason = "for backward_weights only";
        return FC_UNSUPPORTED;
    }
    panels_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_axis *const axis[FC_SPATIAL] = {&s->axis[DEPTH], &s->axis[HEIGHT], &s->axis[WIDTH]};
    const fc_status status = fc_source_forward(&s->source, axis, d);
    if (status != FC_OK) return status;
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    s->width = (int64_t)k->xr * k->lanes;
    s->taps = fc_capped_product(fc_capped_product(d->kernel[DEPTH], d->kernel[HEIGHT]), d->kernel[WIDTH]);
    if (s->taps > 1 << 16) {
        plan->reason = "too many taps";
        return FC_UNSUPPORTED;
    }
    choose_chunk(s, d);

    /* The panel stays in half of L1, and dy beside it in half of L2. */
    const int64_t element = (int64_t)k->element;
    const int64_t most = fc_max(
        MIN_POINTS, fc_min(fc_l1_bytes() / 2 / (s->width * element), fc_l2_bytes() / 2 / (s->filters * element)));
    const int64_t columns = fc_min(d->out[WIDTH], most);
    s->blocks = fc_blocks_layout(&s->source, fc_max(1, most / columns), columns, k->lanes);
    const fc_tile *tile = &s->blocks.tile;
    s->points = tile->rows * tile->columns;
    const int64_t elements = fc_tile_elements(tile, s->chunk, k->lanes);
    s->row = s->chunks * s->strips * s->width + 1;
    if (elements > INT32_MAX || fc_capped_product(s->row, d->oc) > INT32_MAX) return FC_UNSUPPORTED;

    const int64_t blocks = d->n * s->blocks.count;
    s->sums_bytes = (int64_t)fc_align_up((size_t)(s->row * d->oc) * k->element);
    const int64_t wanted =
        fc_min(fc_ceil_div(MIN_TASKS, d->groups * s->chunks), fc_max(1, parts_bytes / s->sums_bytes));
    s->parts = fc_max(1, fc_min(wanted, blocks));
    const int64_t shares =
        fc_max(1, fc_min(fc_ceil_div(MIN_TASKS, d->groups * s->chunks * s->parts), s->filters / (4 * k->mr)));
    s->share = fc_ceil_div(fc_ceil_div(s->filters, shares), k->mr) * k->mr;
    s->shares = fc_ceil_div(s->filters, s->share);
    s->tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    s->off = malloc(sizeof(int32_t) * (size_t)(s->chunk * s->taps));
    s->step = malloc(sizeof(int32_t) * (size_t)s->points);
    if (!s->tap || !s->off || !s->step) return FC_NO_MEMORY;
    fc_weight_taps(&s->source, &d->w_stride[2], s->tap);
    fc_tile_offsets(tile, &s->source, s->chunk, s->off);
    s->in_place = s->parts == 1 && blocks > 0 && d->w_stride[1] == s->taps;
    for (int64_t t = 0; t < s->taps; ++t) s->in_place = s->in_place && s->tap[t] == t;
    for (int64_t p = 0; p < s->points; ++p) s->step[p] = (int32_t)(p * s->width);

    s->tile_bytes = (int64_t)fc_align_up((size_t)elements * k->element);
    s->panel_bytes = (int64_t)fc_align_up((size_t)(s->points * s->width) * k->element);
    plan->shared_bytes = s->parts * s->sums_bytes;
    plan->worker_bytes = s->tile_bytes + s->panel_bytes +
                         (int64_t)fc_align_up((size_t)(s->points * fc_min(s->share, s->filters)) * k->element);
    const double points = (double)s->points, lanes = k->lanes, filters = (double)fc_min(s->share, s->filters);
    const double strip = points * (double)k->xr * 5 + filters * (double)k->xr * (points / 2 + 2);
    plan->cost = (double)(blocks * s->chunks * s->shares * d->groups) *
                 ((double)s->strips * strip + filters * points / lanes * 4 +
                  (double)(s->chunk * tile->channel_stride) / lanes * 2 + 300);
    plan->reason = "products of transposed panels; wins for 1x1 and small maps";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const panels_plan *s;
    const fc_conv_args *args;
    char *sums, *worker;
} job;

static void *sums_of(const job *j, int64_t part, int64_t filter) {
    return fc_at(j->sums + part * j->s->sums_bytes, filter * j->s->row, j->plan->kernels->element);
}

/* dy of some filters of one block as [filters / mr][points][mr]. */
static void pack_gradient(const job *j, const void *dy, int64_t filters, const fc_block *at, void *packed) {
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.y_stride;
    const int64_t points = at->rows * at->columns;
    for (int64_t f = 0; f < filters; f += k->mr) {
        const int mr = (int)fc_min(k->mr, filters - f);
        k->pack_grid(fc_at(packed, f * points, k->element), mr, fc_at(dy, f * stride[AXIS_C], k->element),
                     stride[AXIS_C], stride[AXIS_H], at->rows, stride[AXIS_W], at->columns);
    }
}

/* One strip of (channel, tap) pairs, transposed: [points][width], zero beyond the last pair. */
static void fill_panel(const job *j, const void *tile, const fc_block *at, int64_t first, int64_t pairs, void *panel) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    if (pairs < s->width) k->fill(panel, 0, at->rows * at->columns * s->width);
    for (int64_t r = 0; r < at->rows; ++r)
        k->transpose(fc_at(panel, r * at->columns * s->width, k->element), s->width,
                     fc_at(tile, r * s->blocks.tile.pitch, k->element), s->off + first, pairs, at->columns);
}

/* db, by the task of the first chunk: the rows of dy, copied into scratch where they are not contiguous. */
static void add_bias(const job *j, const void *dy, int64_t filters, const fc_block *at, void *sums, int first,
                     void *scratch) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.y_stride;
    const int joined = stride[AXIS_H] == at->columns * stride[AXIS_W];
    const int64_t rows = joined ? 1 : at->rows, columns = joined ? at->rows * at->columns : at->columns;
    for (int64_t f = 0; f < filters; ++f) {
        void *bias = fc_at(sums, f * s->row + s->row - 1, k->element);
        double sum = first ? 0 : k->sum(bias, 1);
        for (int64_t r = 0; r < rows; ++r) {
            const void *row = fc_at(dy, f * stride[AXIS_C] + r * stride[AXIS_H], k->element);
            if (stride[AXIS_W] != 1) k->gather(scratch, row, stride[AXIS_W], columns);
            sum += k->sum(stride[AXIS_W] == 1 ? row : scratch, columns);
        }
        k->fill(bias, sum, 1);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const panels_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = index;
    const int64_t part = t % s->parts, share = (t /= s->parts) % s->shares, chunk = (t /= s->shares) % s->chunks;
    const int64_t group = t / s->chunks;
    const int64_t filters = fc_min(s->share, s->filters - share * s->share);
    const int64_t filter = group * s->filters + share * s->share;
    void *sums = sums_of(j, part, filter);
    const int64_t channel = chunk * s->chunk, channels = fc_min(s->chunk, s->channels - channel);
    char *tile = j->worker + worker * j->plan->worker_bytes, *panel = tile + s->tile_bytes,
         *packed = panel + s->panel_bytes;
    const int64_t blocks = d->n * s->blocks.count;
    const int64_t begin = blocks * part / s->parts, end = blocks * (part + 1) / s->parts;
    if (begin == end) k->fill(sums, 0, filters * s->row); /* an empty batch */

    for (int64_t block = begin; block < end; ++block) {
        const fc_block at = fc_block_at(&s->blocks, &s->source, block % s->blocks.count);
        const int64_t n = block / s->blocks.count, points = at.rows * at.columns;
        int64_t dy = n * d->y_stride[AXIS_N] + filter * d->y_stride[AXIS_C];
        for (int a = 0; a < FC_SPATIAL; ++a) dy += at.start[a] * d->y_stride[AXIS_D + a];
        const int64_t x = n * d->x_stride[AXIS_N] + (group * s->channels + channel) * d->x_stride[AXIS_C];
        fc_tile_fill(&s->blocks.tile, &s->source, k, fc_at(j->args->x, x, k->element), channels, at.start, at.rows,
                     tile);
        const void *gradient = fc_at(j->args->y, dy, k->element);
        pack_gradient(j, gradient, filters, &at, packed);
        for (int64_t strip = 0; strip < s->strips; ++strip) {
            const int64_t first = strip * s->width, pairs = fc_min(s->width, channels * s->taps - first);
            if (pairs <= 0) break;
            fill_panel(j, tile, &at, first, pairs, panel);
            for (int64_t f = 0; f < filters; f += k->mr) {
                const int mr = (int)fc_min(k->mr, filters - f);
                const int there = s->in_place && pairs == s->width;
                void *to =
                    there ? fc_at(j->args->w, (filter + f) * d->w_stride[0] + channel * s->taps + first, k->element)
                          : fc_at(sums, f * s->row + (chunk * s->strips + strip) * s->width, k->element);
                k->corr[mr - 1][k->xr - 1](points, panel, s->step, fc_at(packed, f * points, k->element), to,
                                           there ? d->w_stride[0] : s->row, block == begin, NULL);
            }
        }
        if (j->args->bias && chunk == 0) add_bias(j, gradient, filters, &at, sums, block == begin, panel);
    }
}

static void finish_filter(void *ctx, int64_t filter, int worker) {
    (void)worker;
    const job *j = ctx;
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.w_stride;
    void *sums = sums_of(j, 0, filter);
    for (int64_t part = 1; part < s->parts; ++part) k->add(sums, 1, sums_of(j, part, filter), s->row);
    for (int64_t chunk = 0; chunk < s->chunks; ++chunk) {
        const int64_t channel = chunk * s->chunk, channels = fc_min(s->chunk, s->channels - channel);
        void *w = fc_at(j->args->w, filter * stride[0] + channel * stride[1], k->element);
        const void *from = fc_at(sums, chunk * s->strips * s->width, k->element);
        if (s->in_place) {
            const int64_t rest = channels * s->taps % s->width, done = channels * s->taps - rest;
            k->gather(fc_at(w, done, k->element), fc_at(from, done, k->element), 1, rest);
        } else {
            k->unpack(w, stride[1], from, channels, s->tap, s->taps);
        }
    }
    if (j->args->bias) k->gather(fc_at(j->args->bias, filter, k->element), fc_at(sums, s->row - 1, k->element), 1, 1);
}

static fc_status execute_panels(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const panels_plan *s = plan->state;
    job j = {plan, s, args, scratch->shared, scratch->worker};
    fc_parallel_for(plan->desc.groups * s->chunks * s->shares * s->parts, scratch->threads, run_task, &j);
    const int small = plan->shared_bytes < (256 << 10);
    fc_parallel_for(plan->desc.oc, small ? 1 : scratch->threads, finish_filter, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_panels = {"panels", plan_panels, NULL, execute_panels, release_panels};
