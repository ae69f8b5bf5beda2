/* winograd_execute.c: one pass over blocks of tiles, without a V or M of the whole tensor.
 *
 * For a block of T tiles, one vector of channels after the other is copied with its borders into a small tile [row]
 * [column][lanes], and B^T d B of it written to V[point][panel][channel vector][tile][lanes]. Then for each span of blocks
 * of filters, point by point, the register tile multiplies V[point] (T x channels, broadcast) by U[point] (channels x
 * filters) into M[filter block][point][T][filters], and A^T m A goes row by row of tiles through a small buffer
 * [position][lanes] to the output.
 *
 * Where blocks are few, V of all is made first and the spans of filters are tasks as well; in a plain call of a small map
 * each task transforms the weights that it needs, some channels at a time, so that they never leave L2. */
#include "conv/lane_tile.h"
#include "conv/leave.h"
#include "conv/winograd.h"
#include "core/parallel.h"

typedef struct job {
    const fc_conv_plan *plan;
    const fc_winograd *w;
    const void *src, *bias, *residual, *weights, *packed;
    void *dst;
    char *shared, *worker;
} job;

/* Whole rows of tiles of one image, or a part of one row: tiles first .. of the block. */
typedef struct band {
    int64_t image, row, rows, column, columns, first;
} band;

static int64_t tiles_of(const fc_winograd *w, int64_t block) {
    return fc_min(w->block_tiles, w->tiles - block * w->block_tiles);
}

/* The band of at most `most` rows that starts at tile `done` of the block; no rows after the last. */
static band band_at(const fc_winograd *w, int64_t block, int64_t done, int64_t most) {
    const int64_t left = tiles_of(w, block) - done, tile = block * w->block_tiles + done, line = tile / w->columns;
    band b = {.image = line / w->rows, .row = line % w->rows, .column = tile % w->columns, .first = done};
    const int whole = b.column == 0 && left >= w->columns;
    b.rows = left == 0 ? 0 : whole ? fc_min(fc_min(most, left / w->columns), w->rows - b.row) : 1;
    b.columns = whole ? w->columns : fc_min(left, w->columns - b.column);
    return b;
}

static int64_t after(const band *b) { return b->first + b->rows * b->columns; }

/* Panels of a block of tiles: number r starts at tile tiles*r/panels. */
static int64_t panels_of(const fc_kernels *k, int64_t tiles) { return fc_ceil_div(tiles, k->outer_pr); }

typedef struct image {
    int64_t n, depth, residue[TILE_AXES];
} image;

static image image_of(const fc_winograd *w, int64_t number) {
    image at;
    at.residue[TILE_WIDTH] = number % w->residues[TILE_WIDTH];
    number /= w->residues[TILE_WIDTH];
    at.residue[TILE_HEIGHT] = number % w->residues[TILE_HEIGHT];
    number /= w->residues[TILE_HEIGHT];
    at.depth = number % w->depths;
    at.n = number / w->depths;
    return at;
}

/* The positions that output 0 of residue q, one tap after the other, reads: offset + i*dilation. */
static void source_of(const fc_winograd *w, const image *at, fc_source *s, int64_t *offset, int64_t start[FC_SPATIAL]) {
    *s = w->c.phase->source;
    start[DEPTH] = at->depth * s->axis[DEPTH]->step + s->axis[DEPTH]->offset[0];
    for (int a = 0; a < TILE_AXES; ++a) {
        const int64_t d = w->dilation[a], low = at->residue[a] + s->axis[HEIGHT + a]->low;
        const int64_t before = low < 0 ? (low - d + 1) / d : low / d, residue = low - before * d;
        start[HEIGHT + a] = before;
        *offset += residue * s->stride[HEIGHT + a];
        s->size[HEIGHT + a] = s->size[HEIGHT + a] > residue ? fc_ceil_div(s->size[HEIGHT + a] - residue, d) : 0;
        s->stride[HEIGHT + a] *= d;
    }
}

