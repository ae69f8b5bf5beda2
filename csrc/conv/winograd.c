/* winograd.c: which correlations the Winograd rows take, how they are cut, and what they cost.
 *
 * Rows: winograd2 F(2x2, 3x3), 2.25 times fewer multiplications than direct; winograd4 F(4x4, 3x3), 4 times, with F(2x4)
 * where tiles of 4x4 overhang much, 1-D F(4, 3) and F(2x2, 5x5); winograd6 F(6x6, 3x3), 5.1 times, whose errors only
 * accuracy="fast" allows. Errors and the reasons for the points are in microkernels/winograd.h; how tiles and filters are cut
 * into tasks in winograd_blocks.c. */
#include "conv/winograd.h"

#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "core/memory.h"

/* Cycles of one vector each, measured on Zen 4: to bring a position in or out, to make a point of the weights; and what the
 * products take more than their multiply-adds. */
static const double position_cycles = 5, weights_cycles = 6, products_overhead = 1.1;

static int is_run(const fc_axis *axis) { return axis->step == 1 && axis->taps > 0; }

static fc_status check(fc_conv_plan *plan, const fc_correlation *c) {
    if (c->phases != 1) {
        plan->reason = "a gradient through strides has several kinds of taps";
        return FC_UNSUPPORTED;
    }
    const fc_axis *const *axis = c->phase->source.axis;
    if (axis[DEPTH]->taps != 1 || !is_run(axis[HEIGHT]) || !is_run(axis[WIDTH])) {
        plan->reason = "only kernels of one depth and stride 1";
        return FC_UNSUPPORTED;
    }
    return FC_OK;
}

/* Channels below which the errors of short sums, smaller for direct ones, would exceed what the accuracy promises: 2.5 times
 * those of direct sums by default, 10 times for "fast". Rms errors of 4x4 over 16, 20 and 24 channels of 8x8 pixels:
 * 2.6, 2.4 and 2.2. */
static int64_t least_channels(const fc_conv_plan *plan, int kind) {
    if (kind == FC_WINOGRAD_6X6) return 32;
    if (plan->desc.accuracy != FC_DEFAULT) return 0;
    return kind == FC_WINOGRAD_4X4 ? 24 : kind == FC_WINOGRAD_2X4 ? 16 : 0;
}

/* On maps smaller than the kernel most taps meet padding, so that a direct sum has few terms; a map that fills half of a
 * large tile has the errors of the whole. */
static int is_too_small(const fc_conv_desc *d, int kind) {
    const int64_t *size = d->pass == FC_FORWARD ? d->out : d->in;
    const int64_t side = fc_min(size[HEIGHT], size[WIDTH]);
    return kind == FC_WINOGRAD_6X6 ? side < 5 : kind == FC_WINOGRAD_2X2_5X5 && d->accuracy == FC_DEFAULT && side < 4;
}

static int takes_taps(const fc_winograd_kernels *tile, const fc_correlation *c) {
    const fc_axis *const *axis = c->phase->source.axis;
    return axis[HEIGHT]->taps == tile->taps[TILE_HEIGHT] && axis[WIDTH]->taps == tile->taps[TILE_WIDTH];
}

/* Whether each 2x2 window of outputs lies in one tile. */
static int holds_windows(const fc_winograd *w) {
    for (int a = 0; a < TILE_AXES; ++a)
        if (w->tile->outputs[a] % 2 != 0 || fc_tap_distance(w->c.phase->source.axis[HEIGHT + a]) != 1) return 0;
    return 1;
}

static void measure(fc_winograd *w, const fc_kernels *k) {
    const fc_winograd_kernels *t = w->tile;
    const fc_axis *const *axis = w->c.phase->source.axis;
    w->points = 1;
    w->images = w->c.n * axis[DEPTH]->outputs;
    w->depths = axis[DEPTH]->outputs;
    int64_t tiles[TILE_AXES];
    for (int a = 0; a < TILE_AXES; ++a) {
        const fc_axis *along = axis[HEIGHT + a];
        w->points *= t->outputs[a] + t->taps[a] - 1;
        w->dilation[a] = fc_tap_distance(along);
        w->residues[a] = fc_min(w->dilation[a], along->outputs);
        w->images *= w->residues[a];
        tiles[a] = fc_ceil_div(fc_ceil_div(along->outputs, w->dilation[a]), t->outputs[a]);
    }
    w->rows = tiles[TILE_HEIGHT];
    w->columns = tiles[TILE_WIDTH];
    w->tiles = w->images * w->rows * w->columns;
    w->channel_blocks = fc_ceil_div(w->c.channels, k->lanes);
    w->filter_vectors = fc_ceil_div(w->c.filters, k->lanes);
    w->filter_blocks = fc_ceil_div(w->filter_vectors, k->outer_vr);
}

