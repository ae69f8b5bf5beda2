/* pool_strips_backward.h: gradients of the pools in pool_strips.h, from x or from indices.
 *
 * The shares of dy that fall on a row are added up before they are spread over the columns; what the last window of a strip
 * gives to its third column is left per row for the strip to its right. A block of rows of dx is put together in a tile in
 * scratch with room at both ends, where every store is a whole vector, and then copied out: each element of dx is stored
 * once and never cleared or read.
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
    real *dx;
} pool_block;

/* As many strips as cover every column, but none for the last column alone. */
FC_INLINE int64_t pool_strip_count(const int columns, const fc_pool_strips *at) {
    const int64_t reach = at->in[1] + at->pad[1], count = (reach + 2 * VLANES - 1) / (2 * VLANES);
    const int alone = columns == 3 && count > 1 && reach - (count - 1) * 2 * VLANES == 1;
    return alone && at->out[1] <= (count - 1) * VLANES ? count - 1 : count;
}

FC_INLINE pool_block pool_block_at(const fc_pool_strips *at, int64_t from, int64_t to, real *scratch) {
    const int64_t first = 2 * from - at->pad[0], row = first < 0 ? 0 : first, next = 2 * to - at->pad[0];
    const int64_t end = to == at->out[0] || next > at->in[0] ? at->in[0] : next;
    const int64_t rows = end > row ? end - row : 0;
    return (pool_block){row, rows, fc_pool_strip_pitch(at, VLANES), scratch, scratch + rows * VLANES + VLANES};
}

FC_INLINE void pool_row_copy(real *to, const real *from, int64_t count) {
    if (count < VLANES) {
        memmove(to, from, (size_t)count * sizeof(real));
        return;
    }
    for (int64_t i = 0; i + VLANES < count; i += VLANES) vstore(to + i, vload(from + i));
    vstore(to + count - VLANES, vload(from + count - VLANES));
}

/* Rows on their way past the caches are moved together first, in place, so that whole lines are written. */
FC_INLINE void pool_block_out(const fc_pool_strips *at, const pool_block *tile, real *dx) {
    const int64_t width = at->in[1];
    real *to = at->stream ? tile->dx - VLANES : dx;
    for (int64_t i = 0; i < tile->rows; ++i)
        pool_row_copy(to + i * (at->stream ? width : at->dx_row), tile->dx + i * tile->pitch, width);
    if (at->stream) FC_NAME(fc_pool_stream)(dx, to, tile->rows * width * (int64_t)sizeof(real));
}

FC_INLINE void pool_strip_put(const int columns, const pool_block *tile, const pool_strip *s, const pool_shares *g,
                              int64_t row) {
    const int64_t i = row - tile->row;
    if (i < 0 || i >= tile->rows) return;
    real *p = tile->dx + i * tile->pitch + s->column;
    vec left = g->column[0];
    if (columns == 3) {
        real *third = tile->third + i * VLANES;
        left = vadd(left, vbefore(s->first ? vload(third) : vzero(), g->column[2]));
        vstore(third, g->column[2]);
        if (s->spill) vstore(p + 2 * VLANES, vbefore(g->column[2], vzero()));
    }
    vstore(p, vziplow(left, g->column[1]));
    vstore(p + VLANES, vziphigh(left, g->column[1]));
}

FC_INLINE pool_shares pool_line_shares(const int columns, const pool_line *line, vec g) {
    const vec rest = columns == 3 ? vdrop(line->third, g) : g;
    return (pool_shares){
        {vdrop(line->second, rest), vkeep(line->second, rest), columns == 3 ? vkeep(line->third, g) : vzero()}};
}

FC_INLINE vec pool_strip_gradient(const fc_pool_strips *at, const pool_strip *s, const real *dy, int64_t h) {
    const real *p = dy + h * at->dy_row + s->first;
    return s->count == VLANES ? vload(p) : vload_span(p, s->outputs, vzero());
}

