/* pointwise.c: 1x1 convolution as a product of matrices that stay where they are.
 *
 * Pixels that lie evenly apart in source and destination form runs; each run is one product, split into parts of rows
 * and columns so that there are enough tasks and the operands are read as seldom as possible. Two forms:
 *   pixels in the lanes   y[filter][pixel] = w[filter][channel] x[channel][pixel]: channels first. Weights are broadcast
 *                         where they are, so nothing is packed. The pixels past the last whole vector are computed by
 *                         whichever is cheapest: dot products over channels, the other form, or once more as part of a
 *                         vector that overlaps the one before. Sources whose pixels lie apart (stride 2, channels last)
 *                         are gathered strip by strip into a panel [channel][strip].
 *   filters in the lanes  y[pixel][filter] = x[pixel][channel] w'[channel][filter]: channels last. backward_data reads
 *                         its weights in place; forward packs them as [strip of filters][channel][filter], inside the
 *                         task where no other needs the strip.
 * The sum runs over all channels in one go: vectors of the source stream from L2 as fast as from L1. Wins for every 1x1
 * layer. */
#include <stdlib.h>

#include "conv/correlate.h"
#include "core/cpu.h"
#include "core/memory.h"
#include "core/parallel.h"

enum { MIN_TASKS = 16, MAX_TASKS = 64, GATHER_COST = 16, AXES = 4 };

typedef enum tail_form { TAIL_NONE, TAIL_DOT, TAIL_FILTERS, TAIL_OVERLAP } tail_form;

typedef struct pointwise_plan {
    fc_correlation c;
    int64_t size[AXES], src_stride[AXES], dst_stride[AXES]; /* pixels: image, depth, height, width */
    int64_t src_pixel, dst_pixel;
    int64_t run, runs, run_group, run_groups; /* pixels of a run; runs; runs of a task */
    int64_t segment;                          /* pixels evenly apart in the source, a divisor of run */
    int filters_in_lanes, in_place;           /* in_place: no panel, or no packed weights */
    int64_t rows, columns;                    /* of one product */
    int64_t row_parts, column_parts, row_block;
    int64_t width; /* columns of a strip of the panel or of packed weights */
    tail_form tail;
    int pack_in_task;
    int64_t copy_bytes, scratch_bytes; /* of a worker: panel, strip of weights or transposed pixels; finished outputs */
    fc_product product;
    int32_t *off; /* of rows that are transposed: filters, or channels of the tail */
} pointwise_plan;

static void release_pointwise(fc_conv_plan *plan) {
    pointwise_plan *s = plan->state;
    if (!s) return;
    fc_correlation_release(&s->c);
    free(s->off);
    free(s);
}

static fc_status supports(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    if (d->pass == FC_BACKWARD_WEIGHTS) {
        plan->reason = "for forward and backward_data only";
        return FC_UNSUPPORTED;
    }
    for (int a = 0; a < FC_SPATIAL; ++a) {
        const int inside = d->pad[a] == 0 && (d->out[a] - 1) * d->stride[a] < d->in[a];
        const int whole = d->pass == FC_FORWARD || (d->stride[a] == 1 && d->in[a] == d->out[a]);
        if (d->kernel[a] != 1 || !inside || !whole) {
            plan->reason = "the kernel is not 1x1, or reads padding, or its gradient has gaps";
            return FC_UNSUPPORTED;
        }
    }
    if (plan->other_steps) plan->reason = "this epilogue is not fused yet";
    return plan->other_steps ? FC_UNSUPPORTED : FC_OK;
}

/* How many pixels lie evenly apart, counted from the innermost axis, and how far. */
static int64_t evenly_apart(const int64_t size[AXES], const int64_t stride[AXES], int64_t *step) {
    int64_t count = 1;
    *step = 1;
    for (int a = AXES - 1; a >= 0; --a) {
        if (size[a] == 1) continue;
        if (count == 1) {
            *step = stride[a];
        } else if (stride[a] != *step * count) {
            break;
        }
        count *= size[a];
    }
    return count;
}

