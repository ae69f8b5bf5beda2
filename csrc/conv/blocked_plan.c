/* blocked_plan.c: how the outputs, filters and sums of the blocked row are cut into tasks. */
#include <stdlib.h>

#include "conv/blocked.h"
#include "core/cpu.h"
#include "core/memory.h"

/* Tasks that keep many threads busy; fewer blocks than SHARE_BLOCKS share out their filters, in as many tasks as end at
 * nearly the same time; outputs of a block below which weights are read too often; outputs whose sums stay in L1. */
enum { MIN_TASKS = 16, SHARE_BLOCKS = 8, SHARED_TASKS = 64, MIN_OUTPUTS = 112, SUM_OUTPUTS = 112 };

void fc_blocked_release(fc_conv_plan *plan) {
    fc_blocked *s = plan->state;
    if (!s) return;
    for (int64_t i = 0; s->phase && i < s->c.phases; ++i) {
        free(s->phase[i].off);
        free(s->phase[i].runs.row[0]);
        free(s->phase[i].runs.row[1]);
    }
    free(s->phase);
    free(s->spots);
    fc_correlation_release(&s->c);
    free(s);
}

static int64_t round_up(int64_t a, int64_t unit) { return fc_ceil_div(a, unit) * unit; }

/* What all phases together read along each axis. */
static void read_axes(fc_blocked *s, const fc_conv_desc *d) {
    const int forward = d->pass == FC_FORWARD;
    for (int a = 0; a < FC_SPATIAL; ++a) {
        s->spread[a] = forward ? 1 : d->stride[a];
        s->outputs[a] = forward ? d->out[a] : d->in[a];
        s->step[a] = s->c.axis[a][0].step;
        int64_t high = 0, any = 0;
        for (int64_t i = 0; i < s->c.axes[a]; ++i) {
            const fc_axis *axis = &s->c.axis[a][i];
            if (axis->taps == 0) continue;
            const int64_t last = axis->offset[axis->taps - 1];
            s->low[a] = any ? fc_min(s->low[a], axis->low) : axis->low;
            high = any ? fc_max(high, last) : last;
            any = 1;
        }
        s->reach[a] = high - s->low[a];
    }
}

/* Positions that a run of outputs reads along an axis. */
static int64_t positions(const fc_blocked *s, int a, int64_t outputs) {
    return fc_capped_product(fc_ceil_div(outputs, s->spread[a]) - 1, s->step[a]) + s->reach[a] + 1;
}

static void set_block(fc_blocked *s, int64_t row_blocks, int64_t column_blocks, int64_t *elements) {
    s->rows = round_up(fc_ceil_div(s->outputs[HEIGHT], row_blocks), s->unit[HEIGHT]);
    s->columns = round_up(fc_ceil_div(s->outputs[WIDTH], column_blocks), s->unit[WIDTH]);
    s->row_blocks = fc_ceil_div(s->outputs[HEIGHT], s->rows);
    s->column_blocks = fc_ceil_div(s->outputs[WIDTH], s->columns);
    s->blocks = s->outputs[DEPTH] * s->row_blocks * s->column_blocks;
    s->tile_size[DEPTH] = positions(s, DEPTH, 1);
    s->tile_size[HEIGHT] = positions(s, HEIGHT, s->rows);
    s->tile_size[WIDTH] = positions(s, WIDTH, s->columns);
    *elements = fc_lane_elements(s->c.channels, s->tile_size, (int)s->pitch);
}

/* The largest blocks whose tile fits half of L2; then smaller ones, or filters shared out, until there are tasks for
 * many threads. Large weights are read as seldom as may be: there filters are shared out first. */
