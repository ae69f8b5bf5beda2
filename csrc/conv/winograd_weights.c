/* winograd_weights.c: backward_weights by minimal filtering, F(3x3, 4x4) and its kin: four times fewer multiplications
 * than direct for 3x3, 2.8 times for 5x5, twice for 3x1 and 1x3.
 *
 * dw = G^T [ sum over tiles t of (A dy_t A^T) * (B^T x_t B) ] G  (microkernels/winograd_weights.h). Between the brackets
 * stands one product of matrices per point, with tiles as the inner dimension: V holds channels, M filters,
 *     V [channel block][point][tile][lanes],   M [panel of filters][point][tile][vr*lanes],
 * and the outer kernel adds V's channels times M's vectors of filters into U [point][channel][filter]. Tiles are taken in
 * blocks of whole rows of tiles, as many as V and M fit half of L3. A first parallel region transforms a block, a second
 * has one task per panel and chunk of channels, so nothing is computed twice and nothing has to be added up between
 * tasks; where one block holds all tiles, U of a task stays in L2 and becomes dw at once. Order and sizes follow from
 * shapes and caches, so the bits do not depend on the number of threads. dy beyond its end is zero, x is whatever the
 * border says. Wins from about 16 channels and filters on. Lavin & Gray (arXiv 1509.09308). */
#include <stdlib.h>

#include "conv/correlate.h"
#include "conv/pixel_tile.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

/* Least tasks of a product, and tiles that a transforming task should have. */
enum { MIN_TASKS = 8, TASK_TILES = 64 };

/* Tiles are summed a few at a time, and those sums in turn: in one sequence the errors of U would grow with the root of
 * its length. */
enum { MOST_CALL_TILES = 64, LEAST_CALL_TILES = 8 };

/* Least terms of a sum, taps on padding not counted: over fewer, direct sums have smaller errors than the accuracy
 * promises. Rms errors relative to one sequential sum in float32: 3x3 with 54, 107 and 178 terms 3.1, 2.3 and 1.9; 5x5,
 * whose G has larger powers of the points, with 3, 139, 164 and 219 terms 10.9, 2.7, 2.5 and 2.2; 1x3 and 3x1 with 3,
 * 13 and 32 terms 4.0, 2.4 and 1.8. */
enum { LEAST_TERMS_3X3 = 112, LEAST_TERMS_5X5 = 190, LEAST_TERMS_LINE = 16, LEAST_TERMS_FAST_5X5 = 7 };

typedef struct ww_plan {
    fc_source x, dy;
    fc_axis axis[FC_SPATIAL];
    const fc_winograd_kernels *tile;
    const fc_winograd_weights_kernels *gradient;
    int64_t channels, filters; /* per group */
    int64_t channel_blocks, filter_vectors, panels, width, taps, points;
    int64_t rows, columns, all_rows; /* tiles of an image, and rows of the batch */
    int64_t block_rows, blocks, block_tiles;
    int64_t task_rows, row_tasks; /* of a block, for the transforms */
    int64_t fill_rows;            /* at a time */
    int64_t chunk, chunks;        /* channel blocks of a product's task */
    int64_t call_tiles;           /* summed at a time */
    int64_t v_stride, m_stride;   /* from point to point */
    int64_t m_bytes, u_elements, u_bytes, db_bytes;
    int shared; /* U rests in memory between blocks */
    int64_t *tap;
    int32_t *off;
} ww_plan;

static void release_ww(fc_conv_plan *plan) {
    ww_plan *s = plan->state;
    for (int a = 0; a < FC_SPATIAL; ++a) fc_axis_release(&s->axis[a]);
    free(s->tap);
    free(s->off);
    free(s);
}

/* An odd number of cache lines, so that the points of a tile fall into different sets. */
static int64_t point_stride(int64_t elements, size_t size) {
    return (int64_t)(fc_align_up((size_t)elements * size) / FC_ALIGN | 1) * FC_ALIGN / (int64_t)size;
}

