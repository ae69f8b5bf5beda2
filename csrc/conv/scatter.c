/* scatter.c: backward_data from the gradient's side: each element of dy is multiplied by every weight that it met, and the
 * products are added where they belong, for every kernel, stride, dilation, group and layout.
 *
 * A task takes a block of rows of dy of one image and group, and a tile of sums for the part of dx that they reach:
 * for each channel one plane per residue of the padded position modulo the stride, so that the outputs of one tap are
 * a run in it whatever the stride. dy is copied a panel at a time, [filter][positions], as much as fits L1; then for
 * each tap the register tile of spread.h adds channels x positions products, summed over the filters, to its run of the
 * tile. Narrow rows of dy run into one another, a zero for each position between their runs. So dy is read once, no
 * product is ever multiplied by a zero of the padding, and strides cost only that the planes are laid out apart.
 * Blocks of one image overlap in dx: their tiles are kept and added, in order, where rows leave for the caller's tensor.
 * Wins for first layers, where dx has too few channels to fill the lanes. */
#include <stdlib.h>

#include "conv/plan.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MIN_TILES = 2, MOST_TAPS = 1 << 16 };

/* Offset of a tap's run in the tile, and of its weight. */
typedef struct scatter_tap {
    int64_t at, weight;
} scatter_tap;

typedef struct scatter_plan {
    int64_t images;            /* n * groups */
    int64_t channels, filters; /* of dx and dy, per group */
    int64_t taps;
    int64_t phases[FC_SPATIAL], extent[FC_SPATIAL]; /* residues that taps write; positions of one, of the whole dx */
    int64_t rows, row_blocks, tile_rows;            /* of dy; rows that a block reaches */
    int64_t phase_stride, channel_stride;           /* of the tile */
    int64_t tile_bytes, scratch_bytes;
    int64_t run_rows;               /* rows of dy that run into one another */
    int64_t panel_tiles, panel_row; /* register tiles of positions in a panel at most; elements of a row of it */
    int64_t piece;                  /* filters summed per register-kernel call */
    int64_t mr, xr;                 /* channels and vectors of positions of a register tile */
    scatter_tap *tap;               /* in the order of their runs, so that neighbours share what they read */
} scatter_plan;

static void release_scatter(fc_conv_plan *plan) {
    scatter_plan *s = plan->state;
    if (!s) return;
    free(s->tap);
    free(s);
}

/* Positions from the first to the last output of `rows` rows that run into one another. */
static int64_t run_length(const scatter_plan *s, const fc_conv_desc *d, int64_t rows) {
    return (rows - 1) * s->extent[WIDTH] + d->out[WIDTH];
}

static fc_status choose_tile(scatter_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->phases[a] = 1;
        int64_t reach = 0;
        for (int64_t t = 0; t < d->kernel[a]; ++t) {
            s->phases[a] = fc_max(s->phases[a], t * d->dilation[a] % d->stride[a] + 1);
            reach = t * d->dilation[a] / d->stride[a];
        }
        s->extent[a] = d->out[a] + reach;
    }
    const int64_t wanted = fc_ceil_div(MIN_TASKS, fc_max(1, s->images));
    s->rows = fc_ceil_div(d->out[HEIGHT], fc_min(wanted, d->out[HEIGHT]));
    s->row_blocks = fc_ceil_div(d->out[HEIGHT], s->rows);
    s->tile_rows = s->rows + s->extent[HEIGHT] - d->out[HEIGHT];
    s->phase_stride = fc_capped_product(fc_capped_product(s->extent[DEPTH], s->tile_rows), s->extent[WIDTH]);
    s->channel_stride = s->phase_stride;
    for (int a = 0; a < FC_SPATIAL; ++a) s->channel_stride = fc_capped_product(s->channel_stride, s->phases[a]);
    const int64_t elements = fc_capped_product(s->channels, s->channel_stride) + k->lanes;
    if (elements > INT32_MAX) return FC_UNSUPPORTED;
    s->tile_bytes = (int64_t)fc_align_up((size_t)elements * k->element);
    return FC_OK;
}

/* Cycles of the register tiles of one tap along a run: two multiply-adds each, but fewer than 8 sums wait for the adder;
 * then the sums are read and written. */
