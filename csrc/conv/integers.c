/* integers.c: the plan of a convolution of small integers, and its packed weights.
 *
 * A task takes a block of outputs and some of the blocks of filters. It copies what these outputs read into a tile in
 * scratch, channels last, zero points taken off, int16, two channels of a group (one of them absent where they are odd) to a
 * lane of 32 bits; there padding is 0. Then register tiles of pixels by filters (microkernels/integers.h) run over the
 * tile, and panels of finished sums are rounded and leave in the layout of y. Tiles lie in L2; the smaller the blocks, the
 * more of the input is copied twice, so a short search weighs that against tasks enough for the threads. Gaps between strides
 * and dilated taps, which no output reads, are left out where that is less to copy (fc_integer_axis).
 *
 * Sums are exact, so the result does not depend on any of this. */
#include "conv/integers.h"

#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/numbers.h"

enum {
    TASKS = 16,             /* wanted */
    TASKS_LEAST = 4,        /* with fewer of them threads have nothing to do */
    CYCLES_OF_TASK = 10000, /* at least, where they are cut for threads */
    TILE_MOST = 1 << 23,    /* int16 of a tile, where it is not that of a single output */
    COLUMNS = 256,          /* outputs of a task along its row, at most */
    SLOWER_STRIDED = 4,     /* times, bytes one by one against neighbours */
};
static const double cycles_of_fill = 0.6, cycles_of_call = 400; /* of an element of the tile, of a task */
static const double bytes_of_cycle = 8;                         /* that come from beyond L2 */

static int32_t lowest(fc_dtype type) { return type == FC_INT8 ? -128 : 0; }

static int is_byte(fc_dtype type) { return type == FC_INT8 || type == FC_UINT8; }

static int is_value(fc_dtype type, int32_t value) { return value >= lowest(type) && value <= lowest(type) + 255; }

static fc_status check(const fc_integer_desc *d) {
    if (!d || d->struct_size != sizeof *d) return FC_INVALID;
    if (!is_byte(d->input_type) || !(is_byte(d->output_type) || d->output_type == FC_INT32)) return FC_UNSUPPORTED;
    if (d->n < 0 || d->ic < 1 || d->oc < 1 || d->groups < 1 || d->ic % d->groups || d->oc % d->groups)
        return FC_INVALID;
    if (!is_value(d->input_type, d->x_zero)) return FC_INVALID;
    if (d->output_type == FC_INT32 ? d->y_zero != 0 : !is_value(d->output_type, d->y_zero)) return FC_INVALID;
    int64_t x = fc_max(1, d->n), y = x, w = d->oc; /* an empty batch has sizes as well */
    int fits = !__builtin_mul_overflow(x, d->ic, &x) && !__builtin_mul_overflow(y, d->oc, &y) &&
               !__builtin_mul_overflow(w, d->ic / d->groups, &w);
    for (int a = 0; a < FC_SPATIAL; ++a) {
        if (d->in[a] < 1 || d->out[a] < 1 || d->kernel[a] < 1 || d->stride[a] < 1 || d->dilation[a] < 1 ||
            d->pad[a] < 0)
            return FC_INVALID;
        int64_t extent, start;
        fits = fits && !__builtin_mul_overflow(x, d->in[a], &x) && !__builtin_mul_overflow(y, d->out[a], &y) &&
               !__builtin_mul_overflow(w, d->kernel[a], &w) &&
               !__builtin_mul_overflow(d->kernel[a] - 1, d->dilation[a], &extent) &&
               !__builtin_mul_overflow(d->out[a] - 1, d->stride[a], &start) && extent < INT64_MAX / 4 &&
               start < INT64_MAX / 4 && d->pad[a] < INT64_MAX / 4;
    }
    return fits && x < INT64_MAX / 8 && y < INT64_MAX / 8 && w < INT64_MAX / 32 ? FC_OK : FC_OVERFLOW;
}

/* A single output has no stride, a single tap no dilation: both may be any number. */
static void drop_unused(fc_integer_desc *d) {
    for (int a = 0; a < FC_SPATIAL; ++a) {
        if (d->out[a] == 1) d->stride[a] = 1;
        if (d->kernel[a] == 1) d->dilation[a] = 1;
    }
}

