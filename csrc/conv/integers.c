/* integers.c: the plan of a convolution of small integers, and its packed weights.
 *
 * A task takes a block of outputs and some of the blocks of filters. It copies what these outputs read into a tile in
 * scratch, channels last, zero points taken off, int16, two channels of a group (one of them absent where they are odd) to a
 * lane of 32 bits; there padding is 0. Then register tiles of pixels by filters (microkernels/integers.h) run over the
 * tile, and panels of finished sums are rounded and leave in the layout of y. Tiles lie in L2; the smaller the blocks, the
 * more of the input is copied twice, so a short search weighs that against tasks enough for the threads. Gaps between strides
 * and dilated taps, which no output reads, are left out where that is less to copy (fc_integer_axis). Where several tasks
 * read the same tile, it is made once, by tasks of their own that come first. Short rows that a 1x1 kernel reads become one.
 *
 * Winograd tiles (integer_tiles.c) are one more step: the points of all channels are made from tiles of a few of them, and
 * register tiles run over the points. The way with the fewest predicted cycles wins.
 *
 * Sums are exact, so the result does not depend on any of this. */
#include "conv/integers.h"

#include <stdlib.h>

#include "core/cpu.h"
#include "core/memory.h"
#include "core/numbers.h"

enum {
    TASKS = 16,             /* wanted */
    TASKS_LEAST = 8,        /* fewer of them leave threads with nothing to do */
    CYCLES_OF_TASK = 10000, /* at least, where they are cut for threads */
    TILE_MOST = 1 << 23,    /* int16 of a tile, where it is not that of a single output */
    COLUMNS = 256,          /* outputs of a task along its row, at most */
    SLOWER_STRIDED = 4,     /* times, bytes one by one against neighbours */
};
static const double cycles_of_fill = 0.6, cycles_of_call = 400; /* of an element of the tile, of a task */
static const double multiply_adds = 1.6;                        /* of a cycle */
static const double cycles_of_output = 6;                       /* of a vector of sums, to leave */
static const double cycles_of_tile = 20;                        /* of a register tile, beside its steps */
static const double cycles_of_point = 3;                        /* of a vector of one: of data, of sums */
static const double cycles_of_packing = 4;                      /* of a weight of a point */
static const double cycles_of_region = 5000;                    /* of a parallel one */
static const double bytes_of_cycle_l2 = 32;                     /* that come from L2 */
static const double bytes_of_cycle = 16;                        /* that come from beyond L2 */

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

static int is_point(const fc_integer_desc *d, int a) {
    return d->kernel[a] == 1 && d->stride[a] == 1 && d->pad[a] == 0 && d->in[a] == d->out[a];
}

static int lie_together(const int64_t *stride, const int64_t *size, int a) {
    int64_t extent;
    return !__builtin_mul_overflow(size[a + 1], stride[2 + a + 1], &extent) && stride[2 + a] == extent;
}

/* Axis a becomes a part of the next where outputs read what lies at their own place, and all of it lies in one row. Rows that
 * are shorter than a vector would be copied byte by byte. */
static void merge_axis(fc_integer_desc *d, int a) {
    if (!is_point(d, a) || !is_point(d, a + 1)) return;
    if (!lie_together(d->x_stride, d->in, a) || !lie_together(d->y_stride, d->out, a)) return;
    d->in[a + 1] *= d->in[a], d->in[a] = 1;
    d->out[a + 1] *= d->out[a], d->out[a] = 1;
}

/* A run for each tap where that is less to copy. Strided bytes of a row are copied one by one. */
static fc_integer_axis lay_axis(const fc_integer_desc *d, int a, int64_t outputs) {
    const int64_t span = (outputs - 1) * d->stride[a] + (d->kernel[a] - 1) * d->dilation[a] + 1;
    const int64_t slower = a == 2 && d->stride[a] > 1 && d->x_stride[1] != 1 ? SLOWER_STRIDED : 1;
    if (d->kernel[a] <= (span - 1) / (outputs * slower)) return (fc_integer_axis){d->kernel[a], outputs, d->stride[a]};
    return (fc_integer_axis){1, span, 1};
}