static int choose_tile(ww_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    if (d->kernel[DEPTH] != 1) return 0;
    for (int a = HEIGHT; a <= WIDTH; ++a)
        if (d->stride[a] != 1 || (d->dilation[a] != 1 && d->kernel[a] > 1)) return 0;
    for (int i = 0; i < FC_WINOGRAD_TILES && !s->tile; ++i)
        if (k->winograd_weights[i].gradient && k->winograd[i].taps[0] == d->kernel[HEIGHT] &&
            k->winograd[i].taps[1] == d->kernel[WIDTH]) {
            s->tile = &k->winograd[i];
            s->gradient = &k->winograd_weights[i];
        }
    return s->tile != NULL;
}

static void measure(ww_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    s->channels = d->ic / d->groups;
    s->filters = d->oc / d->groups;
    s->channel_blocks = fc_ceil_div(s->channels, k->lanes);
    s->filter_vectors = fc_ceil_div(s->filters, k->lanes);
    s->width = k->lanes * fc_min(k->outer_vr, s->filter_vectors);
    s->panels = fc_ceil_div(s->filters, s->width);
    s->taps = d->kernel[HEIGHT] * d->kernel[WIDTH];
    s->points = (s->tile->outputs[0] + s->tile->taps[0] - 1) * (s->tile->outputs[1] + s->tile->taps[1] - 1);
    s->rows = fc_ceil_div(d->out[HEIGHT], s->tile->outputs[0]);
    s->columns = fc_ceil_div(d->out[WIDTH], s->tile->outputs[1]);
    s->all_rows = d->n * d->out[DEPTH] * s->rows;
    s->dy = (fc_source){.channel_stride = d->y_stride[AXIS_C], .border = FC_CONSTANT};
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->dy.size[a] = d->out[a];
        s->dy.stride[a] = d->y_stride[AXIS_D + a];
    }
}

/* Positions along an axis that `tiles` tiles read from x. */
static int64_t reach(const ww_plan *s, int axis, int64_t tiles) {
    return tiles * s->tile->outputs[axis] + s->tile->taps[axis] - 1;
}

static int least_terms(const ww_plan *s, fc_accuracy accuracy) {
    if (accuracy == FC_FAST) return s->taps == 25 ? LEAST_TERMS_FAST_5X5 : 1;
    return s->taps == 25 ? LEAST_TERMS_5X5 : s->taps == 9 ? LEAST_TERMS_3X3 : LEAST_TERMS_LINE;
}

/* Pixels of dy that meet the image under a tap, in the mean of the taps. */
static double mean_terms(const fc_conv_desc *d) {
    double terms = (double)d->n;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        int64_t met = 0;
        for (int64_t k = 0; k < d->kernel[a]; ++k) {
            const int64_t start = k * d->dilation[a] - d->pad[a];
            met += fc_max(0, fc_min(d->out[a], d->in[a] - start) - fc_max(0, -start));
        }
        terms *= (double)met / (double)d->kernel[a];
    }
    return terms;
}

static void choose_blocks(ww_plan *s, const fc_conv_desc *d, const fc_kernels *k) {
    const double size = (double)k->element, lanes = k->lanes;
    const double row =
        (double)(s->points * s->columns * d->groups) * lanes * size * (double)(s->channel_blocks + s->filter_vectors);
    const int64_t most = (int64_t)fc_max(1, (int64_t)((double)fc_l3_bytes() / 2 / row));
    const int64_t all = fc_max(1, s->all_rows);
    s->block_rows = fc_ceil_div(all, fc_ceil_div(all, most));
    s->blocks = fc_ceil_div(s->all_rows, s->block_rows);
    s->block_tiles = fc_capped_product(s->block_rows, s->columns);
    s->call_tiles = fc_max(LEAST_CALL_TILES, fc_min(MOST_CALL_TILES, s->block_tiles / 4));
    s->task_rows = fc_max(1, fc_min(TASK_TILES / s->columns, fc_ceil_div(s->block_rows, MIN_TASKS)));
    s->row_tasks = fc_ceil_div(s->block_rows, s->task_rows);
    s->fill_rows = fc_min(s->task_rows, s->rows);

    /* U of a task takes a third of L2 at most. */
    const int64_t u_block = s->points * k->lanes * s->width * (int64_t)k->element;
    s->chunk = fc_max(1, fc_min(s->channel_blocks, fc_l2_bytes() / 3 / u_block));
    while (s->chunk > 1 && d->groups * s->panels * fc_ceil_div(s->channel_blocks, s->chunk) < MIN_TASKS)
        s->chunk = fc_ceil_div(s->chunk, 2);
    s->chunks = fc_ceil_div(s->channel_blocks, s->chunk);
    s->shared = s->blocks > 1;
}

