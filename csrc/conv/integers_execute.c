/* integers_execute.c: one task of a convolution of small integers: its tile, its sums, and how they leave. */
#include <string.h>

#include "conv/integers.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"

enum { CYCLES_OF_THREAD = 12500 }; /* below, another thread costs more than it brings */

typedef struct job {
    const fc_integer_plan *plan;
    const uint8_t *x;
    const void *packed;
    char *y;
    size_t y_size; /* bytes of an element */
    fc_centre centre;
    fc_requantize requantize;
    char *scratch;
} job;

/* The outputs of a task, and its blocks of filters, counted through all groups. */
typedef struct block {
    int64_t image, depth, row, column, rows, columns;
    int64_t from, end;
    int16_t *tile;
    int32_t *at, *panel;
} block;

/* ---- the tile ----------------------------------------------------------------------------------------------------- */

/* Channels of x that a task reads: from .. end, at `at` in a pixel of the tile. */
typedef struct channels {
    int64_t from, end, at;
} channels;

static void fill_run(const job *j, const channels *c, int16_t *to, const uint8_t *from, int64_t pixel, int64_t count) {
    const fc_integer_plan *plan = j->plan;
    const int64_t channel = plan->d.x_stride[1], many = c->end - c->from;
    from += c->from * channel;
    to += c->at;
    if (channel == 1) {
        plan->f32->integer.fill_pixels(to, plan->ld, from, pixel, many, count, j->centre);
    } else if (pixel == 1) {
        plan->f32->integer.fill_planes(to, plan->ld, from, channel, many, count, j->centre);
    } else {
        for (int64_t q = 0; q < count; ++q)
            for (int64_t i = 0; i < many; ++i)
                to[q * plan->ld + i] = (int16_t)((from[i * channel + q * pixel] ^ j->centre.flip) - j->centre.zero);
    }
}

static void clear(const job *j, int16_t *to, int64_t count) {
    memset(to, 0, (size_t)(count * j->plan->ld) * sizeof *to);
}

/* Where element `index` of the tile lies in x along an axis, from its first. */
static int64_t position(const fc_integer_plan *plan, int axis, int64_t index) {
    const fc_integer_axis *a = &plan->axis[axis];
    return index / a->run * plan->d.dilation[axis] + index % a->run * a->step;
}

/* A row of the tile from the row of x at `from`, NULL outside of it: run by run, what is inside, and zeros beside that. */
static void fill_row(const job *j, const block *b, const channels *c, int first, int16_t *to, const uint8_t *from) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const fc_integer_axis *a = &plan->axis[2];
    for (int64_t i = 0; i < a->runs; ++i, to += a->run * plan->ld) {
        const int64_t column = b->column * d->stride[2] - d->pad[2] + i * d->dilation[2];
        const int64_t left = column < 0 ? fc_min(a->run, fc_ceil_div(-column, a->step)) : 0;
        const int64_t end = from && column < d->in[2] ? fc_min(a->run, fc_ceil_div(d->in[2] - column, a->step)) : 0;
        const int64_t count = fc_max(0, end - left);
        if (first) {
            clear(j, to, count ? left : a->run);
            if (count) clear(j, to + end * plan->ld, a->run - end);
        }
        if (!count) continue;
        const int64_t at = column + left * a->step, pixel = count > 1 ? d->x_stride[AXIS_W] * a->step : 0;
        fill_run(j, c, to + left * plan->ld, from + at * d->x_stride[AXIS_W], pixel, count);
    }
}

/* One run of channels in all pixels. Zeros are written by the first run, for all channels. */
static void fill(const job *j, const block *b, const channels *c, int first) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const int64_t depths = plan->axis[0].runs * plan->axis[0].run, rows = plan->axis[1].runs * plan->axis[1].run;
    int16_t *to = b->tile;
    for (int64_t i = 0; i < depths * rows; ++i) {
        const int64_t z = b->depth * d->stride[0] - d->pad[0] + position(plan, 0, i / rows);
        const int64_t row = b->row * d->stride[1] - d->pad[1] + position(plan, 1, i % rows);
        const int inside = z >= 0 && z < d->in[0] && row >= 0 && row < d->in[1];
        const int64_t at = inside ? b->image * d->x_stride[0] + z * d->x_stride[2] + row * d->x_stride[3] : 0;
        fill_row(j, b, c, first, to, inside ? j->x + at : NULL);
        to += plan->axis[2].runs * plan->axis[2].run * plan->ld;
    }
}

