/* pool_sliding.h: max pools of 2x2, 3x3 and 5x5 with stride 1 and any border over unit-step rows, without indices.
 *
 * A strip is one vector of neighbouring windows; it runs down the plane with everything in registers. Every input row is
 * reduced along the width once, from loads one column apart, and two rows of windows share the maximum of the rows that
 * both cover. Maxima are joined in reading order, where ties of zeros go to the first: the bits do not depend on where a
 * strip or a block begins.
 *
 * A vector maximum may lose a NaN, so a block that holds one is noticed and made again with the careful maximum, which
 * costs three instructions.
 *
 * Wins over rows combined in a buffer: that is stored and at once loaded at odd addresses, which waits for the stores. */

typedef struct pool_slide {
    int64_t column;                   /* the first under lane 0's window, perhaps before the plane */
    int count;                        /* lanes that are outputs */
    vspan span[FC_POOL_SLIDING_MOST]; /* lanes of each tap that lie in the plane */
} pool_slide;

/* Says whether the strip is a whole vector of windows with all their columns in the plane. */
FC_INLINE int pool_slide_at(const int taps, const fc_pool_sliding *at, int64_t first, pool_slide *s) {
    const int64_t column = first - at->pad[1], columns = at->in[1] - column;
    s->column = column;
    s->count = (int)(at->out[1] < VLANES ? at->out[1] : VLANES);
    if (s->count == VLANES && column >= 0 && columns >= VLANES + taps - 1) return 1;
    for (int t = 0; t < taps; ++t) s->span[t] = vspan_of(-column - t, columns - t);
    return 0;
}

FC_INLINE vec pool_slide_tap(const int inside, const pool_slide *s, const real *row, int t) {
    const real *p = row + s->column + t;
    return inside ? vload(p) : vload_span(p, s->span[t], vbroadcast(-(real)INFINITY));
}

/* The larger operand, a if they are equal; a NaN only if asked to be careful. */
FC_INLINE vec pool_slide_max(const int careful, vec a, vec b) { return careful ? pool_max(a, b) : vmax(b, a); }

/* The maxima along one row of the input, -infinity outside the plane. */
FC_INLINE vec pool_slide_row(const int taps, const int careful, const int inside, const fc_pool_sliding *at,
                             const pool_slide *s, const real *x, int64_t row, vmask *unsure) {
    if (row < 0 || row >= at->in[0]) return vbroadcast(-(real)INFINITY);
    const real *p = x + row * at->x_row;
    vprefetch(p + s->column + at->x_ahead);
    const vec first = pool_slide_tap(inside, s, p, 0);
    vec last = first, best = first;
#pragma GCC unroll 5
    for (int t = 1; t < taps; ++t) {
        last = pool_slide_tap(inside, s, p, t);
        best = pool_slide_max(careful, best, last);
        if (!careful && taps > VLANES + 1) *unsure = vor(*unsure, vnan(last));
    }
    if (!careful) *unsure = vor(*unsure, vunordered(first, last));
    return best;
}

/* What a narrow row's vector holds beyond it may spill into the next row of a dense block, which is stored later. */
FC_INLINE void pool_slide_store(const int inside, const fc_pool_sliding *at, const pool_slide *s, int64_t rows_left,
                                real *y, vec v) {
    if (inside || s->count == VLANES || (at->y_row == at->out[1] && rows_left * at->y_row >= VLANES)) {
        vstore(y, v);
    } else {
        vstore_part(y, v, s->count);
    }
}

FC_INLINE void pool_slide_down(const int taps, const int careful, const int inside, const fc_pool_sliding *at,
                               const pool_slide *s, const real *x, int64_t from, int64_t to, real *y, vmask *unsure) {
    vec above[FC_POOL_SLIDING_MOST - 1];
    int64_t row = from - at->pad[0];
#pragma GCC unroll 4
    for (int i = 0; i < taps - 1; ++i) above[i] = pool_slide_row(taps, careful, inside, at, s, x, row + i, unsure);
    row += taps - 1;
    for (int64_t h = from; h < to; h += 2, row += 2, y += 2 * at->y_row) {
        const vec next = pool_slide_row(taps, careful, inside, at, s, x, row, unsure);
        vec shared = taps > 2 ? above[1] : next;
#pragma GCC unroll 4
        for (int i = 2; i < taps - 1; ++i) shared = pool_slide_max(careful, shared, above[i]);
        if (taps > 2) shared = pool_slide_max(careful, shared, next);
        pool_slide_store(inside, at, s, to - h, y, pool_slide_max(careful, above[0], shared));
        if (h + 1 == to) break;
        const vec last = pool_slide_row(taps, careful, inside, at, s, x, row + 1, unsure);
        pool_slide_store(inside, at, s, to - h - 1, y + at->y_row, pool_slide_max(careful, shared, last));
#pragma GCC unroll 4
        for (int i = 0; i < taps - 3; ++i) above[i] = above[i + 2];
        if (taps > 2) above[taps - 3] = next;
        above[taps - 2] = last;
    }
}

/* Says whether there was no NaN. */
FC_INLINE int pool_sliding_body(const int taps, const int careful, const fc_pool_sliding *at, const real *x,
                                int64_t planes, int64_t from, int64_t to, real *y) {
    vmask unsure = vgt(vzero(), vzero());
    for (int64_t strip = 0; strip < at->out[1]; strip += VLANES) {
        /* The last one repeats a few windows, so that it stores whole vectors. */
        const int64_t first = strip + VLANES > at->out[1] && at->out[1] > VLANES ? at->out[1] - VLANES : strip;
        pool_slide s;
        const int inside = pool_slide_at(taps, at, first, &s);
        for (int64_t i = 0; i < planes; ++i) {
            const real *plane = x + i * at->x_plane;
            real *to_y = y + i * at->y_plane + first;
            if (inside) {
                pool_slide_down(taps, careful, 1, at, &s, plane, from, to, to_y, &unsure);
            } else {
                pool_slide_down(taps, careful, 0, at, &s, plane, from, to, to_y, &unsure);
            }
        }
    }
    return !vany(unsure);
}

static void FC_NAME(fc_pool_sliding)(const fc_pool_sliding *at, const void *x, int64_t planes, int64_t from, int64_t to,
                                     void *y) {
#define CASE(TAPS)                                                                                                     \
    case TAPS:                                                                                                         \
        if (!pool_sliding_body(TAPS, 0, at, x, planes, from, to, y))                                                   \
            pool_sliding_body(TAPS, 1, at, x, planes, from, to, y);                                                    \
        break;
    switch (at->taps) {
        CASE(2)
        CASE(3)
        CASE(5)
    }
#undef CASE
}