static void find_runs(pointwise_plan *s, const fc_conv_desc *d) {
    const int forward = d->pass == FC_FORWARD;
    const int64_t *src = forward ? d->x_stride : d->y_stride, *dst = forward ? d->y_stride : d->x_stride;
    s->size[0] = fc_max(1, d->n);
    s->src_stride[0] = src[AXIS_N];
    s->dst_stride[0] = dst[AXIS_N];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->size[1 + a] = d->out[a];
        s->src_stride[1 + a] = src[AXIS_D + a] * (forward ? d->stride[a] : 1);
        s->dst_stride[1 + a] = dst[AXIS_D + a];
    }
    const int64_t from = evenly_apart(s->size, s->src_stride, &s->src_pixel);
    s->run = evenly_apart(s->size, s->dst_stride, &s->dst_pixel);
    s->segment = fc_min(from, s->run);
}

/* What is cheapest for `rest` pixels past the last whole vector. Per filter a dot product takes depth / lanes steps for
 * each pixel and about three to add its lanes up; a vector takes depth steps for all of them. */
static tail_form choose_tail(const fc_correlation *c, const fc_kernels *k, int64_t rest, int64_t run) {
    if (rest == 0) return TAIL_NONE;
    const int64_t channel = c->phase[0].source.channel_stride;
    const int offsets = channel >= 0 && fc_capped_product(c->channels, fc_max(1, channel)) <= INT32_MAX &&
                        c->w_filter >= 0 && fc_capped_product(k->dot_tr, fc_max(1, c->w_filter)) <= INT32_MAX;
    if (c->w_channel == 1 && offsets && rest * (c->channels / k->lanes + 3) < c->channels) return TAIL_DOT;
    if (c->w_filter == 1 && c->filters >= k->lanes && rest + 2 <= k->lanes) return TAIL_FILTERS;
    return run >= k->lanes ? TAIL_OVERLAP : TAIL_NONE;
}

static void choose_form(pointwise_plan *s, const fc_kernels *k) {
    const fc_correlation *c = &s->c;
    const int64_t src_channel = c->phase[0].source.channel_stride;
    s->filters_in_lanes = c->dst_channel == 1 && (s->dst_pixel != 1 || c->filters > s->segment);
    s->product.depth = c->channels;
    if (s->filters_in_lanes) {
        s->run = s->segment;
        s->rows = s->run;
        s->columns = c->filters;
        s->in_place = c->w_filter == 1 && c->filters >= k->lanes;
        s->product.a_row = s->src_pixel;
        s->product.a_step = src_channel;
        s->product.ldc = s->dst_pixel;
        s->product.bias_columns = 1;
    } else {
        const int64_t rest = s->segment % k->lanes;
        s->tail = choose_tail(c, k, rest, s->segment);
        s->in_place = s->src_pixel == 1 && s->dst_pixel == 1 && (rest == 0 || s->tail != TAIL_NONE);
        if (s->in_place) s->run = s->segment;
        if (!s->in_place) s->tail = TAIL_NONE;
        s->rows = c->filters;
        s->columns = s->run;
        s->product.a_row = c->w_filter;
        s->product.a_step = c->w_channel;
        s->product.ldc = c->dst_channel;
    }
    const int64_t vectors = fc_ceil_div(s->columns, k->lanes);
    s->width = fc_ceil_div(vectors, fc_ceil_div(vectors, k->xr)) * k->lanes;
    s->product.b_step = !s->in_place ? s->width : s->filters_in_lanes ? c->w_channel : src_channel;
    s->runs = s->size[0] * s->size[1] * s->size[2] * s->size[3] / s->run;
}

/* Parts are whole register tiles of rows, except that every part of the filters that lie in the lanes for the tail holds
 * a vector of them. The last part takes what is left. */
static int64_t row_unit(const pointwise_plan *s, const fc_kernels *k) {
    return s->tail == TAIL_FILTERS ? k->lanes : k->mr;
}

static int64_t row_units(const pointwise_plan *s, const fc_kernels *k) { return fc_max(1, s->rows / row_unit(s, k)); }

/* Whole strips where columns are packed or gathered by strips, else whole vectors. */
static int64_t column_units(const pointwise_plan *s, const fc_kernels *k) {
    const int64_t unit = s->in_place ? k->lanes : s->width;
    return s->in_place ? fc_max(1, s->columns / unit) : fc_ceil_div(s->columns, unit);
}

