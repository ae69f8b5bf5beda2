/* pool_strips.h: max pools of 2 or 3 rows and columns with stride 2 and any border over unit-step rows, forward, with
 * indices, and backward.
 *
 * A strip is one vector of neighbouring windows; it runs down the plane with everything in registers. The maximum is
 * separable, and so is its place: the first maximum in reading order is the first one along the width in the first row that
 * holds it. Every input row is therefore reduced along the width once, into the maxima of its windows and the lanes where
 * the second or third column wins, and serves the windows above and below it. Backward, the shares of dy that fall on a
 * row are added up before they are spread over the columns, so dx is stored once and never cleared or read.
 *
 * Even and odd columns are separated by veven and vodd; columns outside the plane are -infinity. NaN, and windows whose
 * maximum is -infinity, which a border equals, are noticed and left to the general kernels.
 *
 * Wins over a search per window everywhere: a scalar search costs about nine comparisons a window, this about four vector
 * instructions; a scatter by saved indices must clear dx, read it, and add to it element by element. */

typedef struct pool_strip {
    int64_t first;     /* window of lane 0 */
    int64_t column;    /* its first column, perhaps before the plane */
    int whole;         /* all 2*VLANES columns from there lie in the plane */
    vspan left, right; /* those that do, of the first and the second vector */
    int next;          /* whether column + 2*VLANES does too */
    int spill;         /* and ends the plane: then no further strip is made for it alone */
    int count;         /* lanes that are outputs, perhaps none, */
    vspan outputs;
    vmask valid;
} pool_strip;

/* One row of the input under a strip: the maxima of its windows, and where their second and third column hold them. */
typedef struct pool_line {
    vec best;
    vmask second, third;
} pool_line;

FC_INLINE vmask pool_lanes(int64_t from, int64_t to) {
    return vgt(vload_span((const real[VLANES]){[0 ... VLANES - 1] = 1}, vspan_of(from, to), vzero()), vzero());
}

FC_INLINE pool_strip pool_strip_at(const fc_pool_strips *at, int64_t first) {
    const int64_t column = 2 * first - at->pad[1], columns = at->in[1] - column, outputs = at->out[1] - first;
    return (pool_strip){
        .first = first,
        .column = column,
        .whole = column >= 0 && columns >= 2 * VLANES,
        .left = vspan_of(-column, columns),
        .right = vspan_of(-column - VLANES, columns - VLANES),
        .next = columns > 2 * VLANES,
        .spill = at->kernel[1] == 3 && columns == 2 * VLANES + 1 && outputs <= VLANES,
        .count = outputs < 0        ? 0
                 : outputs < VLANES ? (int)outputs
                                    : VLANES,
        .outputs = vspan_of(0, outputs),
        .valid = pool_lanes(0, outputs),
    };
}

FC_INLINE pool_line pool_no_line(void) {
    const vmask never = vgt(vzero(), vzero());
    return (pool_line){vbroadcast(-(real)INFINITY), never, never};
}

FC_INLINE pool_line pool_strip_line(const int columns, const fc_pool_strips *at, const pool_strip *s, const real *x,
                                    int64_t row, vmask *unsure) {
    if (row < 0 || row >= at->in[0]) return pool_no_line();
    const vec none = vbroadcast(-(real)INFINITY);
    const real *p = x + row * at->x_row + s->column;
    const vec low = s->whole ? vload(p) : vload_span(p, s->left, none);
    const vec high = s->whole ? vload(p + VLANES) : vload_span(p + VLANES, s->right, none);
    const vec left = veven(low, high), right = vodd(low, high);
    *unsure = vor(*unsure, vunordered(left, right));
    pool_line line = {vmax(right, left), vgt(right, left), vgt(none, none)};
    if (columns == 3) {
        const vec last = s->next ? vbroadcast(p[2 * VLANES]) : none;
        const vec third = vafter(left, last);
        *unsure = vor(*unsure, vnan(last));
        line.third = vgt(third, line.best);
        line.best = vmax(third, line.best);
    }
    return line;
}

