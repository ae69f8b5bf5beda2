/* panels.c: backward_weights as a sum of outer products, filters in the vector lanes.
 *
 * dw[o][c][t] = sum_p dy[o][p] * x_t[c][p], where x_t is x read at tap t. dy of a block of outputs is transposed into
 * panels [p][vr vectors of filters], x goes into a pixel tile, and the outer kernel adds pr neighbouring elements of the
 * tile (channels of a tap; where channels are few, of a row of taps) times one panel over the points p. Nothing is ever
 * summed across lanes, and a stride or a dilation is only an offset. Sums lie as [panel][pair of channel and tap][filter]
 * and are turned into dw at the end. For 1x1 kernels without padding x is read where it lies, and the two operands
 * change places where that is cheaper: then the lanes hold channels and dw is summed where it belongs.
 *
 * A task owns a chunk of filters, a chunk of channels, and a fixed share ("part") of the images and blocks; parts are
 * added in order, so the bits do not depend on the number of threads. Each point is read by itself, so a NaN that no
 * window holds meets nothing. Wins wherever there are filters enough to fill the lanes; the direct row's dot products
 * serve the others. The loop nest is that of Georganas et al. (arXiv 1808.05567), with pixels as the inner dimension. */
#include <stdlib.h>

#include "conv/blocks.h"
#include "conv/correlate.h"
#include "conv/pixel_tile.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 8, MIN_POINTS = 96, IMAGE_POINTS = 384 };

/* Private sums of all parts together stay below this. */
static const int64_t parts_bytes = 8 << 20;

/* One operand seen from the outputs: steps between images, groups, channels, and neighbouring outputs. */
typedef struct grid {
    int64_t image, group, channel, output[FC_SPATIAL];
} grid;

/* How the work is cut, and what that costs. */
typedef struct cut {
    int64_t filter_chunk, filter_chunks, channel_chunk, channel_chunks, parts;
    fc_blocks blocks;
    int64_t images; /* in a block; 1 where an image has several blocks */
    int64_t units;  /* blocks of the batch */
    double cost;
} cut;

typedef struct panels_plan {
    fc_source source;
    fc_axis axis[FC_SPATIAL];
    int64_t channels, filters; /* per group: broadcast, and in the lanes */
    int64_t taps, width;       /* of one channel; filters of a panel */
    int swapped;               /* the lanes hold channels of x, and filters of dy are broadcast */
    int in_place;              /* what is broadcast is read where it lies */
    int into_dw;               /* dw is summed where it belongs */
    int rows_of_taps;          /* what is broadcast together: taps of a row and channels, or channels of a tap */
    grid broadcast, lanes;
    int64_t w_group, w_filter, w_channel;
    cut cut;
    int64_t points;                        /* of a block */
    int64_t group_sums, sums;              /* elements of one group's and all sums of a part, biases last */
    int64_t tile_elements, panel_elements; /* one image's tile; all panels of a block */
    int64_t *tap;
    int32_t *off, *last_off, *run_off; /* of the points of a block, and of one in the last columns; of the runs */
    int64_t runs, run_step, pair_step; /* runs of broadcast elements; elements between their sums, inside a run */
} panels_plan;

static void release_panels(fc_conv_plan *plan) {
    panels_plan *s = plan->state;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s->off);
    free(s->last_off);
    free(s->run_off);
    free(s);
}

/* Positions of x that a block of one depth reads along an axis. */
static int64_t reach(const fc_conv_desc *d, int axis, int64_t outputs) {
    const int64_t taps = fc_capped_product(d->kernel[axis] - 1, d->dilation[axis]) + 1;
    return fc_capped_product(fc_capped_product(outputs - 1, d->stride[axis]) + taps, 1);
}

static int64_t tile_elements(const fc_conv_desc *d, int64_t channels, int64_t rows, int64_t columns) {
    const int64_t plane = fc_capped_product(reach(d, HEIGHT, rows), reach(d, WIDTH, columns));
    return fc_capped_product(fc_capped_product(reach(d, DEPTH, 1), plane), channels);
}