static fc_status size_scratch(fc_conv_plan *plan, ww_plan *s) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    const int64_t size = (int64_t)k->element, vector = k->lanes * size;
    const int64_t tile = fc_capped_product(reach(s, 0, s->fill_rows), reach(s, 1, s->columns));
    const int64_t m_panel = fc_capped_product(s->block_tiles, s->width);
    if (tile > INT32_MAX / k->lanes || m_panel > INT32_MAX) return FC_UNSUPPORTED;
    s->v_stride = point_stride(s->block_tiles * k->lanes, k->element);
    s->m_stride = point_stride(m_panel, k->element);
    s->u_elements = s->points * s->chunk * k->lanes * s->width;
    s->u_bytes = (int64_t)fc_align_up((size_t)(s->u_elements * size));

    int64_t v = s->points * s->v_stride * size, m = s->points * s->m_stride * size, u = s->u_bytes;
    int over = __builtin_mul_overflow(v, d->groups * s->channel_blocks, &v);
    over = over || __builtin_mul_overflow(m, d->groups * s->panels, &m);
    over = over || __builtin_mul_overflow(u, d->groups * s->panels * s->chunks, &u);
    if (over || v > INT64_MAX / 8 || m > INT64_MAX / 8 || u > INT64_MAX / 8) return FC_UNSUPPORTED;
    s->m_bytes = m;
    s->db_bytes =
        (int64_t)fc_align_up((size_t)((s->blocks * s->row_tasks + 1) * d->groups * s->filter_vectors * vector));
    plan->shared_bytes = v + m + s->db_bytes + (s->shared ? u : 0);
    const int64_t dw = s->chunk * k->lanes * s->taps * s->width * size;
    plan->worker_bytes = fc_max((int64_t)fc_align_up((size_t)(tile * vector)),
                                (s->shared ? 0 : s->u_bytes) + (int64_t)fc_align_up((size_t)dw));
    return FC_OK;
}

/* Half cycles, as in the other rows, after what the parts take on Zen 4. */
static double cycles(const ww_plan *s, const fc_conv_desc *d) {
    const double tiles = (double)s->all_rows * (double)s->columns, points = (double)s->points;
    const double positions = s->tile->outputs[0] * s->tile->outputs[1];
    const double channels = (double)s->channels, in = (double)s->channel_blocks, out = (double)s->filter_vectors;
    const double products = points * channels * out * (tiles * (1.1 + 4.0 / (double)s->call_tiles) + 4);
    const double transforms = tiles * (in * (points * 6 + positions * 10) + out * (points * 5 + positions * 10));
    const double ends = channels * out * (points * 4 + (double)s->taps * 10);
    const double passes = tiles * points * (in + out) * 8; /* V and M on their way through L3 */
    return (double)d->groups * (products + transforms + ends + passes) / 2 + 4000 * (double)(s->blocks + 1);
}

static fc_status plan_ww(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass != FC_BACKWARD_WEIGHTS) {
        plan->reason = "for backward_weights only";
        return FC_UNSUPPORTED;
    }
    if (d->accuracy == FC_STRICT) {
        plan->reason = "its rounding errors are not those of direct sums: accuracy=\"strict\" excludes it";
        return FC_UNSUPPORTED;
    }
    ww_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    if (!choose_tile(s, d, k)) {
        plan->reason = "only 3x3, 5x5, 1x3 and 3x1 kernels without strides and dilation";
        return FC_UNSUPPORTED;
    }
    fc_axis *const axis[FC_SPATIAL] = {&s->axis[DEPTH], &s->axis[HEIGHT], &s->axis[WIDTH]};
    fc_status status = fc_source_forward(&s->x, axis, d);
    if (status != FC_OK) return status;
    measure(s, d, k);
    if (mean_terms(d) < least_terms(s, d->accuracy)) {
        plan->reason = "its rounding errors are too large for sums over so few pixels";
        return FC_UNSUPPORTED;
    }
    choose_blocks(s, d, k);
    status = size_scratch(plan, s);
    if (status != FC_OK) return status;
    s->tap = malloc(sizeof(int64_t) * (size_t)s->taps);
    s->off = malloc(sizeof(int32_t) * MOST_CALL_TILES);
    if (!s->tap || !s->off) return FC_NO_MEMORY;
    fc_weight_taps(&s->x, &d->w_stride[2], s->tap);
    for (int t = 0; t < MOST_CALL_TILES; ++t) s->off[t] = t * k->lanes;
    plan->cost = cycles(s, d);
    plan->reason = "transformed tiles, fewer multiplications; wins from about 16 channels and filters on";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const ww_plan *s;
    const fc_conv_args *args;
    char *m, *v, *u, *db, *worker;
    int64_t block, tiles; /* the block at work */
} job;