/* Even groups lie side by side in the tile as they do in x. */
static void fill_tile(const job *j, const block *b) {
    const fc_integer_plan *plan = j->plan;
    if (plan->depthwise) {
        const int64_t width = FC_INTEGER_VECTORS * plan->f32->lanes;
        const channels c = {b->from * width, fc_min(b->end * width, plan->ic), b->from * width};
        fill(j, b, &c, 1);
        return;
    }
    const int64_t first = b->from / plan->blocks, end = (b->end - 1) / plan->blocks + 1;
    if (plan->ic % 2 == 0 || plan->groups == 1) {
        fill(j, b, &(channels){first * plan->ic, end * plan->ic, first * plan->ic}, 1);
        return;
    }
    for (int64_t g = first; g < end; ++g)
        fill(j, b, &(channels){g * plan->ic, (g + 1) * plan->ic, 2 * g * plan->pairs}, g == first);
}

/* ---- the sums ----------------------------------------------------------------------------------------------------- */

/* Where outputs read: a list that ends in whole register tiles, the last output repeated. */
static int64_t list_outputs(const fc_integer_plan *plan, const block *b, int64_t tile) {
    const fc_integer_axis *row = &plan->axis[1], *column = &plan->axis[2];
    const int64_t down = plan->d.stride[1] / row->step * column->runs * column->run;
    const int64_t right = plan->d.stride[2] / column->step;
    int64_t count = 0;
    for (int64_t r = 0; r < b->rows; ++r)
        for (int64_t c = 0; c < b->columns; ++c) b->at[count++] = (int32_t)((r * down + c * right) * plan->ld);
    const int64_t outputs = count;
    for (; count % tile; ++count) b->at[count] = b->at[count - 1];
    return outputs;
}

/* A run of outputs in one row of y, or in rows that are neighbours there. */
static void leave_run(const job *j, char *y, const int32_t *sums, int64_t ld, int64_t filters, int64_t count) {
    const fc_integer_kernels *kernels = &j->plan->f32->integer;
    const int64_t filter = j->plan->d.y_stride[1], pixel = j->plan->d.y_stride[AXIS_W];
    const int bytes = j->y_size == 1;
    if (pixel == 1 && bytes) {
        kernels->bytes_planes((uint8_t *)y, filter, sums, ld, filters, count);
    } else if (pixel == 1) {
        kernels->words_planes((int32_t *)(void *)y, filter, sums, ld, filters, count);
    } else if (filter == 1 && bytes) {
        kernels->bytes_pixels((uint8_t *)y, pixel, sums, ld, filters, count);
    } else if (filter == 1) {
        for (int64_t q = 0; q < count; ++q)
            memcpy(fc_at(y, q * pixel, sizeof *sums), sums + q * ld, (size_t)filters * sizeof *sums);
    } else {
        for (int64_t q = 0; q < count; ++q)
            for (int64_t f = 0; f < filters; ++f) {
                char *to = fc_at(y, q * pixel + f * filter, j->y_size);
                if (bytes) {
                    *(uint8_t *)to = (uint8_t)sums[q * ld + f];
                } else {
                    *(int32_t *)(void *)to = sums[q * ld + f];
                }
            }
    }
}

static void leave(const job *j, const block *b, int64_t first, int64_t count, int64_t filter, int64_t filters,
                  int64_t ld) {
    const fc_integer_desc *d = &j->plan->d;
    const int dense = b->columns == d->out[2] && d->y_stride[3] == d->out[2] * d->y_stride[AXIS_W];
    for (int64_t q = 0; q < count;) {
        const int64_t row = (first + q) / b->columns, column = (first + q) % b->columns;
        const int64_t run = dense ? count - q : fc_min(count - q, b->columns - column);
        const int64_t at = b->image * d->y_stride[0] + filter * d->y_stride[1] + b->depth * d->y_stride[2] +
                           (b->row + row) * d->y_stride[3] + (b->column + column) * d->y_stride[AXIS_W];
        leave_run(j, fc_at(j->y, at, j->y_size), b->panel + q * ld, ld, filters, run);
        q += run;
    }
}

