/* integers_execute.c: one task of a convolution of small integers: its tile, its sums, and how they leave. */
#include <string.h>

#include "conv/integers.h"
#include "core/memory.h"
#include "core/numbers.h"
#include "core/parallel.h"

enum { CYCLES_OF_THREAD = 12500 }; /* below, another thread costs more than it brings */

/* ---- the tile ----------------------------------------------------------------------------------------------------- */

/* Channels of x that a task reads: from .. end, at `at` in a pixel of the tile. */
typedef struct channels {
    int64_t from, end, at;
} channels;

static void fill_run(const fc_integer_job *j, const channels *c, int16_t *to, const uint8_t *from, int64_t pixel,
                     int64_t count) {
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

static void clear(const fc_integer_job *j, int16_t *to, int64_t count) {
    memset(to, 0, (size_t)(count * j->plan->ld) * sizeof *to);
}

/* Where element `index` of the tile lies in x along an axis, from its first. */
static int64_t position(const fc_integer_plan *plan, int axis, int64_t index) {
    const fc_integer_axis *a = &plan->axis[axis];
    return index / a->run * plan->d.dilation[axis] + index % a->run * a->step;
}

/* A row of the tile from the row of x at `from`, NULL outside of it: run by run, what is inside, and zeros beside that: after
 * it, for half a pair more than the channels may be written. */
static void fill_row(const fc_integer_job *j, const fc_integer_block *b, const channels *c, int first, int16_t *to,
                     const uint8_t *from) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const fc_integer_axis *a = &plan->axis[2];
    for (int64_t i = 0; i < a->runs; ++i, to += a->run * plan->ld) {
        const int64_t column = b->column * d->stride[2] - d->pad[2] + i * d->dilation[2];
        const int64_t left = column < 0 ? fc_min(a->run, fc_ceil_div(-column, a->step)) : 0;
        const int64_t end = from && column < d->in[2] ? fc_min(a->run, fc_ceil_div(d->in[2] - column, a->step)) : 0;
        const int64_t count = fc_max(0, end - left);
        if (first) clear(j, to, count ? left : a->run);
        if (!count) continue;
        const int64_t at = column + left * a->step, pixel = count > 1 ? d->x_stride[AXIS_W] * a->step : 0;
        fill_run(j, c, to + left * plan->ld, from + at * d->x_stride[AXIS_W], pixel, count);
        if (first) clear(j, to + end * plan->ld, a->run - end);
    }
}

/* One run of channels in the rows from .. end of the tile. Zeros are written by the first run, for all channels. */
static void fill(const fc_integer_job *j, const fc_integer_block *b, const channels *c, int64_t from, int64_t end,
                 int first) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const int64_t rows = plan->axis[1].runs * plan->axis[1].run;
    for (int64_t i = from; i < end; ++i) {
        const int64_t z = b->depth * d->stride[0] - d->pad[0] + position(plan, 0, i / rows);
        const int64_t row = b->row * d->stride[1] - d->pad[1] + position(plan, 1, i % rows);
        const int inside = z >= 0 && z < d->in[0] && row >= 0 && row < d->in[1];
        const int64_t at = inside ? b->image * d->x_stride[0] + z * d->x_stride[2] + row * d->x_stride[3] : 0;
        fill_row(j, b, c, first, b->tile + i * plan->pitch, inside ? j->x + at : NULL);
    }
}

/* Even groups lie side by side in the tile as they do in x. */
static void fill_tile(const fc_integer_job *j, const fc_integer_block *b, int64_t from, int64_t end) {
    const fc_integer_plan *plan = j->plan;
    if (plan->depthwise) {
        const int64_t width = FC_INTEGER_VECTORS * plan->f32->lanes;
        const channels c = {b->from * width, fc_min(b->end * width, plan->ic), b->from * width};
        fill(j, b, &c, from, end, 1);
        return;
    }
    const int64_t first = b->from / plan->blocks, last = (b->end - 1) / plan->blocks + 1;
    if (plan->ic % 2 == 0 || plan->groups == 1) {
        fill(j, b, &(channels){first * plan->ic, last * plan->ic, first * plan->ic}, from, end, 1);
        return;
    }
    for (int64_t g = first; g < last; ++g)
        fill(j, b, &(channels){g * plan->ic, (g + 1) * plan->ic, 2 * g * plan->pairs}, from, end, g == first);
}

