/* stencil.c: one input channel per group and neighbouring outputs (no stride): image filters, signals, volumes.
 *
 * A task takes a band of output rows of one plane. Where the taps of a run of columns lie inside the image, and its
 * columns are neighbours in memory, the kernel reads the image and writes the result in place; what a border, a strided
 * view or channels last make impossible runs on a padded tile and through a scratch block. Bands and runs of columns
 * are chosen so that the rows a kernel spans stay in L2 from one row of register tiles to the next. Wins for one
 * channel, and for few large ones. */
#include <stdlib.h>

#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MIN_COLUMNS = 1024, MAX_COLUMNS = 4096 };

/* How one phase is cut into tasks. */
typedef struct bands {
    int64_t rows, columns; /* of one task */
    int64_t row_blocks, column_blocks;
    int64_t dilation;                             /* distance of output rows that share source rows */
    int64_t first[FC_SPATIAL], final[FC_SPATIAL]; /* outputs first <= o < final read inside the image */
    fc_window window;                             /* its steps in the image */
    int in_place;                                 /* neighbouring columns of the source are neighbours */
    int direct;                                   /* and those of the destination */
} bands;

typedef struct stencil_plan {
    fc_correlation c;
    bands *bands;        /* of each phase */
    int64_t *first_task; /* of each phase */
    int64_t tasks, tile_bytes;
} stencil_plan;

static void release_stencil(fc_conv_plan *plan) {
    stencil_plan *s = plan->state;
    if (!s) return;
    free(s->bands);
    free(s->first_task);
    fc_correlation_release(&s->c);
    free(s);
}

/* Outputs whose every tap lies inside the image, along one axis of unit step. */
static void find_inside(bands *b, int axis, const fc_source *source) {
    const fc_axis *a = source->axis[axis];
    b->first[axis] = fc_min(fc_max(0, -a->low), a->outputs);
    b->final[axis] = fc_max(b->first[axis], fc_min(a->outputs, source->size[axis] - a->low - a->reach));
}

static void plan_window(bands *b, const fc_phase *phase) {
    const fc_source *s = &phase->source;
    const fc_axis *const *axis = s->axis;
    for (int a = 0; a < FC_SPATIAL; ++a) find_inside(b, a, s);
    b->dilation = fc_tap_distance(axis[HEIGHT]);
    b->window = (fc_window){.depth = axis[DEPTH]->taps,
                            .height = axis[HEIGHT]->taps,
                            .width = axis[WIDTH]->taps,
                            .plane = fc_tap_distance(axis[DEPTH]) * s->stride[DEPTH],
                            .row = b->dilation * s->stride[HEIGHT],
                            .step = fc_tap_distance(axis[WIDTH])};
    b->in_place = s->stride[WIDTH] == 1;
    b->direct = phase->dst_stride[WIDTH] == 1;
}

/* The source rows of one row of register tiles in a quarter of L2, a task's tile and outputs in half of it. */
static void choose_bands(bands *b, const fc_correlation *c, const fc_source *source, const fc_kernels *k) {
    const int64_t height = source->axis[HEIGHT]->outputs, width = source->axis[WIDTH]->outputs;
    const int64_t planes = fc_max(1, c->n * c->groups * source->axis[DEPTH]->outputs);
    const int64_t cache = fc_l2_bytes() / (int64_t)k->element;
    const int64_t lines = source->axis[DEPTH]->taps * (source->axis[HEIGHT]->reach + k->stencil_rows);
    int64_t columns = fc_min(width, fc_max(MIN_COLUMNS, fc_min(MAX_COLUMNS, cache / 4 / lines))), rows = height;
    while (rows > k->stencil_rows && (lines + 2 * rows) * columns > cache / 2) rows = fc_ceil_div(rows, 2);
    while (rows > 2 * k->stencil_rows && rows * columns > MIN_COLUMNS &&
           planes * fc_ceil_div(height, rows) * fc_ceil_div(width, columns) < MIN_TASKS)
        rows = fc_ceil_div(rows, 2);
    while (columns >= 2 * MIN_COLUMNS && planes * fc_ceil_div(height, rows) * fc_ceil_div(width, columns) < MIN_TASKS)
        columns = fc_ceil_div(columns, 2);
    b->row_blocks = fc_ceil_div(height, rows);
    b->rows = fc_ceil_div(height, b->row_blocks);
    b->column_blocks = fc_ceil_div(width, columns);
    b->columns = fc_ceil_div(fc_ceil_div(width, b->column_blocks), k->lanes) * k->lanes;
    b->column_blocks = fc_ceil_div(width, b->columns);
}

