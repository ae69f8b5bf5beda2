/* panels_plan.c: which operand fills the lanes of backward_weights by panels, and how its work is cut; see panels.c. */
#include <stdlib.h>

#include "conv/panels.h"
#include "core/cpu.h"
#include "core/memory.h"

enum { MIN_TASKS = 8, MIN_POINTS = 96, IMAGE_POINTS = 384 };

/* Private sums of all parts together stay below this. */
static const int64_t parts_bytes = 8 << 20;

void fc_panels_release(fc_conv_plan *plan) {
    fc_panels *s = plan->state;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s->off);
    free(s->last_off);
    free(s->run_off);
    free(s);
}

static int64_t tile_elements(const fc_conv_desc *d, int64_t channels, int64_t rows, int64_t columns) {
    const int64_t plane = fc_capped_product(fc_panels_reach(d, HEIGHT, rows), fc_panels_reach(d, WIDTH, columns));
    return fc_capped_product(fc_capped_product(fc_panels_reach(d, DEPTH, 1), plane), channels);
}

static fc_panels_grid grid_of_x(const fc_conv_desc *d) {
    fc_panels_grid g = {d->x_stride[AXIS_N], d->x_stride[AXIS_C] * (d->ic / d->groups), d->x_stride[AXIS_C], {0}};
    for (int a = 0; a < FC_SPATIAL; ++a) g.output[a] = d->x_stride[AXIS_D + a] * d->stride[a];
    return g;
}

static fc_panels_grid grid_of_dy(const fc_conv_desc *d) {
    fc_panels_grid g = {d->y_stride[AXIS_N], d->y_stride[AXIS_C] * (d->oc / d->groups), d->y_stride[AXIS_C], {0}};
    for (int a = 0; a < FC_SPATIAL; ++a) g.output[a] = d->y_stride[AXIS_D + a];
    return g;
}

/* 32-bit offsets must reach every point of a block, and pr streams a multiple of 4 KB apart would share one L1 set. */
static int readable(const fc_conv_desc *d, const fc_panels_grid *g, const fc_kernels *k) {
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

static void choose_roles(fc_panels *s, const fc_conv_desc *d, const fc_kernels *k) {
    const fc_panels_grid x = grid_of_x(d), dy = grid_of_dy(d);
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
static void choose_blocks(const fc_panels *s, const fc_conv_desc *d, const fc_kernels *k, int64_t wanted,
                          fc_panels_cut *c) {
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
static double cost_of(const fc_panels *s, const fc_conv_desc *d, const fc_kernels *k, const fc_panels_cut *c) {
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
static void choose_cut(fc_panels *s, const fc_conv_desc *d, const fc_kernels *k) {
    const int64_t panels = fc_ceil_div(s->filters, s->width);
    const int64_t pairs = fc_capped_product(s->channels, s->taps);
    const int64_t bytes = fc_capped_product(pairs, d->groups * panels * s->width * (int64_t)k->element);
    const int64_t affordable = fc_max(1, parts_bytes / bytes);
    s->cut.cost = -1;
    for (int64_t f = 1; f < 2 * panels && f <= 64; f *= 2) {
        for (int64_t c = 1; c == 1 || (!s->rows_of_taps && s->channels / c >= k->outer_pr / 2 && c <= 64); c *= 2) {
            fc_panels_cut t = {.filter_chunk = fc_ceil_div(panels, f) * s->width,
                               .channel_chunk = fc_ceil_div(s->channels, c)};
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
static void fill_offsets(const fc_panels *s, const fc_conv_desc *d, int64_t columns, int32_t *off) {
    const int64_t pixel = s->in_place ? 0 : s->cut.channel_chunk;
    const int64_t row = s->in_place ? s->broadcast.output[HEIGHT]
                                    : fc_panels_reach(d, WIDTH, s->cut.blocks.tile.columns) * pixel * d->stride[HEIGHT];
    const int64_t column = s->in_place ? s->broadcast.output[WIDTH] : pixel * d->stride[WIDTH];
    const int64_t image = s->in_place ? s->broadcast.image : s->tile_elements;
    for (int64_t n = 0; n < s->cut.images; ++n)
        for (int64_t r = 0; r < s->cut.blocks.tile.rows; ++r)
            for (int64_t c = 0; c < columns; ++c) *off++ = (int32_t)(n * image + r * row + c * column);
}

static void fill_runs(fc_panels *s, const fc_conv_desc *d) {
    const int64_t pixel = s->cut.channel_chunk, row = fc_panels_reach(d, WIDTH, s->cut.blocks.tile.columns) * pixel;
    const int64_t plane = fc_panels_reach(d, HEIGHT, s->cut.blocks.tile.rows) * row;
    int32_t *off = s->run_off;
    for (int64_t a = 0; a < d->kernel[DEPTH]; ++a)
        for (int64_t b = 0; b < d->kernel[HEIGHT]; ++b)
            for (int64_t c = 0; c < (s->rows_of_taps ? 1 : d->kernel[WIDTH]); ++c)
                *off++ = (int32_t)(a * d->dilation[DEPTH] * plane + b * d->dilation[HEIGHT] * row +
                                   c * d->dilation[WIDTH] * pixel);
}

fc_status fc_panels_plan(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass != FC_BACKWARD_WEIGHTS) {
        plan->reason = "for backward_weights only";
        return FC_UNSUPPORTED;
    }
    fc_panels *s = calloc(1, sizeof *s);
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

    const fc_panels_cut *c = &s->cut;
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