/* A share of what the sums of a task read: of direct ones some rows of the tile, or some channels of its only row, of Winograd tiles the points of some channels,
 * for which the tile is a step on the way. */
static void stage(const fc_integer_job *j, const fc_integer_block *b, int64_t share) {
    const fc_integer_plan *plan = j->plan;
    const int64_t rows = plan->axis[0].runs * plan->axis[0].run * plan->axis[1].runs * plan->axis[1].run;
    if (plan->by_channels) {
        const int64_t runs = fc_ceil_div(plan->ic, FC_INTEGER_SHARE);
        const int64_t from = runs * share / plan->shares * FC_INTEGER_SHARE;
        const int64_t end = fc_min(runs * (share + 1) / plan->shares * FC_INTEGER_SHARE, plan->ic);
        fill(j, b, &(channels){from, end, from}, 0, rows, share == 0);
        return;
    }
    if (!plan->winograd) {
        fill_tile(j, b, rows * share / plan->shares, rows * (share + 1) / plan->shares);
        return;
    }
    const int64_t from = share * plan->ld, all = plan->groups * plan->ic;
    fill(j, b, &(channels){from, fc_min(from + plan->ld, all), 0}, 0, rows, 1);
    fc_integer_make_points(plan, b, from);
}

/* ---- the sums ----------------------------------------------------------------------------------------------------- */

int fc_integer_size(const fc_integer_kernels *kernels, int64_t left) {
    const int64_t most = kernels->pixels[FC_INTEGER_SIZES - 1], even = fc_ceil_div(left, fc_ceil_div(left, most));
    int size = 0;
    while (kernels->pixels[size] < even) ++size;
    return size;
}

void fc_integer_sum(const fc_integer_plan *plan, const fc_integer_filters *f, int64_t taps, const int32_t *off,
                    const int16_t *data, const int32_t *at, int64_t count, const int16_t *w, const int32_t *bias,
                    int32_t *c) {
    const fc_integer_kernels *kernels = &plan->f32->integer;
    for (int64_t q = 0; q < count;) {
        const int size = fc_integer_size(kernels, count - q);
        kernels->sums[f->vectors - 1][size](taps, plan->pairs, data, off, at + q, w, bias, c + q * f->ld);
        q += kernels->pixels[size];
    }
}

/* Where outputs read, or where the points of tiles lie: a list that a register tile may exceed, the last repeated. */
static int64_t list_outputs(const fc_integer_plan *plan, const fc_integer_block *b) {
    const fc_integer_axis *row = &plan->axis[1], *column = &plan->axis[2];
    const int64_t side = plan->tile->outputs, rows = fc_ceil_div(b->rows, side),
                  columns = fc_ceil_div(b->columns, side);
    const int64_t ld = plan->winograd ? plan->v_ld : plan->ld;
    const int64_t down = plan->winograd ? columns * ld : plan->d.stride[1] / row->step * plan->pitch;
    const int64_t right = plan->winograd ? ld : plan->d.stride[2] / column->step * ld;
    int64_t count = 0;
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c) b->at[count++] = (int32_t)(r * down + c * right);
    for (int i = 0; i < FC_INTEGER_MOST_PIXELS; ++i) b->at[count + i] = b->at[count - 1];
    return count;
}