static grid grid_of_x(const fc_conv_desc *d) {
    grid g = {d->x_stride[AXIS_N], d->x_stride[AXIS_C] * (d->ic / d->groups), d->x_stride[AXIS_C], {0}};
    for (int a = 0; a < FC_SPATIAL; ++a) g.output[a] = d->x_stride[AXIS_D + a] * d->stride[a];
    return g;
}

static grid grid_of_dy(const fc_conv_desc *d) {
    grid g = {d->y_stride[AXIS_N], d->y_stride[AXIS_C] * (d->oc / d->groups), d->y_stride[AXIS_C], {0}};
    for (int a = 0; a < FC_SPATIAL; ++a) g.output[a] = d->y_stride[AXIS_D + a];
    return g;
}

/* 32-bit offsets must reach every point of a block, and pr streams a multiple of 4 KB apart would share one L1 set. */
static int readable(const fc_conv_desc *d, const grid *g, const fc_kernels *k) {
    int64_t distance = 0;
    for (int a = 0; a < FC_SPATIAL; ++a) distance += fc_capped_product(llabs(g->output[a]), d->out[a]);
    distance += fc_capped_product(llabs(g->image), IMAGE_POINTS);
    return distance <= INT32_MAX && (g->channel == 1 || g->channel * (int64_t)k->element % 4096 != 0);
}

/* Whether the kernel is one tap that never leaves the image. */
static int single_tap(const fc_conv_desc *d) {
    int single = 1;
    for (int a = 0; a < FC_SPATIAL; ++a)
        single = single && d->kernel[a] == 1 && d->pad[a] == 0 && (d->out[a] - 1) * d->stride[a] < d->in[a];
    return single;
}

static void choose_roles(panels_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const grid x = grid_of_x(d), dy = grid_of_dy(d);
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    s->broadcast = x;
    s->lanes = dy;
    s->w_group = s->filters * d->w_stride[0];
    s->w_filter = d->w_stride[0];
    s->w_channel = d->w_stride[1];
    const int single = single_tap(d);
    s->in_place = single && readable(d, &x, k);
    /* Transposing an operand costs its points; turning sums into dw costs the weights, unless they lie right. */
    double points = (double)d->n;
    for (int a = 0; a < FC_SPATIAL; ++a) points *= (double)d->out[a];
    const double weights = (double)s->channels * (double)s->filters;
    const double plain = points * (double)s->filters * (dy.channel == 1 ? 1 : 3) + weights * (s->w_filter == 1 ? 0 : 3);
    const double other =
        points * (double)s->channels * (x.channel == 1 ? 1 : 3) + weights * (s->w_channel == 1 ? 0 : 3);
    s->swapped = single && readable(d, &dy, k) && (other < plain || !s->in_place) && s->channels >= k->lanes;
    if (s->swapped) {
        s->in_place = 1;
        s->broadcast = dy;
        s->lanes = x;
        const int64_t channels = s->channels, channel = s->w_channel;
        s->channels = s->filters;
        s->filters = channels;
        s->w_channel = s->w_filter;
        s->w_filter = channel;
    }
    s->width = (int64_t)k->lanes * fc_min(k->outer_vr, fc_ceil_div(s->filters, k->lanes));
    s->rows_of_taps = s->channels < k->outer_pr && d->kernel[WIDTH] > 1 && d->dilation[WIDTH] == 1;
}