/* int16 of half of L2. */
static int64_t held_elements(void) { return fc_l2_bytes() / 4; }

static int64_t extent(fc_integer_axis axis) { return fc_capped_product(axis.runs, axis.run); }

/* A run of odd channels ends in half a pair. */
static int64_t pitch_of(const fc_integer_plan *plan, int64_t columns) {
    return fc_capped_product(extent(lay_axis(&plan->d, 2, columns)), plan->ld) + (plan->run > 1);
}

/* int16 of the tile of a block of outputs; of Winograd tiles a share of the channels at a time. */
static int64_t tile_size(const fc_integer_plan *plan, int64_t rows, int64_t columns) {
    const int64_t all = fc_capped_product(extent(lay_axis(&plan->d, 0, 1)), extent(lay_axis(&plan->d, 1, rows)));
    return fc_capped_product(all, pitch_of(plan, columns));
}

/* Tiles of a block of outputs. */
static int64_t tiles_of(const fc_integer_plan *plan, int64_t rows, int64_t columns) {
    const int64_t side = plan->tile->outputs;
    return fc_ceil_div(rows, side) * fc_ceil_div(columns, side);
}

static int64_t points_of(const fc_integer_plan *plan) { return (int64_t)plan->tile->points * plan->tile->points; }

/* What a task reads again and again: its tile, or the points and the sums of a block of filters too. */
static int64_t held_size(const fc_integer_plan *plan, int64_t rows, int64_t columns) {
    const int64_t size = tile_size(plan, rows, columns);
    if (!plan->winograd) return size;
    const int64_t sums = 2 * FC_INTEGER_VECTORS * plan->f32->lanes;
    return fc_capped_product(tiles_of(plan, rows, columns), points_of(plan) * (plan->v_ld + sums)) + size;
}

static int64_t parts_for(const fc_integer_plan *plan, int64_t tasks, int64_t wanted) {
    return fc_max(1, fc_min(plan->groups * plan->blocks, fc_ceil_div(wanted, tasks)));
}

/* Whether parts read what is staged once for all of them; of several groups each direct one has channels of its own. */
static int is_shared(const fc_integer_plan *plan, int64_t parts, int64_t blocks, int64_t held) {
    return parts > 1 && (plan->winograd || (plan->groups == 1 && !plan->depthwise)) &&
           fc_capped_product(blocks, held) <= TILE_MOST;
}

/* Outputs in whole tiles. */
static int64_t whole_tiles(const fc_integer_plan *plan, int64_t outputs) {
    return fc_ceil_div(outputs, plan->tile->outputs);
}