/* As many parts as give enough tasks; among those the split whose tasks read least. */
static void choose_parts(pointwise_plan *s, const fc_kernels *k) {
    const int64_t products = s->runs * s->c.groups;
    s->row_parts = s->column_parts = 1;
    s->run_group = fc_max(1, products / MAX_TASKS);
    const int64_t wanted = fc_ceil_div(MIN_TASKS, products);
    const int64_t rows = row_units(s, k), columns = column_units(s, k);
    const int gathered = !s->in_place && !s->filters_in_lanes;
    double least = 0;
    for (int64_t parts = 1; parts <= wanted; parts *= 2) {
        const int64_t row_parts = fc_min(parts, rows);
        const int64_t column_parts = fc_min(fc_ceil_div(wanted, row_parts), columns);
        const double reads = (double)row_parts * (double)s->columns * (gathered ? GATHER_COST : 1) +
                             (double)column_parts * (double)s->rows;
        const double longest = (double)fc_ceil_div(rows, row_parts) / (double)rows * (double)s->rows *
                               (double)fc_ceil_div(columns, column_parts) / (double)columns * (double)s->columns;
        if (parts > 1 && reads + longest >= least) continue;
        least = reads + longest;
        s->row_parts = row_parts;
        s->column_parts = column_parts;
    }
    s->run_groups = fc_ceil_div(s->runs, s->run_group);
    const int64_t block = fc_l2_bytes() / 2 / (int64_t)k->element / fc_max(1, s->c.channels);
    s->row_block = fc_max(1, block / k->mr) * k->mr;
}

/* Offsets of rows that k->transpose reads: filters of a strip of weights, channels of the tail's pixels. */
static fc_status make_offsets(pointwise_plan *s) {
    const fc_correlation *c = &s->c;
    const int pack = s->filters_in_lanes && !s->in_place && c->w_channel == 1;
    const int64_t count = pack ? s->width : s->tail == TAIL_DOT ? c->channels : 0;
    const int64_t step = pack ? c->w_filter : c->phase[0].source.channel_stride;
    if (count == 0 || step < 0 || fc_capped_product(count, fc_max(1, step)) > INT32_MAX) return FC_OK;
    s->off = malloc(sizeof(int32_t) * (size_t)count);
    if (!s->off) return FC_NO_MEMORY;
    for (int64_t i = 0; i < count; ++i) s->off[i] = (int32_t)(i * step);
    return FC_OK;
}

static void choose_memory(fc_conv_plan *plan, pointwise_plan *s) {
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    const int64_t element = (int64_t)k->element, rest = s->columns % k->lanes;
    const int64_t rows = (fc_ceil_div(row_units(s, k), s->row_parts) + 1) * row_unit(s, k);
    int64_t copy = s->in_place ? 0 : c->channels * s->width, scratch = 0;
    if (s->filters_in_lanes && !s->in_place) {
        s->pack_in_task = !plan->desc.prepared && s->runs == 1 && s->row_parts == 1;
        plan->packed_bytes = s->pack_in_task ? 0 : c->groups * fc_ceil_div(s->columns, s->width) * copy * element;
        if (!s->pack_in_task) copy = 0;
    }
    if (s->tail == TAIL_DOT) copy = rest * c->channels;
    if (s->tail == TAIL_DOT || s->tail == TAIL_FILTERS) scratch = rest * rows;
    if (!s->filters_in_lanes && s->dst_pixel != 1) scratch = k->mr * s->width;
    s->copy_bytes = (int64_t)fc_align_up((size_t)(copy * element));
    s->scratch_bytes = (int64_t)fc_align_up((size_t)(scratch * element));
    plan->worker_bytes = s->copy_bytes + s->scratch_bytes;
}

/* Two vector multiply-adds per cycle, one load and store per element copied. */
static double predict(const pointwise_plan *s, const fc_kernels *k) {
    const fc_correlation *c = &s->c;
    const double depth = (double)c->channels, rows = (double)s->rows;
    const int64_t rest = s->columns % k->lanes;
    double steps = (double)(s->columns / k->lanes) * depth, copies = 0;
    if (s->tail == TAIL_DOT) {
        steps += (double)rest * (depth / k->lanes + 3);
    } else if (s->tail == TAIL_FILTERS) {
        steps += (double)rest * depth / k->lanes;
    } else if (rest > 0) {
        steps += depth;
    }
    if (!s->in_place) copies = depth * (double)s->columns / (s->filters_in_lanes ? (double)s->runs : 1.0);
    const double store = s->filters_in_lanes || s->dst_pixel == 1 ? 4 : 4 + k->lanes;
    return rows * steps / 2 + rows * (double)s->columns / k->lanes * store + copies;
}

