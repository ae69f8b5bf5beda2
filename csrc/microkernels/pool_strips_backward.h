/* pool_strips_backward.h: gradients of the pools in pool_strips.h, from x or from indices.
 *
 * The shares of dy that fall on a row are added up before they are spread over the columns; what the last window of a strip
 * gives to its third column is left per row for the strip to its right. Strips whose columns all lie in the plane store
 * whole vectors into dx; others, and all of what goes past the caches, are put together in a tile in scratch with room at
 * both ends, and then copied out: each element of dx is stored once and never cleared or read. Rows in the plane run
 * down a strip without a question; the first and last windows may have rows outside and go apart.
 *
 * Wins over a scatter by saved indices everywhere: that must clear dx, read it, and add to it element by element. */

/* The shares of one row of dx, by the column of their windows. */
typedef struct pool_shares {
    vec column[3];
} pool_shares;

/* What a strip hands on to the next block of rows. */
typedef struct pool_state {
    pool_line top;
    pool_shares carried;
} pool_state;
_Static_assert(sizeof(pool_state) <= FC_POOL_STRIP_STATE * sizeof(vec), "the driver's states have this size");

/* A block of rows of dx in the making: row i is input row `row` + i. */
typedef struct pool_block {
    int64_t row, rows, pitch;
    real *third; /* a vector per row: the strip before's shares of third columns */
    real *tile, *dx;
} pool_block;

/* The strips of a row. The last one may start early, so as to end where the plane does; it is then made first, since what it
 * lacks, its first window's share of the column before, is stored again by its neighbour. */
typedef struct pool_series {
    int64_t count, last;
    int early;
} pool_series;

FC_INLINE pool_series pool_series_of(const fc_pool_strips *at) {
    const int64_t reach = at->in[1] + at->pad[1], strips = (reach + 2 * VLANES - 1) / (2 * VLANES);
    const int alone = strips > 1 && reach - (strips - 1) * 2 * VLANES == 1 && at->out[1] <= (strips - 1) * VLANES;
    const int64_t count = strips - alone, even = (count - 1) * VLANES, last = reach / 2 - VLANES;
    const int early = count > 1 && last < even && 2 * last >= at->pad[1] && at->out[1] <= last + VLANES;
    return (pool_series){count, early ? last : even, early};
}

/* The strip that is made k-th. */
FC_INLINE int64_t pool_series_strip(const pool_series *series, int64_t k) {
    return series->early ? (k == 0 ? series->count - 1 : k - 1) : k;
}
FC_INLINE int64_t pool_series_first(const pool_series *series, int64_t strip) {
    return strip == series->count - 1 ? series->last : strip * VLANES;
}

FC_INLINE pool_block pool_block_at(const fc_pool_strips *at, int64_t from, int64_t to, real *scratch, real *dx) {
    const int64_t first = 2 * from - at->pad[0], row = first < 0 ? 0 : first, next = 2 * to - at->pad[0];
    const int64_t end = to == at->out[0] || next > at->in[0] ? at->in[0] : next;
    const int64_t rows = end > row ? end - row : 0;
    real *tile = scratch + rows * VLANES + VLANES;
    return (pool_block){row, rows, fc_pool_strip_pitch(at, VLANES), scratch, tile, dx};
}

FC_INLINE void pool_row_copy(real *to, const real *from, int64_t count) {
    if (count < VLANES) {
        for (int64_t i = 0; i < count; ++i) to[i] = from[i];
        return;
    }
    for (int64_t i = 0; i + VLANES < count; i += VLANES) vstore(to + i, vload(from + i));
    vstore(to + count - VLANES, vload(from + count - VLANES));
}

/* Rows on their way past the caches are moved together first, in place, so that whole lines are written. */
FC_INLINE void pool_block_stream(const fc_pool_strips *at, const pool_block *block) {
    const int64_t width = at->in[1];
    real *to = block->tile - VLANES;
    for (int64_t i = 0; i < block->rows; ++i) pool_row_copy(to + i * width, block->tile + i * block->pitch, width);
    FC_NAME(fc_pool_stream)(block->dx, to, block->rows * width * (int64_t)sizeof(real));
}

