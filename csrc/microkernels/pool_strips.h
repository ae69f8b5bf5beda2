/* pool_strips.h: max pools of 2 or 3 rows and columns with stride 2 and any border over unit-step rows, with and without
 * indices; backward in pool_strips_backward.h.
 *
 * A strip is one vector of neighbouring windows; it runs down the plane with everything in registers. The maximum is
 * separable, and so is its place: the first maximum in reading order is the first one along the width in the first row that
 * holds it. Every input row is therefore reduced along the width once, into the maxima of its windows and the lanes where
 * the second or third column wins, and serves the windows above and below it.
 *
 * Even and odd columns are separated by vsplit_even and vsplit_odd, and windows stay in the order of lanes that these leave
 * until they are stored; columns outside the plane are -infinity. NaN, and windows whose
 * maximum is -infinity, which a border equals, are noticed and left to the general kernels.
 *
 * Wins over a search per window everywhere: a scalar search costs about nine comparisons a window, this about four vector
 * instructions. */

typedef struct pool_strip {
    int64_t first;     /* window of lane 0 */
    int64_t column;    /* its first column, perhaps before the plane */
    int count;         /* lanes that are outputs, perhaps none */
    int whole;         /* all 2*VLANES columns from there lie in the plane */
    int next;          /* column + 2*VLANES does too */
    int alone;         /* and no further strip looks at it */
    int spill;         /* and none is made for it: it ends the plane */
    vspan left, right; /* the columns that lie in the plane, of the first and the second vector */
    vspan outputs;     /* the lanes that are outputs */
    vmask valid;
} pool_strip;

/* One row of the input under a strip: the maxima of its windows, and where their second and third column hold them. */
typedef struct pool_line {
    vec best;
    vmask second, third;
} pool_line;

/* The lanes from <= i < to. */
FC_INLINE vmask pool_lanes(int64_t from, int64_t to) {
    if (from <= 0 && to >= VLANES) return veq(vzero(), vzero());
    const vec lanes = vload_span((const real[VLANES]){[0 ... VLANES - 1] = 1}, vspan_of(from, to), vzero());
    return vgt(vsplit(lanes), vzero());
}

FC_INLINE pool_strip pool_strip_at(const fc_pool_strips *at, int64_t first) {
    const int64_t column = 2 * first - at->pad[1], columns = at->in[1] - column, outputs = at->out[1] - first;
    pool_strip s = {.first = first, .column = column};
    s.count = outputs > VLANES ? VLANES : outputs < 0 ? 0 : (int)outputs;
    s.whole = column >= 0 && columns >= 2 * VLANES;
    s.next = columns > 2 * VLANES;
    s.alone = s.next && outputs <= VLANES;
    s.spill = columns == 2 * VLANES + 1 && outputs <= VLANES;
    if (!s.whole) {
        s.left = vspan_of(-column, columns);
        s.right = vspan_of(-column - VLANES, columns - VLANES);
    }
    if (s.count < VLANES) s.outputs = vspan_of(0, outputs);
    s.valid = pool_lanes(0, outputs);
    return s;
}

FC_INLINE pool_line pool_no_line(void) {
    const vmask never = vgt(vzero(), vzero());
    return (pool_line){vbroadcast(-(real)INFINITY), never, never};
}

/* p points at the row's column s->column. */
FC_INLINE pool_line pool_strip_line_at(const int columns, const int whole, const pool_strip *s, const real *p,
                                       int64_t ahead, vmask *unsure) {
    const vec none = vbroadcast(-(real)INFINITY);
    vprefetch(p + ahead);
    const vec low = whole ? vload(p) : vload_span(p, s->left, none);
    const vec high = whole ? vload(p + VLANES) : vload_span(p + VLANES, s->right, none);
    const vec left = vsplit_even(low, high), right = vsplit_odd(low, high);
    *unsure = vor(*unsure, vunordered(left, right));
    pool_line line = {vmax(right, left), vgt(right, left), vgt(none, none)};
    if (columns == 3) {
        vec last = none;
        if (s->next) {
            last = vbroadcast(p[2 * VLANES]);
            if (s->alone) *unsure = vor(*unsure, vnan(last));
        }
        const vec third = vsplit_after(left, last);
        line.third = vgt(third, line.best);
        line.best = vmax(third, line.best);
    }
    return line;
}

FC_INLINE pool_line pool_strip_line(const int columns, const fc_pool_strips *at, const pool_strip *s, const real *x,
                                    int64_t row, vmask *unsure) {
    if (row < 0 || row >= at->in[0]) return pool_no_line();
    const real *p = x + row * at->x_row + s->column;
    return s->whole ? pool_strip_line_at(columns, 1, s, p, at->x_ahead, unsure)
                    : pool_strip_line_at(columns, 0, s, p, at->x_ahead, unsure);
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
    for (int64_t strip = 0; strip < at->out[1]; strip += VLANES) {
        /* The last one repeats a few windows, so that it stores whole vectors. */
        const int64_t first = strip + VLANES > at->out[1] && at->out[1] > VLANES ? at->out[1] - VLANES : strip;
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
                vstore(to_y, vjoin(best));
            } else {
                vstore_span(to_y, vjoin(best), s.outputs);
            }
            if (indexed)
                vstore_whole(index + (h - from) * at->index_row + first, vadd(vjoin(place), twice),
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