/* Blocks that fit half of L2, small enough that there are `wanted` of them; wide rather than high. */
static void choose_blocks(const panels_plan *s, const fc_conv_desc *d, const fc_kernels *k, int64_t wanted, cut *c) {
    const int64_t most = fc_l2_bytes() / 2 / (int64_t)k->element;
    int64_t rows = d->out[HEIGHT], columns = d->out[WIDTH];
    for (;;) {
        c->blocks = fc_blocks_layout(&s->source, rows, columns, k->lanes);
        const int64_t points = fc_capped_product(rows, columns);
        const int64_t elements =
            fc_capped_product(points, c->filter_chunk) + tile_elements(d, c->channel_chunk, rows, columns);
        const int fits = elements <= most && points <= most && d->n * c->blocks.count >= wanted;
        if (fits || (points <= MIN_POINTS && (elements <= most || points == 1))) break;
        if (rows > 1 && (4 * rows > columns || columns <= 2 * k->lanes)) {
            rows = fc_ceil_div(rows, 2);
        } else {
            columns = fc_ceil_div(columns, 2);
        }
    }
    c->images = 1;
    const int64_t points = c->blocks.tile.rows * c->blocks.tile.columns;
    if (c->blocks.count == 1) {
        const int64_t elements = points * c->filter_chunk + tile_elements(d, c->channel_chunk, rows, columns);
        const int64_t fitting = fc_min(IMAGE_POINTS / points, most / fc_max(1, elements));
        c->images = fc_max(1, fc_min(d->n / wanted, fitting));
    }
    c->units = fc_ceil_div(d->n, c->images) * c->blocks.count;
}

/* Half cycles of a vector, as in direct.c: one multiply-add is half a cycle there. */
static double cost_of(const panels_plan *s, const fc_conv_desc *d, const fc_kernels *k, const cut *c) {
    const double points = (double)(c->blocks.tile.rows * c->blocks.tile.columns * c->images);
    const double units = (double)(c->units * d->groups), lanes = k->lanes;
    const double vectors = (double)fc_ceil_div(s->filters, k->lanes), pairs = (double)(s->channels * s->taps);
    const int64_t run = s->rows_of_taps ? s->channels * d->kernel[WIDTH] : c->channel_chunk;
    const double pr = (double)fc_ceil_div(run, fc_ceil_div(run, k->outer_pr)), vr = (double)s->width / lanes;
    const double sums = pr * vr, step = (sums < 6 ? 6 : sums) / sums * (1 + 0.06 * (pr + vr > sums));
    const double multiply = units * pairs * vectors * (points * 0.5 * step + 2.5 + 12 / sums);
    const double tile =
        (double)(tile_elements(d, s->channels, c->blocks.tile.rows, c->blocks.tile.columns) * c->images);
    const int few = s->channels <= k->lanes / 4;
    const double fill = tile * (s->broadcast.channel == 1 ? 1.5 / lanes : few ? 0.7 : 0.2) + points * 0.1;
    const double transpose = points * vectors * (s->lanes.channel == 1 ? 1.5 : 4);
    const double tasks = (double)(c->filter_chunks * c->channel_chunks * c->parts * d->groups);
    const double idle = tasks < MIN_TASKS ? (MIN_TASKS - tasks) / MIN_TASKS : 0;
    return multiply * (1 + idle) +
           units * ((s->in_place ? 0 : fill * (double)c->filter_chunks) + transpose * (double)c->channel_chunks) +
           (double)d->groups * pairs * vectors * (double)(c->parts + (s->into_dw ? 0 : 4)) + tasks * 300;
}

/* Tries filters and channels in halves, quarters, ...; what then lacks in tasks is made up by parts of the batch. */
static void choose_cut(panels_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const int64_t panels = fc_ceil_div(s->filters, s->width);
    const int64_t pairs = fc_capped_product(s->channels, s->taps);
    const int64_t bytes = fc_capped_product(pairs, d->groups * panels * s->width * (int64_t)k->element);
    const int64_t affordable = fc_max(1, parts_bytes / bytes);
    s->cut.cost = -1;
    for (int64_t f = 1; f < 2 * panels && f <= 64; f *= 2) {
        for (int64_t c = 1; c == 1 || (!s->rows_of_taps && s->channels / c >= k->outer_pr / 2 && c <= 64); c *= 2) {
            cut t = {.filter_chunk = fc_ceil_div(panels, f) * s->width, .channel_chunk = fc_ceil_div(s->channels, c)};
            t.filter_chunks = fc_ceil_div(s->filters, t.filter_chunk);
            t.channel_chunks = fc_ceil_div(s->channels, t.channel_chunk);
            const int64_t wanted =
                fc_min(fc_ceil_div(MIN_TASKS, d->groups * t.filter_chunks * t.channel_chunks), affordable);
            choose_blocks(s, d, k, wanted, &t);
            t.parts = fc_max(1, fc_min(wanted, t.units));
            t.cost = cost_of(s, d, k, &t);
            if (s->cut.cost < 0 || t.cost < s->cut.cost) s->cut = t;
        }
    }
}