FC_INLINE vec pool_line_column(const int columns, const pool_line *line, real offset) {
    const vec place = vselect(line->second, vbroadcast(offset + 1), vbroadcast(offset));
    return columns == 3 ? vselect(line->third, vbroadcast(offset + 2), place) : place;
}

FC_INLINE int pool_strips_body(const int rows, const int columns, const int indexed, const fc_pool_strips *at,
                               const real *x, int64_t from, int64_t to, real *y, int64_t *index) {
    const vec none = vbroadcast(-(real)INFINITY), twice = vadd(pool_ramp(), pool_ramp());
    const real width = (real)at->in[1];
    vmask unsure = vgt(none, none);
    for (int64_t first = 0; first < at->out[1]; first += VLANES) {
        const pool_strip s = pool_strip_at(at, first);
        int64_t row = 2 * from - at->pad[0];
        pool_line top = pool_strip_line(columns, at, &s, x, row, &unsure);
        for (int64_t h = from; h < to; ++h, row += 2) {
            const pool_line middle = pool_strip_line(columns, at, &s, x, row + 1, &unsure);
            const pool_line bottom = pool_strip_line(columns, at, &s, x, row + 2, &unsure);
            const vmask lower = vgt(middle.best, top.best);
            vec best = vmax(middle.best, top.best), place = vzero();
            if (indexed)
                place = vselect(lower, pool_line_column(columns, &middle, width), pool_line_column(columns, &top, 0));
            if (rows == 3) {
                if (indexed)
                    place = vselect(vgt(bottom.best, best), pool_line_column(columns, &bottom, 2 * width), place);
                best = vmax(bottom.best, best);
            }
            unsure = vor(unsure, vand(s.valid, veq(best, none)));
            real *to_y = y + (h - from) * at->y_row + first;
            if (s.count == VLANES) {
                vstore(to_y, best);
            } else {
                vstore_span(to_y, best, s.outputs);
            }
            if (indexed)
                vstore_whole(index + (h - from) * at->index_row + first, vadd(place, twice),
                             at->place + row * at->in[1] + s.column, s.count);
            top = bottom;
        }
    }
    return !vany(unsure);
}

/* CALL(rows, columns) with the kernel's size as compile-time constants. */
#define FC_POOL_STRIP_KERNEL(AT, CALL)                                                                                 \
    ((AT)->kernel[0] == 2 ? ((AT)->kernel[1] == 2 ? CALL(2, 2) : CALL(2, 3))                                           \
                          : ((AT)->kernel[1] == 2 ? CALL(3, 2) : CALL(3, 3)))

static int FC_NAME(fc_pool_strips)(const fc_pool_strips *at, const void *x, int64_t from, int64_t to, void *y,
                                   int64_t *index) {
    if (index) {
#define CALL(ROWS, COLUMNS) pool_strips_body(ROWS, COLUMNS, 1, at, x, from, to, y, index)
        return FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
    }
#define CALL(ROWS, COLUMNS) pool_strips_body(ROWS, COLUMNS, 0, at, x, from, to, y, NULL)
    return FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
}

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

/* Where three columns overlap, a strip begins with the last window of the one to its left, which knows all that falls on
 * that window's columns: strips are worked on from right to left, so that its stores come last. */
FC_INLINE int64_t pool_strip_step(const int columns) { return columns == 3 ? VLANES - 1 : VLANES; }

FC_INLINE int64_t pool_strip_count(const int columns, const fc_pool_strips *at) {
    const int64_t windows = (at->in[1] + at->pad[1] + 1) / 2, step = pool_strip_step(columns);
    const int64_t beyond = windows > VLANES ? windows - VLANES : 0, count = 1 + (beyond + step - 1) / step;
    return count > 1 && pool_strip_at(at, (count - 2) * step).spill ? count - 1 : count;
}

