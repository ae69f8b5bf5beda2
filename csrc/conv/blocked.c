/* blocked.c: direct convolution with the filters in the vector lanes, forward and backward_data, for every kernel,
 * stride, dilation, border, group and layout.
 *
 * A task takes one block of output rows of one image and group, and all or a chunk of the filters. It copies what the
 * block reads into a lane tile, then for each block of filters (vr vectors) runs outer tiles of pr outputs along the
 * rows, and on into the next row where both read the same taps, the whole sum in one call; the sums of a few rows rest in a buffer in L1 as [outputs][filters], from which they
 * leave finished, transposed where the caller's channels come first. Where they come last whole rows are swept: sums are
 * finished in registers and stored once. Rows of taps in zero padding are left out.
 * The phases of a strided backward_data read the same tile and write their sums side by side, so that rows leave whole.
 * Where there are few blocks, the filters are shared out as well and the tiles are filled beforehand, once for all.
 *
 * Wins over the direct row where a group has filters enough to fill the lanes: no output between the rows of a padded
 * tile is computed, and the tail of a row costs no whole vector (Georganas et al., arXiv 1808.05567). */
#include "conv/blocked.h"
#include "conv/leave.h"
#include "core/parallel.h"

enum { FILL_PARTS = 8 };

typedef struct job {
    const fc_conv_plan *plan;
    const fc_blocked *s;
    const void *src, *w, *bias, *residual, *packed;
    void *dst;
    char *shared, *worker;
} job;

/* One block of outputs of one image and group: rows x columns from first[] on. */
typedef struct place {
    int64_t n, group, first[FC_SPATIAL], rows, columns;
    int64_t start[FC_SPATIAL]; /* of its tile, in the source */
} place;

static place place_of(const fc_blocked *s, int64_t index) {
    place at = {.n = index / s->blocks / s->c.groups, .group = index / s->blocks % s->c.groups};
    int64_t block = index % s->blocks;
    at.first[WIDTH] = block % s->column_blocks * s->columns;
    at.first[HEIGHT] = (block /= s->column_blocks) % s->row_blocks * s->rows;
    at.first[DEPTH] = block / s->row_blocks;
    at.rows = fc_min(s->rows, s->outputs[HEIGHT] - at.first[HEIGHT]);
    at.columns = fc_min(s->columns, s->outputs[WIDTH] - at.first[WIDTH]);
    for (int a = 0; a < FC_SPATIAL; ++a) at.start[a] = at.first[a] / s->spread[a] * s->step[a] + s->low[a];
    return at;
}

static void fill_tile(const job *j, const place *at, int64_t channel, int64_t channels, void *tile) {
    const fc_blocked *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const fc_source *source = &s->c.phase[0].source;
    const int64_t from = at->n * s->c.src_n + at->group * s->c.src_group + channel * source->channel_stride;
    if (s->pitch < k->lanes) {
        fc_dense_fill(source, k, fc_at(j->src, from, k->element), channels, at->start, s->tile_size, tile);
    } else {
        fc_lane_fill(source, k, fc_at(j->src, from, k->element), channels, at->start, s->tile_size,
                     fc_at(tile, fc_lane_elements(channel, s->tile_size, k->lanes), k->element));
    }
}

/* Fills one share of the channels of one shared tile. */
static void fill_task(void *ctx, int64_t index, int worker) {
    (void)worker;
    const job *j = ctx;
    const fc_blocked *s = j->s;
    const int64_t tile = index / FILL_PARTS, part = index % FILL_PARTS;
    const int64_t blocks = fc_ceil_div(s->c.channels, s->pitch);
    const int64_t first = blocks * part / FILL_PARTS * s->pitch;
    const int64_t end = fc_min(s->c.channels, blocks * (part + 1) / FILL_PARTS * s->pitch);
    const place at = place_of(s, tile);
    if (end > first) fill_tile(j, &at, first, end - first, j->shared + tile * s->tile_bytes);
}

/* The block of filters that is being summed, and the piece of its sums. */
typedef struct filters {
    int64_t vector; /* the first, within the group */
    int vr;
    int64_t count; /* without those that only fill the last vector */
    int64_t piece;
    const void *w; /* packed weights of the piece */
} filters;

/* The taps first <= t < end of an axis that read inside the source for output number i of the axis' phase. */
typedef struct tap_range {
    int64_t first, end;
} tap_range;