/* Where the points of a block with these columns are read, from the tile or from the tensor. */
static void fill_offsets(const panels_plan *s, const fc_conv_desc *d, int64_t columns, int32_t *off) {
    const int64_t pixel = s->in_place ? 0 : s->cut.channel_chunk;
    const int64_t row = s->in_place ? s->broadcast.output[HEIGHT]
                                    : reach(d, WIDTH, s->cut.blocks.tile.columns) * pixel * d->stride[HEIGHT];
    const int64_t column = s->in_place ? s->broadcast.output[WIDTH] : pixel * d->stride[WIDTH];
    const int64_t image = s->in_place ? s->broadcast.image : s->tile_elements;
    for (int64_t n = 0; n < s->cut.images; ++n)
        for (int64_t r = 0; r < s->cut.blocks.tile.rows; ++r)
            for (int64_t c = 0; c < columns; ++c) *off++ = (int32_t)(n * image + r * row + c * column);
}

static void fill_runs(panels_plan *s, const fc_conv_desc *d) {
    const int64_t pixel = s->cut.channel_chunk, row = reach(d, WIDTH, s->cut.blocks.tile.columns) * pixel;
    const int64_t plane = reach(d, HEIGHT, s->cut.blocks.tile.rows) * row;
    int32_t *off = s->run_off;
    for (int64_t a = 0; a < d->kernel[DEPTH]; ++a)
        for (int64_t b = 0; b < d->kernel[HEIGHT]; ++b)
            for (int64_t c = 0; c < (s->rows_of_taps ? 1 : d->kernel[WIDTH]); ++c)
                *off++ = (int32_t)(a * d->dilation[DEPTH] * plane + b * d->dilation[HEIGHT] * row +
                                   c * d->dilation[WIDTH] * pixel);
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
    s->taps = fc_capped_product(fc_capped_product(d->kernel[DEPTH], d->kernel[HEIGHT]), d->kernel[WIDTH]);
    if (s->taps > 1 << 16) {
        plan->reason = "too many taps";
        return FC_UNSUPPORTED;
    }
    choose_roles(s, d, k);
    s->runs = s->rows_of_taps ? s->taps / d->kernel[WIDTH] : s->taps;
    s->run_step = s->rows_of_taps ? s->channels * d->kernel[WIDTH] * s->width : s->width;
    s->pair_step = s->rows_of_taps ? s->width : s->taps * s->width;
    choose_cut(s, d, k);

    const cut *c = &s->cut;
    s->points = c->blocks.tile.rows * c->blocks.tile.columns;
    const int64_t images_points = fc_capped_product(c->images, s->points);
    s->tile_elements =
        s->in_place ? 0 : tile_elements(d, c->channel_chunk, c->blocks.tile.rows, c->blocks.tile.columns);
    s->panel_elements = fc_capped_product(images_points, c->filter_chunk);
    const int64_t panels = fc_ceil_div(s->filters, s->width);
    s->group_sums = fc_capped_product(fc_capped_product(s->channels, s->taps), panels * s->width);
    if (fc_capped_product(s->tile_elements, c->images) > INT32_MAX || s->panel_elements > INT32_MAX ||
        fc_capped_product(s->group_sums, d->groups) > INT32_MAX)
        return FC_UNSUPPORTED;
    s->into_dw = c->parts == 1 && s->taps == 1 && s->w_filter == 1 && s->filters % k->lanes == 0 && c->units > 0;
    s->sums = (s->into_dw ? 0 : d->groups * s->group_sums) + fc_ceil_div(d->oc, k->lanes) * k->lanes;

    const int64_t last = d->out[WIDTH] - (c->blocks.column_blocks - 1) * c->blocks.tile.columns;
    s->tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    s->off = malloc(sizeof(int32_t) * (size_t)images_points);
    s->last_off = malloc(sizeof(int32_t) * (size_t)images_points);
    s->run_off = malloc(sizeof(int32_t) * (size_t)s->runs);
    if (!s->tap || !s->off || !s->last_off || !s->run_off) return FC_NO_MEMORY;
    fc_weight_taps(&s->source, &d->w_stride[2], s->tap);
    fill_offsets(s, d, c->blocks.tile.columns, s->off);
    fill_offsets(s, d, last, s->last_off);
    fill_runs(s, d);

    plan->shared_bytes = c->parts * s->sums * (int64_t)k->element;
    plan->worker_bytes = (int64_t)fc_align_up((size_t)(s->tile_elements * c->images) * k->element) +
                         (int64_t)fc_align_up((size_t)(s->panel_elements + s->width + k->lanes) * k->element);
    plan->cost = c->cost;
    plan->reason = "outer products over pixels; wins where filters fill the lanes";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const panels_plan *s;
    const void *broadcast, *lanes;
    void *dw, *db;
    char *sums, *worker;
} job;