static void *v_at(const job *j, int64_t group, int64_t block) {
    return fc_at(j->v, (group * j->s->channel_blocks + block) * j->s->points * j->s->v_stride,
                 j->plan->kernels->element);
}
static void *m_at(const job *j, int64_t group, int64_t panel) {
    return fc_at(j->m, (group * j->s->panels + panel) * j->s->points * j->s->m_stride, j->plan->kernels->element);
}
/* db of one vector of filters; row 0 is the sum of the others. */
static void *db_at(const job *j, int64_t row, int64_t group, int64_t vector) {
    const ww_plan *s = j->s;
    return fc_at(j->db, ((row * j->plan->desc.groups + group) * s->filter_vectors + vector) * j->plan->kernels->lanes,
                 j->plan->kernels->element);
}

/* Vectors of filters in a panel: fewer in the last. */
static int64_t vectors_of(const ww_plan *s, const fc_kernels *k, int64_t panel) {
    return fc_min(s->width / k->lanes, s->filter_vectors - panel * (s->width / k->lanes));
}

/* Some rows of tiles of one image, one vector of channels of x or of filters of dy, as [row][column][lanes]. */
static void fill(const job *j, const fc_source *source, const void *from, int64_t channels,
                 const int64_t start[FC_SPATIAL], const int64_t size[FC_SPATIAL], void *tile) {
    const fc_kernels *k = j->plan->kernels;
    if (channels < k->lanes) k->fill(tile, 0, size[HEIGHT] * size[WIDTH] * k->lanes);
    fc_pixel_fill(source, k, from, fc_min(channels, k->lanes), k->lanes, start, size, tile);
}

static void transform_x(const job *j, int64_t image, int64_t row, int64_t rows, int64_t first_tile, int64_t group,
                        int64_t block, void *tile) {
    const ww_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t n = image / d->out[DEPTH], z = image % d->out[DEPTH];
    const int64_t mh = s->tile->outputs[0], pitch = reach(s, 1, s->columns);
    const int64_t start[FC_SPATIAL] = {z * d->stride[DEPTH] - d->pad[DEPTH], row * mh - d->pad[HEIGHT], -d->pad[WIDTH]};
    const int64_t size[FC_SPATIAL] = {1, reach(s, 0, rows), pitch};
    const int64_t channel = group * s->channels + block * k->lanes;
    fill(j, &s->x, fc_at(j->args->x, n * d->x_stride[AXIS_N] + channel * d->x_stride[AXIS_C], k->element),
         s->channels - block * k->lanes, start, size, tile);
    for (int64_t r = 0; r < rows; ++r)
        s->tile->data(fc_at(v_at(j, group, block), (first_tile + r * s->columns) * k->lanes, k->element), s->v_stride,
                      fc_at(tile, r * mh * pitch * k->lanes, k->element), pitch, s->columns);
}