static tap_range taps_inside(const fc_blocked *s, const fc_axis *axis, int64_t i, int64_t size) {
    tap_range r = {0, axis->taps};
    if (!s->skips) return r;
    while (r.first < r.end && i * axis->step + axis->offset[r.first] < 0) ++r.first;
    while (r.first < r.end && i * axis->step + axis->offset[r.end - 1] >= size) --r.end;
    return r;
}

/* What the outputs of one row and phase, from one on, read. */
typedef struct line {
    tap_range depth, height; /* taps inside the source */
    int64_t rows, row_depth; /* of taps of one depth, and their steps */
    const int32_t *off;      /* of the first step of the piece */
    const void *src, *w;     /* of the first output, of the first step */
} line;

/* p: the phase along the width. */
static line line_of(const job *j, const place *at, const void *tile, const filters *f, int64_t y, int64_t x,
                    int64_t p) {
    const fc_blocked *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t width = (int64_t)f->vr * k->lanes, z = at->first[DEPTH];
    const int64_t number = (z % s->spread[DEPTH] * s->c.axes[HEIGHT] + y % s->spread[HEIGHT]) * s->c.axes[WIDTH] + p;
    const fc_blocked_phase *phase = &s->phase[number];
    const fc_source *source = &s->c.phase[number].source;
    const fc_axis *const *axis = source->axis;
    const int64_t index[FC_SPATIAL] = {z / s->spread[DEPTH], y / s->spread[HEIGHT], x / s->spread[WIDTH]};
    int64_t from = 0;
    for (int a = 0; a < FC_SPATIAL; ++a)
        from = from * s->tile_size[a] + index[a] * s->step[a] + axis[a]->low - at->start[a];
    if (phase->depth == 0) from = 0;
    const int64_t channels = fc_blocked_piece(s, f->piece);
    return (line){.depth = taps_inside(s, axis[DEPTH], index[DEPTH], source->size[DEPTH]),
                  .height = taps_inside(s, axis[HEIGHT], index[HEIGHT], source->size[HEIGHT]),
                  .rows = axis[HEIGHT]->taps,
                  .row_depth = channels * axis[WIDTH]->taps,
                  .off = phase->off + f->piece * s->piece * s->c.phase[number].taps,
                  .src = fc_at(tile, from * s->pitch, k->element),
                  .w = fc_at(f->w, phase->first_tap * channels * width, k->element)};
}

/* Adds `depth` steps of one piece from step `from` on to the sums of some outputs: pr that are neighbours in the tile or,
 * with spots, a full tile of those that lie there. first: of outer. */
static void run_steps(const job *j, const filters *f, const line *l, int64_t from, int64_t depth, const void *src,
                      const int32_t *spots, int pr, void *sums, int64_t ld, int first) {
    const fc_kernels *k = j->plan->kernels;
    const void *w = fc_at(l->w, from * f->vr * k->lanes, k->element);
    if (spots) {
        k->outer_at[f->vr - 1](depth, src, l->off + from, spots, w, sums, ld, first);
    } else {
        k->outer[f->vr - 1][pr - 1](depth, src, l->off + from, j->s->step[WIDTH] * j->s->pitch, w, sums, ld, first);
    }
}

/* All steps of one piece. */
static void run_outputs(const job *j, const filters *f, const line *l, const void *src, const int32_t *spots, int pr,
                        void *sums, int64_t ld) {
    const tap_range *d = &l->depth, *h = &l->height;
    if (d->first >= d->end || h->first >= h->end || l->row_depth == 0) {
        if (f->piece == 0) run_steps(j, f, l, 0, 0, src, spots, pr, sums, ld, 1);
        return;
    }
    const int whole = h->first == 0 && h->end == l->rows;
    for (int64_t t = d->first; t < d->end; t = whole ? d->end : t + 1) {
        const int64_t from = (t * l->rows + h->first) * l->row_depth;
        const int64_t to = ((whole ? d->end - 1 : t) * l->rows + h->end) * l->row_depth;
        run_steps(j, f, l, from, to - from, src, spots, pr, sums, ld, f->piece == 0 && t == d->first);
    }
}

/* The widest tile of outputs by vr vectors of filters. */
static int64_t widest(const fc_kernels *k, int vr) {
    int most = FC_MAX_OUTER_PR;
    while (!k->outer[vr - 1][most - 1]) --most;
    return most;
}

/* One row of outputs, phase by phase; out[output*ld + filter]. Sums in tiles of nearly equal width; or, with finish, the
 * filters of finished outputs in one sweep. */