/* A row of tiles, first .. first + count of a block of `tiles`, from the lines of `tile` into the panels of V. */
static void transform_row(const job *j, int64_t tiles, int64_t first, int64_t count, const void *tile, int64_t pitch,
                          void *v) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const int64_t panels = panels_of(k, tiles), panel_elements = w->channel_blocks * k->outer_pr * k->lanes;
    for (int64_t t = first; t < first + count;) {
        const int64_t panel = ((t + 1) * panels - 1) / tiles, start = tiles * panel / panels;
        const int64_t run = fc_min(tiles * (panel + 1) / panels, first + count) - t;
        w->tile->data(fc_at(v, panel * panel_elements + (t - start) * k->lanes, k->element), w->v_stride,
                      fc_at(tile, (t - first) * w->tile->outputs[TILE_WIDTH] * k->lanes, k->element), pitch, run);
        t += run;
    }
}

/* One vector of channels of a block: V[point][panel][channel_block][tile][lanes]. */
static void transform_data(const job *j, int64_t group, int64_t block, int64_t channel_block, void *v, void *tile) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const fc_winograd_kernels *t = w->tile;
    const int64_t channel = channel_block * k->lanes, channels = fc_min(k->lanes, w->c.channels - channel);
    v = fc_at(v, channel * k->outer_pr, k->element);
    for (band b = band_at(w, block, 0, w->fill_rows); b.rows > 0; b = band_at(w, block, after(&b), w->fill_rows)) {
        const image at = image_of(w, b.image);
        fc_source source;
        int64_t start[FC_SPATIAL],
            offset = at.n * w->c.src_n + group * w->c.src_group + channel * w->c.phase->source.channel_stride;
        source_of(w, &at, &source, &offset, start);
        start[HEIGHT] += b.row * t->outputs[TILE_HEIGHT];
        start[WIDTH] += b.column * t->outputs[TILE_WIDTH];
        const int64_t size[FC_SPATIAL] = {1, b.rows * t->outputs[TILE_HEIGHT] + t->taps[TILE_HEIGHT] - 1,
                                          b.columns * t->outputs[TILE_WIDTH] + t->taps[TILE_WIDTH] - 1};
        fc_lane_fill(&source, k, fc_at(j->src, offset, k->element), channels, start, size, tile);
        for (int64_t r = 0; r < b.rows; ++r)
            transform_row(j, tiles_of(w, block), b.first + r * b.columns, b.columns,
                          fc_at(tile, r * t->outputs[TILE_HEIGHT] * size[WIDTH] * k->lanes, k->element), size[WIDTH],
                          v);
    }
}

/* Where finished rows leave: `rows` of `columns` positions from buffer[position][lanes] for one vector of filters. */
static void leave(const job *j, int64_t group, int64_t filter, const band *b, int64_t rows, int64_t columns,
                  const void *buffer) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const image at = image_of(w, b->image);
    const int64_t *step = w->dilation;
    const fc_lane_sums from = {
        .sums = buffer,
        .ld = k->lanes,
        .filters = fc_min(k->lanes, w->c.filters - filter),
        .rows = rows,
        .columns = columns,
        .index = {at.n, group * w->c.filters + filter, at.depth,
                  b->row * w->tile->outputs[TILE_HEIGHT] * step[TILE_HEIGHT] + at.residue[TILE_HEIGHT],
                  b->column * w->tile->outputs[TILE_WIDTH] * step[TILE_WIDTH] + at.residue[TILE_WIDTH]},
        .row_step = step[TILE_HEIGHT],
        .column_step = step[TILE_WIDTH],
        .dst = j->dst,
        .bias = j->bias,
        .residual = j->residual,
    };
    fc_leave_lanes(j->plan, &from);
}

/* Outputs of a residue from `from` on, at most `most`. */
static int64_t outputs_left(const fc_winograd *w, int axis, int64_t residue, int64_t from, int64_t most) {
    const int64_t outputs = w->c.phase->source.axis[HEIGHT + axis]->outputs - residue;
    return fc_max(0, fc_min(most, fc_ceil_div(outputs, w->dilation[axis]) - from));
}