/* Rows of a single element: the column becomes a row. */
static void turn_column(fc_integer_desc *d) {
    if (d->in[2] > 1 || d->out[2] > 1 || d->kernel[2] > 1 || d->pad[2] > 0) return;
    int64_t *sizes[] = {d->in, d->out, d->kernel, d->stride, d->dilation, d->pad, d->x_stride + 2, d->y_stride + 2};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        const int64_t size = sizes[i][1];
        sizes[i][1] = sizes[i][2], sizes[i][2] = size;
    }
}

/* A run for each tap where that is less to copy. Strided bytes of a row are copied one by one. */
static fc_integer_axis lay_axis(const fc_integer_desc *d, int a, int64_t outputs) {
    const int64_t span = (outputs - 1) * d->stride[a] + (d->kernel[a] - 1) * d->dilation[a] + 1;
    const int64_t slower = a == 2 && d->stride[a] > 1 && d->x_stride[1] != 1 ? SLOWER_STRIDED : 1;
    if (d->kernel[a] <= (span - 1) / (outputs * slower)) return (fc_integer_axis){d->kernel[a], outputs, d->stride[a]};
    return (fc_integer_axis){1, span, 1};
}

/* int16 of half of L2. */
static int64_t tile_elements(void) { return fc_l2_bytes() / 4; }

static int64_t extent(fc_integer_axis axis) { return fc_capped_product(axis.runs, axis.run); }

static int64_t tile_size(const fc_integer_plan *plan, int64_t rows, int64_t columns) {
    const fc_integer_desc *d = &plan->d;
    int64_t size = fc_capped_product(extent(lay_axis(d, 0, 1)), extent(lay_axis(d, 1, rows)));
    size = fc_capped_product(size, extent(lay_axis(d, 2, columns)));
    return fc_capped_product(size, plan->ld);
}

/* With one group every part copies all channels. */
static int64_t parts_for(const fc_integer_plan *plan, int64_t tasks, int64_t wanted) {
    return fc_max(1, fc_min(plan->groups * plan->blocks, fc_ceil_div(wanted, tasks)));
}