/* Where a strip puts its rows: into dx if its columns lie there, else into the tile, which has room beside them. */
typedef struct pool_target {
    real *dx; /* column `s->column` of row `block->row` */
    real *third;
    int64_t row, third_row;
    int direct;
} pool_target;

FC_INLINE pool_target pool_target_of(const fc_pool_strips *at, const pool_strip *s, const pool_block *block,
                                     int early) {
    pool_target target = {.third = block->third, .third_row = VLANES, .direct = s->whole && !at->stream};
    target.dx = (target.direct ? block->dx : block->tile) + s->column;
    target.row = target.direct ? at->dx_row : block->pitch;
    if (early) {
        target.third += block->rows * VLANES;
        target.third_row = 0;
    }
    if (early || s->first == 0)
        for (int64_t i = 0; i < (early ? 1 : block->rows); ++i) vstore(target.third + i * VLANES, vzero());
    return target;
}

FC_INLINE void pool_target_out(const fc_pool_strips *at, const pool_strip *s, const pool_block *block,
                               const pool_target *target) {
    if (target->direct || at->stream) return;
    const int64_t first = s->column < 0 ? 0 : s->column, end = s->column + 2 * VLANES + s->spill;
    const int64_t count = (end < at->in[1] ? end : at->in[1]) - first;
    for (int64_t i = 0; i < block->rows; ++i)
        pool_row_copy(block->dx + i * at->dx_row + first, block->tile + i * block->pitch + first, count);
}

FC_INLINE void pool_strip_put_at(const int columns, const pool_strip *s, const pool_shares *g, real *p, real *third) {
    vec left = g->column[0];
    if (columns == 3) {
        left = vadd(left, vsplit_before(vload(third), g->column[2]));
        vstore(third, g->column[2]);
    }
    vstore(p, vjoin_low(left, g->column[1]));
    vstore(p + VLANES, vjoin_high(left, g->column[1]));
    if (s->spill) p[2 * VLANES] = columns == 3 ? third[VLANES - 1] : 0;
}

FC_INLINE void pool_strip_put(const int columns, const pool_block *block, const pool_target *target,
                              const pool_strip *s, const pool_shares *g, int64_t row) {
    const int64_t i = row - block->row;
    if (i >= 0 && i < block->rows)
        pool_strip_put_at(columns, s, g, target->dx + i * target->row, target->third + i * target->third_row);
}

/* Outputs whose rows all lie in the plane, first <= h < final. */
typedef struct pool_range {
    int64_t first, final;
} pool_range;

FC_INLINE pool_range pool_rows_inside(const fc_pool_strips *at, int64_t from, int64_t to) {
    const int64_t above = (at->pad[0] + 1) / 2, below = (at->in[0] + at->pad[0] - 1) / 2;
    const int64_t first = from < above ? above : from, final = to > below ? below : to;
    return (pool_range){first < to ? first : to, final > first ? final : first < to ? first : to};
}

FC_INLINE pool_shares pool_line_shares(const int columns, const pool_line *line, vec g) {
    const vec rest = columns == 3 ? vdrop(line->third, g) : g;
    return (pool_shares){
        {vdrop(line->second, rest), vkeep(line->second, rest), columns == 3 ? vkeep(line->third, g) : vzero()}};
}

FC_INLINE vec pool_strip_gradient(const pool_strip *s, const real *p, int64_t ahead) {
    vprefetch(p + ahead);
    return vsplit(s->count == VLANES ? vload(p) : vload_span(p, s->outputs, vzero()));
}

/* What one output row leaves to the next, and what was noticed so far. */
typedef struct pool_descent {
    pool_line top;
    vec carried, least;
    vmask unsure;
} pool_descent;

/* The shares of two rows of dx: those of `top` and `middle`, where g is the gradient of the windows over them and `bottom`. */
FC_INLINE void pool_window_shares(const int rows, const int columns, const pool_line *middle, const pool_line *bottom,
                                  vec g, pool_descent *down, pool_shares *high, pool_shares *low) {
    const vmask lower = vgt(middle->best, down->top.best);
    vec best = vmax(middle->best, down->top.best), above = g, below = vzero();
    if (rows == 3) {
        const vmask lowest = vgt(bottom->best, best);
        best = vmax(bottom->best, best);
        above = vdrop(lowest, g);
        below = vkeep(lowest, g);
    }
    down->least = vmin(best, down->least);
    *high = pool_line_shares(columns, &down->top, vadd(down->carried, vdrop(lower, above)));
    *low = pool_line_shares(columns, middle, vkeep(lower, above));
    down->carried = below;
    down->top = *bottom;
}