/* What a task computes, and the block it is at. */
typedef struct place {
    int64_t group, filter, filters, channel, channels, part; /* filter and channel: the chunk's first in its group */
    int64_t n, images;
    fc_block block;
    int first; /* the first block of the part */
} place;

/* Sums of one part and group, and db of a part, all groups. */
static void *sums_at(const job *j, int64_t part, int64_t group) {
    return fc_at(j->sums, part * j->s->sums + group * j->s->group_sums, j->plan->kernels->element);
}
static void *bias_at(const job *j, int64_t part) {
    const int64_t sums = j->s->into_dw ? 0 : j->plan->desc.groups * j->s->group_sums;
    return fc_at(j->sums, part * j->s->sums + sums, j->plan->kernels->element);
}

/* Where an operand's element of the block's first output lies. */
static int64_t start_of(const grid *g, const place *at, int64_t channel) {
    int64_t start = at->n * g->image + at->group * g->group + channel * g->channel;
    for (int a = 0; a < FC_SPATIAL; ++a) start += at->block.start[a] * g->output[a];
    return start;
}

/* [panel][point][vectors of filters]; the last panel has as few vectors as it needs, zero beyond the last filter. */
static void fill_panels(const job *j, const place *at, void *panels) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const grid *g = &s->lanes;
    const int64_t rows = at->block.rows, columns = at->block.columns, points = at->images * rows * columns;
    const int joined = g->output[HEIGHT] == columns * g->output[WIDTH];
    for (int64_t f = 0; f < at->filters; f += s->width) {
        const int64_t filters = fc_min(s->width, at->filters - f), ld = fc_ceil_div(filters, k->lanes) * k->lanes;
        void *to = fc_at(panels, f * points, k->element);
        if (filters < ld) k->fill(to, 0, points * ld);
        for (int64_t i = 0; i < at->images * (joined ? 1 : rows); ++i) {
            const int64_t image = joined ? i : i / rows, row = joined ? 0 : i % rows;
            const int64_t from = start_of(g, at, at->filter + f) + image * g->image + row * g->output[HEIGHT];
            const int64_t run = joined ? rows * columns : columns;
            k->pixels_in(fc_at(to, i * run * ld, k->element), ld, fc_at(j->lanes, from, k->element), g->channel,
                         g->output[WIDTH], filters, run, joined ? 4 * k->lanes : g->output[HEIGHT]);
        }
    }
}

static void fill_tiles(const job *j, const place *at, void *tile) {
    const panels_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    int64_t start[FC_SPATIAL], size[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) start[a] = at->block.start[a] * d->stride[a] - d->pad[a];
    size[DEPTH] = reach(d, DEPTH, 1);
    size[HEIGHT] = reach(d, HEIGHT, s->cut.blocks.tile.rows);
    size[WIDTH] = reach(d, WIDTH, s->cut.blocks.tile.columns);
    for (int64_t i = 0; i < at->images; ++i) {
        const int64_t from =
            (at->n + i) * s->broadcast.image + at->group * s->broadcast.group + at->channel * s->broadcast.channel;
        fc_pixel_fill(&s->source, k, fc_at(j->broadcast, from, k->element), at->channels, s->cut.channel_chunk, start,
                      size, fc_at(tile, i * s->tile_elements, k->element));
    }
}