/* A run of outputs in one row of y, or in rows that are neighbours there. */
static void leave_run(const fc_integer_job *j, char *y, const int32_t *sums, int64_t ld, int64_t filters,
                      int64_t count) {
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

void fc_integer_leave(const fc_integer_job *j, const fc_integer_block *b, const fc_integer_filters *f, int64_t first,
                      int64_t count) {
    const fc_integer_desc *d = &j->plan->d;
    const int dense = b->columns == d->out[2] && d->y_stride[3] == d->out[2] * d->y_stride[AXIS_W];
    if (j->y_size == 1) j->plan->f64->integer.requantize(b->panel, f->ld, count, f->factor, &j->requantize);
    for (int64_t q = 0; q < count;) {
        const int64_t row = (first + q) / b->columns, column = (first + q) % b->columns;
        const int64_t run = dense ? count - q : fc_min(count - q, b->columns - column);
        const int64_t at = b->image * d->y_stride[0] + f->first * d->y_stride[1] + b->depth * d->y_stride[2] +
                           (b->row + row) * d->y_stride[3] + (b->column + column) * d->y_stride[AXIS_W];
        leave_run(j, fc_at(j->y, at, j->y_size), b->panel + q * f->ld, f->ld, f->count, run);
        q += run;
    }
}

/* Panels as even as whole register tiles allow: a rest of few pixels would leave one by one. */
static int64_t panel_of(const fc_integer_kernels *kernels, int64_t outputs) {
    const int64_t most = kernels->pixels[FC_INTEGER_SIZES - 1];
    const int64_t even = fc_ceil_div(outputs, fc_ceil_div(outputs, FC_INTEGER_PANEL));
    return fc_min(FC_INTEGER_PANEL, fc_ceil_div(even, most) * most);
}

static void sum_outputs(const fc_integer_job *j, const fc_integer_block *b, const fc_integer_filters *f,
                        int64_t outputs) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_kernels *kernels = &plan->f32->integer;
    const int64_t panel = panel_of(kernels, outputs);
    for (int64_t first = 0; first < outputs; first += panel) {
        const int64_t count = fc_min(panel, outputs - first);
        if (plan->depthwise) {
            for (int64_t q = 0; q < count; q += kernels->depthwise_pixels)
                kernels->depthwise(plan->depth, f->data, plan->off, b->at + first + q, f->w, f->bias,
                                   b->panel + q * f->ld);
        } else {
            fc_integer_sum(plan, f, plan->taps / plan->run, plan->off, f->data, b->at + first, count, f->w, f->bias,
                           b->panel);
        }
        fc_integer_leave(j, b, f, first, count);
    }
}

static fc_integer_filters filters_of(const fc_integer_job *j, const fc_integer_block *b, int64_t number) {
    const fc_integer_plan *plan = j->plan;
    const int64_t lanes = plan->f32->lanes, group = number / plan->blocks;
    const int64_t vector = number % plan->blocks * FC_INTEGER_VECTORS, slot = (group * plan->vectors + vector) * lanes;
    const int64_t vectors = fc_min(FC_INTEGER_VECTORS, plan->vectors - vector), ld = vectors * lanes;
    return (fc_integer_filters){
        .first = group * plan->oc + vector * lanes,
        .count = fc_min(ld, plan->oc - vector * lanes),
        .vectors = vectors,
        .ld = ld,
        .w = (const int16_t *)j->packed + slot * plan->depth * 2,
        .data = (plan->winograd ? b->v : b->tile) + (plan->depthwise ? slot : 2 * group * plan->pairs),
        .bias = (const int32_t *)fc_at(j->packed, (int64_t)plan->bias_at, 1) + slot,
        .factor = (const double *)fc_at(j->packed, (int64_t)plan->factor_at, 1) + slot,
    };
}