FC_INLINE void pool_strip_put(const int columns, const fc_pool_strips *at, const pool_strip *s, const pool_shares *g,
                              real *dx, int64_t row) {
    if (row < 0 || row >= at->in[0]) return;
    real *p = dx + (row - at->dx_from) * at->dx_row + s->column;
    const vec left = columns == 3 ? vadd(g->column[0], vbefore(vzero(), g->column[2])) : g->column[0];
    const vec low = vziplow(left, g->column[1]), high = vziphigh(left, g->column[1]);
    if (s->whole) {
        vstore(p, low);
        vstore(p + VLANES, high);
    } else {
        vstore_span(p, low, s->left);
        vstore_span(p + VLANES, high, s->right);
    }
    if (columns == 3 && s->spill) {
        real lanes[VLANES];
        vstore(lanes, g->column[2]);
        p[2 * VLANES] = lanes[VLANES - 1];
    }
}

FC_INLINE pool_shares pool_line_shares(const int columns, const pool_line *line, vec g) {
    const vec rest = columns == 3 ? vselect(line->third, vzero(), g) : g;
    return (pool_shares){{vselect(line->second, vzero(), rest), vselect(line->second, rest, vzero()),
                          columns == 3 ? vselect(line->third, g, vzero()) : vzero()}};
}

FC_INLINE vec pool_strip_gradient(const fc_pool_strips *at, const pool_strip *s, const real *dy, int64_t h) {
    const real *p = dy + h * at->dy_row + s->first;
    return s->count == VLANES ? vload(p) : vload_span(p, s->outputs, vzero());
}

