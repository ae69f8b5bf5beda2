/* pool_tiles.h: 2x2 windows with stride 2 along unit-step rows, forward and backward: one pass, nothing staged. */

FC_INLINE void pool_tile_load(const real *row, int n, vec *left, vec *right) {
    vec low, high = vzero();
    if (n == VLANES) {
        low = vload(row);
        high = vload(row + VLANES);
    } else if (2 * n > VLANES) {
        low = vload(row);
        high = vload_part(row + VLANES, 2 * n - VLANES);
    } else {
        low = vload_part(row, 2 * n);
    }
    *left = vsplit_even(low, high);
    *right = vsplit_odd(low, high);
}

FC_INLINE void pool_tile_store(real *row, int n, vec left, vec right) {
    const vec low = vjoin_low(left, right), high = vjoin_high(left, right);
    if (n == VLANES) {
        vstore(row, low);
        vstore(row + VLANES, high);
    } else if (2 * n > VLANES) {
        vstore(row, low);
        vstore_part(row + VLANES, high, 2 * n - VLANES);
    } else {
        vstore_part(row, low, 2 * n);
    }
}

/* Rows are combined first, as everywhere, so that sums have the same bits. */
FC_INLINE void pool_tile(const fc_pool_reduction reduction, const fc_pool_root root, const real *top,
                         const real *bottom, int n, real divisor, real p, real *y) {
    vec a, b, c, d;
    pool_tile_load(top, n, &a, &b);
    pool_tile_load(bottom, n, &c, &d);
    const vec left = pool_combine(reduction, pool_map(reduction, a, p), c, p);
    const vec right = pool_combine(reduction, pool_map(reduction, b, p), d, p);
    vec v = pool_is_max(reduction) ? pool_max(left, right) : vadd(left, right);
    if (reduction == FC_REDUCE_SUM) v = vdiv(v, vbroadcast(divisor));
    pool_store(y, vjoin(pool_root(root, v, p)), n);
}

/* Tails of rows of at least one vector repeat a few outputs of the vector before. */
#define FC_POOL_TILES(Q, N, COUNT, TILE)                                                                               \
    for (int64_t Q = 0; Q < (COUNT); Q += VLANES) {                                                                    \
        int N = VLANES;                                                                                                \
        if (Q + VLANES > (COUNT)) {                                                                                    \
            if ((COUNT) >= VLANES) {                                                                                   \
                Q = (COUNT)-VLANES;                                                                                    \
            } else {                                                                                                   \
                N = (int)((COUNT)-Q);                                                                                  \
            }                                                                                                          \
        }                                                                                                              \
        TILE;                                                                                                          \
    }

FC_INLINE void pool_tiles_body(const fc_pool_reduction reduction, const fc_pool_rule *rule, const real *x,
                               int64_t x_row, real divisor, real *y, int64_t y_row, int64_t rows, int64_t count) {
    const real p = (real)rule->p;
    for (int64_t r = 0; r < rows; ++r, x += 2 * x_row, y += y_row)
        FC_POOL_TILES(q, n, count, pool_tile(reduction, rule->root, x + 2 * q, x + x_row + 2 * q, n, divisor, p, y + q))
}

static void FC_NAME(fc_pool_tiles)(const fc_pool_rule *rule, const void *x, int64_t x_row, double divisor, void *y,
                                   int64_t y_row, int64_t rows, int64_t count){
#define CALL(REDUCTION) pool_tiles_body(REDUCTION, rule, x, x_row, (real)divisor, y, y_row, rows, count)
    FC_POOL_SELECT(rule->reduction, CALL)
#undef CALL
}

FC_INLINE
    void pool_tile_max_backward(const real *top, const real *bottom, int n, vec dy, real *dx_top, real *dx_bottom) {
    vec a, b, c, d;
    pool_tile_load(top, n, &a, &b);
    pool_tile_load(bottom, n, &c, &d);
    const vmask right_above = pool_beats(b, a), right_below = pool_beats(d, c);
    const vmask below = pool_beats(vselect(right_below, d, c), vselect(right_above, b, a));
    const vec above_dy = vselect(below, vzero(), dy), below_dy = vselect(below, dy, vzero());
    pool_tile_store(dx_top, n, vselect(right_above, vzero(), above_dy), vselect(right_above, above_dy, vzero()));
    pool_tile_store(dx_bottom, n, vselect(right_below, vzero(), below_dy), vselect(right_below, below_dy, vzero()));
}

static void FC_NAME(fc_pool_tiles_backward)(const fc_pool_rule *rule, const void *x_, int64_t x_row, const void *dy_,
                                            int64_t dy_row, double divisor, void *dx_, int64_t dx_row, int64_t rows,
                                            int64_t count, int64_t width) {
    const real *x = x_, *dy = dy_;
    real *dx = dx_;
    for (int64_t r = 0; r < rows; ++r, x += 2 * x_row, dy += dy_row, dx += 2 * dx_row) {
        if (rule->reduction == FC_REDUCE_MAX) {
            FC_POOL_TILES(q, n, count,
                          pool_tile_max_backward(x + 2 * q, x + x_row + 2 * q, n, vsplit(pool_load(dy + q, n)),
                                                 dx + 2 * q, dx + dx_row + 2 * q))
        } else {
            FC_POOL_TILES(q, n, count, {
                const vec share = vsplit(vdiv(pool_load(dy + q, n), vbroadcast((real)divisor)));
                pool_tile_store(dx + 2 * q, n, share, share);
                pool_tile_store(dx + dx_row + 2 * q, n, share, share);
            })
        }
        for (int64_t i = 2 * count; i < width; ++i) dx[i] = dx[dx_row + i] = 0;
    }
}