/* A block of outputs with some of its blocks of filters, and a worker's scratch. */
static fc_integer_block block_at(const fc_integer_job *j, int64_t index, int64_t part, int worker) {
    const fc_integer_plan *plan = j->plan;
    const fc_integer_desc *d = &plan->d;
    const int64_t all = plan->groups * plan->blocks;
    char *own = j->scratch + plan->shared_bytes + (size_t)worker * plan->worker_bytes;
    char *staged = plan->shared_bytes ? j->scratch + (size_t)index * plan->staged_bytes : own + plan->staged_at;
    fc_integer_block b = {
        .from = part * all / plan->parts,
        .end = (part + 1) * all / plan->parts,
        .tile = (int16_t *)(plan->winograd ? own : staged),
        .v = (int16_t *)staged,
        .m = (int32_t *)(own + plan->m_at),
        .at = (int32_t *)(own + plan->at_at),
        .panel = (int32_t *)(own + plan->panel_at),
    };
    b.column = index % plan->column_tasks * plan->columns, index /= plan->column_tasks;
    b.row = index % plan->row_tasks * plan->rows, index /= plan->row_tasks;
    b.depth = index % d->out[0], b.image = index / d->out[0];
    b.rows = fc_min(plan->rows, d->out[1] - b.row), b.columns = fc_min(plan->columns, d->out[2] - b.column);
    return b;
}

static void stage_task(void *ctx, int64_t index, int worker) {
    const fc_integer_job *j = ctx;
    fc_integer_block b = block_at(j, index / j->plan->shares, 0, worker);
    b.end = j->plan->groups * j->plan->blocks;
    stage(j, &b, index % j->plan->shares);
}

static void task(void *ctx, int64_t index, int worker) {
    const fc_integer_job *j = ctx;
    const fc_integer_plan *plan = j->plan;
    const fc_integer_block b = block_at(j, index / plan->parts, index % plan->parts, worker);
    if (!plan->shared_bytes)
        for (int64_t share = 0; share < plan->shares; ++share) stage(j, &b, share);
    const int64_t outputs = list_outputs(plan, &b);
    for (int64_t number = b.from; number < b.end; ++number) {
        const fc_integer_filters f = filters_of(j, &b, number);
        if (plan->winograd) {
            fc_integer_sum_points(j, &b, &f);
        } else {
            sum_outputs(j, &b, &f, outputs);
        }
    }
}

static int workers_of(const fc_integer_plan *plan, int threads) {
    return fc_workers(fc_min(plan->tasks, fc_max(1, plan->cycles / CYCLES_OF_THREAD)), threads);
}

int64_t fc_integer_plan_workspace(const fc_integer_plan *plan, int threads) {
    return (int64_t)(plan->shared_bytes + plan->worker_bytes * (size_t)workers_of(plan, fc_max(1, threads)));
}

fc_status fc_integer_execute(const fc_integer_plan *plan, const void *x, const void *packed, void *y, int threads) {
    const fc_integer_desc *d = &plan->d;
    if (plan->tasks == 0) return FC_OK;
    if (!x || !packed || !y) return FC_INVALID;
    const int is_signed = d->input_type == FC_INT8, low = d->output_type == FC_INT8 ? -128 : 0;
    const int workers = workers_of(plan, threads);
    fc_integer_job j = {.plan = plan, .x = x, .packed = packed, .y = y, .y_size = d->output_type == FC_INT32 ? 4 : 1};
    j.centre = (fc_centre){is_signed ? 128 : 0, (int16_t)(d->x_zero + (is_signed ? 128 : 0))};
    j.requantize = (fc_requantize){low - d->y_zero, low + 255 - d->y_zero, d->y_zero};
    j.scratch = fc_scratch_acquire(plan->shared_bytes + (size_t)workers * plan->worker_bytes);
    if (!j.scratch) return FC_NO_MEMORY;
    if (plan->shared_bytes) fc_parallel_for(plan->tasks / plan->parts * plan->shares, workers, stage_task, &j);
    fc_parallel_for(plan->tasks, workers, task, &j);
    fc_scratch_release(j.scratch);
    return FC_OK;
}
