/* winograd_blocks.c: how the tiles and filters of a Winograd row are cut into tasks.
 *
 * The products of a block of tiles read all of U, which comes from L3 or from memory: the more tiles, the more seldom. V and
 * M of the block, written once and read, had better stay in L2: there each block of filters goes through all points before
 * its sums leave (a span of 1). With many channels that leaves too few tiles; then a point goes through a span of filters
 * before the next, so that V[point] is read from L2 or L1, and V and M may rest in L3. Or V of all blocks is shared, and the
 * spans of filters are tasks too: few tiles are then enough for many threads, and U is read once for large blocks. Each way
 * is tried with blocks of many sizes, and the one that takes the fewest cycles wins; the number of threads is none of the
 * questions, but few tasks count as if eight threads had to share them. */
#include <math.h>

#include "conv/winograd.h"
#include "core/cpu.h"
#include "core/memory.h"

enum { MOST_PANELS = 16, MANY_TASKS = 64, MIN_TRANSIENT = 6 };

/* Bytes for each cycle that one core takes longer because they lie beyond L2, and cycles of a parallel region. */
static const double l3_bytes_per_cycle = 14, memory_bytes_per_cycle = 8, region_cycles = 5000;

/* Cycles of one call of the register tile beside its steps, and for each vector of channels or of filters, those of the ends
 * of a run of tiles in their rows. */
static const double call_cycles = 20, ends_cycles = 400;

int64_t fc_winograd_stride(int64_t elements, const fc_kernels *k) {
    const int64_t size = (int64_t)k->element;
    return (int64_t)(fc_align_up((size_t)(elements * size)) / FC_ALIGN | 1) * FC_ALIGN / size;
}

double fc_winograd_step(const fc_kernels *k, int64_t tiles, int64_t vr) {
    const int64_t panels = fc_max(1, fc_ceil_div(tiles, k->outer_pr)), low = tiles / panels, wide = tiles % panels;
    const int64_t narrow_cost = fc_max(fc_max(low * vr, low + vr), 8);
    const int64_t wide_cost = fc_max(fc_max((low + 1) * vr, low + 1 + vr), 8);
    return (double)((panels - wide) * narrow_cost + wide * wide_cost);
}

/* One way of cutting. */
typedef struct cutting {
    int64_t blocks, tiles, span, spans; /* tiles of a block */
    int shared;
    double stream, cycles; /* beyond L2, and in all, of one core */
} cutting;

/* Bytes of U of a group, and of V and of M for one block of filters, for one tile. */
typedef struct sizes {
    double u, v, m, l2, l3;
} sizes;

static sizes sizes_of(const fc_winograd *w, const fc_kernels *k) {
    const double vector = (double)(k->lanes * (int64_t)k->element), points = (double)w->points;
    return (sizes){
        .u = points * (double)w->c.channels * (double)w->filter_vectors * vector,
        .v = points * (double)w->channel_blocks * vector,
        .m = points * (double)fc_min(k->outer_vr, w->filter_vectors) * vector,
        .l2 = (double)fc_l2_bytes(),
        .l3 = (double)fc_l3_bytes(),
    };
}

/* Cycles for reading U. */
static double u_cycles(const sizes *s) {
    return s->u / (s->u <= s->l3 / 2 ? l3_bytes_per_cycle : memory_bytes_per_cycle);
}

/* Whether blocks of so many tiles are whole rows, or equal parts of a row. */
static int is_even(const fc_winograd *w, int64_t tiles) { return tiles % w->columns == 0 || w->columns % tiles == 0; }