static fc_status plan_pointwise(fc_conv_plan *plan) {
    fc_status status = supports(plan);
    if (status != FC_OK) return status;
    const fc_kernels *k = plan->kernels;
    pointwise_plan *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    status = fc_correlation_init(&s->c, &plan->desc);
    if (status != FC_OK) return status;
    find_runs(s, &plan->desc);
    choose_form(s, k);
    const int64_t strip = fc_capped_product(s->width, s->c.channels);
    if (strip > INT32_MAX || fc_capped_product(s->rows, k->lanes) > INT32_MAX) return FC_UNSUPPORTED;
    choose_parts(s, k);
    choose_memory(plan, s);
    status = make_offsets(s);
    if (status != FC_OK) return status;
    plan->cost = (double)(s->runs * s->c.groups) * predict(s, k);
    plan->reason = "a matrix product over pixels; wins for 1x1 kernels";
    return FC_OK;
}

typedef struct job {
    const fc_conv_plan *plan;
    const pointwise_plan *s;
    const void *src, *w, *bias, *packed;
    void *dst;
    char *worker;
} job;

/* One part of the product of one run: rows and columns of the whole product, and its operands. */
typedef struct part {
    int64_t group, pixel; /* pixel: the run's first */
    int64_t row, row_end, column, column_end;
    const void *src, *w; /* of the run, of the group */
    void *dst;
    char *copy, *scratch;
} part;

static int64_t offset_of(const pointwise_plan *s, const int64_t stride[AXES], int64_t pixel) {
    int64_t at = 0;
    for (int a = AXES - 1; a >= 0; pixel /= s->size[a--]) at += pixel % s->size[a] * stride[a];
    return at;
}

/* One strip of whole vectors, the last of which may be part of one, for the rows of the part from `row` to `end`. */
static void multiply(const job *j, const part *p, int64_t row, int64_t end, const void *b, int64_t column,
                     int64_t count) {
    const pointwise_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    const int64_t filter = p->group * s->c.filters, xr = fc_ceil_div(count, k->lanes);
    const void *a = s->filters_in_lanes ? p->src : p->w;
    const int scattered = !s->filters_in_lanes && s->dst_pixel != 1;
    fc_product product = s->product;
    if (scattered) product.ldc = s->width;
    for (int64_t m = row; m < end; m += k->mr) {
        const int64_t mr = fc_min(k->mr, end - m);
        fc_finish finish = j->plan->finish;
        if (j->bias) finish.bias = fc_at(j->bias, filter + (s->filters_in_lanes ? column : m), size);
        void *c = fc_at(p->dst, m * s->product.ldc + column * (s->filters_in_lanes ? 1 : s->dst_pixel), size);
        k->product[mr - 1][xr - 1](&product, fc_at(a, m * product.a_row, size), b, scattered ? p->scratch : c, count,
                                   &finish);
        if (scattered) k->scatter_rows(c, s->product.ldc, s->dst_pixel, p->scratch, s->width, mr, count);
    }
}

/* The columns of b that stay in place; those past the last whole vector are done once more together with the ones
 * before. */
static void multiply_in_place(const job *j, const part *p, int64_t row, int64_t end, const void *b) {
    const pointwise_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t vectors = (p->column_end - p->column) / k->lanes, strips = fc_ceil_div(vectors, k->xr);
    for (int64_t i = 0; i < strips; ++i) {
        const int64_t v = vectors * i / strips, column = p->column + v * k->lanes;
        multiply(j, p, row, end, fc_at(b, column, k->element), column, (vectors * (i + 1) / strips - v) * k->lanes);
    }
    const int overlap = s->filters_in_lanes || s->tail == TAIL_OVERLAP;
    const int64_t last = p->column_end - k->lanes;
    if (overlap && (p->column_end - p->column) % k->lanes != 0)
        multiply(j, p, row, end, fc_at(b, last, k->element), last, k->lanes);
}