/* Runs of broadcast elements, in even pieces, by panels. */
static void multiply(const job *j, const place *at, const void *source, const void *panels) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t points = at->images * at->block.rows * at->block.columns;
    const int32_t *off = at->block.columns == s->cut.blocks.tile.columns ? s->off : s->last_off;
    const int64_t length = s->rows_of_taps ? s->channels * j->plan->desc.kernel[WIDTH] : at->channels;
    const int64_t piece = fc_ceil_div(length, fc_ceil_div(length, k->outer_pr));
    const int64_t step = s->in_place ? s->broadcast.channel : 1, panel = s->channels * s->taps * s->width;
    for (int64_t r = 0; r < s->runs; ++r) {
        for (int64_t i = 0; i < length; i += piece) {
            const int pr = (int)fc_min(piece, length - i);
            const void *src = fc_at(source, s->run_off[r] + i * step, k->element);
            for (int64_t f = 0; f < at->filters; f += s->width) {
                const int64_t filter = at->filter + f, channel = at->channel + i;
                const int vr = (int)fc_ceil_div(fc_min(s->width, at->filters - f), k->lanes);
                void *to =
                    s->into_dw
                        ? fc_at(j->dw, at->group * s->w_group + channel * s->w_channel + filter, k->element)
                        : fc_at(sums_at(j, at->part, at->group),
                                filter / s->width * panel + r * s->run_step + channel * s->pair_step, k->element);
                k->outer[vr - 1][pr - 1](points, src, off, step, fc_at(panels, f * points, k->element), to,
                                         s->into_dw ? s->w_channel : s->pair_step, at->first);
            }
        }
    }
}

/* db from the panels: columns of filters. */
static void add_lane_bias(const job *j, const place *at, const void *panels, void *scratch) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t points = at->images * at->block.rows * at->block.columns;
    void *bias = fc_at(bias_at(j, at->part), at->group * s->filters + at->filter, k->element);
    for (int64_t f = 0; f < at->filters; f += s->width) {
        const int64_t filters = fc_min(s->width, at->filters - f), ld = fc_ceil_div(filters, k->lanes) * k->lanes;
        k->column_sums(points, filters, ld, fc_at(panels, f * points, k->element), scratch);
        if (at->first) k->fill(fc_at(bias, f, k->element), 0, filters);
        k->add(fc_at(bias, f, k->element), 1, scratch, filters);
    }
}