static double run_cycles(const scatter_plan *s, int64_t length, const fc_kernels *k) {
    const int64_t vectors = fc_ceil_div(length, k->lanes), tiles = fc_ceil_div(vectors, s->xr);
    const double rest = (double)(vectors % s->xr), mr = (double)s->mr, filters = (double)s->filters;
    const double waits = rest > 0 && rest * mr < 8 ? 8 - rest * mr : 0, calls = filters / (double)s->piece;
    return filters * ((double)vectors * mr + waits) / 2 + calls * ((double)tiles * 20 + (double)vectors * mr * 2);
}

/* A panel in three quarters of L1, of tiles enough that a tap's run is not read again at once; rows that run into one
 * another where the positions between them cost less than the last tile of each. */
static void choose_panel(scatter_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const int64_t elements = fc_l1_bytes() * 3 / 4 / (int64_t)k->element;
    s->mr = fc_ceil_div(s->channels, fc_ceil_div(s->channels, k->mr));
    s->xr = k->spread_sums / s->mr;
    const int64_t tile = s->xr * k->lanes, run = fc_ceil_div(run_length(s, d, s->rows), tile);
    const int64_t least = fc_min(MIN_TILES, run);
    s->piece = fc_ceil_div(s->filters, fc_ceil_div(s->filters, fc_max(1, elements / (tile * least))));
    const double apart = (double)s->rows * run_cycles(s, d->out[WIDTH], k);
    s->run_rows = run_cycles(s, run_length(s, d, s->rows), k) < apart ? s->rows : 1;
    s->panel_tiles = fc_max(least, elements / s->piece / tile);
    s->panel_row = fc_min(s->panel_tiles, fc_ceil_div(run_length(s, d, s->run_rows), tile)) * tile;
}

static int compare_taps(const void *a, const void *b) {
    const int64_t first = ((const scatter_tap *)a)->at, second = ((const scatter_tap *)b)->at;
    return (first > second) - (first < second);
}

static fc_status list_taps(scatter_plan *s, const fc_conv_desc *d) {
    s->tap = calloc((size_t)s->taps, sizeof *s->tap);
    if (!s->tap) return FC_NO_MEMORY;
    const int64_t step[FC_SPATIAL] = {s->tile_rows * s->extent[WIDTH], s->extent[WIDTH], 1};
    for (int64_t t = 0; t < s->taps; ++t) {
        const int64_t line = t / d->kernel[WIDTH];
        const int64_t index[FC_SPATIAL] = {line / d->kernel[HEIGHT], line % d->kernel[HEIGHT], t % d->kernel[WIDTH]};
        int64_t phase = 0;
        scatter_tap *tap = &s->tap[t];
        for (int a = 0; a < FC_SPATIAL; ++a) {
            const int64_t position = index[a] * d->dilation[a];
            phase = phase * s->phases[a] + position % d->stride[a];
            tap->at += position / d->stride[a] * step[a];
            tap->weight += (d->flip ? d->kernel[a] - 1 - index[a] : index[a]) * d->w_stride[2 + a];
        }
        tap->at += phase * s->phase_stride;
    }
    qsort(s->tap, (size_t)s->taps, sizeof *s->tap, compare_taps);
    return FC_OK;
}

/* Cycles on one core: register tiles, panels, rows that leave, tasks, packing. */
static double cycles(const scatter_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const int64_t length = run_length(s, d, s->run_rows), lines = d->out[DEPTH] * d->out[HEIGHT];
    const double runs = (double)fc_ceil_div(lines, s->run_rows), tiles = (double)fc_ceil_div(s->channels, s->mr);
    const double fill = (double)s->filters * (double)length * (d->y_stride[AXIS_W] == 1 ? 3.0 / k->lanes : 2);
    double elements = (double)s->channels;
    for (int a = 0; a < FC_SPATIAL; ++a) elements *= (double)d->in[a];
    const double tasks = (double)(s->images * s->row_blocks);
    const double idle = tasks > 0 && tasks < MIN_TASKS / 2 ? MIN_TASKS / 2 / tasks : 1;
    const double sums = runs * (tiles * (double)s->taps * run_cycles(s, length, k) + fill);
    return (double)s->images * (sums * idle + elements * 2) + tasks * 1000 +
           (double)(d->groups * s->taps * s->channels) * (double)s->filters;
}