FC_INLINE int pool_strip_backward(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                  const real *x, const real *dy, int64_t from, int64_t to, pool_state *state,
                                  const pool_block *tile) {
    const vec none = vbroadcast(-(real)INFINITY);
    vmask unsure = vgt(none, none);
    vec least = vbroadcast((real)INFINITY);
    int64_t row = 2 * from - at->pad[0];
    pool_line top = from ? state->top : pool_strip_line(columns, at, s, x, row, &unsure);
    vec carried = from ? state->carried.column[0] : vzero();
    for (int64_t h = from; h < to; ++h, row += 2) {
        const pool_line middle = pool_strip_line(columns, at, s, x, row + 1, &unsure);
        const vec g = pool_strip_gradient(at, s, dy, h);
        const vmask lower = vgt(middle.best, top.best);
        vec best = vmax(middle.best, top.best), above = g, below = vzero();
        const pool_line bottom = pool_strip_line(columns, at, s, x, row + 2, &unsure);
        if (rows == 3) {
            const vmask lowest = vgt(bottom.best, best);
            best = vmax(bottom.best, best);
            above = vdrop(lowest, g);
            below = vkeep(lowest, g);
        }
        least = vmin(best, least);
        const pool_shares high = pool_line_shares(columns, &top, vadd(carried, vdrop(lower, above)));
        pool_strip_put(columns, tile, s, &high, row);
        const pool_shares low = pool_line_shares(columns, &middle, vkeep(lower, above));
        pool_strip_put(columns, tile, s, &low, row + 1);
        carried = below;
        top = bottom;
    }
    if (to == at->out[0]) {
        pool_shares last = pool_line_shares(columns, &top, carried);
        for (; row < at->in[0]; ++row) {
            pool_strip_put(columns, tile, s, &last, row);
            last = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    }
    state->top = top;
    state->carried.column[0] = carried;
    return !vany(vor(unsure, vand(s->valid, veq(least, none))));
}

static int FC_NAME(fc_pool_strips_backward)(const fc_pool_strips *at, const void *x, const void *dy, int64_t from,
                                            int64_t to, void *states_, void *scratch, void *dx) {
    const pool_block tile = pool_block_at(at, from, to, scratch);
    pool_state *states = states_;
    const int64_t count = pool_strip_count((int)at->kernel[1], at);
    int fine = 1;
    for (int64_t i = 0; i < count; ++i) {
        const pool_strip s = pool_strip_at(at, i * VLANES);
#define CALL(ROWS, COLUMNS) pool_strip_backward(ROWS, COLUMNS, at, &s, x, dy, from, to, &states[i], &tile)
        fine &= FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
    }
    pool_block_out(at, &tile, dx);
    return fine;
}

/* Lanes of `lanes` that lie in a row beyond the plane. */
FC_INLINE vmask pool_outside(const fc_pool_strips *at, int64_t row, vmask lanes) {
    return row < 0 || row >= at->in[0] ? lanes : vgt(vzero(), vzero());
}

/* Indices that lie in their own window say which of its elements was the largest; others are left to a scatter. An index
 * less that of the window's first element is row*width + column, and rows are at least three columns wide. */
FC_INLINE int pool_strip_scatter(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                 const int64_t *index, const real *dy, int64_t from, int64_t to, pool_state *state,
                                 const pool_block *tile) {
    const vec twice = vadd(pool_ramp(), pool_ramp()), width = vbroadcast((real)at->in[1]);
    const vec last = vbroadcast((real)at->in[1] - (real)0.5);
    /* Lanes whose column lies outside the plane match no index. */
    const vec nowhere = vbroadcast((real)NAN);
    vec column[3];
    for (int c = 0; c < columns; ++c) {
        const vmask inside = pool_lanes((1 - s->column - c) >> 1, (1 + at->in[1] - s->column - c) >> 1);
        column[c] = vselect(inside, vbroadcast((real)c), nowhere);
    }
    const vmask never = vgt(nowhere, nowhere);
    vmask strange = never;
    pool_shares carried = {{vzero(), vzero(), vzero()}};
    if (from) carried = state->carried;
    int64_t row = 2 * from - at->pad[0];
    for (int64_t h = from; h < to; ++h, row += 2) {
        const vec g = pool_strip_gradient(at, s, dy, h);
        vec place = vzero();
        if (s->count)
            place = vsub(
                vload_whole(index + h * at->index_row + s->first, at->place + row * at->in[1] + s->column, s->count),
                twice);
        const vmask beyond = vgt(place, last);
        place = vsub(place, vkeep(beyond, width));
        vmask lowest = never;
        if (rows == 3) {
            lowest = vgt(place, last);
            place = vsub(place, vkeep(lowest, width));
        }
        const vmask first = veq(place, column[0]), second = veq(place, column[1]);
        const vmask third = columns == 3 ? veq(place, column[2]) : never;
        strange = vor(strange, vandnot(s->valid, vor(vor(first, second), third)));
        if (row < 0 || row + rows > at->in[0]) {
            if (row < 0) strange = vor(strange, vandnot(s->valid, beyond));
            if (row < -1 || row + 1 >= at->in[0]) strange = vor(strange, vand(s->valid, vandnot(beyond, lowest)));
            if (row + 2 >= at->in[0]) strange = vor(strange, vand(s->valid, lowest));
        }
        const vec low = vkeep(beyond, g), share[3] = {vdrop(beyond, g), vdrop(lowest, low), vkeep(lowest, low)};
        const pool_shares high = {{vadd(carried.column[0], vkeep(first, share[0])),
                                   vadd(carried.column[1], vkeep(second, share[0])),
                                   vadd(carried.column[2], vkeep(third, share[0]))}};
        pool_strip_put(columns, tile, s, &high, row);
        const pool_shares middle = {{vkeep(first, share[1]), vkeep(second, share[1]), vkeep(third, share[1])}};
        pool_strip_put(columns, tile, s, &middle, row + 1);
        if (rows == 3)
            carried = (pool_shares){{vkeep(first, share[2]), vkeep(second, share[2]), vkeep(third, share[2])}};
    }
    if (to == at->out[0])
        for (; row < at->in[0]; ++row) {
            pool_strip_put(columns, tile, s, &carried, row);
            carried = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    state->carried = carried;
    return !vany(strange);
}

static int FC_NAME(fc_pool_strips_scatter)(const fc_pool_strips *at, const int64_t *index, const void *dy, int64_t from,
                                           int64_t to, void *states_, void *scratch, void *dx) {
    const pool_block tile = pool_block_at(at, from, to, scratch);
    pool_state *states = states_;
    const int64_t count = pool_strip_count((int)at->kernel[1], at);
    int fine = 1;
    for (int64_t i = 0; i < count; ++i) {
        const pool_strip s = pool_strip_at(at, i * VLANES);
#define CALL(ROWS, COLUMNS) pool_strip_scatter(ROWS, COLUMNS, at, &s, index, dy, from, to, &states[i], &tile)
        fine &= FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
    }
    pool_block_out(at, &tile, dx);
    return fine;
}