/* db where dy is broadcast: rows of each filter, copied into scratch where they are not contiguous. */
static void add_row_bias(const job *j, const place *at, void *scratch) {
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const grid *g = &s->broadcast;
    const int64_t rows = at->images * at->block.rows, columns = at->block.columns;
    void *bias = fc_at(bias_at(j, at->part), at->group * s->channels + at->channel, k->element);
    for (int64_t f = 0; f < at->channels; ++f) {
        double sum = at->first ? 0 : k->sum(fc_at(bias, f, k->element), 1);
        for (int64_t r = 0; r < rows; ++r) {
            const int64_t from = start_of(g, at, at->channel + f) + r / at->block.rows * g->image +
                                 r % at->block.rows * g->output[HEIGHT];
            const void *row = fc_at(j->broadcast, from, k->element);
            if (g->output[WIDTH] != 1) k->gather(scratch, row, g->output[WIDTH], columns);
            sum += k->sum(g->output[WIDTH] == 1 ? row : scratch, columns);
        }
        k->fill(fc_at(bias, f, k->element), sum, 1);
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const panels_plan *s = j->s;
    const cut *c = &s->cut;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = index;
    place at = {.part = t % c->parts};
    at.filter = (t /= c->parts) % c->filter_chunks * c->filter_chunk;
    at.channel = (t /= c->filter_chunks) % c->channel_chunks * c->channel_chunk;
    at.group = t / c->channel_chunks;
    at.filters = fc_min(c->filter_chunk, s->filters - at.filter);
    at.channels = fc_min(c->channel_chunk, s->channels - at.channel);
    char *tile = j->worker + worker * j->plan->worker_bytes;
    void *panels = tile + fc_align_up((size_t)(s->tile_elements * c->images) * k->element);
    void *scratch = fc_at(panels, s->panel_elements, k->element);

    const int64_t begin = c->units * at.part / c->parts, end = c->units * (at.part + 1) / c->parts;
    for (int64_t unit = begin; unit < end; ++unit) {
        at.block = fc_block_at(&c->blocks, &s->source, unit % c->blocks.count);
        at.n = unit / c->blocks.count * c->images;
        at.images = fc_min(c->images, j->plan->desc.n - at.n);
        at.first = unit == begin;
        fill_panels(j, &at, panels);
        if (!s->in_place) fill_tiles(j, &at, tile);
        multiply(j, &at, s->in_place ? fc_at(j->broadcast, start_of(&s->broadcast, &at, at.channel), k->element) : tile,
                 panels);
        if (!j->db) continue;
        if (s->swapped && at.filter == 0) add_row_bias(j, &at, panels);
        if (!s->swapped && at.channel == 0) add_lane_bias(j, &at, panels, scratch);
    }
}

/* One panel of sums: parts are added, and the pairs go to their places in dw. */
static void finish_panel(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const panels_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t panels = fc_ceil_div(s->filters, s->width), pairs = s->channels * s->taps;
    const int64_t group = index / panels, filter = index % panels * s->width;
    const int64_t filters = fc_min(s->width, s->filters - filter), at = filter * pairs;
    void *sums = fc_at(sums_at(j, 0, group), at, k->element);
    for (int64_t part = 1; part < s->cut.parts; ++part)
        k->add(sums, 1, fc_at(sums_at(j, part, group), at, k->element), pairs * s->width);

    const fc_finish none = {.activation = FC_IDENTITY};
    void *w = fc_at(j->dw, group * s->w_group + filter * s->w_filter, k->element);
    int in_order = !s->rows_of_taps && s->w_channel == s->taps;
    for (int64_t t = 0; t < s->taps; ++t) in_order = in_order && s->tap[t] == t;
    if (in_order) {
        k->lanes_out(w, s->w_filter, 1, sums, s->width, filters, pairs, &none);
        return;
    }
    const int64_t row = s->rows_of_taps ? d->kernel[WIDTH] : 1, tap_step = s->rows_of_taps ? s->channels * s->width : 0;
    for (int64_t t = 0; t < s->taps; ++t)
        k->lanes_out(fc_at(w, s->tap[t], k->element), s->w_filter, s->w_channel,
                     fc_at(sums, t / row * s->run_step + t % row * tap_step, k->element), s->pair_step, filters,
                     s->channels, &none);
}

static fc_status execute_panels(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const panels_plan *s = plan->state;
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    job j = {plan, s, args->x, args->y, args->w, args->bias, scratch->shared, scratch->worker};
    if (s->swapped) {
        j.broadcast = args->y;
        j.lanes = args->x;
    }
    if (s->cut.units == 0) { /* an empty batch */
        k->fill(j.sums, 0, s->sums);
    } else {
        fc_parallel_for(d->groups * s->cut.channel_chunks * s->cut.filter_chunks * s->cut.parts, scratch->threads,
                        run_task, &j);
    }
    const int small = plan->shared_bytes < (256 << 10);
    if (!s->into_dw)
        fc_parallel_for(d->groups * fc_ceil_div(s->filters, s->width), small ? 1 : scratch->threads, finish_panel, &j);
    if (j.db) {
        for (int64_t part = 1; part < s->cut.parts; ++part) k->add(bias_at(&j, 0), 1, bias_at(&j, part), d->oc);
        k->gather(j.db, bias_at(&j, 0), 1, d->oc);
    }
    return FC_OK;
}

const fc_conv_algorithm fc_conv_panels = {"panels", plan_panels, NULL, execute_panels, release_panels};