static fc_status choose_blocks(fc_blocked *s, const fc_kernels *k) {
    const int64_t limit = fc_l2_bytes() / 2 / (int64_t)k->element;
    const int64_t images = fc_max(1, s->c.n * s->c.groups);
    int64_t elements, row_blocks = 1, column_blocks = 1;
    set_block(s, 1, 1, &elements);
    while (elements > limit && s->rows > s->unit[HEIGHT]) set_block(s, ++row_blocks, 1, &elements);
    while (elements > limit && s->columns > SUM_OUTPUTS * s->spread[WIDTH])
        set_block(s, row_blocks, ++column_blocks, &elements);
    if (elements > INT32_MAX) return FC_UNSUPPORTED;

    const int64_t filter_blocks = fc_ceil_div(s->vectors, k->outer_vr);
    const int large = s->c.packed * (int64_t)k->element > fc_l2_bytes();
    const int64_t chunks = large && images * s->blocks < SHARE_BLOCKS ? filter_blocks : 1;
    const int64_t wanted = fc_ceil_div(chunks > 1 ? SHARE_BLOCKS : MIN_TASKS, images * s->blocks * chunks);
    if (wanted > 1) {
        const int64_t rows = round_up(fc_ceil_div(MIN_OUTPUTS, s->columns), s->unit[HEIGHT]);
        const int64_t most = fc_max(row_blocks, s->outputs[HEIGHT] / rows);
        set_block(s, fc_min(s->row_blocks * wanted, most), column_blocks, &elements);
    }
    s->chunks = 1;
    if (images * s->blocks < SHARE_BLOCKS)
        s->chunks = fc_min(fc_ceil_div(SHARED_TASKS, images * s->blocks), filter_blocks);
    s->chunk_vectors = fc_ceil_div(filter_blocks, s->chunks) * k->outer_vr;
    s->chunks = fc_ceil_div(s->vectors, s->chunk_vectors);
    s->shared = s->chunks > 1;
    s->tile_bytes = (int64_t)fc_align_up((size_t)elements * k->element);
    return FC_OK;
}

/* Sums of large depth are cut into pieces of channels whose weights stay in L2 for all outputs of a block; else the
 * outputs leave a few rows, or a part of a row, at a time. */
static void choose_sums(fc_blocked *s, const fc_kernels *k, int pool2) {
    const int64_t channel_bytes = s->taps * fc_min(k->outer_vr, s->vectors) * k->lanes * (int64_t)k->element;
    const int64_t pieces = fc_max(1, fc_ceil_div(s->c.channels * channel_bytes, fc_l2_bytes() / 2)); /* no tap: 0 */
    s->piece = fc_min(s->c.channels, round_up(fc_ceil_div(s->c.channels, pieces), s->pitch));
    s->pieces = fc_ceil_div(s->c.channels, s->piece);
    s->group_rows = s->rows;
    s->segment_columns = s->columns;
    if (s->pieces > 1) return;
    const int64_t least = pool2 ? 2 : 1;
    s->group_rows = fc_min(s->rows, round_up(fc_max(1, SUM_OUTPUTS / s->columns), least));
    const int64_t segments = fc_ceil_div(s->columns * least, SUM_OUTPUTS * s->spread[WIDTH]);
    s->segment_columns = round_up(fc_ceil_div(s->columns, segments), s->unit[WIDTH]);
}

/* Rows of a single piece whose channels are neighbours leave without a buffer, unless overlapping tiles waste more than
 * the buffer costs. A sweep takes one run of steps. */
static int sweeps(const fc_blocked *s, const fc_conv_plan *plan) {
    const fc_kernels *k = plan->kernels;
    if (s->c.dst_channel != 1 || s->pieces > 1 || plan->has_residual || plan->pool2) return 0;
    for (int64_t i = 0; s->skips && i < s->c.phases; ++i)
        if (s->c.phase[i].source.axis[DEPTH]->taps > 1) return 0;
    int64_t most = FC_MAX_OUTER_PR;
    while (!k->outer[fc_min(k->outer_vr, s->vectors) - 1][most - 1]) --most;
    const int64_t count = s->columns / s->spread[WIDTH];
    return round_up(count, most) * 16 <= count * 17;
}

/* Rows that are read by one phase and leave whole may share tiles. */
static int runs_on(const fc_blocked *s) {
    return s->spread[HEIGHT] == 1 && s->spread[WIDTH] == 1 && s->segment_columns == s->columns && s->group_rows > 1;
}