static fc_status size_scratch(fc_conv_plan *plan, fc_winograd *w) {
    const fc_kernels *k = plan->kernels;
    const fc_winograd_kernels *t = w->tile;
    const int64_t size = (int64_t)k->element, vector = k->lanes * size;
    const int64_t columns = fc_min(w->columns, w->block_tiles) * t->outputs[TILE_WIDTH], mh = t->outputs[TILE_HEIGHT];
    const int64_t filled = columns + t->taps[TILE_WIDTH] - 1, more = t->taps[TILE_HEIGHT] - 1;
    const int64_t rows = fc_max(1, fc_min(w->rows, w->block_tiles / w->columns));
    w->fill_rows = fc_max(1, fc_min(rows, (fc_l2_bytes() / 8 / vector / filled - more) / mh));
    w->leave_rows = fc_max(1, fc_min(rows, fc_l1_bytes() * 3 / 4 / vector / columns / mh));
    const int64_t fill = (w->fill_rows * mh + more) * filled, buffer = w->leave_rows * mh * columns;
    const int64_t panel = w->channel_blocks * k->outer_pr * k->lanes;
    if (fc_capped_product(panel, fc_ceil_div(w->block_tiles, k->outer_pr)) > INT32_MAX) return FC_UNSUPPORTED;
    w->v_stride = fc_winograd_stride(panel * fc_ceil_div(w->block_tiles, k->outer_pr), k);
    w->m_stride = fc_winograd_stride(w->block_tiles * k->outer_vr * k->lanes, k);
    w->v_bytes = w->points * w->v_stride * size;
    w->m_bytes = w->points * w->m_stride * size;
    w->all_m_bytes = w->m_bytes * (w->transient ? fc_max(1, w->blocks) : w->span);
    w->buffer_bytes = (int64_t)fc_align_up((size_t)(fc_max(fill, buffer) * vector));
    const int64_t vectors = fc_min(k->outer_vr, w->filter_vectors);
    w->u_bytes = w->transient ? w->points * fc_winograd_stride(w->piece * vectors * k->lanes, k) * size : 0;

    int64_t packed = w->points * k->lanes * size, shared = w->v_bytes;
    int over = __builtin_mul_overflow(packed, w->c.channels + FC_ALIGN, &packed); /* with the ends of the points */
    over = over || __builtin_mul_overflow(packed, w->filter_vectors * w->c.groups, &packed);
    over = over || __builtin_mul_overflow(shared, fc_max(1, w->blocks) * w->c.groups, &shared);
    if (over) return FC_UNSUPPORTED;
    plan->packed_bytes = w->transient ? 0 : w->c.groups * fc_winograd_group_weights(w, k) * size;
    plan->shared_bytes = w->shared ? shared : 0;
    plan->worker_bytes = w->all_m_bytes + w->buffer_bytes + w->u_bytes + (w->shared ? 0 : w->v_bytes);
    return FC_OK;
}

/* Cycles of one core, where direct counts two vector multiply-adds in a cycle: half of those measured. */
static double cycles(const fc_conv_plan *plan, const fc_winograd *w) {
    const fc_kernels *k = plan->kernels;
    const double tiles = (double)w->tiles, points = (double)w->points;
    const double positions = w->tile->outputs[0] * w->tile->outputs[1];
    const double side = sqrt(points); /* the larger a tile, the more work per point */
    const double in = (double)w->channel_blocks, out = (double)w->filter_vectors, depth = (double)w->c.channels;
    const int64_t vr = fc_min(k->outer_vr, w->filter_vectors);
    const double step = fc_winograd_step(k, w->block_tiles, vr) / (double)(w->block_tiles * vr);
    double sum = tiles * points * out * (depth * step * products_overhead + 3);
    sum += tiles * in * (points * (2 + 0.75 * side) + positions * position_cycles);
    sum += tiles * out * (points * (1.5 + 0.7 * side) + positions * position_cycles);
    sum += plan->desc.prepared ? 0 : depth * out * points * weights_cycles;
    return (double)w->c.groups * sum / 2 + w->stream_cycles + 2000;
}