/* The strip of weights that starts at filter `first` as [channel][width], lanes without a filter zero. */
static void pack_strip(const pointwise_plan *s, const fc_kernels *k, const void *w, int64_t first, void *to) {
    const fc_correlation *c = &s->c;
    const int64_t filters = fc_min(s->width, c->filters - first);
    const void *from = fc_at(w, first * c->w_filter, k->element);
    if (!s->off) {
        k->block(to, s->width, from, c->w_channel, c->w_filter, c->channels, 0, filters, s->width - filters, 0);
        return;
    }
    if (filters < s->width) k->fill(to, 0, c->channels * s->width);
    k->transpose(to, s->width, from, s->off, filters, c->channels);
}

/* The strip of pixels that starts at `column` of the run as [channel][width]. */
static void gather_strip(const job *j, const part *p, int64_t column, int64_t count) {
    const pointwise_plan *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t channel = s->c.phase[0].source.channel_stride, vectors = fc_ceil_div(count, k->lanes) * k->lanes;
    const void *src = fc_at(j->src, p->group * s->c.src_group, k->element);
    for (int64_t q = 0; q < count;) {
        const int64_t pixel = p->pixel + column + q, pixels = fc_min(count - q, s->segment - pixel % s->segment);
        const int64_t rest = q + pixels == count ? vectors - count : 0;
        k->block(fc_at(p->copy, q, k->element), s->width, fc_at(src, offset_of(s, s->src_stride, pixel), k->element),
                 channel, s->src_pixel, s->c.channels, 0, pixels, rest, 0);
        q += pixels;
    }
}

/* The pixels past the last whole vector, computed as [pixel][filter] in scratch. */
static void multiply_tail(const job *j, const part *p) {
    const pointwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    const int64_t rest = s->columns % k->lanes, first = s->columns - rest, filters = p->row_end - p->row;
    const void *src = fc_at(p->src, first, size), *w = fc_at(p->w, p->row * c->w_filter, size);
    const void *bias = j->bias ? fc_at(j->bias, p->group * c->filters + p->row, size) : NULL;
    const fc_finish *finish = &j->plan->finish;
    if (s->tail == TAIL_DOT) {
        int32_t off[FC_MAX_DOT_TR];
        for (int t = 0; t < k->dot_tr; ++t) off[t] = (int32_t)(t * c->w_filter);
        const fc_runs runs = {.runs = 1, .count = c->channels};
        k->transpose(p->copy, c->channels, src, s->off, c->channels, rest);
        for (int64_t f = 0; f < filters; f += k->dot_tr) {
            const int64_t tr = fc_min(k->dot_tr, filters - f);
            for (int64_t m = 0; m < rest; m += k->dot_mr)
                k->dot[fc_min(k->dot_mr, rest - m) - 1][tr - 1](&runs, fc_at(p->copy, m * c->channels, size),
                                                                c->channels, fc_at(w, f * c->w_filter, size), off,
                                                                fc_at(p->scratch, m * filters + f, size), filters, 1);
        }
        k->finish_rows(rest, filters, filters, bias, finish->activation, finish->parameter, p->scratch);
    } else {
        const fc_product product = {.depth = c->channels,
                                    .a_row = 1,
                                    .a_step = c->phase[0].source.channel_stride,
                                    .b_step = c->w_channel,
                                    .ldc = filters,
                                    .bias_columns = 1};
        const int64_t width = k->xr * k->lanes;
        for (int64_t f = 0, from, count; f < filters; f = from + count) {
            /* whole vectors first; a last one that would read past the weights starts earlier */
            from = f;
            count = fc_min(width, filters - f);
            if (count > k->lanes) {
                count -= count % k->lanes;
            } else if (count < k->lanes) {
                from = filters - k->lanes;
                count = k->lanes;
            }
            fc_finish columns = *finish;
            if (bias) columns.bias = fc_at(bias, from, size);
            for (int64_t m = 0; m < rest; m += k->mr)
                k->product[fc_min(k->mr, rest - m) - 1][fc_ceil_div(count, k->lanes) - 1](
                    &product, fc_at(src, m, size), fc_at(w, from, size), fc_at(p->scratch, m * filters + from, size),
                    count, &columns);
        }
    }
    for (int64_t m = 0; m < rest; ++m)
        k->scatter(fc_at(p->dst, p->row * c->dst_channel + first + m, size), c->dst_channel,
                   fc_at(p->scratch, m * filters, size), filters);
}