static fc_status plan_spots(fc_blocked *s) {
    if (!runs_on(s)) return FC_OK;
    s->spots = malloc(sizeof(int32_t) * (size_t)(s->group_rows * s->columns));
    if (!s->spots) return FC_NO_MEMORY;
    for (int64_t y = 0; y < s->group_rows; ++y)
        for (int64_t x = 0; x < s->columns; ++x)
            s->spots[y * s->columns + x] =
                (int32_t)((y * s->step[HEIGHT] * s->tile_size[WIDTH] + x * s->step[WIDTH]) * s->pitch);
    return FC_OK;
}

static fc_status plan_phase(fc_blocked *s, int64_t index, const fc_conv_desc *d, const fc_kernels *k) {
    const fc_correlation *c = &s->c;
    const fc_source *source = &c->phase[index].source;
    const fc_axis *const *axis = source->axis;
    fc_blocked_phase *phase = &s->phase[index];
    phase->off = malloc(sizeof(int32_t) * (size_t)fc_max(1, phase->depth));
    if (!phase->off) return FC_NO_MEMORY;
    const int64_t line = s->tile_size[WIDTH], plane = s->tile_size[HEIGHT] * line;
    int32_t *off = phase->off;
    for (int64_t first = 0; first < c->channels; first += s->piece)
        for (int64_t td = 0; td < axis[DEPTH]->taps; ++td)
            for (int64_t th = 0; th < axis[HEIGHT]->taps; ++th)
                for (int64_t i = first; i < fc_min(c->channels, first + s->piece); ++i)
                    for (int64_t tw = 0; tw < axis[WIDTH]->taps; ++tw) {
                        const int64_t at = i / s->pitch * s->tile_size[DEPTH] * plane +
                                           (axis[DEPTH]->offset[td] - axis[DEPTH]->low) * plane +
                                           (axis[HEIGHT]->offset[th] - axis[HEIGHT]->low) * line +
                                           axis[WIDTH]->offset[tw] - axis[WIDTH]->low;
                        *off++ = (int32_t)(at * s->pitch + i % s->pitch);
                    }
    return fc_blocked_plan_runs(s, index, k->lanes, d->kernel[DEPTH] * d->kernel[HEIGHT] * d->kernel[WIDTH]);
}

/* Cycles of one step of the sums of one output and vr vectors of filters: two multiply-adds each, but fewer than 8 sums
 * wait for the adder, and a single vector for its addresses. */
static double step_cycles(const fc_kernels *k, int64_t vr, int64_t columns) {
    int most = FC_MAX_OUTER_PR;
    while (!k->outer[vr - 1][most - 1]) --most;
    const double outputs = (double)columns / (double)fc_ceil_div(columns, most);
    if (vr == 1 && outputs >= 8) return 0.85;
    return (outputs * (double)vr < 8 ? 8 : outputs * (double)vr) / 2 / outputs;
}

/* Cycles in which a vector of sums leaves: longer where it is transposed, and again where planes lie whole pages apart,
 * whose lines take the same places in L1, if they are written in parts. */
static double leave_cycles(const fc_blocked *s, const fc_kernels *k, int pool2) {
    const int64_t vector = k->lanes * (int64_t)k->element, plane = s->c.dst_channel * (int64_t)k->element;
    if (s->sweeps) return 1;
    if (s->c.dst_channel == 1 || pool2) return 3;
    return vector < 64 && plane % 4096 == 0 ? 12 : 8;
}