static fc_status plan_tile(fc_conv_plan *plan, fc_winograd *w, int kind) {
    w->tile = &plan->kernels->winograd[kind];
    if (!takes_taps(w->tile, &w->c)) return FC_UNSUPPORTED;
    if (plan->pool2 && !holds_windows(w)) {
        plan->reason = "a pool over tiles of one row or column, or over dilated ones";
        return FC_UNSUPPORTED;
    }
    if (w->c.channels < least_channels(plan, kind)) {
        plan->reason = "its rounding errors are too large for sums over so few channels";
        return FC_UNSUPPORTED;
    }
    if (is_too_small(&plan->desc, kind)) {
        plan->reason = "its rounding errors are too large for so small a map";
        return FC_UNSUPPORTED;
    }
    measure(w, plan->kernels);
    fc_winograd_cut(plan, w);
    return size_scratch(plan, w);
}

static fc_status plan_row(fc_conv_plan *plan, const int *kinds, int count) {
    if (plan->desc.accuracy == FC_STRICT) {
        plan->reason = "its rounding errors are not those of direct sums: accuracy=\"strict\" excludes it";
        return FC_UNSUPPORTED;
    }
    if (plan->desc.pass == FC_BACKWARD_WEIGHTS) {
        plan->reason = "forward and backward_data only";
        return FC_UNSUPPORTED;
    }
    if (plan->other_steps != plan->has_residual + plan->pool2) {
        plan->reason = "this epilogue is not fused yet";
        return FC_UNSUPPORTED;
    }
    fc_winograd *w = calloc(1, sizeof *w);
    if (!w) return FC_NO_MEMORY;
    plan->state = w;
    fc_status status = fc_correlation_init(&w->c, &plan->desc);
    if (status == FC_OK) status = check(plan, &w->c);
    if (status != FC_OK) return status;
    int best = -1;
    for (int i = 0; i < count; ++i) {
        if (plan_tile(plan, w, kinds[i]) != FC_OK) continue;
        const double cost = cycles(plan, w);
        if (best < 0 || cost < plan->cost) {
            best = kinds[i];
            plan->cost = cost;
        }
    }
    if (best < 0) {
        if (!plan->reason) plan->reason = "another size of kernel";
        return FC_UNSUPPORTED;
    }
    const fc_source *source = &w->c.phase->source;
    plan_tile(plan, w, best);
    if (source->border != FC_CONSTANT && (w->dilation[0] > 1 || w->dilation[1] > 1)) {
        plan->reason = "dilation with a border that copies";
        return FC_UNSUPPORTED;
    }
    w->off = malloc(sizeof(int32_t) * (size_t)w->c.channels);
    if (!w->off) return FC_NO_MEMORY;
    const int64_t lanes = plan->kernels->lanes;
    for (int64_t c = 0; c < w->c.channels; ++c)
        w->off[c] = (int32_t)(c / lanes * plan->kernels->outer_pr * lanes + c % lanes);
    plan->reason = "transformed tiles, fewer multiplications; wins from about 16 channels and filters on";
    return FC_OK;
}

static fc_status plan_winograd2(fc_conv_plan *plan) {
    static const int kinds[] = {FC_WINOGRAD_2X2};
    return plan_row(plan, kinds, 1);
}

static fc_status plan_winograd4(fc_conv_plan *plan) {
    static const int kinds[] = {FC_WINOGRAD_4X4, FC_WINOGRAD_2X4, FC_WINOGRAD_1X4, FC_WINOGRAD_4X1,
                                FC_WINOGRAD_2X2_5X5};
    return plan_row(plan, kinds, sizeof kinds / sizeof *kinds);
}

static fc_status plan_winograd6(fc_conv_plan *plan) {
    static const int kinds[] = {FC_WINOGRAD_6X6};
    if (plan->desc.accuracy == FC_DEFAULT) {
        plan->reason = "its rounding errors need accuracy=\"fast\"";
        return FC_UNSUPPORTED;
    }
    return plan_row(plan, kinds, 1);
}

static void release_winograd(fc_conv_plan *plan) {
    fc_winograd *w = plan->state;
    fc_correlation_release(&w->c);
    free(w->off);
    free(w);
}

const fc_conv_algorithm fc_conv_winograd2 = {"winograd2", plan_winograd2, fc_winograd_pack, fc_winograd_execute,
                                             release_winograd};
const fc_conv_algorithm fc_conv_winograd4 = {"winograd4", plan_winograd4, fc_winograd_pack, fc_winograd_execute,
                                             release_winograd};
const fc_conv_algorithm fc_conv_winograd6 = {"winograd6", plan_winograd6, fc_winograd_pack, fc_winograd_execute,
                                             release_winograd};