static void run_part(const job *j, const part *p) {
    const pointwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    const size_t size = k->element;
    if (s->in_place) {
        const void *b = s->filters_in_lanes ? p->w : p->src;
        for (int64_t row = p->row; row < p->row_end; row += s->row_block)
            multiply_in_place(j, p, row, fc_min(p->row_end, row + s->row_block), b);
        if ((s->tail == TAIL_DOT || s->tail == TAIL_FILTERS) && p->column_end == s->columns) multiply_tail(j, p);
        return;
    }
    const int64_t strips = fc_ceil_div(c->filters, s->width), strip = s->width * c->channels;
    const int copied = !s->filters_in_lanes || s->pack_in_task;
    const int64_t block = copied ? p->row_end - p->row : s->row_block;
    for (int64_t row = p->row; row < p->row_end; row += block)
        for (int64_t column = p->column; column < p->column_end; column += s->width) {
            const int64_t count = fc_min(s->width, p->column_end - column);
            const void *b = p->copy;
            if (!s->filters_in_lanes) {
                gather_strip(j, p, column, count);
            } else if (s->pack_in_task) {
                pack_strip(s, k, p->w, column, p->copy);
            } else {
                b = fc_at(j->packed, (p->group * strips + column / s->width) * strip, size);
            }
            multiply(j, p, row, fc_min(p->row_end, row + block), b, column, count);
        }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const pointwise_plan *s = j->s;
    const fc_correlation *c = &s->c;
    const fc_kernels *k = j->plan->kernels;
    int64_t t = index;
    const int64_t row_part = t % s->row_parts, column_part = (t /= s->row_parts) % s->column_parts;
    const int64_t run_group = (t /= s->column_parts) % s->run_groups;
    const int64_t rows = row_units(s, k), columns = column_units(s, k), width = s->in_place ? k->lanes : s->width;
    part p = {
        .group = t / s->run_groups,
        .row = rows * row_part / s->row_parts * row_unit(s, k),
        .row_end = rows * (row_part + 1) / s->row_parts * row_unit(s, k),
        .column = columns * column_part / s->column_parts * width,
        .column_end = columns * (column_part + 1) / s->column_parts * width,
        .copy = j->worker + worker * j->plan->worker_bytes,
    };
    if (row_part == s->row_parts - 1) p.row_end = s->rows;
    if (column_part == s->column_parts - 1) p.column_end = s->columns;
    p.scratch = p.copy + s->copy_bytes;
    p.w = fc_at(j->w, p.group * c->w_group, k->element);
    const int64_t end = fc_min(s->runs, (run_group + 1) * s->run_group);
    for (int64_t run = run_group * s->run_group; run < end; ++run) {
        p.pixel = run * s->run;
        p.src = fc_at(j->src, p.group * c->src_group + offset_of(s, s->src_stride, p.pixel), k->element);
        p.dst = fc_at(j->dst, p.group * c->dst_group + offset_of(s, s->dst_stride, p.pixel), k->element);
        run_part(j, &p);
    }
}

typedef struct pack_job {
    const fc_conv_plan *plan;
    const void *w;
    void *packed;
} pack_job;

static void pack_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const pack_job *j = ctx;
    const pointwise_plan *s = j->plan->state;
    const fc_kernels *k = j->plan->kernels;
    const int64_t strips = fc_ceil_div(s->columns, s->width), group = index / strips;
    pack_strip(s, k, fc_at(j->w, group * s->c.w_group, k->element), index % strips * s->width,
               fc_at(j->packed, index * s->width * s->c.channels, k->element));
}

static fc_status pack_pointwise(const fc_conv_plan *plan, const void *w, void *packed, int threads) {
    const pointwise_plan *s = plan->state;
    pack_job j = {plan, w, packed};
    const int serial = plan->packed_bytes <= FC_PACK_SERIAL_BYTES;
    fc_parallel_for(s->c.groups * fc_ceil_div(s->columns, s->width), serial ? 1 : threads, pack_task, &j);
    return FC_OK;
}

static fc_status execute_pointwise(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const pointwise_plan *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .w = args->w,
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .packed = scratch->packed,
        .worker = scratch->worker,
    };
    if (plan->desc.n == 0) return FC_OK;
    fc_parallel_for(s->c.groups * s->run_groups * s->column_parts * s->row_parts, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_pointwise = {"pointwise", plan_pointwise, pack_pointwise, execute_pointwise,
                                             release_pointwise};