static void run_row(const job *j, const place *at, const void *tile, const filters *f, int64_t y, int64_t x,
                    int64_t columns, void *out, int64_t ld, const fc_finish *finish) {
    const fc_blocked *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t width = (int64_t)f->vr * k->lanes, most = widest(k, f->vr), step = s->step[WIDTH] * s->pitch;
    for (int64_t p = 0; p < fc_min(s->spread[WIDTH], columns); ++p) {
        const line l = line_of(j, at, tile, f, y, x, p);
        const int64_t count = fc_ceil_div(columns - p, s->spread[WIDTH]), tiles = fc_ceil_div(count, most);
        if (finish) {
            const int64_t lines = fc_max(0, l.depth.end - l.depth.first) * fc_max(0, l.height.end - l.height.first);
            const int64_t skipped = lines ? l.height.first * l.row_depth : 0;
            k->outer_row[f->vr - 1](lines * l.row_depth, l.src, l.off + skipped, step,
                                    fc_at(l.w, skipped * width, k->element), fc_at(out, p * ld, k->element),
                                    s->spread[WIDTH] * ld, f->count, count, finish);
            continue;
        }
        for (int64_t i = 0; i < tiles; ++i) {
            const int64_t first = count * i / tiles, end = count * (i + 1) / tiles;
            run_outputs(j, f, &l, fc_at(l.src, first * step, k->element), NULL, (int)(end - first),
                        fc_at(out, (first * s->spread[WIDTH] + p) * ld, k->element), s->spread[WIDTH] * ld);
        }
    }
}

/* How many of the rows from y on read the same taps as row y. */
static int64_t rows_alike(const fc_blocked *s, int64_t y, int64_t rows) {
    const fc_source *source = &s->c.phase[0].source;
    const tap_range first = taps_inside(s, source->axis[HEIGHT], y, source->size[HEIGHT]);
    int64_t alike = 1;
    for (; alike < rows; ++alike) {
        const tap_range next = taps_inside(s, source->axis[HEIGHT], y + alike, source->size[HEIGHT]);
        if (next.first != first.first || next.end != first.end) break;
    }
    return alike;
}

/* How many tiles of `most` outputs run on from row to row. The last of them is given up to its row where too few outputs
 * would be left for their sums to keep the adders busy. */
static int64_t whole_tiles(int64_t outputs, int64_t columns, int64_t most, int vr) {
    const int64_t full = outputs / most, rest = outputs % most;
    return full > 0 && rest > 0 && rest * vr < 8 && rest + most <= columns ? full - 1 : full;
}

/* Whole rows of outputs of a block. Where tiles run on from row to row, what fills no tile goes row by row. */
static void run_rows(const job *j, const place *at, const void *tile, const filters *f, int64_t y, int64_t rows,
                     int64_t x, int64_t columns, void *out) {
    const fc_blocked *s = j->s;
    const size_t size = j->plan->kernels->element;
    const int64_t ld = (int64_t)f->vr * j->plan->kernels->lanes, most = widest(j->plan->kernels, f->vr);
    int64_t done = 0; /* outputs */
    while (done < rows * columns) {
        const int64_t row = done / columns,
                      alike = s->spots && columns == s->columns ? rows_alike(s, y + row, rows - row) : 0;
        const int64_t full = alike > 1 ? whole_tiles(alike * columns, columns, most, f->vr) : 0;
        if (full > 0) {
            const line l = line_of(j, at, tile, f, y + row, x, 0);
            for (int64_t i = 0; i < full; ++i)
                run_outputs(j, f, &l, l.src, s->spots + i * most, 0, fc_at(out, (done + i * most) * ld, size), ld);
            done += full * most;
        }
        const int64_t end = (row + fc_max(alike, 1)) * columns;
        for (int64_t next; done < end; done = next) {
            next = (done / columns + 1) * columns;
            run_row(j, at, tile, f, y + done / columns, x + done % columns, next - done, fc_at(out, done * ld, size),
                    ld, NULL);
        }
    }
}

static int64_t first_channel(const job *j, const place *at, const filters *f) {
    return at->group * j->s->c.filters + f->vector * j->plan->kernels->lanes;
}