static void sum_block(const job *j, const block *b, int64_t number, int64_t outputs) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_kernels *kernels = &plan->f32->integer;
    const int64_t lanes = plan->f32->lanes, group = number / plan->blocks;
    const int64_t vector = number % plan->blocks * FC_INTEGER_VECTORS, slot = (group * plan->vectors + vector) * lanes;
    const int64_t vectors = fc_min(FC_INTEGER_VECTORS, plan->vectors - vector), ld = vectors * lanes;
    const int16_t *w = (const int16_t *)j->packed + slot * plan->depth * 2;
    const int32_t *bias = (const int32_t *)fc_at(j->packed, (int64_t)plan->bias_at, 1) + slot;
    const double *factor = (const double *)fc_at(j->packed, (int64_t)plan->factor_at, 1) + slot;
    const int16_t *src = b->tile + (plan->depthwise ? slot : 2 * group * plan->pairs);
    const int64_t tile = plan->depthwise ? kernels->depthwise_pixels : kernels->pixels;
    const int64_t filters = fc_min(ld, plan->oc - vector * lanes);
    for (int64_t first = 0; first < outputs; first += FC_INTEGER_PANEL) {
        const int64_t count = fc_min(FC_INTEGER_PANEL, outputs - first);
        for (int64_t q = 0; q < count; q += tile) {
            int32_t *c = b->panel + q * ld;
            if (plan->depthwise) {
                kernels->depthwise(plan->depth, src, plan->off, b->at + first + q, w, bias, c);
            } else {
                kernels->sums[vectors - 1](plan->taps, plan->pairs, src, plan->off, b->at + first + q, w, bias, c);
            }
        }
        if (j->y_size == 1) plan->f64->integer.requantize(b->panel, ld, count, factor, &j->requantize);
        leave(j, b, first, count, group * plan->oc + vector * lanes, filters, ld);
    }
}

static void task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const int64_t part = index % plan->parts, all = plan->groups * plan->blocks;
    char *own = j->scratch + (size_t)worker * plan->worker_bytes;
    block b = {.from = part * all / plan->parts,
               .end = (part + 1) * all / plan->parts,
               .tile = (int16_t *)own,
               .at = (int32_t *)(own + plan->at_at),
               .panel = (int32_t *)(own + plan->panel_at)};
    index /= plan->parts;
    b.column = index % plan->column_tasks * plan->columns, index /= plan->column_tasks;
    b.row = index % plan->row_tasks * plan->rows, index /= plan->row_tasks;
    b.depth = index % d->out[0], b.image = index / d->out[0];
    b.rows = fc_min(plan->rows, d->out[1] - b.row), b.columns = fc_min(plan->columns, d->out[2] - b.column);
    fill_tile(j, &b);
    const fc_integer_kernels *kernels = &plan->f32->integer;
    const int64_t outputs = list_outputs(plan, &b, plan->depthwise ? kernels->depthwise_pixels : kernels->pixels);
    for (int64_t number = b.from; number < b.end; ++number) sum_block(j, &b, number, outputs);
}

static int workers_of(const fc_integer_plan *plan, int threads) {
    return fc_workers(fc_min(plan->tasks, fc_max(1, plan->cycles / CYCLES_OF_THREAD)), threads);
}

int64_t fc_integer_plan_workspace(const fc_integer_plan *plan, int threads) {
    return (int64_t)plan->worker_bytes * workers_of(plan, fc_max(1, threads));
}

fc_status fc_integer_execute(const fc_integer_plan *plan, const void *x, const void *packed, void *y, int threads) {
    const fc_integer_desc *d = &plan->d;
    if (plan->tasks == 0) return FC_OK;
    if (!x || !packed || !y) return FC_INVALID;
    const int is_signed = d->input_type == FC_INT8, low = d->output_type == FC_INT8 ? -128 : 0;
    const int workers = workers_of(plan, threads);
    job j = {.plan = plan, .x = x, .packed = packed, .y = y, .y_size = d->output_type == FC_INT32 ? 4 : 1};
    j.centre = (fc_centre){is_signed ? 128 : 0, (int16_t)(d->x_zero + (is_signed ? 128 : 0))};
    j.requantize = (fc_requantize){low - d->y_zero, low + 255 - d->y_zero, d->y_zero};
    j.scratch = fc_scratch_acquire((size_t)workers * plan->worker_bytes);
    if (!j.scratch) return FC_NO_MEMORY;
    fc_parallel_for(plan->tasks, workers, task, &j);
    fc_scratch_release(j.scratch);
    return FC_OK;
}