FC_INLINE int pool_strip_backward(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                  const real *x, const real *dy, int64_t from, int64_t to, pool_state *state,
                                  real *dx) {
    const vec none = vbroadcast(-(real)INFINITY);
    vmask unsure = vgt(none, none);
    int64_t row = 2 * from - at->pad[0];
    pool_line top = from ? state->top : pool_strip_line(columns, at, s, x, row, &unsure);
    vec carried = from ? state->carried.column[0] : vzero();
    for (int64_t h = from; h < to; ++h, row += 2) {
        const pool_line middle = pool_strip_line(columns, at, s, x, row + 1, &unsure);
        const pool_line bottom = pool_strip_line(columns, at, s, x, row + 2, &unsure);
        const vec g = pool_strip_gradient(at, s, dy, h);
        const vmask lower = vgt(middle.best, top.best);
        vec best = vmax(middle.best, top.best), above = g, below = vzero();
        if (rows == 3) {
            const vmask lowest = vgt(bottom.best, best);
            best = vmax(bottom.best, best);
            above = vselect(lowest, vzero(), g);
            below = vselect(lowest, g, vzero());
        }
        unsure = vor(unsure, vand(s->valid, veq(best, none)));
        const pool_shares high = pool_line_shares(columns, &top, vadd(carried, vselect(lower, vzero(), above)));
        const pool_shares low = pool_line_shares(columns, &middle, vselect(lower, above, vzero()));
        pool_strip_put(columns, at, s, &high, dx, row);
        pool_strip_put(columns, at, s, &low, dx, row + 1);
        carried = below;
        top = bottom;
    }
    if (to == at->out[0]) {
        pool_shares last = pool_line_shares(columns, &top, carried);
        for (; row < at->in[0]; ++row) {
            pool_strip_put(columns, at, s, &last, dx, row);
            last = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    }
    state->top = top;
    state->carried.column[0] = carried;
    return !vany(unsure);
}

FC_INLINE int pool_strips_backward_body(const int rows, const int columns, const fc_pool_strips *at, const real *x,
                                        const real *dy, int64_t from, int64_t to, pool_state *states, real *dx) {
    int fine = 1;
    for (int64_t i = pool_strip_count(columns, at) - 1; i >= 0; --i) {
        const pool_strip s = pool_strip_at(at, i * pool_strip_step(columns));
        fine &= pool_strip_backward(rows, columns, at, &s, x, dy, from, to, &states[i], dx);
    }
    return fine;
}

static int FC_NAME(fc_pool_strips_backward)(const fc_pool_strips *at, const void *x, const void *dy, int64_t from,
                                            int64_t to, void *states, void *dx) {
#define CALL(ROWS, COLUMNS) pool_strips_backward_body(ROWS, COLUMNS, at, x, dy, from, to, states, dx)
    return FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
}

/* Indices that lie in their own window say which of its elements was the largest; others are left to a scatter. */
FC_INLINE int pool_strip_scatter(const int rows, const int columns, const fc_pool_strips *at, const pool_strip *s,
                                 const int64_t *index, const real *dy, int64_t from, int64_t to, pool_state *state,
                                 real *dx) {
    const vec twice = vadd(pool_ramp(), pool_ramp());
    /* Lanes whose column lies outside the plane match no index. */
    const vec nowhere = vbroadcast((real)NAN);
    vec column[3];
    for (int c = 0; c < columns; ++c) {
        const vmask inside = pool_lanes((1 - s->column - c) >> 1, (1 + at->in[1] - s->column - c) >> 1);
        column[c] = vselect(inside, vadd(twice, vbroadcast((real)c)), nowhere);
    }
    vmask strange = vgt(nowhere, nowhere);
    pool_shares carried = {{vzero(), vzero(), vzero()}};
    if (from) carried = state->carried;
    int64_t row = 2 * from - at->pad[0];
    for (int64_t h = from; h < to; ++h, row += 2) {
        const vec g = pool_strip_gradient(at, s, dy, h);
        const vec place = s->count ? vload_whole(index + h * at->index_row + s->first,
                                                 at->place + row * at->in[1] + s->column, s->count)
                                   : vzero();
        vmask left = s->valid;
        pool_shares share[3];
        for (int r = 0; r < rows; ++r) {
            const int inside = row + r >= 0 && row + r < at->in[0];
            const vec relative = inside ? vsub(place, vbroadcast((real)(r * at->in[1]))) : nowhere;
            for (int c = 0; c < columns; ++c) {
                const vmask here = veq(relative, column[c]);
                left = vandnot(left, here);
                share[r].column[c] = vselect(here, g, vzero());
            }
        }
        strange = vor(strange, left);
        for (int c = 0; c < columns; ++c) share[0].column[c] = vadd(carried.column[c], share[0].column[c]);
        pool_strip_put(columns, at, s, &share[0], dx, row);
        pool_strip_put(columns, at, s, &share[1], dx, row + 1);
        if (rows == 3) carried = share[2];
    }
    if (to == at->out[0])
        for (; row < at->in[0]; ++row) {
            pool_strip_put(columns, at, s, &carried, dx, row);
            carried = (pool_shares){{vzero(), vzero(), vzero()}};
        }
    state->carried = carried;
    return !vany(strange);
}

FC_INLINE int pool_strips_scatter_body(const int rows, const int columns, const fc_pool_strips *at,
                                       const int64_t *index, const real *dy, int64_t from, int64_t to,
                                       pool_state *states, real *dx) {
    int fine = 1;
    for (int64_t i = pool_strip_count(columns, at) - 1; i >= 0; --i) {
        const pool_strip s = pool_strip_at(at, i * pool_strip_step(columns));
        fine &= pool_strip_scatter(rows, columns, at, &s, index, dy, from, to, &states[i], dx);
    }
    return fine;
}

static int FC_NAME(fc_pool_strips_scatter)(const fc_pool_strips *at, const int64_t *index, const void *dy, int64_t from,
                                           int64_t to, void *states, void *dx) {
#define CALL(ROWS, COLUMNS) pool_strips_scatter_body(ROWS, COLUMNS, at, index, dy, from, to, states, dx)
    return FC_POOL_STRIP_KERNEL(at, CALL);
#undef CALL
}

static void FC_NAME(fc_pool_stream)(void *to_, const void *from_, int64_t bytes) {
    real *to = to_;
    const real *from = from_;
    const int64_t count = bytes / (int64_t)sizeof(real), ahead = (int64_t)((uintptr_t)to % sizeof(vec) / sizeof(real));
    int64_t i = ahead ? VLANES - ahead : 0;
    if (i > count || (uintptr_t)to % sizeof(real)) i = count;
    memcpy(to, from, (size_t)i * sizeof(real));
    for (; i + VLANES <= count; i += VLANES) vstream(to + i, vload(from + i));
    memcpy(to + i, from + i, (size_t)(count - i) * sizeof(real));
}

static void FC_NAME(fc_pool_stream_end)(void) { vstream_end(); }
