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
#include "conv/panels.h"
#include "conv/pixel_tile.h"
#include "core/memory.h"
#include "core/parallel.h"

typedef struct job {
    const fc_conv_plan *plan;
    const fc_panels *s;
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
static int64_t start_of(const fc_panels_grid *g, const place *at, int64_t channel) {
    int64_t start = at->n * g->image + at->group * g->group + channel * g->channel;
    for (int a = 0; a < FC_SPATIAL; ++a) start += at->block.start[a] * g->output[a];
    return start;
}

/* [panel][point][vectors of filters]; the last panel has as few vectors as it needs, zero beyond the last filter. */
static void fill_panels(const job *j, const place *at, void *panels) {
    const fc_panels *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const fc_panels_grid *g = &s->lanes;
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
    const fc_panels *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    int64_t start[FC_SPATIAL], size[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) start[a] = at->block.start[a] * d->stride[a] - d->pad[a];
    size[DEPTH] = fc_panels_reach(d, DEPTH, 1);
    size[HEIGHT] = fc_panels_reach(d, HEIGHT, s->cut.blocks.tile.rows);
    size[WIDTH] = fc_panels_reach(d, WIDTH, s->cut.blocks.tile.columns);
    for (int64_t i = 0; i < at->images; ++i) {
        const int64_t from =
            (at->n + i) * s->broadcast.image + at->group * s->broadcast.group + at->channel * s->broadcast.channel;
        fc_pixel_fill(&s->source, k, fc_at(j->broadcast, from, k->element), at->channels, s->cut.channel_chunk, start,
                      size, fc_at(tile, i * s->tile_elements, k->element));
    }
}

/* Runs of broadcast elements, in even pieces, by panels. */
static void multiply(const job *j, const place *at, const void *source, const void *panels) {
    const fc_panels *s = j->s;
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
    const fc_panels *s = j->s;
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
    const fc_panels *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const fc_panels_grid *g = &s->broadcast;
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
    const fc_panels *s = j->s;
    const fc_panels_cut *c = &s->cut;
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
    const fc_panels *s = j->s;
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
    const fc_panels *s = plan->state;
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

const fc_conv_algorithm fc_conv_panels = {"panels", fc_panels_plan, NULL, execute_panels, fc_panels_release};