static fc_status plan_scatter(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass != FC_BACKWARD_DATA || plan->other_steps) {
        plan->reason = plan->other_steps ? "this epilogue is not fused yet" : "for backward_data only";
        return FC_UNSUPPORTED;
    }
    scatter_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    s->images = d->n * d->groups;
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    s->taps = fc_capped_product(fc_capped_product(d->kernel[DEPTH], d->kernel[HEIGHT]), d->kernel[WIDTH]);
    if (s->taps > MOST_TAPS) {
        plan->reason = "too many taps";
        return FC_UNSUPPORTED;
    }
    fc_status status = choose_tile(s, d, k);
    if (status != FC_OK) return status;
    choose_panel(s, d, k);
    status = list_taps(s, d);
    if (status != FC_OK) return status;

    const int64_t element = (int64_t)k->element;
    const int64_t scratch = fc_capped_product(fc_max(s->extent[WIDTH], d->in[WIDTH]) + k->lanes, 1);
    const int64_t packed = fc_capped_product(fc_capped_product(s->taps, s->filters), d->ic);
    if (scratch > INT32_MAX || packed > INT32_MAX) return FC_UNSUPPORTED;
    s->scratch_bytes = (int64_t)fc_align_up((size_t)(scratch * element));
    plan->packed_bytes = packed * element;
    plan->shared_bytes = s->row_blocks > 1 ? s->images * s->row_blocks * s->tile_bytes : 0;
    plan->worker_bytes = s->scratch_bytes + (int64_t)fc_align_up((size_t)(s->piece * s->panel_row * element)) +
                         (s->row_blocks > 1 ? 0 : s->tile_bytes);
    plan->cost = cycles(s, d, k);
    plan->reason = "products of the gradient, added where they belong; wins for few channels";
    return FC_OK;
}

/* [group][tap][tile of channels][filter][channel] */
static fc_status pack_scatter(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    (void)threads;
    const scatter_plan *s = plan->state;
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    char *to = packed;
    for (int64_t g = 0; g < d->groups; ++g) {
        for (int64_t t = 0; t < s->taps; ++t) {
            for (int64_t c = 0; c < s->channels; c += s->mr) {
                const int64_t mr = fc_min(s->mr, s->channels - c), none = 0;
                const int64_t from = g * s->filters * d->w_stride[0] + c * d->w_stride[1] + s->tap[t].weight;
                k->pack(to, (int)mr, fc_at(w, from, k->element), d->w_stride[1], d->w_stride[0], s->filters, &none, 1);
                to = fc_at(to, mr * s->filters, k->element);
            }
        }
    }
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const scatter_plan *s;
    const void *dy, *bias, *packed;
    void *dx;
    char *shared, *worker;
} job;

/* Positions q <= p < end of the run of rows y ... of depth z of dy of one image and group; filters of it. */
typedef struct panel {
    int64_t n, group, z, y, rows, q, end, filter, filters;
} panel;

/* Where the first row of a run lies in dy. */
static const void *run_at(const job *j, const panel *at) {
    const int64_t *stride = j->plan->desc.y_stride;
    const int64_t first = at->n * stride[AXIS_N] + (at->group * j->s->filters + at->filter) * stride[AXIS_C] +
                          at->z * stride[AXIS_D] + at->y * stride[AXIS_H];
    return fc_at(j->dy, first, j->plan->kernels->element);
}

/* A row of the panel for each filter, zero between rows of dy and up to the end of its last vector. */
static void fill_panel(const job *j, const panel *at, void *to) {
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = d->y_stride, pitch = j->s->extent[WIDTH];
    const void *run = run_at(j, at);
    for (int64_t q = at->q, count; q < at->end; q += count) {
        const int64_t row = q / pitch, column = q % pitch;
        count = fc_min(at->end - q, pitch - column);
        const int64_t inside = row < at->rows ? fc_max(0, fc_min(count, d->out[WIDTH] - column)) : 0;
        k->block(fc_at(to, q - at->q, k->element), j->s->panel_row,
                 fc_at(run, row * stride[AXIS_H] + column * stride[AXIS_W], k->element), stride[AXIS_C], stride[AXIS_W],
                 at->filters, 0, inside, count - inside, 0);
    }
}

