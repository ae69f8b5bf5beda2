/* pointwise_plan.c: which form a 1x1 convolution takes, and how its products are split; see pointwise.c. */
#include <stdlib.h>
#include <string.h>

#include "conv/pointwise.h"
#include "core/cpu.h"
#include "core/memory.h"

enum { MIN_TASKS = 16, MAX_TASKS = 64, GATHER_COST = 16 };

void fc_pointwise_release(fc_conv_plan *plan) {
    fc_pointwise *s = plan->state;
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
    if (plan->other_steps == plan->has_residual) return FC_OK;
    plan->reason = "this epilogue is not fused yet";
    return FC_UNSUPPORTED;
}

/* How many pixels lie evenly apart, counted from the innermost axis, and how far. */
static int64_t evenly_apart(const int64_t size[FC_POINTWISE_AXES], const int64_t stride[FC_POINTWISE_AXES],
                            int64_t *step) {
    int64_t count = 1;
    *step = 1;
    for (int a = FC_POINTWISE_AXES - 1; a >= 0; --a) {
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

static void find_runs(fc_pointwise *s, const fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const int forward = d->pass == FC_FORWARD;
    const int64_t *src = forward ? d->x_stride : d->y_stride, *dst = forward ? d->y_stride : d->x_stride;
    const int64_t *other = d->residual_stride;
    s->size[0] = fc_max(1, d->n);
    s->src_stride[0] = src[AXIS_N];
    s->dst_stride[0] = dst[AXIS_N];
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->size[1 + a] = d->out[a];
        s->src_stride[1 + a] = src[AXIS_D + a] * (forward ? d->stride[a] : 1);
        s->dst_stride[1 + a] = dst[AXIS_D + a];
    }
    s->other_stride[0] = other[AXIS_N];
    memcpy(&s->other_stride[1], &other[AXIS_D], sizeof(int64_t) * FC_SPATIAL);
    s->other_channel = other[AXIS_C];
    const int64_t from = evenly_apart(s->size, s->src_stride, &s->src_pixel);
    s->run = evenly_apart(s->size, s->dst_stride, &s->dst_pixel);
    if (plan->has_residual) s->run = fc_min(s->run, evenly_apart(s->size, s->other_stride, &s->other_pixel));
    s->segment = fc_min(from, s->run);
}

/* What is cheapest for `rest` pixels past the last whole vector. Per filter a dot product takes depth / lanes steps for
 * each pixel and about three to add its lanes up; a vector takes depth steps for all of them. */
static fc_pointwise_tail choose_tail(const fc_correlation *c, const fc_kernels *k, int64_t rest, int64_t run) {
    if (rest == 0) return FC_TAIL_NONE;
    const int64_t channel = c->phase[0].source.channel_stride;
    const int offsets = channel >= 0 && fc_capped_product(c->channels, fc_max(1, channel)) <= INT32_MAX &&
                        c->w_filter >= 0 && fc_capped_product(k->dot_tr, fc_max(1, c->w_filter)) <= INT32_MAX;
    if (c->w_channel == 1 && offsets && rest * (c->channels / k->lanes + 3) < c->channels) return FC_TAIL_DOT;
    if (c->w_filter == 1 && c->filters >= k->lanes && rest + 2 <= k->lanes) return FC_TAIL_FILTERS;
    return run >= k->lanes ? FC_TAIL_OVERLAP : FC_TAIL_NONE;
}

/* Filters in the lanes suit channels last; and weights whose filters are neighbours where they outgrow the source: as
 * rows of a product each step of theirs would touch lines of its own. The sums then leave through a transposition, which
 * deep sums hide. */
static int filters_in_lanes(const fc_pointwise *s, const fc_kernels *k) {
    const fc_correlation *c = &s->c;
    if (c->dst_channel == 1) return s->dst_pixel != 1 || c->filters > s->segment;
    return c->w_filter == 1 && c->filters > s->segment && c->filters >= 2 * k->lanes && c->channels >= 16 * k->lanes;
}

static void choose_form(fc_pointwise *s, const fc_kernels *k, int residual) {
    const fc_correlation *c = &s->c;
    const int64_t src_channel = c->phase[0].source.channel_stride;
    s->filters_in_lanes = filters_in_lanes(s, k);
    s->product.depth = c->channels;
    if (s->filters_in_lanes) {
        s->run = s->segment;
        s->rows = s->run;
        s->columns = c->filters;
        s->in_place = c->w_filter == 1 && c->filters >= k->lanes;
        s->direct = c->dst_channel == 1 && (!residual || s->other_channel == 1);
        s->product.a_row = s->src_pixel;
        s->product.a_step = src_channel;
        s->product.ldc = s->dst_pixel;
        s->product.residual_row = s->other_pixel;
        s->product.bias_columns = 1;
    } else {
        const int64_t rest = s->segment % k->lanes;
        s->tail = choose_tail(c, k, rest, s->segment);
        s->in_place = s->src_pixel == 1 && s->dst_pixel == 1 && (rest == 0 || s->tail != FC_TAIL_NONE);
        if (s->in_place) s->run = s->segment;
        if (!s->in_place) s->tail = FC_TAIL_NONE;
        s->rows = c->filters;
        s->columns = s->run;
        s->direct = s->dst_pixel == 1 && (!residual || s->other_pixel == 1);
        s->product.a_row = c->w_filter;
        s->product.a_step = c->w_channel;
        s->product.ldc = c->dst_channel;
        s->product.residual_row = s->other_channel;
    }
    const int64_t vectors = fc_ceil_div(s->columns, k->lanes);
    const int64_t packed = fc_ceil_div(vectors, fc_product_strips(k, vectors));
    s->width = (s->in_place ? fc_max(1, fc_min(k->product_xr, s->columns / k->lanes)) : packed) * k->lanes;
    s->pitch = FC_MAX_XR * k->lanes;
    s->product.b_step = !s->in_place ? s->width : s->filters_in_lanes ? c->w_channel : src_channel;
    s->runs = s->size[0] * s->size[1] * s->size[2] * s->size[3] / s->run;
}

/* As many parts as give enough tasks; among those the split whose tasks read least. */
static void choose_parts(fc_pointwise *s, const fc_kernels *k) {
    const int64_t products = s->runs * s->c.groups;
    s->row_parts = s->column_parts = 1;
    s->run_group = fc_max(1, products / MAX_TASKS);
    const int64_t wanted = fc_ceil_div(MIN_TASKS, products);
    const int64_t rows = fc_pointwise_row_units(s, k), columns = fc_pointwise_column_units(s);
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
    s->row_block = fc_max(1, block / fc_pointwise_row_unit(s, k)) * fc_pointwise_row_unit(s, k);
}

/* Offsets of rows that k->transpose reads: filters of a strip of weights, channels of the tail's pixels. */
static fc_status make_offsets(fc_pointwise *s) {
    const fc_correlation *c = &s->c;
    const int pack = s->filters_in_lanes && !s->in_place && c->w_channel == 1;
    const int64_t count = pack ? s->width : s->tail == FC_TAIL_DOT ? c->channels : 0;
    const int64_t step = pack ? c->w_filter : c->phase[0].source.channel_stride;
    if (count == 0 || step < 0 || fc_capped_product(count, fc_max(1, step)) > INT32_MAX) return FC_OK;
    s->off = malloc(sizeof(int32_t) * (size_t)count);
    if (!s->off) return FC_NO_MEMORY;
    for (int64_t i = 0; i < count; ++i) s->off[i] = (int32_t)(i * step);
    return FC_OK;
}

static void choose_memory(fc_conv_plan *plan, fc_pointwise *s) {
    const fc_correlation *c = &s->c;
    const fc_kernels *k = plan->kernels;
    const int64_t element = (int64_t)k->element, rest = s->columns % k->lanes, unit = fc_pointwise_row_unit(s, k);
    const int64_t rows = (fc_ceil_div(fc_pointwise_row_units(s, k), s->row_parts) + 1) * unit;
    int64_t copy = c->channels * (s->in_place ? s->pitch : s->width);
    int64_t scratch = s->direct ? 0 : FC_POINTWISE_LEAVE_TILES * FC_MAX_MR * s->pitch;
    if (s->filters_in_lanes && !s->in_place) {
        s->pack_in_task = !plan->desc.prepared && s->runs == 1 && s->row_parts == 1;
        plan->packed_bytes = s->pack_in_task ? 0 : c->groups * fc_ceil_div(s->columns, s->width) * copy * element;
        if (!s->pack_in_task) copy = 0;
    }
    if (s->in_place && s->rows <= k->product_rows[FC_MAX_XR - 1]) copy = 0;
    if (s->tail == FC_TAIL_DOT) copy = fc_max(copy, rest * c->channels);
    if (s->tail == FC_TAIL_DOT || s->tail == FC_TAIL_FILTERS) scratch = fc_max(scratch, rest * rows);
    s->copy_bytes = (int64_t)fc_align_up((size_t)(copy * element));
    s->scratch_bytes = (int64_t)fc_align_up((size_t)(scratch * element));
    plan->worker_bytes = s->copy_bytes + s->scratch_bytes;
}

/* Two vector multiply-adds per cycle, one load and store per element copied. */
static double predict(const fc_pointwise *s, const fc_kernels *k) {
    const fc_correlation *c = &s->c;
    const double depth = (double)c->channels, rows = (double)s->rows;
    const int64_t rest = s->columns % k->lanes;
    double steps = (double)(s->columns / k->lanes) * depth, copies = 0;
    if (s->tail == FC_TAIL_DOT) {
        steps += (double)rest * (depth / k->lanes + 3);
    } else if (s->tail == FC_TAIL_FILTERS) {
        steps += (double)rest * depth / k->lanes;
    } else if (rest > 0) {
        steps += depth;
    }
    if (!s->in_place) copies = depth * (double)s->columns / (s->filters_in_lanes ? (double)s->runs : 1.0);
    const double store = s->direct ? 4 : s->filters_in_lanes ? 12 : 4 + k->lanes;
    return rows * steps / 2 + rows * (double)s->columns / k->lanes * store + copies;
}

fc_status fc_pointwise_plan(fc_conv_plan *plan) {
    fc_status status = supports(plan);
    if (status != FC_OK) return status;
    const fc_kernels *k = plan->kernels;
    fc_pointwise *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    status = fc_correlation_init(&s->c, &plan->desc);
    if (status != FC_OK) return status;
    find_runs(s, plan);
    choose_form(s, k, plan->has_residual);
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