FC_INLINE void pool_strip_run(const int rows, const int columns, const int whole, const fc_pool_strips *at,
                              const pool_strip *s, const real *x, const real *dy, int64_t h, int64_t final,
                              pool_descent *down, const pool_block *block, const pool_target *target) {
    const int64_t row = 2 * h - at->pad[0], x_row = at->x_row, dy_row = at->dy_row, dx_row = target->row;
    const int64_t x_ahead = at->x_ahead, dy_ahead = at->dy_ahead, third_row = target->third_row;
    const real *p = x + row * x_row + s->column, *g = dy + h * dy_row + s->first;
    real *d = target->dx + (row - block->row) * dx_row, *third = target->third + (row - block->row) * third_row;
    for (; h < final; ++h, p += 2 * x_row, g += dy_row, d += 2 * dx_row, third += 2 * third_row) {
        const pool_line middle = pool_strip_line_at(columns, whole, s, p + x_row, x_ahead, &down->unsure);
        const pool_line bottom = pool_strip_line_at(columns, whole, s, p + 2 * x_row, x_ahead, &down->unsure);
        pool_shares high, low;
        pool_window_shares(rows, columns, &middle, &bottom, pool_strip_gradient(s, g, dy_ahead), down, &high, &low);
        pool_strip_put_at(columns, s, &high, d, third);
        pool_strip_put_at(columns, s, &low, d + dx_row, third + third_row);
    }
}

/* The same where rows may lie outside the plane. */
static __attribute__((noinline)) void pool_strip_ends(const int rows, const int columns, const fc_pool_strips *at,
                                                      const pool_strip *s, const real *x, const real *dy, int64_t h,
                                                      int64_t final, pool_descent *down, const pool_block *block,
                                                      const pool_target *target) {
    for (; h < final; ++h) {
        const int64_t row = 2 * h - at->pad[0];
        const pool_line middle = pool_strip_line(columns, at, s, x, row + 1, &down->unsure);
        const pool_line bottom = pool_strip_line(columns, at, s, x, row + 2, &down->unsure);
        const vec g = pool_strip_gradient(s, dy + h * at->dy_row + s->first, at->dy_ahead);
        pool_shares high, low;
        pool_window_shares(rows, columns, &middle, &bottom, g, down, &high, &low);
        pool_strip_put(columns, block, target, s, &high, row);
        pool_strip_put(columns, block, target, s, &low, row + 1);
    }
}