/* Asks for what share t of the taps leaves to be asked for of the panel after this one: short runs of many filters are
 * too much for the hardware's prefetchers. */
static void ask_ahead(const job *j, const panel *at, int64_t t) {
    const int64_t *stride = j->plan->desc.y_stride, pitch = j->s->extent[WIDTH], taps = j->s->taps;
    const fc_kernels *k = j->plan->kernels;
    const int64_t row = at->end / pitch, from = at->filters * t / taps, to = at->filters * (t + 1) / taps;
    k->ask(fc_at(run_at(j, at), row * stride[AXIS_H] + at->end % pitch + from * stride[AXIS_C], k->element),
           stride[AXIS_C], to - from, at->end - at->q);
}

/* Every tap of a panel; to: where the tap without offset adds position 0 of the run. */
static void add_products(const job *j, const panel *at, const void *rows, void *to) {
    const scatter_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t vectors = (at->end - at->q) / k->lanes;
    const void *w = fc_at(j->packed, at->group * s->taps * s->channels * s->filters, k->element);
    for (int64_t t = 0; t < s->taps; ++t) {
        if (j->plan->desc.y_stride[AXIS_W] == 1) ask_ahead(j, at, t);
        void *run = fc_at(to, s->tap[t].at + at->q, k->element);
        for (int64_t c = 0; c < s->channels; c += s->mr) {
            const int64_t mr = fc_min(s->mr, s->channels - c);
            k->spread[mr - 1](at->filters, rows, s->panel_row, fc_at(w, at->filter * mr, k->element),
                              fc_at(run, c * s->channel_stride, k->element), s->channel_stride, vectors);
            w = fc_at(w, mr * s->filters, k->element);
        }
    }
}

/* A run of rows, a panel of positions and a piece of the filters at a time. */
static void add_run(const job *j, panel *at, void *rows, void *to) {
    const scatter_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t vectors = fc_ceil_div(run_length(s, &j->plan->desc, at->rows), k->lanes);
    const int64_t tiles = fc_ceil_div(vectors, s->xr), panels = fc_ceil_div(tiles, s->panel_tiles);
    for (int64_t p = 0; p < panels; ++p) {
        at->q = tiles * p / panels * s->xr * k->lanes;
        at->end = fc_min(vectors, tiles * (p + 1) / panels * s->xr) * k->lanes;
        for (int64_t filter = 0; filter < s->filters; filter += s->piece) {
            at->filter = filter;
            at->filters = fc_min(s->piece, s->filters - filter);
            fill_panel(j, at, rows);
            add_products(j, at, rows, to);
        }
    }
}

static const void *tile_at(const job *j, int64_t image, int64_t block, const void *own) {
    return own ? own : j->shared + (image * j->s->row_blocks + block) * j->s->tile_bytes;
}

/* Positions of line (z, y) of channel c of dx that belong to one residue of their column: the sums of the blocks that
 * reach it, NULL where no tap writes. */
static const void *sums_of(const job *j, int64_t image, int64_t c, const int64_t line[2], int64_t residue,
                           int64_t first, int64_t count, const void *own, void *scratch) {
    const scatter_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    int64_t phase = 0, index[2];
    for (int a = DEPTH; a <= HEIGHT; ++a) {
        const int64_t position = line[a] + d->pad[a];
        index[a] = position / d->stride[a];
        phase = phase * s->phases[a] + position % d->stride[a];
        if (index[a] >= s->extent[a] || position % d->stride[a] >= s->phases[a]) return NULL;
    }
    const int64_t y = index[HEIGHT], low = y < s->tile_rows ? 0 : (y - s->tile_rows) / s->rows + 1;
    const int64_t high = fc_min(s->row_blocks - 1, y / s->rows);
    const void *sums = NULL;
    for (int64_t b = low; b <= high; ++b) {
        const int64_t at = c * s->channel_stride + (phase * s->phases[WIDTH] + residue) * s->phase_stride +
                           (index[DEPTH] * s->tile_rows + y - b * s->rows) * s->extent[WIDTH] + first;
        const void *from = fc_at(tile_at(j, image, b, own), at, k->element);
        if (b == low) {
            sums = from;
            continue;
        }
        if (b == low + 1) k->gather(scratch, sums, 1, count);
        k->add(scratch, 1, from, count);
        sums = scratch;
    }
    return sums;
}