static void transform_dy(const job *j, int64_t image, int64_t row, int64_t rows, int64_t first_tile, int64_t group,
                         int64_t vector, void *db, void *tile) {
    const ww_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t n = image / d->out[DEPTH], z = image % d->out[DEPTH];
    const int64_t mh = s->tile->outputs[0], pitch = s->columns * s->tile->outputs[1];
    const int64_t start[FC_SPATIAL] = {z, row * mh, 0}, size[FC_SPATIAL] = {1, rows * mh, pitch};
    const int64_t filter = group * s->filters + vector * k->lanes, vr = s->width / k->lanes;
    fill(j, &s->dy, fc_at(j->args->y, n * d->y_stride[AXIS_N] + filter * d->y_stride[AXIS_C], k->element),
         s->filters - vector * k->lanes, start, size, tile);
    const int64_t step = vectors_of(s, k, vector / vr) * k->lanes;
    void *m = fc_at(m_at(j, group, vector / vr), first_tile * step + vector % vr * k->lanes, k->element);
    for (int64_t r = 0; r < rows; ++r)
        s->gradient->gradient(fc_at(m, r * s->columns * step, k->element), s->m_stride, step,
                              fc_at(tile, r * mh * pitch * k->lanes, k->element), pitch, s->columns);
    if (!j->args->bias) return;
    k->column_sums(size[HEIGHT] * pitch, k->lanes, k->lanes, tile, tile);
    k->add(db, 1, tile, k->lanes);
}

/* Rows of tiles of one vector of channels or filters, piece by piece of one image. */
static void transform_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const ww_plan *s = j->s;
    const int64_t vectors = s->channel_blocks + s->filter_vectors;
    const int64_t vector = index % vectors, group = index / vectors % j->plan->desc.groups;
    const int64_t task = index / vectors / j->plan->desc.groups, block_start = j->block * s->block_rows;
    const int64_t begin = block_start + task * s->task_rows;
    const int64_t end = fc_min(fc_min(begin + s->task_rows, block_start + s->block_rows), s->all_rows);
    void *tile = j->worker + worker * j->plan->worker_bytes;
    void *db = db_at(j, 1 + j->block * s->row_tasks + task, group, fc_max(0, vector - s->channel_blocks));
    if (vector >= s->channel_blocks) j->plan->kernels->fill(db, 0, j->plan->kernels->lanes);
    for (int64_t row = begin, rows; row < end; row += rows) {
        const int64_t image = row / s->rows, from = row % s->rows, tiles = (row - block_start) * s->columns;
        rows = fc_min(fc_min(s->fill_rows, s->rows - from), end - row);
        if (vector < s->channel_blocks) {
            transform_x(j, image, from, rows, tiles, group, vector, tile);
        } else {
            transform_dy(j, image, from, rows, tiles, group, vector - s->channel_blocks, db, tile);
        }
    }
}

/* U of one chunk of channels and panel becomes dw, by way of [channel][tap][filter]. */
static void leave(const job *j, const void *u, int64_t group, int64_t panel, int64_t chunk, void *scratch) {
    const ww_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t *stride = j->plan->desc.w_stride;
    const int64_t channel = chunk * s->chunk * k->lanes, channels = fc_min(s->chunk * k->lanes, s->channels - channel);
    const int64_t filter = panel * s->width, filters = fc_min(s->width, s->filters - filter);
    for (int64_t v = 0; v < vectors_of(s, k, panel); ++v)
        s->gradient->products(fc_at(scratch, v * k->lanes, k->element), s->width, s->taps * s->width,
                              fc_at(u, v * k->lanes, k->element), s->chunk * k->lanes * s->width, s->width, channels);
    const fc_finish none = {.activation = FC_IDENTITY};
    void *w = fc_at(j->args->w, (group * s->filters + filter) * stride[0] + channel * stride[1], k->element);
    int in_order = stride[1] == s->taps;
    for (int64_t t = 0; t < s->taps; ++t) in_order = in_order && s->tap[t] == t;
    if (in_order) {
        k->lanes_out(w, stride[0], 1, scratch, s->width, filters, channels * s->taps, &none);
        return;
    }
    for (int64_t t = 0; t < s->taps; ++t)
        k->lanes_out(fc_at(w, s->tap[t], k->element), stride[0], stride[1], fc_at(scratch, t * s->width, k->element),
                     s->taps * s->width, filters, channels, &none);
}