/* M[point][tile][filters] of one vector of filters to the output. */
static void transform_sums(const job *j, int64_t group, int64_t block, int64_t filter, const void *m, int64_t step,
                           void *buffer) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const fc_winograd_kernels *t = w->tile;
    const int64_t mh = t->outputs[TILE_HEIGHT], mw = t->outputs[TILE_WIDTH];
    for (band b = band_at(w, block, 0, w->leave_rows); b.rows > 0; b = band_at(w, block, after(&b), w->leave_rows)) {
        const image at = image_of(w, b.image);
        const int64_t rows = outputs_left(w, TILE_HEIGHT, at.residue[TILE_HEIGHT], b.row * mh, b.rows * mh);
        const int64_t columns = outputs_left(w, TILE_WIDTH, at.residue[TILE_WIDTH], b.column * mw, b.columns * mw);
        if (rows == 0 || columns == 0) continue;
        for (int64_t r = 0; r < b.rows; ++r)
            t->sums(fc_at(buffer, r * mh * columns * k->lanes, k->element), columns,
                    fc_at(m, (b.first + r * b.columns) * step, k->element), w->m_stride, step, b.columns);
        leave(j, group, filter, &b, rows, columns, buffer);
    }
}

/* Adds `channels` channels from `first` on to the sums m[tile][filters] of one point of a block of tiles and of one of
 * filters; v, u: of that point. */
static void multiply_point(const job *j, int64_t tiles, int vectors, int64_t first, int64_t channels, const void *v,
                           const void *u, void *m) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const int64_t panels = panels_of(k, tiles), panel_elements = w->channel_blocks * k->outer_pr * k->lanes;
    const int64_t width = vectors * k->lanes;
    for (int64_t p = 0; p < panels; ++p) {
        const int64_t tile = tiles * p / panels, count = tiles * (p + 1) / panels - tile;
        k->outer[vectors - 1][count - 1](channels, fc_at(v, p * panel_elements, k->element), w->off + first, k->lanes,
                                         u, fc_at(m, tile * width, k->element), width, first == 0);
    }
}

/* The sums of one block of tiles and one of filters to the output. */
static void leave_sums(const job *j, int64_t group, int64_t block, int64_t filter_block, const void *m, void *buffer) {
    const fc_kernels *k = j->plan->kernels;
    const int vectors = fc_winograd_vectors(j->w, k, filter_block);
    for (int i = 0; i < vectors; ++i)
        transform_sums(j, group, block, (filter_block * k->outer_vr + i) * k->lanes, fc_at(m, i * k->lanes, k->element),
                       vectors * k->lanes, buffer);
}

/* The parts of a worker's scratch. */
static char *worker_m(const job *j, int worker) { return j->worker + worker * j->plan->worker_bytes; }
static void *worker_buffer(const job *j, int worker) { return worker_m(j, worker) + j->w->all_m_bytes; }
static void *worker_u(const job *j, int worker) { return (char *)worker_buffer(j, worker) + j->w->buffer_bytes; }
static void *worker_v(const job *j, int worker) { return (char *)worker_u(j, worker) + j->w->u_bytes; }

/* One block of tiles and one span of filters, point by point. */
static void multiply_span(const job *j, int64_t group, int64_t block, int64_t span, const void *v, int worker) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const int64_t tiles = tiles_of(w, block), first = span * w->span, end = fc_min(w->filter_blocks, first + w->span);
    char *m = worker_m(j, worker);
    for (int64_t point = 0; point < w->points; ++point)
        for (int64_t f = first; f < end; ++f) {
            const int vectors = fc_winograd_vectors(w, k, f);
            const int64_t u = group * fc_winograd_group_weights(w, k) + fc_winograd_weights_at(w, k, f) +
                              point * fc_winograd_stride(w->c.channels * vectors * k->lanes, k);
            multiply_point(j, tiles, vectors, 0, w->c.channels, fc_at(v, point * w->v_stride, k->element),
                           fc_at(j->packed, u, k->element),
                           fc_at(m + (f - first) * w->m_bytes, point * w->m_stride, k->element));
        }
    for (int64_t f = first; f < end; ++f)
        leave_sums(j, group, block, f, m + (f - first) * w->m_bytes, worker_buffer(j, worker));
}