/* One row of outputs of a block of filters from the tile into the caller's tensor. */
static void sweep(const job *j, const place *at, const void *tile, const filters *f, int64_t y) {
    const fc_conv_desc *d = &j->plan->desc;
    const int64_t *stride = d->pass == FC_FORWARD ? d->y_stride : d->x_stride;
    const int64_t channel = first_channel(j, at, f), x = at->first[WIDTH];
    fc_finish finish = j->plan->finish;
    if (j->bias) finish.bias = fc_at(j->bias, channel, j->plan->kernels->element);
    const int64_t to = at->n * stride[AXIS_N] + channel * stride[AXIS_C] + at->first[DEPTH] * stride[AXIS_D] +
                       y * stride[AXIS_H] + x * stride[AXIS_W];
    run_row(j, at, tile, f, y, x, at->columns, fc_at(j->dst, to, j->plan->kernels->element), stride[AXIS_W], &finish);
}

/* Finished rows x columns outputs of a block of filters leave for the caller's tensor. */
static void leave(const job *j, const place *at, const filters *f, int64_t y, int64_t rows, int64_t x, int64_t columns,
                  const void *sums) {
    const fc_lane_sums from = {
        .sums = sums,
        .ld = (int64_t)f->vr * j->plan->kernels->lanes,
        .filters = f->count,
        .rows = rows,
        .columns = columns,
        .index = {at->n, first_channel(j, at, f), at->first[DEPTH], y, x},
        .row_step = 1,
        .column_step = 1,
        .dst = j->dst,
        .bias = j->bias,
        .residual = j->residual,
    };
    fc_leave_lanes(j->plan, &from);
}

/* All outputs of a block for one piece of a block of filters. Where there are several pieces the sums of the whole block
 * wait in the buffer. */
static void run_piece(const job *j, const place *at, const void *tile, const filters *f, void *sums) {
    const fc_blocked *s = j->s;
    if (s->sweeps && at->columns / s->spread[WIDTH] >= widest(j->plan->kernels, f->vr)) {
        for (int64_t y = 0; y < at->rows; ++y) sweep(j, at, tile, f, at->first[HEIGHT] + y);
        return;
    }
    for (int64_t y = 0; y < at->rows; y += s->group_rows) {
        const int64_t rows = fc_min(s->group_rows, at->rows - y);
        for (int64_t x = 0; x < at->columns; x += s->segment_columns) {
            const int64_t columns = fc_min(s->segment_columns, at->columns - x);
            run_rows(j, at, tile, f, at->first[HEIGHT] + y, rows, at->first[WIDTH] + x, columns, sums);
            if (f->piece == s->pieces - 1)
                leave(j, at, f, at->first[HEIGHT] + y, rows, at->first[WIDTH] + x, columns, sums);
        }
    }
}

static void run_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_blocked *s = j->s;
    const fc_kernels *k = j->plan->kernels;
    const int64_t block = index / s->chunks, chunk = index % s->chunks;
    const place at = place_of(s, block);
    char *sums = j->worker + worker * j->plan->worker_bytes, *own = sums + s->sums_bytes;
    char *tile = s->shared ? j->shared + block * s->tile_bytes : own + s->weights_bytes;
    if (!s->shared) fill_tile(j, &at, 0, s->c.channels, tile);
    const int64_t end = fc_min(s->vectors, (chunk + 1) * s->chunk_vectors);
    for (int64_t v = chunk * s->chunk_vectors; v < end; v += k->outer_vr) {
        filters f = {.vector = v, .vr = (int)fc_min(k->outer_vr, s->vectors - v)};
        f.count = fc_min((int64_t)f.vr * k->lanes, s->c.filters - v * k->lanes);
        for (f.piece = 0; f.piece < s->pieces; ++f.piece) {
            const int64_t from = f.piece * s->piece * s->taps * f.vr * k->lanes;
            f.w = s->packs ? own : fc_at(j->packed, fc_blocked_weights(s, at.group, v, k->lanes) + from, k->element);
            if (s->packs) fc_blocked_pack_piece(s, k, j->w, at.group, v, f.vr, f.piece, own);
            run_piece(j, &at, tile, &f, sums);
        }
    }
}

static fc_status execute_blocked(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fc_blocked *s = plan->state;
    job j = {
        .plan = plan,
        .s = s,
        .src = fc_correlation_src(plan, args),
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .w = args->w,
        .packed = scratch->packed,
        .shared = scratch->shared,
        .worker = scratch->worker,
    };
    const int64_t tiles = s->c.n * s->c.groups * s->blocks;
    if (s->shared) fc_parallel_for(tiles * FILL_PARTS, scratch->threads, fill_task, &j);
    fc_parallel_for(tiles * s->chunks, scratch->threads, run_task, &j);
    return FC_OK;
}

const fc_conv_algorithm fc_conv_blocked = {"blocked", fc_blocked_plan, fc_blocked_pack, execute_blocked,
                                           fc_blocked_release};