/* Cycles of one core: the sums; their way out, longer where it transposes; filling the tiles; packing; the tasks. */
static double cycles(const fc_blocked *s, const fc_kernels *k, int pool2) {
    const fc_correlation *c = &s->c;
    const double images = (double)(c->n * c->groups), vectors = (double)s->vectors;
    const int64_t tail = s->vectors % k->outer_vr;
    double sums = 0, outputs = 1;
    for (int a = 0; a < FC_SPATIAL; ++a) outputs *= (double)s->outputs[a];
    for (int64_t i = 0; i < c->phases; ++i) {
        const fc_axis *const *axis = c->phase[i].source.axis;
        const int64_t row = fc_max(1, fc_min(s->segment_columns / s->spread[WIDTH], axis[WIDTH]->outputs));
        const int64_t columns = runs_on(s) ? row * s->group_rows : row;
        double step = (double)(s->vectors / k->outer_vr) * step_cycles(k, k->outer_vr, columns);
        if (tail) step += step_cycles(k, tail, columns);
        sums += (double)(axis[DEPTH]->outputs * axis[HEIGHT]->outputs * axis[WIDTH]->outputs) * step *
                (double)s->phase[i].depth;
    }
    const double out = leave_cycles(s, k, pool2);
    const double tile = (double)(s->tile_bytes / (int64_t)k->element) / k->lanes * 4, blocks = (double)s->blocks;
    const double packed = (double)(c->groups * s->vectors * c->channels * s->taps) * 4;
    return images * (sums + outputs * vectors * out + blocks * (tile + 300 * (double)s->chunks)) + packed;
}

fc_status fc_blocked_plan(fc_conv_plan *plan) {
    const fc_conv_desc *d = &plan->desc;
    const fc_kernels *k = plan->kernels;
    if (d->pass == FC_BACKWARD_WEIGHTS || plan->other_steps != plan->has_residual + plan->pool2) {
        plan->reason =
            d->pass != FC_BACKWARD_WEIGHTS ? "this epilogue is not fused yet" : "for forward and backward_data only";
        return FC_UNSUPPORTED;
    }
    fc_blocked *s = calloc(1, sizeof *s);
    if (!s) return FC_NO_MEMORY;
    plan->state = s;
    fc_status status = fc_correlation_init(&s->c, d);
    if (status != FC_OK) return status;
    const fc_correlation *c = &s->c;
    s->phase = calloc((size_t)c->phases, sizeof *s->phase);
    if (!s->phase) return FC_NO_MEMORY;
    read_axes(s, d);
    for (int a = 0; a < FC_SPATIAL; ++a) s->unit[a] = plan->pool2 && a != DEPTH ? 2 : s->spread[a];
    s->skips =
        d->border == FC_CONSTANT && (d->pass == FC_BACKWARD_DATA || d->border_value == 0) && d->accuracy != FC_STRICT;
    s->vectors = fc_ceil_div(c->filters, k->lanes);
    s->pitch = c->channels <= k->lanes / 2 ? c->channels : k->lanes;
    for (int64_t i = 0; i < c->phases; ++i) {
        s->phase[i].first_tap = s->taps;
        s->phase[i].depth = fc_capped_product(c->channels, c->phase[i].taps);
        s->taps += c->phase[i].taps;
    }
    if (fc_capped_product(c->channels, s->taps) > INT32_MAX) return FC_UNSUPPORTED;
    status = choose_blocks(s, k);
    if (status == FC_OK) choose_sums(s, k, plan->pool2);
    s->sweeps = status == FC_OK && sweeps(s, plan);
    if (status == FC_OK) status = plan_spots(s);
    for (int64_t i = 0; status == FC_OK && i < c->phases; ++i) status = plan_phase(s, i, d, k);
    if (status != FC_OK) return status;

    const int64_t element = (int64_t)k->element, width = fc_min(k->outer_vr, s->vectors) * k->lanes;
    const int64_t sums = fc_capped_product(s->group_rows * s->segment_columns, width);
    if (sums > INT32_MAX) return FC_UNSUPPORTED;
    s->packs = !d->prepared && c->n * s->blocks == 1;
    s->sums_bytes = (int64_t)fc_align_up((size_t)(sums * element));
    s->weights_bytes = s->packs ? (int64_t)fc_align_up((size_t)(s->piece * s->taps * width * element)) : 0;
    plan->packed_bytes = s->packs ? 0 : fc_blocked_weights(s, c->groups, 0, k->lanes) * element;
    plan->shared_bytes = s->shared ? c->n * c->groups * s->blocks * s->tile_bytes : 0;
    plan->worker_bytes = (s->shared ? 0 : s->tile_bytes) + s->sums_bytes + s->weights_bytes;
    plan->cost = cycles(s, k, plan->pool2);
    plan->reason = "filters in the lanes on a padded tile; wins where filters fill them";
    return FC_OK;
}
