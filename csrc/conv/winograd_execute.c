/* winograd_execute.c: one pass over blocks of tiles, without a V or M of the whole tensor.
 *
 * For a block of T tiles, one vector of channels after the other is copied with its borders into a small tile [row]
 * [column][lanes], and B^T d B of it written to V[point][channel vector][T][lanes]. Then for each block of filters and
 * each point the register tile multiplies V[point] (T x channels, broadcast) by U[point] (channels x filters) into M
 * [point][T][filters], and A^T m A goes row by row of tiles through a small buffer [position][lanes] to the output.
 *
 * Where blocks are few, V of all is made first and the blocks of filters are the tasks: U is then read once in all, or, in
 * a plain call, made by the task that needs it and never written to memory. */
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

/* Some rows of tiles of one image, as wide as their block: tiles first .. of the block. */
typedef struct band {
    int64_t image, row, rows, column, columns, first;
} band;

/* The band of at most `most` rows that starts at row `done` of the block; no rows after the last. */
static band band_at(const fc_winograd *w, int64_t block, int64_t done, int64_t most) {
    const int64_t start = block / w->parts * w->block_rows, column = block % w->parts * w->block_columns;
    const int64_t end = fc_min(start + w->block_rows, w->images * w->rows), row = start + done;
    band b = {.image = row / w->rows, .row = row % w->rows, .column = column};
    b.rows = fc_max(0, fc_min(fc_min(most, end - row), w->rows - b.row));
    b.columns = fc_min(w->block_columns, w->columns - column);
    b.first = done * b.columns;
    return b;
}

static int64_t tiles_of(const fc_winograd *w, int64_t block) {
    const band b = band_at(w, block, 0, 1);
    const int64_t rows = fc_min(w->block_rows, w->images * w->rows - block / w->parts * w->block_rows);
    return rows * b.columns;
}

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

/* One vector of channels of a block: V[point][channel_block][tile][lanes]. */
static void transform_data(const job *j, int64_t group, int64_t block, int64_t channel_block, void *v, void *tile) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const fc_winograd_kernels *t = w->tile;
    const int64_t channel = channel_block * k->lanes, channels = fc_min(k->lanes, w->c.channels - channel);
    v = fc_at(v, channel * w->block_tiles, k->element);
    for (band b = band_at(w, block, 0, w->fill_rows); b.rows > 0;
         b = band_at(w, block, b.first / b.columns + b.rows, w->fill_rows)) {
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
            t->data(fc_at(v, (b.first + r * b.columns) * k->lanes, k->element), w->v_stride,
                    fc_at(tile, r * t->outputs[TILE_HEIGHT] * size[WIDTH] * k->lanes, k->element), size[WIDTH],
                    b.columns);
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
    for (band b = band_at(w, block, 0, w->leave_rows); b.rows > 0;
         b = band_at(w, block, b.first / b.columns + b.rows, w->leave_rows)) {
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

/* All points of one block of tiles and one of filters: u[point][channel][vectors*lanes]. */
static void multiply(const job *j, int64_t group, int64_t block, int64_t filter_block, const void *v, const void *u,
                     void *m, void *buffer) {
    const fc_winograd *w = j->w;
    const fc_kernels *k = j->plan->kernels;
    const int vectors = fc_winograd_vectors(w, k, filter_block);
    const int64_t tiles = tiles_of(w, block), runs = fc_ceil_div(tiles, k->outer_pr), width = vectors * k->lanes;
    for (int64_t point = 0; point < w->points; ++point)
        for (int64_t r = 0; r < runs; ++r) {
            const int64_t tile = tiles * r / runs, count = tiles * (r + 1) / runs - tile;
            k->outer[vectors - 1][count - 1](w->c.channels, fc_at(v, point * w->v_stride + tile * k->lanes, k->element),
                                             w->off, k->lanes, fc_at(u, point * w->c.channels * width, k->element),
                                             fc_at(m, point * w->m_stride + tile * width, k->element), width, 1);
        }
    for (int i = 0; i < vectors; ++i)
        transform_sums(j, group, block, (filter_block * k->outer_vr + i) * k->lanes, fc_at(m, i * k->lanes, k->element),
                       width, buffer);
}

/* The parts of a worker's scratch. */
static void *worker_m(const job *j, int worker) { return j->worker + worker * j->plan->worker_bytes; }
static void *worker_buffer(const job *j, int worker) { return (char *)worker_m(j, worker) + j->w->m_bytes; }
static void *worker_u(const job *j, int worker) { return (char *)worker_buffer(j, worker) + j->w->buffer_bytes; }
static void *worker_v(const job *j, int worker) { return (char *)worker_u(j, worker) + j->w->u_bytes; }

static const void *packed_block(const job *j, int64_t group, int64_t filter_block) {
    const fc_kernels *k = j->plan->kernels;
    return fc_at(j->packed, group * fc_winograd_group_weights(j->w, k) + fc_winograd_weights_at(j->w, k, filter_block),
                 k->element);
}

/* One block of tiles of one group. */
static void block_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t block = index % j->w->blocks, group = index / j->w->blocks;
    void *v = worker_v(j, worker), *buffer = worker_buffer(j, worker);
    for (int64_t c = 0; c < j->w->channel_blocks; ++c) transform_data(j, group, block, c, v, buffer);
    for (int64_t f = 0; f < j->w->filter_blocks; ++f)
        multiply(j, group, block, f, v, packed_block(j, group, f), worker_m(j, worker), buffer);
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

/* One block of filters of one block of tiles; neighbouring tasks read the same U. */
static void filter_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t block = index % j->w->blocks, f = index / j->w->blocks % j->w->filter_blocks;
    const int64_t group = index / j->w->blocks / j->w->filter_blocks;
    multiply(j, group, block, f, shared_v(j, group, block), packed_block(j, group, f), worker_m(j, worker),
             worker_buffer(j, worker));
}

/* One block of filters, whose weights it transforms, of all blocks of tiles. */
static void transient_task(void *ctx, int64_t index, int worker) {
    const job *j = ctx;
    const int64_t f = index % j->w->filter_blocks, group = index / j->w->filter_blocks;
    fc_winograd_pack_block(j->plan, j->weights, group, f, worker_u(j, worker));
    for (int64_t block = 0; block < j->w->blocks; ++block)
        multiply(j, group, block, f, shared_v(j, group, block), worker_u(j, worker), worker_m(j, worker),
                 worker_buffer(j, worker));
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
    const int64_t groups = w->c.groups, tasks = groups * w->filter_blocks;
    if (!w->shared) {
        fc_parallel_for(groups * w->blocks, scratch->threads, block_task, &j);
        return FC_OK;
    }
    fc_parallel_for(groups * w->blocks * w->channel_blocks, scratch->threads, data_task, &j);
    if (w->transient) {
        fc_parallel_for(tasks, scratch->threads, transient_task, &j);
    } else {
        fc_parallel_for(tasks * w->blocks, scratch->threads, filter_task, &j);
    }
    return FC_OK;
}