/* The most rows of tiles that take no more than half of L2, but at least 1. */
static int64_t rows_that_fit(const fc_integer_plan *plan, int64_t columns) {
    int64_t low = 1, high = whole_tiles(plan, plan->d.out[1]);
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        if (held_size(plan, middle * plan->tile->outputs, columns) <= held_elements()) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* Cycles of the products of a block of outputs with all filters, in register tiles as fc_integer_size cuts them. */
static double products(const fc_integer_plan *plan, int64_t rows, int64_t columns) {
    const fc_integer_kernels *kernels = &plan->f32->integer;
    const double steps = (double)plan->depth * (double)(plan->groups * plan->vectors) / multiply_adds;
    if (plan->depthwise) return (double)(rows * columns) * steps;
    const int64_t tiles = tiles_of(plan, rows, columns),
                  panels = fc_ceil_div(tiles, kernels->pixels[FC_INTEGER_SIZES - 1]);
    const int64_t low = tiles / panels, wide = tiles % panels;
    const int64_t pixels = wide * kernels->pixels[fc_integer_size(kernels, low + 1)] +
                           (panels - wide) * kernels->pixels[fc_integer_size(kernels, low)];
    return (double)pixels * steps +
           cycles_of_tile * (double)(panels * points_of(plan)) * (double)(plan->groups * plan->blocks);
}

/* Cycles that a block of outputs takes beside its products. What lies beyond L2 is fetched again: weights for every block of
 * outputs, what a task holds for every block of filters. */
static double overhead(const fc_integer_plan *plan, int64_t blocks, int64_t parts, int64_t rows, int64_t columns) {
    const double filters = (double)(plan->groups * plan->blocks), vectors = (double)(plan->groups * plan->vectors);
    const double size = (double)tile_size(plan, rows, columns), held = (double)held_size(plan, rows, columns);
    const double lanes = (double)plan->f32->lanes, bytes = 4.0 * (double)plan->depth * vectors * lanes;
    const double fills = size * (plan->winograd ? (double)plan->v_ld / (double)plan->ld : 1);
    const int shared = is_shared(plan, parts, blocks, held_size(plan, rows, columns));
    const double copies = shared || (!plan->winograd && (plan->depthwise || plan->groups > 1)) ? 1 : (double)parts;
    double cycles = cycles_of_call * (double)parts + cycles_of_fill * fills * copies;
    cycles += cycles_of_output * (double)(rows * columns) * vectors;
    if (shared) cycles += cycles_of_region / (double)blocks;
    if (plan->winograd) {
        const double points = cycles_of_point * (double)(tiles_of(plan, rows, columns) * points_of(plan));
        cycles += points * (copies * (double)plan->v_ld / (2 * lanes) + vectors);
    }
    if (bytes * 2 > (double)fc_l2_bytes()) cycles += bytes / bytes_of_cycle;
    if (!plan->winograd && !plan->depthwise && 2 * size > (double)fc_l1_bytes())
        cycles += 2 * size * (plan->groups == 1 ? filters : 1) / bytes_of_cycle_l2;
    if (held > (double)held_elements()) cycles += 2 * held * (plan->groups == 1 ? filters : 1) / bytes_of_cycle;
    return cycles;
}

/* From the largest blocks of rows down, until there are tasks enough without parts: from there on it only costs more.
 * Narrower blocks are tried while not even one row fits. Returns the cycles of an image's depth, negative if offsets in no tile
 * fit 32 bits. */
static double choose_blocks(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    const int64_t side = plan->tile->outputs, down = whole_tiles(plan, d->out[1]), right = whole_tiles(plan, d->out[2]);
    const int64_t wanted = fc_max(1, fc_min(TASKS, plan->cycles / CYCLES_OF_TASK));
    const int64_t least = fc_min(TASKS_LEAST, wanted), images = d->n * d->out[0];
    double best = -1;
    for (int64_t wide = fc_min(plan->winograd ? FC_INTEGER_COLUMNS / side : COLUMNS, right);; wide /= 2) {
        const int64_t columns = fc_ceil_div(right, fc_ceil_div(right, wide)),
                      column_tasks = fc_ceil_div(right, columns);
        const int64_t across = fc_min(d->out[2], columns * side);
        int64_t tasks = 0;
        for (int64_t wish = fc_ceil_div(down, rows_that_fit(plan, across)); wish <= down && tasks < wanted; ++wish) {
            const int64_t rows = fc_ceil_div(down, wish), row_tasks = fc_ceil_div(down, rows);
            const int64_t size = held_size(plan, rows * side, across);
            tasks = images * row_tasks * column_tasks;
            const int64_t parts = parts_for(plan, tasks, wanted);
            const double idle = (double)least / (double)fc_min(least, tasks * parts);
            const double block =
                products(plan, rows * side, across) + overhead(plan, tasks, parts, rows * side, across);
            const double cost = idle * block * (double)(row_tasks * column_tasks);
            if (size > (columns > 1 ? TILE_MOST : INT32_MAX) || (best >= 0 && cost >= best)) continue;
            best = cost;
            plan->rows = rows * side, plan->row_tasks = row_tasks, plan->parts = parts;
            plan->columns = across, plan->column_tasks = column_tasks;
        }
        if (columns == 1 || held_size(plan, side, across) <= held_elements()) break;
    }
    plan->tasks = images * plan->row_tasks * plan->column_tasks * plan->parts;
    return best;
}

/* Offsets of the taps. Where two of them are a pair, the last may be nothing's, with weights of 0. */
static fc_status lay_taps(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    int64_t step[FC_SPATIAL];
    for (int a = 0; a < FC_SPATIAL; ++a) step[a] = plan->axis[a].runs > 1 ? plan->axis[a].run : d->dilation[a];
    plan->off = malloc(sizeof *plan->off * (size_t)(plan->taps + 1));
    if (!plan->off) return FC_NO_MEMORY;
    const int64_t taps = plan->taps / plan->run;
    for (int64_t n = 0; n < taps; ++n) {
        const int64_t t = n * plan->run, i = t / (d->kernel[1] * d->kernel[2]), j = t / d->kernel[2] % d->kernel[1],
                      k = t % d->kernel[2];
        const int64_t row = i * step[0] * extent(plan->axis[1]) + j * step[1];
        plan->off[n] = (int32_t)(row * plan->pitch + k * step[2] * plan->ld);
    }
    plan->off[taps] = plan->off[taps - 1];
    return FC_OK;
}

/* Points an odd number of cache lines apart. */
static int64_t apart(int64_t elements, int64_t size) {
    return ((int64_t)fc_align_up((size_t)(elements * size)) / FC_ALIGN | 1) * FC_ALIGN / size;
}

static void lay_scratch(fc_integer_plan *plan) {
    const int64_t side = plan->tile->outputs, width = FC_INTEGER_VECTORS * plan->f32->lanes;
    const int64_t rows = fc_ceil_div(plan->rows, side) * side, columns = fc_ceil_div(plan->columns, side) * side;
    const int64_t outputs[FC_SPATIAL] = {1, rows, columns}, tiles = tiles_of(plan, rows, columns);
    for (int a = 0; a < FC_SPATIAL; ++a) plan->axis[a] = lay_axis(&plan->d, a, outputs[a]);
    const int64_t tile_rows = extent(plan->axis[0]) * extent(plan->axis[1]);
    plan->pitch = pitch_of(plan, columns);
    const size_t tile = fc_align_up((size_t)tile_size(plan, rows, columns) * sizeof(int16_t));
    const int64_t panel = plan->winograd ? side * columns : FC_INTEGER_PANEL + FC_INTEGER_MOST_PIXELS;
    plan->v_point = apart(tiles * plan->v_ld, sizeof(int16_t));
    plan->m_point = apart((tiles + FC_INTEGER_MOST_PIXELS) * width, sizeof(int32_t));
    plan->staged_bytes =
        plan->winograd ? fc_align_up((size_t)(plan->v_point * points_of(plan)) * sizeof(int16_t)) : tile;
    plan->shares = 1;
    const int64_t blocks = plan->tasks / plan->parts;
    if (is_shared(plan, plan->parts, blocks, held_size(plan, plan->rows, plan->columns))) {
        plan->shared_bytes = (size_t)blocks * plan->staged_bytes;
        plan->by_channels = tile_rows == 1 && plan->run == 1;
        const int64_t most = plan->by_channels ? fc_ceil_div(plan->ic, FC_INTEGER_SHARE) : tile_rows;
        plan->shares = fc_min(most, fc_ceil_div(TASKS, blocks));
    }
    if (plan->winograd) plan->shares = fc_ceil_div(plan->v_ld, plan->ld);
    plan->staged_at = plan->winograd ? tile : 0;
    plan->m_at = plan->staged_at + (plan->shared_bytes ? 0 : plan->staged_bytes);
    plan->at_at = plan->m_at + (plan->winograd ? (size_t)(plan->m_point * points_of(plan)) * sizeof(int32_t) : 0);
    plan->panel_at = plan->at_at + fc_align_up((size_t)(tiles + FC_INTEGER_MOST_PIXELS) * sizeof(int32_t));
    plan->worker_bytes = plan->panel_at + fc_align_up((size_t)(panel * width) * sizeof(int32_t));
}

static void size_filters(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    const int64_t lanes = plan->f32->lanes;
    plan->taps = d->kernel[0] * d->kernel[1] * d->kernel[2];
    plan->depthwise = d->groups > 1 && d->ic == d->groups && d->oc == d->groups;
    plan->groups = plan->depthwise ? 1 : d->groups;
    plan->ic = d->ic / plan->groups, plan->oc = d->oc / plan->groups;
    plan->vectors = fc_ceil_div(plan->oc, plan->depthwise ? 2 * lanes : lanes) * (plan->depthwise ? 2 : 1);
    plan->blocks = fc_ceil_div(plan->vectors, FC_INTEGER_VECTORS);
}

/* Sizes that depend on the tile; 0 if they are beyond 64 bits. */
static int size_tile(fc_integer_plan *plan) {
    const fc_integer_desc *d = &plan->d;
    const int64_t lanes = plan->f32->lanes, slots = plan->groups * plan->vectors * lanes;
    /* where the last pair of odd channels is written last */
    const int fits = plan->ic % 2 == 0 || plan->ic < 2 * lanes,
              together = d->dilation[2] == 1 && d->stride[2] <= d->kernel[2];
    const int folds = fits && together && !plan->winograd && plan->groups == 1 && !plan->depthwise;
    plan->run = folds ? d->kernel[2] : 1;
    plan->pairs = fc_ceil_div(plan->run * plan->ic, 2);
    plan->ld = plan->depthwise ? plan->vectors * lanes : plan->run > 1 ? plan->ic : 2 * plan->pairs * plan->groups;
    plan->v_ld = fc_ceil_div(plan->ld, 2 * lanes) * 2 * lanes;
    if (plan->winograd) plan->ld = fc_min(plan->v_ld, FC_INTEGER_SHARE);
    plan->depth = plan->depthwise ? fc_ceil_div(plan->taps, 2)
                                  : (plan->winograd ? points_of(plan) : plan->taps / plan->run) * plan->pairs;
    const double tiles =
        (double)d->n * (double)d->out[0] * (double)whole_tiles(plan, d->out[1]) * (double)whole_tiles(plan, d->out[2]);
    const double steps = tiles * (double)plan->depth * (double)(plan->groups * plan->vectors);
    plan->cycles = steps < 1e15 ? (int64_t)(steps / multiply_adds) : INT64_MAX / 2;
    int64_t packed;
    if (__builtin_mul_overflow(slots, plan->depth * 2 + 4, &packed) || packed > INT64_MAX / 4) return 0;
    plan->bias_at = fc_align_up((size_t)(slots * plan->depth * 2) * sizeof(int16_t));
    plan->factor_at = plan->bias_at + fc_align_up((size_t)slots * sizeof(int32_t));
    plan->packed_bytes = plan->factor_at + fc_align_up((size_t)slots * sizeof(double));
    return 1;
}

/* The way to sum that takes the fewest cycles. */
static fc_status choose_tile(fc_integer_plan *plan) {
    fc_integer_plan best = *plan;
    double least = -1;
    for (int i = -1; i < FC_INTEGER_WINOGRADS; ++i) {
        fc_integer_plan one = *plan;
        one.tile = i < 0 ? &fc_integer_direct : &fc_integer_tiles[i];
        one.winograd = i < 0 ? NULL : &plan->f32->integer.winograd[i];
        if (i >= 0 && !fc_integer_takes(&one, one.tile)) continue;
        if (!size_tile(&one)) return FC_OVERFLOW;
        const double images = (double)(one.d.n * one.d.out[0]);
        double cost = one.d.n > 0 ? choose_blocks(&one) : 0;
        if (cost < 0) continue;
        if (!one.d.prepared)
            cost += cycles_of_packing * (double)(one.depth * 2) * (double)(one.groups * one.vectors * one.f32->lanes) /
                    images;
        if (least >= 0 && cost >= least) continue;
        least = cost;
        best = one;
    }
    if (least < 0) return FC_UNSUPPORTED;
    *plan = best;
    return FC_OK;
}

fc_status fc_integer_plan_create(const fc_integer_desc *desc, fc_integer_plan **result) {
    *result = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_integer_plan plan = {.d = *desc};
    drop_unused(&plan.d);
    turn_column(&plan.d);
    plan.f32 = fc_kernels_for(fc_isa(), FC_FLOAT32), plan.f64 = fc_kernels_for(fc_isa(), FC_FLOAT64);
    merge_axis(&plan.d, 0);
    if (plan.d.in[2] < plan.f32->lanes) merge_axis(&plan.d, 1);
    size_filters(&plan);
    status = choose_tile(&plan);
    if (status != FC_OK) return status;
    if (plan.d.n > 0) lay_scratch(&plan);
    if ((plan.d.n > 0 && lay_taps(&plan) != FC_OK) || !(*result = malloc(sizeof plan))) {
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

int fc_integer_plan_tile(const fc_integer_plan *plan) { return plan->tile->outputs; }

int64_t fc_integer_plan_packed(const fc_integer_plan *plan) { return (int64_t)plan->packed_bytes; }

/* A block of filters of a group: their weights as [step][filter][two channels, or taps]. */
static void pack_block(const fc_integer_plan *plan, const int16_t *w, int64_t first, int64_t width, int16_t *to) {
    const int64_t taps = plan->taps, ic = plan->depthwise ? 1 : plan->ic;
    for (int64_t k = 0; k < plan->depth; ++k)
        for (int64_t l = 0; l < width; ++l)
            for (int64_t half = 0; half < 2; ++half) {
                const int64_t at = plan->depthwise ? 0 : k % plan->pairs * 2 + half; /* in a run of taps */
                const int64_t tap = plan->depthwise ? 2 * k + half : k / plan->pairs * plan->run + at / ic;
                const int there = first + l < plan->oc && at < plan->run * ic && tap < taps;
                *to++ = there ? w[((first + l) * ic + at % ic) * taps + tap] : 0;
            }
}

/* The largest |w|, and the largest sum of |w| of a filter. */
static void measure_weights(const fc_integer_desc *d, const int16_t *w, int32_t *most, int64_t *largest) {
    const int64_t filter = d->ic / d->groups * d->kernel[0] * d->kernel[1] * d->kernel[2];
    *most = 0, *largest = 0;
    for (int64_t o = 0; o < d->oc; ++o) {
        int64_t sum = 0;
        for (int64_t i = 0; i < filter; ++i, ++w) {
            const int32_t size = *w < 0 ? -*w : *w;
            if (size > *most) *most = size;
            sum += size;
        }
        *largest = fc_max(*largest, sum);
    }
}

fc_status fc_integer_bound(fc_integer_desc *d, const int16_t *w) {
    const fc_status status = check(d);
    if (status != FC_OK || !w) return status == FC_OK ? FC_INVALID : status;
    measure_weights(d, w, &d->weight_most, &d->weight_sum);
    return FC_OK;
}

fc_status fc_integer_pack(const fc_integer_plan *plan, const int16_t *w, const int32_t *bias, const double *factor,
                          void *packed) {
    if (!w || !packed || (!factor && plan->d.output_type != FC_INT32)) return FC_INVALID;
    if (plan->winograd) { /* whose sums are exact within the bounds only */
        int32_t most;
        int64_t sum;
        measure_weights(&plan->d, w, &most, &sum);
        if (most > plan->d.weight_most || sum > plan->d.weight_sum) return FC_INVALID;
    }
    const int64_t lanes = plan->f32->lanes, slots = plan->vectors * lanes;
    const int64_t filter = plan->d.ic / plan->d.groups * plan->taps;
    int16_t *to = packed;
    int32_t *biases = fc_at(packed, (int64_t)plan->bias_at, 1);
    double *factors = fc_at(packed, (int64_t)plan->factor_at, 1);
    for (int64_t g = 0; g < plan->groups; ++g) {
        for (int64_t v = 0; v < plan->vectors; v += FC_INTEGER_VECTORS) {
            const int64_t width = fc_min(FC_INTEGER_VECTORS, plan->vectors - v) * lanes;
            const int16_t *from = w + g * plan->oc * filter;
            if (plan->winograd) {
                fc_integer_pack_points(plan, from, v * lanes, width, to);
            } else {
                pack_block(plan, from, v * lanes, width, to);
            }
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