static void price(const fc_winograd *w, const fc_kernels *k, const sizes *s, cutting *c) {
    const double tiles = (double)c->tiles, v = s->v * tiles, m = s->m * tiles, filter_blocks = (double)w->filter_blocks;
    const double spans = (double)c->spans, span = (double)c->span;
    const double sums = m * span > s->l2 / 2 ? 2 * m * filter_blocks : 0;
    double bytes = 0;
    if (c->shared) {
        bytes = v * (1 + spans) + sums;
    } else if (v + m * span > s->l2 / 2) {
        bytes = v * (1 + spans) + 2 * m * filter_blocks * (c->span > 1);
    }
    const double resting = s->u + (c->shared ? 0 : v) + m * span; /* from block to block, in L2 */
    const double stream =
        u_cycles(s) / (resting <= s->l2 ? (double)fc_max(1, c->blocks) : 1) + bytes / l3_bytes_per_cycle;
    const double points = (double)w->points, panels = (double)fc_ceil_div(c->tiles, k->outer_pr);
    const double step = fc_winograd_step(k, c->tiles, fc_min(k->outer_vr, w->filter_vectors)) / 2;
    const double block = points * filter_blocks * ((double)w->c.channels * step + panels * call_cycles) + stream +
                         ends_cycles * (is_even(w, c->tiles) ? 1 : 3) * (double)(w->channel_blocks + w->filter_vectors);
    const int64_t blocks = fc_max(1, w->c.groups * c->blocks), tasks = blocks * (c->shared ? c->spans : 1);
    const double even = (double)(tasks < MANY_TASKS ? fc_ceil_div(tasks, 8) * 8 : tasks) / (double)tasks;
    c->stream = (double)blocks * stream;
    c->cycles = (double)blocks * block * even + (c->shared ? region_cycles : 0);
}

/* Spans of about so many blocks of filters, of nearly equal size. */
static void set_span(const fc_winograd *w, cutting *c, int64_t span) {
    c->spans = fc_ceil_div(w->filter_blocks, span);
    c->span = fc_ceil_div(w->filter_blocks, c->spans);
    c->spans = fc_ceil_div(w->filter_blocks, c->span);
}

static void try_spans(const fc_winograd *w, const fc_kernels *k, const sizes *s, cutting at, cutting *best) {
    for (int64_t span = 1;; span *= 2) {
        set_span(w, &at, span);
        price(w, k, s, &at);
        if (best->blocks == 0 || at.cycles < best->cycles) *best = at;
        if (span >= w->filter_blocks) return;
    }
}

void fc_winograd_cut(const fc_conv_plan *plan, fc_winograd *w) {
    const fc_kernels *k = plan->kernels;
    const sizes s = sizes_of(w, k);
    const int64_t tiles = fc_max(1, w->tiles);
    const double all_v = s.v * (double)tiles * (double)w->c.groups;
    const int may_share = w->filter_blocks > 1 && all_v <= s.l3 / 2;
    w->transient = !plan->desc.prepared && may_share && s.u > s.l2 && all_v <= 2 * s.l2 &&
                   s.m * (double)tiles <= s.l2 / 2 && w->c.groups * w->filter_blocks >= MIN_TRANSIENT;
    cutting best = {.blocks = 0};
    for (int64_t n = 1; n <= fc_min(tiles, MOST_PANELS * k->outer_pr); ++n) {
        cutting at = {.tiles = n, .blocks = fc_ceil_div(tiles, n)};
        const int balanced = at.blocks <= MANY_TASKS && fc_ceil_div(tiles, at.blocks) == n;
        if (n % k->outer_pr != 0 && !is_even(w, n) && !balanced) continue;
        if (w->transient) {
            at.shared = 1;
            set_span(w, &at, 1);
            price(w, k, &s, &at);
            if (best.blocks == 0 || at.cycles < best.cycles) best = at;
            continue;
        }
        for (at.shared = 0; at.shared <= may_share; ++at.shared) try_spans(w, k, &s, at, &best);
    }
    w->block_tiles = best.tiles;
    w->blocks = fc_ceil_div(w->tiles, best.tiles);
    w->span = best.span;
    w->spans = best.spans;
    w->shared = best.shared;
    w->stream_cycles = best.stream;
    const double channel = (double)(w->points * k->outer_vr * k->lanes * (int64_t)k->element);
    w->piece = w->transient ? fc_max(k->lanes, (int64_t)(s.l2 / 3 / channel) / k->lanes * k->lanes) : w->c.channels;
    w->piece = fc_min(w->piece, w->c.channels);
}