FC_INLINE int pool_strip_backward(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                  const real *x, const real *dy, int64_t from, int64_t to, pool_state *state,
                                  const pool_block *block, const pool_target *target) {
    const vec none = vbroadcast(-(real)INFINITY);
    const pool_range inside = pool_rows_inside(at, from, to);
    pool_descent down = {state->top, state->carried.column[0], vbroadcast((real)INFINITY), vgt(none, none)};
    if (!from) {
        down.top = pool_strip_line(columns, at, s, x, -at->pad[0], &down.unsure);
        down.carried = vzero();
    }
    if (from < inside.first) pool_strip_ends(rows, columns, at, s, x, dy, from, inside.first, &down, block, target);
    if (s->whole) {
        pool_strip_run(rows, columns, 1, at, s, x, dy, inside.first, inside.final, &down, block, target);
    } else {
        pool_strip_run(rows, columns, 0, at, s, x, dy, inside.first, inside.final, &down, block, target);
    }
    if (inside.final < to) pool_strip_ends(rows, columns, at, s, x, dy, inside.final, to, &down, block, target);
    if (to == at->out[0]) {
        pool_shares last = pool_line_shares(columns, &down.top, down.carried);
        for (int64_t row = 2 * to - at->pad[0]; row < at->in[0]; ++row) {
            pool_strip_put(columns, block, target, s, &last, row);
            last = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    }
    state->top = down.top;
    state->carried.column[0] = down.carried;
    return !vany(vor(down.unsure, vand(s->valid, veq(down.least, none))));
}

static int FC_NAME(fc_pool_strips_backward)(const fc_pool_strips *at, const void *x, const void *dy, int64_t from,
                                            int64_t to, void *states_, void *scratch, void *dx) {
    const pool_block block = pool_block_at(at, from, to, scratch, dx);
    const pool_series series = pool_series_of(at);
    pool_state *states = states_;
    int fine = 1;
    for (int64_t k = 0; k < series.count; ++k) {
        const int64_t i = pool_series_strip(&series, k);
        const pool_strip s = pool_strip_at(at, pool_series_first(&series, i));
        const pool_target target = pool_target_of(at, &s, &block, series.early && k == 0);
#define CALL(ROWS, COLUMNS) pool_strip_backward(ROWS, COLUMNS, at, &s, x, dy, from, to, &states[i], &block, &target)
        fine &= FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
        pool_target_out(at, &s, &block, &target);
    }
    if (at->stream) pool_block_stream(at, &block);
    return fine;
}

/* Indices that lie in their own window say which of its elements was the largest; others are left to a scatter. An index
 * less that of the window's first element is row*width + column, and rows are at least three columns wide. */
typedef struct pool_search {
    vplace column[3]; /* in lanes whose column lies outside the plane, what no index is */
    vplace last, width, odd;
    vmask strange;
    pool_shares carried;
} pool_search;

FC_INLINE void pool_found_shares(const int rows, const int columns, const pool_strip *s, vplace place, vec g,
                                 pool_search *found, pool_shares *high, pool_shares *low) {
    const vmask never = vgt(g, g), beyond = vplace_gt(place, found->last);
    place = vplace_less(place, beyond, found->width);
    vmask lowest = never;
    if (rows == 3) {
        lowest = vplace_gt(place, found->last);
        place = vplace_less(place, lowest, found->width);
    }
    const vmask first = vplace_eq(place, found->column[0]), second = vplace_eq(place, found->column[1]);
    const vmask third = columns == 3 ? vplace_eq(place, found->column[2]) : never;
    found->strange = vor(found->strange, vandnot(s->valid, vor(vor(first, second), third)));
    const vec below = vkeep(beyond, g), share[3] = {vdrop(beyond, g), vdrop(lowest, below), vkeep(lowest, below)};
    const vec *carried = found->carried.column;
    *high = (pool_shares){{vadd(carried[0], vkeep(first, share[0])), vadd(carried[1], vkeep(second, share[0])),
                           vadd(carried[2], vkeep(third, share[0]))}};
    *low = (pool_shares){{vkeep(first, share[1]), vkeep(second, share[1]), vkeep(third, share[1])}};
    if (rows == 3)
        found->carried = (pool_shares){{vkeep(first, share[2]), vkeep(second, share[2]), vkeep(third, share[2])}};
}

FC_INLINE void pool_search_run(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                               const int64_t *index, const real *dy, int64_t h, int64_t final, pool_search *found,
                               const pool_block *block, const pool_target *target) {
    const int64_t row = 2 * h - at->pad[0], index_row = at->index_row, dy_row = at->dy_row, dx_row = target->row;
    const int64_t index_ahead = at->index_ahead, dy_ahead = at->dy_ahead, third_row = target->third_row;
    const int64_t *p = index + h * index_row + s->first;
    const real *g = dy + h * dy_row + s->first;
    real *d = target->dx + (row - block->row) * dx_row, *third = target->third + (row - block->row) * third_row;
    int64_t base = at->place + row * at->in[1] + s->column;
    for (; h < final;
         ++h, p += index_row, g += dy_row, d += 2 * dx_row, third += 2 * third_row, base += 2 * at->in[1]) {
        vprefetch((const real *)(p + index_ahead));
        const vplace place = vplace_load(p, base, s->count, &found->odd);
        pool_shares high, low;
        pool_found_shares(rows, columns, s, place, pool_strip_gradient(s, g, dy_ahead), found, &high, &low);
        pool_strip_put_at(columns, s, &high, d, third);
        pool_strip_put_at(columns, s, &low, d + dx_row, third + third_row);
    }
}

/* The same where rows may lie outside the plane: no index may point there. */
static __attribute__((noinline)) void pool_search_ends(const int rows, const int columns, const fc_pool_strips *at,
                                                       const pool_strip *s, const int64_t *index, const real *dy,
                                                       int64_t h, int64_t final, pool_search *found,
                                                       const pool_block *block, const pool_target *target) {
    for (; h < final; ++h) {
        const int64_t row = 2 * h - at->pad[0], base = at->place + row * at->in[1] + s->column;
        const vec g = pool_strip_gradient(s, dy + h * at->dy_row + s->first, at->dy_ahead);
        const vplace place = s->count ? vplace_load(index + h * at->index_row + s->first, base, s->count, &found->odd)
                                      : vplace_nowhere();
        const vmask beyond = vplace_gt(place, found->last);
        const vmask lowest = vplace_gt(vplace_less(place, beyond, found->width), found->last);
        vmask strange = vgt(g, g);
        if (row < 0) strange = vor(strange, vandnot(s->valid, beyond));
        if (row < -1 || row + 1 >= at->in[0]) strange = vor(strange, vandnot(beyond, lowest));
        if (row + 2 >= at->in[0]) strange = vor(strange, lowest);
        found->strange = vor(found->strange, vand(s->valid, strange));
        pool_shares high, low;
        pool_found_shares(rows, columns, s, place, g, found, &high, &low);
        pool_strip_put(columns, block, target, s, &high, row);
        pool_strip_put(columns, block, target, s, &low, row + 1);
    }
}

FC_INLINE int pool_strip_scatter(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                 const int64_t *index, const real *dy, int64_t from, int64_t to, pool_state *state,
                                 const pool_block *block, const pool_target *target) {
    const pool_range inside = pool_rows_inside(at, from, to);
    pool_search found = {.last = vplace_all((int)at->in[1] - 1),
                         .width = vplace_all((int)at->in[1]),
                         .odd = vplace_all(0),
                         .strange = vgt(vzero(), vzero()),
                         .carried = {{vzero(), vzero(), vzero()}}};
    for (int c = 0; c < columns; ++c) {
        const vmask lanes = pool_lanes((1 - s->column - c) >> 1, (1 + at->in[1] - s->column - c) >> 1);
        found.column[c] = vplace_select(lanes, vplace_all(c), vplace_nowhere());
    }
    if (from) found.carried = state->carried;
    if (from < inside.first)
        pool_search_ends(rows, columns, at, s, index, dy, from, inside.first, &found, block, target);
    pool_search_run(rows, columns, at, s, index, dy, inside.first, inside.final, &found, block, target);
    if (inside.final < to) pool_search_ends(rows, columns, at, s, index, dy, inside.final, to, &found, block, target);
    if (to == at->out[0])
        for (int64_t row = 2 * to - at->pad[0]; row < at->in[0]; ++row) {
            pool_strip_put(columns, block, target, s, &found.carried, row);
            found.carried = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    state->carried = found.carried;
    return !vany(vor(found.strange, vand(s->valid, vplace_odd(found.odd))));
}

static int FC_NAME(fc_pool_strips_scatter)(const fc_pool_strips *at, const int64_t *index, const void *dy, int64_t from,
                                           int64_t to, void *states_, void *scratch, void *dx) {
    const pool_block block = pool_block_at(at, from, to, scratch, dx);
    const pool_series series = pool_series_of(at);
    pool_state *states = states_;
    int fine = 1;
    for (int64_t k = 0; k < series.count; ++k) {
        const int64_t i = pool_series_strip(&series, k);
        const pool_strip s = pool_strip_at(at, pool_series_first(&series, i));
        const pool_target target = pool_target_of(at, &s, &block, series.early && k == 0);
#define CALL(ROWS, COLUMNS) pool_strip_scatter(ROWS, COLUMNS, at, &s, index, dy, from, to, &states[i], &block, &target)
        fine &= FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
        pool_target_out(at, &s, &block, &target);
    }
    if (at->stream) pool_block_stream(at, &block);
    return fine;
}