/* One line of dx leaves, residue by residue. */
static void leave_line(const job *j, int64_t image, int64_t c, const int64_t line[2], const void *own, void *scratch) {
    const scatter_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t channel = image % d->groups * s->channels + c, step = d->stride[WIDTH], *stride = d->x_stride;
    const int64_t to = image / d->groups * stride[AXIS_N] + channel * stride[AXIS_C] + line[DEPTH] * stride[AXIS_D] +
                       line[HEIGHT] * stride[AXIS_H];
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, channel, k->element);
    for (int64_t i = 0; i < fc_min(step, d->in[WIDTH]); ++i) {
        const int64_t residue = (i + d->pad[WIDTH]) % step, first = (i + d->pad[WIDTH]) / step;
        const int64_t count = fc_ceil_div(d->in[WIDTH] - i, step);
        int64_t written = residue < s->phases[WIDTH] ? fc_max(0, fc_min(count, s->extent[WIDTH] - first)) : 0;
        const void *sums = written ? sums_of(j, image, c, line, residue, first, written, own, scratch) : NULL;
        if (!sums) written = 0;
        void *dst = fc_at(j->dx, to + i * stride[AXIS_W], k->element);
        k->store_rows(dst, 0, step * stride[AXIS_W], sums, 0, 1, written, &finish);
        if (written == count) continue;
        k->fill(scratch, 0, count - written + k->lanes);
        k->store_rows(fc_at(dst, written * step * stride[AXIS_W], k->element), 0, step * stride[AXIS_W], scratch, 0, 1,
                      count - written, &finish);
    }
}

/* Share number `part` of `parts` of the lines of every channel of an image. */
static void leave(const job *j, int64_t image, int64_t part, int64_t parts, const void *own, void *scratch) {
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t lines = d->in[DEPTH] * d->in[HEIGHT];
    for (int64_t c = 0; c < j->s->channels; ++c) {
        for (int64_t i = lines * part / parts; i < lines * (part + 1) / parts; ++i) {
            const int64_t line[2] = {i / d->in[HEIGHT], i % d->in[HEIGHT]};
            leave_line(j, image, c, line, own, scratch);
        }
    }
}

static void scatter_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const scatter_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t image = index / s->row_blocks, block = index % s->row_blocks, first = block * s->rows;
    char *scratch = j->worker + worker * j->plan->worker_bytes, *rows = scratch + s->scratch_bytes;
    char *own = rows + fc_align_up((size_t)(s->piece * s->panel_row) * k->element);
    char *tile = s->row_blocks > 1 ? j->shared + index * s->tile_bytes : own;
    k->fill(tile, 0, s->tile_bytes / (int64_t)k->element);
    const int64_t end = fc_min(d->out[HEIGHT], first + s->rows);
    panel at = {.n = image / d->groups, .group = image % d->groups};
    for (at.z = 0; at.z < d->out[DEPTH]; ++at.z) {
        for (at.y = first; at.y < end; at.y += s->run_rows) {
            at.rows = fc_min(s->run_rows, end - at.y);
            const int64_t to = (at.z * s->tile_rows + at.y - first) * s->extent[WIDTH];
            add_run(j, &at, rows, fc_at(tile, to, k->element));
        }
    }
    if (s->row_blocks == 1) leave(j, image, 0, 1, tile, scratch);
}

static void leave_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    leave(j, index / j->s->row_blocks, index % j->s->row_blocks, j->s->row_blocks, NULL,
          j->worker + worker * j->plan->worker_bytes);
}

static fc_status execute_scatter(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const scatter_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .dy = args->y,
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .dx = args->x,
        .shared = scratch->shared,
        .worker = scratch->worker,
    };
    fc_parallel_for(s->images * s->row_blocks, scratch->threads, scatter_task, &j);
    if (s->row_blocks > 1) fc_parallel_for(s->images * s->row_blocks, scratch->threads, leave_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_scatter = {"scatter", plan_scatter, pack_scatter, execute_scatter, release_scatter};