/* The most rows whose tile takes no more than half of L2, but at least 1. */
static int64_t rows_that_fit(const fc_integer_plan *plan, int64_t columns) {
    int64_t low = 1, high = plan->d.out[1];
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        if (tile_size(plan, middle, columns) <= tile_elements()) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* Cycles that an image's depth takes beside its products. What lies beyond L2 is fetched again: weights for every block of
 * outputs, a tile for every block of filters. */
static double overhead(const fc_integer_plan *plan, int64_t blocks, int64_t parts, int64_t size) {
    const double filters = (double)(plan->groups * plan->blocks), elements = (double)size;
    const double bytes = 4.0 * (double)plan->depth * (double)(plan->groups * plan->vectors * plan->f32->lanes);
    const int own = plan->depthwise || plan->groups > 1; /* parts copy their own channels only */
    double cycles = cycles_of_call * (double)parts + cycles_of_fill * elements * (own ? 1 : (double)parts);
    if (bytes * 2 > (double)fc_l2_bytes()) cycles += bytes / bytes_of_cycle;
    if (size > tile_elements()) cycles += 2 * elements * (own ? 1 : filters) / bytes_of_cycle;
    return (double)blocks * cycles;
}

/* From the largest blocks of rows down, until there are tasks enough without parts: from there on it only costs more.
 * Narrower blocks are tried while not even one row fits. Returns 0 if offsets in no tile fit 32 bits. */
static int choose_blocks(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    const int64_t wanted = fc_max(1, fc_min(TASKS, plan->cycles / CYCLES_OF_TASK));
    const int64_t least = fc_min(TASKS_LEAST, wanted), images = d->n * d->out[0];
    const double products = (double)plan->cycles / (double)images;
    double best = -1;
    for (int64_t wide = fc_min(COLUMNS, d->out[2]);; wide /= 2) {
        const int64_t columns = fc_ceil_div(d->out[2], fc_ceil_div(d->out[2], wide));
        const int64_t column_tasks = fc_ceil_div(d->out[2], columns);
        int64_t tasks = 0;
        for (int64_t wish = fc_ceil_div(d->out[1], rows_that_fit(plan, columns)); wish <= d->out[1] && tasks < wanted;
             ++wish) {
            const int64_t rows = fc_ceil_div(d->out[1], wish), row_tasks = fc_ceil_div(d->out[1], rows);
            const int64_t size = tile_size(plan, rows, columns), blocks = row_tasks * column_tasks;
            tasks = images * blocks;
            const int64_t parts = parts_for(plan, tasks, wanted);
            const double idle = (double)least / (double)fc_min(least, tasks * parts);
            const double cost = idle * (products + overhead(plan, blocks, parts, size));
            if (size > (columns > 1 ? TILE_MOST : INT32_MAX) || (best >= 0 && cost >= best)) continue;
            best = cost;
            plan->rows = rows, plan->row_tasks = row_tasks, plan->parts = parts;
            plan->columns = columns, plan->column_tasks = column_tasks;
        }
        if (columns == 1 || tile_size(plan, 1, columns) <= tile_elements()) break;
    }
    plan->tasks = d->n * d->out[0] * plan->row_tasks * plan->column_tasks * plan->parts;
    return best >= 0;
}

/* Offsets of the taps. Where two of them are a pair, the last may be nothing's, with weights of 0. */
static fc_status lay_taps(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    int64_t step[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) step[a] = plan->axis[a].runs > 1 ? plan->axis[a].run : d->dilation[a];
    plan->off = malloc(sizeof *plan->off * (size_t)(plan->taps + 1));
    if (!plan->off) return FC_NO_MEMORY;
    for (int64_t t = 0; t < plan->taps; ++t) {
        const int64_t i = t / (d->kernel[1] * d->kernel[2]), j = t / d->kernel[2] % d->kernel[1], k = t % d->kernel[2];
        const int64_t row = i * step[0] * extent(plan->axis[1]) + j * step[1];
        plan->off[t] = (int32_t)((row * extent(plan->axis[2]) + k * step[2]) * plan->ld);
    }
    plan->off[plan->taps] = plan->off[plan->taps - 1];
    return FC_OK;
}

static void lay_tile(fc_integer_plan *plan) {
    const int64_t outputs[FC_SPATIAL] = {1, plan->rows, plan->columns}, block = plan->rows * plan->columns;
    for (int a = 0; a < FC_SPATIAL; ++a) plan->axis[a] = lay_axis(&plan->d, a, outputs[a]);
    const size_t panel = (size_t)(FC_INTEGER_PANEL * FC_INTEGER_VECTORS * plan->f32->lanes);
    plan->at_at = fc_align_up((size_t)tile_size(plan, plan->rows, plan->columns) * sizeof(int16_t));
    plan->panel_at = plan->at_at + fc_align_up((size_t)(block + FC_INTEGER_PANEL) * sizeof(int32_t));
    plan->worker_bytes = plan->panel_at + fc_align_up(panel * sizeof(int32_t));
}

fc_status fc_integer_plan_create(const fc_integer_desc *desc, fc_integer_plan **result) {
    *result = NULL;
    const fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_integer_plan plan = {.d = *desc};
    fc_integer_desc *d = &plan.d;
    drop_unused(d);
    turn_column(d);
    plan.f32 = fc_kernels_for(fc_isa(), FC_FLOAT32), plan.f64 = fc_kernels_for(fc_isa(), FC_FLOAT64);
    const int64_t lanes = plan.f32->lanes;
    plan.taps = d->kernel[0] * d->kernel[1] * d->kernel[2];
    plan.depthwise = d->groups > 1 && d->ic == d->groups && d->oc == d->groups;
    plan.groups = plan.depthwise ? 1 : d->groups;
    plan.ic = d->ic / plan.groups, plan.oc = d->oc / plan.groups;
    plan.pairs = fc_ceil_div(plan.ic, 2);
    plan.vectors = fc_ceil_div(plan.oc, plan.depthwise ? 2 * lanes : lanes) * (plan.depthwise ? 2 : 1);
    plan.blocks = fc_ceil_div(plan.vectors, FC_INTEGER_VECTORS);
    plan.ld = plan.depthwise ? plan.vectors * lanes : 2 * plan.pairs * plan.groups;
    plan.depth = plan.depthwise ? fc_ceil_div(plan.taps, 2) : plan.taps * plan.pairs;
    const double outputs = (double)d->n * (double)d->out[0] * (double)d->out[1] * (double)d->out[2];
    const double steps = outputs * (double)plan.depth * (double)(plan.groups * plan.vectors);
    plan.cycles = steps < 1e15 ? (int64_t)(steps / 1.8) : INT64_MAX / 2;
    const int64_t slots = plan.groups * plan.vectors * lanes;
    int64_t packed;
    if (__builtin_mul_overflow(slots, plan.depth * 2 + 4, &packed) || packed > INT64_MAX / 4) return FC_OVERFLOW;
    plan.bias_at = fc_align_up((size_t)(slots * plan.depth * 2) * sizeof(int16_t));
    plan.factor_at = plan.bias_at + fc_align_up((size_t)slots * sizeof(int32_t));
    plan.packed_bytes = plan.factor_at + fc_align_up((size_t)slots * sizeof(double));
    if (d->n > 0) {
        if (!choose_blocks(&plan)) return FC_UNSUPPORTED;
        lay_tile(&plan);
    }
    if ((d->n > 0 && lay_taps(&plan) != FC_OK) || !(*result = malloc(sizeof plan))) {
        free(plan.off);
        return FC_NO_MEMORY;
    }
    **result = plan;
    return FC_OK;
}

void fc_integer_plan_destroy(fc_integer_plan *plan) {
    if (!plan) return;
    free(plan->off);
    free(plan);
}

int64_t fc_integer_plan_packed(const fc_integer_plan *plan) { return (int64_t)plan->packed_bytes; }

/* A block of filters of a group: their weights as [step][filter][two channels, or taps]. */
static void pack_block(const fc_integer_plan *plan, const int16_t *w, int64_t first, int64_t width, int16_t *to) {
    const int64_t taps = plan->taps, ic = plan->depthwise ? 1 : plan->ic;
    for (int64_t k = 0; k < plan->depth; ++k)
        for (int64_t l = 0; l < width; ++l)
            for (int64_t half = 0; half < 2; ++half) {
                const int64_t tap = plan->depthwise ? 2 * k + half : k / plan->pairs;
                const int64_t channel = plan->depthwise ? 0 : k % plan->pairs * 2 + half;
                const int there = first + l < plan->oc && channel < ic && tap < taps;
                *to++ = there ? w[((first + l) * ic + channel) * taps + tap] : 0;
            }
}

fc_status fc_integer_pack(const fc_integer_plan *plan, const int16_t *w, const int32_t *bias, const double *factor,
                          void *packed) {
    if (!w || !packed || (!factor && plan->d.output_type != FC_INT32)) return FC_INVALID;
    const int64_t lanes = plan->f32->lanes, slots = plan->vectors * lanes;
    const int64_t filter = plan->d.ic / plan->d.groups * plan->taps;
    int16_t *to = packed;
    int32_t *biases = fc_at(packed, (int64_t)plan->bias_at, 1);
    double *factors = fc_at(packed, (int64_t)plan->factor_at, 1);
    for (int64_t g = 0; g < plan->groups; ++g) {
        for (int64_t v = 0; v < plan->vectors; v += FC_INTEGER_VECTORS) {
            const int64_t width = fc_min(FC_INTEGER_VECTORS, plan->vectors - v) * lanes;
            pack_block(plan, w + g * plan->oc * filter, v * lanes, width, to);
            to += width * plan->depth * 2;
        }
        for (int64_t l = 0; l < slots; ++l) {
            const int there = l < plan->oc;
            *biases++ = there && bias ? bias[g * plan->oc + l] : 0;
            *factors++ = there && factor ? factor[g * plan->oc + l] : 0;
        }
    }
    return FC_OK;
}