/* Cycles of one plane: two multiply-adds each, and loads that wait where few output rows share them. */
static double plane_cycles(const bands *b, const fc_correlation *c, const fc_phase *phase, const fc_kernels *k) {
    const fc_axis *const *axis = phase->source.axis;
    const double height = (double)axis[HEIGHT]->outputs, outputs = (double)axis[DEPTH]->outputs * height;
    const double vectors = (double)fc_ceil_div(axis[WIDTH]->outputs, k->lanes) * outputs;
    const double shared = (double)fc_min(fc_min(k->stencil_rows, axis[HEIGHT]->taps), axis[HEIGHT]->outputs);
    const double copies = (b->in_place ? 0.5 : 2) + (b->direct ? 1 : 4) * (double)c->filters;
    return vectors * ((double)(c->filters * phase->taps) * (0.5 + 0.5 / shared) + copies) +
           (double)(b->row_blocks * b->column_blocks * axis[DEPTH]->outputs) * (200 + 40 * height / b->row_blocks);
}

static fc_status refuse(fc_conv_plan *plan, const char *reason) {
    plan->reason = reason;
    return FC_UNSUPPORTED;
}

static fc_status plan_phase(fc_conv_plan *plan, stencil_plan *s, int64_t i) {
    const fc_kernels *k = plan->kernels;
    const fc_phase *phase = &s->c.phase[i];
    bands *b = &s->bands[i];
    if (phase->taps == 0) return refuse(plan, "some outputs have no tap");
    plan_window(b, phase);
    choose_bands(b, &s->c, &phase->source, k);
    const fc_tile tile = fc_tile_layout(&phase->source, b->rows, b->columns);
    const int64_t elements = fc_tile_elements(&tile, 1, k->lanes), outputs = fc_capped_product(b->rows, b->columns);
    if (elements + outputs > INT32_MAX) return FC_UNSUPPORTED;
    s->tile_bytes = fc_max(s->tile_bytes, (int64_t)fc_align_up((size_t)elements * k->element));
    if (!b->direct) plan->worker_bytes = fc_max(plan->worker_bytes, (int64_t)fc_align_up((size_t)outputs * k->element));
    s->first_task[i] = s->tasks;
    s->tasks += s->c.n * s->c.groups * phase->source.axis[DEPTH]->outputs * b->row_blocks * b->column_blocks;
    plan->cost += (double)(s->c.n * s->c.groups) * plane_cycles(b, &s->c, phase, k);
    return FC_OK;
}

static fc_status plan_stencil(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    if (d->pass == FC_BACKWARD_WEIGHTS) return refuse(plan, "for forward and backward_data only");
    if ((d->pass == FC_FORWARD ? d->ic : d->oc) != d->groups)
        return refuse(plan, "a group sums over more than one channel");
    if (plan->other_steps) return refuse(plan, "this epilogue is not fused yet");
    if (d->pass == FC_FORWARD)
        for (int a = 0; a < FC_SPATIAL; ++a)
            if (d->stride[a] != 1 && d->out[a] > 1) return refuse(plan, "a stride keeps outputs from sharing rows");
    stencil_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    s->bands = calloc((size_t)s->c.phases, sizeof *s->bands);
    s->first_task = calloc((size_t)s->c.phases, sizeof *s->first_task);
    if (!s->bands || !s->first_task) return FC_NO_MEMORY;
    for (int64_t i = 0; i < s->c.phases; ++i) {
        status = plan_phase(plan, s, i);
        if (status != FC_OK) return status;
    }
    plan->packed_bytes = s->c.packed * (int64_t)plan->kernels->element;
    plan->worker_bytes += s->tile_bytes;
    plan->reason = "rows of outputs share what they load; wins for one channel";
    return FC_OK;
}

/* Each filter's taps, column by column. */
static fc_status pack_stencil(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const stencil_plan *s = plan->state;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    for (int64_t p = 0; p < c->phases; ++p) {
        const fc_phase *phase = &c->phase[p];
        const fc_window *win = &s->bands[p].window;
        for (int64_t filter = 0; filter < c->groups * c->filters; ++filter) {
            const void *from =
                fc_at(w, filter / c->filters * c->w_group + filter % c->filters * c->w_filter, k->element);
            char *to = fc_at(packed, fc_packed_at(c, phase, filter), k->element);
            for (int64_t line = 0; line < win->depth * win->width; ++line) {
                const int64_t d = line / win->width, j = line % win->width;
                for (int64_t i = 0; i < win->height; ++i, to += k->element)
                    k->gather(to, fc_at(from, phase->tap[(d * win->height + i) * win->width + j], k->element), 1, 1);
            }
        }
    }
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const stencil_plan *s;
    const void *src, *bias, *packed;
    void *dst;
    char *worker;
} job;

/* One band of one plane: of which outputs, and where they read and write. */
typedef struct band {
    const job *j;
    const fc_phase *phase;
    const bands *b;
    int64_t filter; /* the first of the group */
    int64_t start[FC_SPATIAL], rows;
    const void *src;
    void *dst, *tile, *scratch;
} band;