/* One block of tiles of one group. */
static void block_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t block = index % j->w->blocks, group = index / j->w->blocks;
    void *v = worker_v(j, worker);
    for (int64_t c = 0; c < j->w->channel_blocks; ++c) transform_data(j, group, block, c, v, worker_buffer(j, worker));
    for (int64_t span = 0; span < j->w->spans; ++span) multiply_span(j, group, block, span, v, worker);
}

static void *shared_v(const job *j, int64_t group, int64_t block) {
    return j->shared + (group * j->w->blocks + block) * j->w->v_bytes;
}

static void data_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_winograd *w = j->w;
    const int64_t channel_block = index % w->channel_blocks, block = index / w->channel_blocks % w->blocks;
    const int64_t group = index / w->channel_blocks / w->blocks;
    transform_data(j, group, block, channel_block, shared_v(j, group, block), worker_buffer(j, worker));
}

/* One span of filters of one block of tiles; neighbouring tasks read the same U. */
static void span_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t block = index % j->w->blocks, span = index / j->w->blocks % j->w->spans;
    const int64_t group = index / j->w->blocks / j->w->spans;
    multiply_span(j, group, block, span, shared_v(j, group, block), worker);
}

/* One block of filters of all blocks of tiles; its weights are transformed a piece of the channels at a time. */
static void transient_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const int64_t f = index % w->filter_blocks, group = index / w->filter_blocks;
    const int vectors = fc_winograd_vectors(w, k, f);
    char *m = worker_m(j, worker), *u = worker_u(j, worker);
    for (int64_t first = 0; first < w->c.channels; first += w->piece) {
        const int64_t channels = fc_min(w->piece, w->c.channels - first);
        const int64_t u_stride = fc_winograd_stride(channels * vectors * k->lanes, k);
        fc_winograd_pack_block(j->plan, j->weights, group, f, first, channels, u);
        for (int64_t block = 0; block < w->blocks; ++block)
            for (int64_t point = 0; point < w->points; ++point)
                multiply_point(j, tiles_of(w, block), vectors, first, channels,
                               fc_at(shared_v(j, group, block), point * w->v_stride, k->element),
                               fc_at(u, point * u_stride, k->element),
                               fc_at(m + block * w->m_bytes, point * w->m_stride, k->element));
    }
    for (int64_t block = 0; block < w->blocks; ++block)
        leave_sums(j, group, block, f, m + block * w->m_bytes, worker_buffer(j, worker));
}

fc_status fc_winograd_execute(const fc_conv_plan *plan, const fc_conv_args *args, const fc_conv_scratch *scratch) {
    const fc_winograd *w = plan->state;
    job j = {
        .plan = plan,
        .w = w,
        .src = fc_correlation_src(plan, args),
        .dst = fc_correlation_dst(plan, args),
        .bias = plan->has_bias ? args->bias : NULL,
        .residual = plan->has_residual ? args->residual : NULL,
        .weights = args->w,
        .packed = scratch->packed,
        .shared = scratch->shared,
        .worker = scratch->worker,
    };
    const int64_t groups = w->c.groups;
    if (!w->shared) {
        fc_parallel_for(groups * w->blocks, scratch->threads, block_task, &j);
        return FC_OK;
    }
    fc_parallel_for(groups * w->blocks * w->channel_blocks, scratch->threads, data_task, &j);
    if (w->transient) {
        fc_parallel_for(groups * w->filter_blocks, scratch->threads, transient_task, &j);
    } else {
        fc_parallel_for(groups * w->spans * w->blocks, scratch->threads, span_task, &j);
    }
    return FC_OK;
}