/* One panel of filters times a chunk of channels, all points; in the last block, dw of them. */
static void product_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const ww_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t chunk = index % s->chunks, panel = index / s->chunks % s->panels,
                  group = index / s->chunks / s->panels;
    char *own = j->worker + worker * j->plan->worker_bytes;
    void *u = s->shared ? j->u + index * s->u_bytes : own;
    const int64_t end = fc_min(s->channels, (chunk + 1) * s->chunk * k->lanes);
    const int vr = (int)vectors_of(s, k, panel);
    for (int64_t point = 0; point < s->points; ++point) {
        for (int64_t t = 0; t < j->tiles; t += s->call_tiles) {
            const int64_t tiles = fc_min(s->call_tiles, j->tiles - t);
            const void *m = fc_at(m_at(j, group, panel), point * s->m_stride + t * vr * k->lanes, k->element);
            void *to = fc_at(u, point * s->chunk * k->lanes * s->width, k->element);
            for (int64_t c = chunk * s->chunk * k->lanes; c < end; c += k->lanes) {
                const void *v = fc_at(v_at(j, group, c / k->lanes), point * s->v_stride + t * k->lanes, k->element);
                const int64_t channels = fc_min(k->lanes, end - c);
                const int64_t piece = fc_ceil_div(channels, fc_ceil_div(channels, k->outer_pr));
                for (int64_t i = 0; i < channels; i += piece, to = fc_at(to, piece * s->width, k->element)) {
                    const int pr = (int)fc_min(piece, channels - i);
                    k->outer[vr - 1][pr - 1](tiles, fc_at(v, i, k->element), s->off, 1, m, to, s->width,
                                             j->block == 0 && t == 0 ? 1 : -1);
                }
            }
        }
    }
    if (j->block == s->blocks - 1) leave(j, u, group, panel, chunk, own + (s->shared ? 0 : s->u_bytes));
}

/* An empty batch: gradients of zero. */
static void clear(const fc_conv_plan *plan, const fc_conv_args *args) {
    const fc_conv_desc *d = &plan->desc;
    const ww_plan *s = plan->state;
    const double zero = 0;
    for (int64_t o = 0; o < d->oc; ++o)
        for (int64_t c = 0; c < s->channels; ++c)
            for (int64_t t = 0; t < s->taps; ++t)
                plan->kernels->gather(
                    fc_at(args->w, o * d->w_stride[0] + c * d->w_stride[1] + s->tap[t], plan->kernels->element), &zero,
                    1, 1);
    if (args->bias) plan->kernels->fill(args->bias, 0, d->oc);
}

static void add_db(const job *j) {
    const ww_plan *s = j->s;
    const fc_conv_desc *d = &j->plan->desc;
    const fc_kernels *k = j->plan->kernels;
    const int64_t last = s->all_rows - (s->blocks - 1) * s->block_rows;
    const int64_t rows = (s->blocks - 1) * s->row_tasks + fc_ceil_div(last, s->task_rows);
    const int64_t count = d->groups * s->filter_vectors * k->lanes;
    k->column_sums(rows, count, count, db_at(j, 1, 0, 0), db_at(j, 0, 0, 0));
    for (int64_t g = 0; g < d->groups; ++g)
        k->gather(fc_at(j->args->bias, g * s->filters, k->element), db_at(j, 0, g, 0), 1, s->filters);
}

static fc_status execute_ww(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const ww_plan *s = plan->state;
    const fc_conv_desc *d = &plan->desc;
    if (s->all_rows == 0) {
        clear(plan, args);
        return FC_OK;
    }
    job j = {.plan = plan, .s = s, .args = args, .m = scratch->shared, .worker = scratch->worker};
    j.v = j.m + s->m_bytes;
    j.db = j.v + d->groups * s->channel_blocks * s->points * s->v_stride * (int64_t)plan->kernels->element;
    j.u = j.db + s->db_bytes;
    for (j.block = 0; j.block < s->blocks; ++j.block) {
        const int64_t rows = fc_min(s->block_rows, s->all_rows - j.block * s->block_rows);
        j.tiles = rows * s->columns;
        fc_parallel_for(fc_ceil_div(rows, s->task_rows) * d->groups * (s->channel_blocks + s->filter_vectors),
                        scratch->threads, transform_task, &j);
        fc_parallel_for(d->groups * s->panels * s->chunks, scratch->threads, product_task, &j);
    }
    if (args->bias) add_db(&j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_winograd_weights = {"winograd_weights", plan_ww, NULL, execute_ww, release_ww};