/* Outputs rows x count from src, whose window starts at the first of them, for every filter of the group. */
static void run_window(const band *at, const fc_window *window, int64_t pitch, const void *src, int64_t column,
                       int64_t count) {
    const job *j = at->j;
    const fc_correlation *c = &j->s->c;
    const fc_kernels *k = j->plan->kernels;
    const bands *b = at->b;
    const int64_t *stride = at->phase->dst_stride;
    const int most = (int)fc_min(k->stencil_rows, window->height);
    for (int64_t f = 0; f < c->filters; ++f) {
        fc_finish finish = j->plan->finish;
        if (j->bias) finish.bias = fc_at(j->bias, at->filter + f, k->element);
        const void *w = fc_at(j->packed, fc_packed_at(c, at->phase, at->filter + f), k->element);
        void *dst = fc_at(at->dst, f * c->dst_channel + (column - at->start[WIDTH]) * stride[WIDTH], k->element);
        char *to = b->direct ? dst : at->scratch;
        const int64_t to_row = b->direct ? stride[HEIGHT] : count;
        for (int64_t residue = 0; residue < fc_min(b->dilation, at->rows); ++residue) {
            const int64_t lines = fc_ceil_div(at->rows - residue, b->dilation), tiles = fc_ceil_div(lines, most);
            for (int64_t t = 0, line = 0; t < tiles; ++t) {
                const int64_t end = lines * (t + 1) / tiles, row = residue + line * b->dilation;
                k->stencil[end - line - 1](window, fc_at(src, row * pitch, k->element), w,
                                           fc_at(to, row * to_row, k->element), b->dilation * to_row, count, &finish);
                line = end;
            }
        }
        if (!b->direct) k->scatter_rows(dst, stride[HEIGHT], stride[WIDTH], at->scratch, count, at->rows, count);
    }
}

static void run_tile(const band *at, int64_t column, int64_t count) {
    if (count <= 0) return;
    const fc_source *source = &at->phase->source;
    const int64_t start[FC_SPATIAL] = {at->start[DEPTH], at->start[HEIGHT], column};
    const fc_tile tile = fc_tile_layout(source, at->rows, count);
    fc_tile_fill(&tile, source, at->j->plan->kernels, at->src, 1, start, at->rows, at->tile);
    fc_window window = at->b->window;
    window.plane = tile.depth_stride;
    window.row = at->b->dilation * tile.pitch;
    run_window(at, &window, tile.pitch, at->tile, column, count);
}

static void run_image(const band *at, int64_t column, int64_t count) {
    const fc_source *source = &at->phase->source;
    int64_t from = (column + source->axis[WIDTH]->low) * source->stride[WIDTH];
    for (int a = DEPTH; a <= HEIGHT; ++a) from += (at->start[a] + source->axis[a]->low) * source->stride[a];
    run_window(at, &at->b->window, source->stride[HEIGHT], fc_at(at->src, from, at->j->plan->kernels->element), column,
               count);
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const stencil_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const int64_t p = fc_last_at_most(s->first_task, c->phases, index);
    const fc_phase *phase = &c->phase[p];
    const bands *b = &s->bands[p];
    int64_t at = index - s->first_task[p];
    const int64_t column_block = at % b->column_blocks;
    const int64_t row_block = (at /= b->column_blocks) % b->row_blocks;
    const int64_t depths = phase->source.axis[DEPTH]->outputs, depth = (at /= b->row_blocks) % depths;
    const int64_t group = (at /= depths) % c->groups, n = at / c->groups;
    band task = {.j = j,
                 .phase = phase,
                 .b = b,
                 .filter = group * c->filters,
                 .start = {depth, row_block * b->rows, column_block * b->columns},
                 .src = fc_at(j->src, n * c->src_n + group * c->src_group, k->element),
                 .tile = j->worker + worker * j->plan->worker_bytes};
    task.scratch = (char *)task.tile + s->tile_bytes;
    task.rows = fc_min(b->rows, phase->source.axis[HEIGHT]->outputs - task.start[HEIGHT]);
    int64_t to = n * c->dst_n + group * c->dst_group + phase->dst_offset;
    for (int a = 0; a < FC_SPATIAL; ++a) to += task.start[a] * phase->dst_stride[a];
    task.dst = fc_at(j->dst, to, k->element);

    const int64_t left = task.start[WIDTH], right = fc_min(left + b->columns, phase->source.axis[WIDTH]->outputs);
    const int64_t first = fc_max(left, b->first[WIDTH]), final = fc_min(right, b->final[WIDTH]);
    const int inside = b->in_place && depth >= b->first[DEPTH] && depth < b->final[DEPTH] &&
                       task.start[HEIGHT] >= b->first[HEIGHT] && task.start[HEIGHT] + task.rows <= b->final[HEIGHT];
    if (inside && final - first >= k->lanes) {
        run_tile(&task, left, first - left);
        run_image(&task, first, final - first);
        run_tile(&task, final, right - final);
    } else {
        run_tile(&task, left, right - left);
    }
}

static fc_status execute_stencil(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const stencil_plan *s = plan->state;
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

const fc_conv_algorithm fc_conv_stencil = {"stencil", plan_stencil, pack_stencil, execute_stencil, release_stencil};
